/* SPDX-License-Identifier: MIT */
/*
 * Bystander: who lives in a victim's cgroup and is not of the victim: may it be frozen, or ended,
 * with the rest of it? Only one that was forked since the victim was chosen, which the survey that
 * it was chosen from must show. Pure. Times as clock_now_us().
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ask/session.h"
#include "sense/process.h"

/* Domain 0 is the whole machine. */
struct bystander_survey {
	uint32_t domain;		/* whose processes were looked at */
	uint64_t taken_us;		/* 0: it failed, or not all of them were seen */
};

struct bystander_view {
	struct bystander_survey survey;	/* the newest */
	const struct process *processes; /* what it saw */
	uint32_t count;
	struct session_table *clients;
	const int32_t *protect_pids;	/* nobody may end them; 0: nobody */
	uint32_t protect_count;
	uint32_t domain;		/* the victim's */
	uint64_t now_us;
};

bool bystander_may_stand_still(const struct bystander_view *v, int32_t pid);
