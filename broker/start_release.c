/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "act/brake.h"
#include "act/wire.h"
#include "base/file.h"
#include "start.h"

static void say(const char *sentence)
{
	printf("%s\n", sentence);
}

/* A folder without a state file: no broker has ever stopped anything. */
static bool has_state(const char *directory)
{
	char path[PATH_MAX];

	return snprintf(path, sizeof(path), "%s/state", directory) >= (int)sizeof(path) ||
	       access(path, F_OK) == 0 || errno != ENOENT;
}

static int release_from(struct state *state, const char *root)
{
	_cleanup_close_ int root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct brake_past past;
	int limit;

	if (root_fd < 0) {
		fprintf(stderr, "failsoftd: --root=%s: %s\n", root, strerror(errno));
		return 1;
	}
	past = brake_past(root_fd, state_ledger(state), say);
	limit = wire_past(root_fd, state_ledger(state), say);
	if (!past.continued && !past.thawed && !past.failed && !limit)
		say("nothing was left stopped");
	return past.failed || limit < 0 ? 1 : 0;
}

int start_release(const struct broker_options *o)
{
	struct state state;
	int r;

	if (!has_state(o->state_directory)) {
		say("nothing was left stopped");
		return 0;
	}
	r = state_open(&state, o->state_directory, 1);
	if (r == -EBUSY)
		fputs("failsoftd: --release is for when no broker runs: a running one lets go "
		      "itself of "
		      "what it has stopped\n",
		      stderr);
	if (r < 0)
		return 1;
	r = release_from(&state, o->root ? o->root : "/");
	state_close(&state);
	return r;
}
