/* SPDX-License-Identifier: MIT */
/*
 * Brake scene: a state file, a worker, a brake and hogs for it. Include after cmocka.h.
 */
#pragma once

#include <dirent.h>
#include <stdlib.h>

#include "act/brake.h"
#include "base/file.h"
#include "base/units.h"
#include "hog.h"
#include "keep/state.h"

#define DOMAIN	3u

struct scene {
	char folder[64];
	struct state state;
	struct worker worker;
	struct brake brake;
	struct hogs hogs;
	int32_t may_freeze;		/* who may be frozen besides */
	int root_fd;
};

static struct scene scene_; /* large */

static inline bool may_freeze(void *userdata, uint32_t domain, int32_t pid)
{
	const struct scene *s = userdata;

	return domain == DOMAIN && s->may_freeze == pid;
}

/* As failsoftd does. */
static inline void start(struct scene *s)
{
	const struct brake_setup setup = {
		.root_fd = s->root_fd, .worker = &s->worker, .may_freeze = may_freeze, .userdata = s,
	};

	assert_int_equal(state_open(&s->state, s->folder, 2), 0);
	assert_int_equal(worker_start(&s->worker), 0);
	brake_init(&s->brake, &setup);
	s->brake.setup.ledger = state_ledger(&s->state);
}

static inline struct scene *scene_open(unsigned hogs)
{
	struct scene *s = &scene_;

	memset(s, 0, sizeof(*s));
	strcpy(s->folder, "/tmp/failsoft-brake-XXXXXX");
	assert_non_null(mkdtemp(s->folder));
	s->root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	hogs_start(&s->hogs, hogs);
	start(s);
	return s;
}

static inline void scene_close(struct scene *s)
{
	char command[128];

	hogs_end(&s->hogs);
	brake_fini(&s->brake);
	worker_stop(&s->worker);
	state_close(&s->state);
	close(s->root_fd);
	snprintf(command, sizeof(command), "rm -r '%s'", s->folder);
	assert_int_equal(system(command), 0);
}

static inline unsigned in_ledger(struct scene *s)
{
	const struct ledger *l = state_ledger(&s->state);
	unsigned count = 0;

	for (uint32_t i = 0; i < LEDGER_STOPS_MAX; i++)
		count += ledger_stop_get(l, i) != NULL;
	for (uint32_t i = 0; i < LEDGER_FREEZES_MAX; i++)
		count += 1000 * (ledger_freeze_get(l, i) != NULL);
	return count;
}

static inline void expect_still(struct scene *s, unsigned first, unsigned count)
{
	for (unsigned i = first; i < first + count; i++) {
		assert_true(hog_becomes(s->hogs.pid[i], 'T'));
		assert_true(hog_stands_still(&s->hogs, i));
	}
}

static inline void expect_running(struct scene *s, unsigned first, unsigned count)
{
	for (unsigned i = first; i < first + count; i++)
		assert_true(hog_runs(&s->hogs, i));
}

/* Takes the worker's results until the freeze is as it is wanted. */
static inline void settle(struct scene *s)
{
	struct worker_result result;

	while (s->brake.freeze[DOMAIN].is_busy) {
		assert_true(worker_wait(&s->worker, 5000));
		while (worker_result(&s->worker, &result))
			brake_done(&s->brake, &result);
	}
}

static inline unsigned open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(d);
	while (readdir(d))
		count++;
	closedir(d);
	return count;
}

/* ---- what a broker that was killed leaves ---- */

static unsigned told;

static inline void tell(const char *sentence)
{
	told++;
	print_message("# %s\n", sentence);
}

/* All but the ledger is gone. */
static inline void lose(struct scene *s)
{
	for (unsigned i = 0; i < BRAKE_MAX; i++) {
		struct brake_target *t = &s->brake.target[i];

		if (!t->pid)
			continue;
		close(t->fd);
		close(t->stat_fd);
	}
	freezer_close(&s->brake.freeze[DOMAIN].freezer);
	freezer_trees_close(&s->brake.trees);
	worker_stop(&s->worker);
	state_close(&s->state);
	start(s);
}
