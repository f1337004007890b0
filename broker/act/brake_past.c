/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "act/brake.h"
#include "base/file.h"
#include "sense/parse_process.h"

static void say(void (*tell)(const char *sentence), const char *sentence)
{
	if (tell)
		tell(sentence);
}

/* Read after pidfd_open, as everywhere. 1: it is the one; 0: it has ended; or a negative errno. */
static int is_same_process(int root_fd, const struct ledger_stop *stop)
{
	char path[40], stat[1024];
	uint64_t now = 0;
	ssize_t n;
	int r;

	(void)snprintf(path, sizeof(path), "proc/%d/stat", (int)stop->pid); /* 21 bytes at most */
	n = file_read_at(root_fd, path, stat, sizeof(stat));
	if (n < 0)
		return n == -ENOENT || n == -ESRCH ? 0 : (int)n;
	r = parse_process_start(stat, (size_t)n, &now);
	return r < 0 ? r : now == stop->start_ticks;
}

int brake_let_go_on(int root_fd, const struct ledger_stop *stop)
{
	_cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, stop->pid, 0);
	int r;

	if (fd < 0)
		return errno == ESRCH ? 0 : -errno;
	r = is_same_process(root_fd, stop);
	if (r <= 0)
		return r;
	if (syscall(SYS_pidfd_send_signal, fd, SIGCONT, NULL, 0) < 0)
		return errno == ESRCH ? 0 : -errno;
	return 1;
}

/* 1: thawed; 0: it is gone; or a negative errno. */
static int thaw(const struct freezer_trees *trees, const struct ledger_freeze *place)
{
	struct freezer f;
	const char *word;
	int r = freezer_open(&f, trees, place);

	if (r < 0)
		return r == -ENOENT || r == -ESTALE || r == -ENODEV ? 0 : r;
	word = freezer_word(&f, false);
	r = pwrite(f.switch_fd, word, strlen(word), 0) < 0 ? -errno : 1;
	freezer_close(&f);
	return r == -ENODEV ? 0 : r;
}

static void thaw_all(int root_fd, struct ledger *l, void (*tell)(const char *),
		     struct brake_past *p)
{
	struct freezer_trees trees;
	char sentence[LEDGER_PATH_MAX + 128];

	freezer_trees_open(&trees, root_fd);
	for (uint32_t i = 0; i < LEDGER_FREEZES_MAX; i++) {
		const struct ledger_freeze *place = ledger_freeze_get(l, i);
		int r = place ? thaw(&trees, place) : 0;

		if (!place)
			continue;
		(void)snprintf(sentence, sizeof(sentence), "cgroup %s: %s", place->path,
			       r > 0   ? "thawed, the previous broker left it frozen"
			       : r < 0 ? strerror(-r)
				       : "is gone"); /* there is room */
		say(tell, sentence);
		p->thawed += r > 0;
		p->failed += r < 0;
		if (r >= 0)
			ledger_freeze_clear(l, i);
	}
	freezer_trees_close(&trees);
}

static void continue_all(int root_fd, struct ledger *l, void (*tell)(const char *),
			 struct brake_past *p)
{
	char sentence[128];

	for (uint32_t i = LEDGER_STOPS_MAX; i-- > 0;) {
		const struct ledger_stop *stop = ledger_stop_get(l, i);
		int r = stop ? brake_let_go_on(root_fd, stop) : 0;

		if (!stop)
			continue;
		(void)snprintf(sentence, sizeof(sentence), "pid %d: %s", (int)stop->pid,
			       r > 0   ? "goes on, the previous broker left it stopped"
			       : r < 0 ? strerror(-r)
				       : "has ended"); /* there is room */
		say(tell, sentence);
		p->continued += r > 0;
		p->failed += r < 0;
		if (r >= 0)
			ledger_stop_clear(l, i);
	}
}

struct brake_past brake_past(int root_fd, struct ledger *ledger, void (*tell)(const char *sentence))
{
	struct brake_past past = { 0 };

	thaw_all(root_fd, ledger, tell, &past);
	continue_all(root_fd, ledger, tell, &past);
	return past;
}
