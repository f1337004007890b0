/* SPDX-License-Identifier: MIT */
#include "config_policy.h"

/* The broker's own latency before it has been measured. Source: the worst on a loaded machine. */
#define LATENCY_AT_START_US	(20 * US_PER_MS)

struct core_policy config_policy(const struct config *c)
{
	struct core_policy p = {
		.estimate = { (uint32_t)c->swap_weight_permyriad, c->plausible_bytes_per_s,
			      { (uint32_t)c->stall_permyriad, c->stall_window_us } },
		.stage = { .confirm_us = c->confirm_us, .hold_us = c->hold_us,
			   .warning_permyriad = (uint32_t)c->warning_permyriad },
		.session = {
			.max_clients = (uint32_t)c->max_clients,
			.max_per_uid = (uint32_t)c->max_per_uid,
			.max_budget_us = c->max_budget_us,
		},
		.plan = { .terminate_us = c->term_us + c->settle_us, .latency_us = LATENCY_AT_START_US },
		.escalate = { c->act, c->dry_run, c->term_us, c->kill_us, c->settle_us,
			      c->procedures_enabled },
		.last = { c->last_after_us, c->sync_us, (uint32_t)c->reboots_most, c->reboots_within_us },
		.shield = c->shield,
		.brake = c->brake,
		.idle_interval_us = c->idle_interval_us,
		.near_interval_us = c->near_interval_us,
	};

	for (int i = 0; i < STAGE_COUNT; i++) {
		p.stage.floor_permyriad[i] = (uint32_t)c->floor_permyriad[i];
		p.stage.floor_max_bytes[i] = c->floor_max_bytes[i];
	}
	for (int i = 0; i < STEP_COUNT; i++)
		p.session.default_budget_us[i] = c->default_budget_us[i];
	return p;
}
