/* SPDX-License-Identifier: MIT */
#include "domains.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "resort.h"
#include "respond.h"
#include "warning.h"

/* A cgroup of the configuration that is not there is looked for so often; systemd makes a new one 100 ms
 * after a service has ended. Half: two more files are opened every second; double: a service that was
 * started anew is watched so much later. */
#define AGAIN_US	US_PER_S

void domains_take(struct broker *b)
{
	uint64_t now_us = clock_now_us();

	warning_clear(b, WARNING_DOMAINS);
	b->domains_due_us = NEVER_US;
	for (uint32_t i = 0; i < b->config.domains.count; i++) {
		const char *name = b->config.domains.text[i];
		bool is_new = core_domain_find(&b->core, name) == CORE_DOMAINS_MAX;
		uint32_t d = core_domain_add(&b->core, name, true, now_us);
		int r;

		resort_domain(b, d);
		r = d == CORE_DOMAINS_MAX ? -ENOSPC : is_new ? sense_domain_add(b->sense, d, name) : 0;

		if (r >= 0)
			continue;
		warning_add(b, WARNING_DOMAINS, "domain %s of the configuration is not watched: %s",
			    name, strerror(-r));
		b->domains_due_us = time_add_us(now_us, AGAIN_US);
		if (d != CORE_DOMAINS_MAX)
			core_domain_remove(&b->core, d, now_us);
	}
}

static bool is_named(const struct config *c, const char *name)
{
	for (uint32_t i = 0; i < c->domains.count; i++)
		if (!strcmp(c->domains.text[i], name))
			return true;
	return false;
}

static void drop(struct broker *b, uint32_t domain, uint64_t now_us)
{
	respond_let_go(b, domain);
	terminate_release(&b->terminate, domain);
	sense_domain_remove(b->sense, domain);
	b->order[domain].taken_us = 0;
	core_domain_remove(&b->core, domain, now_us);
	broker_drain(b);
}

void domains_lose(struct broker *b, uint32_t domain, uint64_t now_us)
{
	const char *name = b->core.domain[domain].name;

	if (is_named(&b->config, name)) {
		warning_add(b, WARNING_DOMAINS, "domain %s of the configuration is not watched: its cgroup "
			    "is gone; a new one of that name will be", name);
		b->domains_due_us = time_add_us(now_us, AGAIN_US);
	}
	drop(b, domain, now_us);
}

static void drop_stale(struct broker *b, uint64_t now_us)
{
	uint32_t needed = 0;

	b->domains_stale = false;
	for (struct session *s = session_next(&b->core.sessions, NULL); s;
	     s = session_next(&b->core.sessions, s))
		needed |= s->offer.domains;
	for (uint32_t d = 1; d < CORE_DOMAINS_MAX; d++) {
		const struct core_domain *domain = &b->core.domain[d];

		if (!domain->used || domain->is_configured || (needed & (1u << d)))
			continue;
		if (domain->stage.now == STAGE_NORMAL)
			drop(b, d, now_us);
		else
			b->domains_stale = true;
	}
}

static bool has_room(const struct core *c)
{
	for (uint32_t d = 0; d < CORE_DOMAINS_MAX; d++)
		if (!c->domain[d].used)
			return true;
	return false;
}

/* There again, or a client that lives in it was faster. */
static bool is_to_be_taken(const struct broker *b, const char *name)
{
	uint32_t d = core_domain_find(&b->core, name);

	if (d < CORE_DOMAINS_MAX)
		return !b->core.domain[d].is_configured;
	return has_room(&b->core) && sense_domain_exists(b->sense, name);
}

/* In quiet times: a crisis needs its files and its kernel memory for others. */
static void look_for_lost(struct broker *b, uint64_t now_us)
{
	bool is_there = false;

	if (now_us < b->domains_due_us || core_stage(&b->core) != STAGE_NORMAL)
		return;
	b->domains_due_us = time_add_us(now_us, AGAIN_US);
	for (uint32_t i = 0; i < b->config.domains.count && !is_there; i++)
		is_there = is_to_be_taken(b, b->config.domains.text[i]);
	if (is_there)
		domains_take(b);
}

void domains_step(struct broker *b, uint64_t now_us)
{
	if (b->domains_stale)
		drop_stale(b, now_us);
	look_for_lost(b, now_us);
}
