/* SPDX-License-Identifier: MIT */
/*
 * failsoft-barebone: barebone operation. A named set keeps running, the rest is stopped (or told to
 * end). A procedure, see failsoftctl(1): failsoft-barebone pump-control watchdogd
 *
 * Never touched: kernel threads, process 1, failsoft itself and who started it, what the system cannot
 * do without (see always[]), and what failsoft.json protects: failsoftd gives its list as --protect, and
 * with the call the clients that may not be ended. "failsoft-barebone --continue" lets everybody go on.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <failsoft/responder.h>

#include "sense/parse_process.h"
#include "sense/pick.h"

#define ANCESTORS_MAX	16u
#define REACHED_MAX	8192u
#define TEXTS_MAX	64u		/* of each list; failsoft.json has 32 */
#define PF_KTHREAD	0x00200000u	/* include/linux/sched.h; field 9 of /proc/PID/stat */

/* Without them nobody could look after the machine; as failsoft.json's `protect`. */
static const char *const always[] = {
	"init", "systemd", "systemd-*", "(sd-pam)", "dbus-daemon", "dbus-broker*", "sshd", "watchdog*",
	"failsoft*",
};

struct process {
	int pid, parent;
	char name[32], state;
	unsigned long flags;
};

static void print_usage(FILE *out)
{
	fputs("usage: failsoft-barebone [--term|--end] [--protect=TEXT] NAME...\n"
	      "       failsoft-barebone --continue\n"
	      "       failsoft-barebone --help\n"
	      "  NAME    what keeps running, as in /proc/PID/comm; * and ? stand for any text, any byte\n"
	      "  --protect=TEXT  the same, as failsoft.json's protect: a name, a path, unit:, cgroup:, uid:\n"
	      "          (a NAME or a TEXT may be several, a line each)\n"
	      "  --term  SIGTERM to the rest instead of SIGSTOP\n"
	      "  --end   SIGTERM, and 0.5 s later SIGKILL to what is still there\n", out);
}

static int usage(void)
{
	print_usage(stderr);
	return 2;
}

/* Asked for: 0, unless nobody could be told. */
static int help(void)
{
	print_usage(stdout);
	return fflush(stdout) ? 1 : 0;
}

/* "17 (a name) S 1 17 ... flags" */
static bool read_process(const char *pid, struct process *ret)
{
	char path[64], text[512], *open_at, *close_at;
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%.12s/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		n = read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return false;
	text[n] = 0;
	open_at = strchr(text, '(');
	close_at = strrchr(text, ')');
	if (!open_at || !close_at)
		return false;
	*close_at = 0;
	snprintf(ret->name, sizeof(ret->name), "%.31s", open_at + 1);
	ret->pid = atoi(text);
	return sscanf(close_at + 1, " %c %d %*d %*d %*d %*d %lu", &ret->state, &ret->parent,
		      &ret->flags) == 3;
}

/* Ourselves, failsoft-responder, failsoftd, and who started that. */
static unsigned find_ancestors(int *ret)
{
	struct process p = { .parent = getpid() };
	unsigned count = 0;
	char pid[16];

	while (count < ANCESTORS_MAX && p.parent > 0) {
		ret[count++] = p.parent;
		snprintf(pid, sizeof(pid), "%d", p.parent);
		if (!read_process(pid, &p))
			break;
	}
	return count;
}

static bool is_one_of(const char *name, const char *const *patterns, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (!fnmatch(patterns[i], name, 0))
			return true;
	return false;
}

struct texts {
	unsigned count;
	const char *text[TEXTS_MAX];
};

/* A line each; false: too many. */
static bool add_texts(struct texts *t, char *lines)
{
	for (char *line = strtok(lines, "\n"); line; line = strtok(NULL, "\n")) {
		if (t->count == TEXTS_MAX)
			return false;
		t->text[t->count++] = line;
	}
	return true;
}

/* ---- what failsoft.json protects ---- */

struct facts {
	char path[4096], cgroups[4096];
	struct parse_process_cgroups cgroup;
};

static ssize_t read_file(int pid, const char *name, char *ret, size_t size)
{
	char path[64];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		n = read(fd, ret, size - 1);
	if (fd >= 0)
		close(fd);
	ret[n > 0 ? n : 0] = 0;
	return n;
}

static uint32_t read_user(int pid)
{
	static char text[4096];
	const char *line;

	if (read_file(pid, "status", text, sizeof(text)) <= 0 || !(line = strstr(text, "\nUid:")))
		return UINT32_MAX;
	return (uint32_t)strtoul(line + strlen("\nUid:"), NULL, 10);
}

static bool is_protected(const struct texts *t, const struct process *p)
{
	static struct facts f; /* locked from the beginning */
	struct pick_facts facts = { .name = p->name, .path = f.path, .cgroup = "" };
	char path[64];
	ssize_t n;

	if (!t->count)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/exe", p->pid);
	n = readlink(path, f.path, sizeof(f.path) - 1);
	f.path[n > 0 ? n : 0] = 0;
	n = read_file(p->pid, "cgroup", f.cgroups, sizeof(f.cgroups));
	if (n > 0 && parse_process_cgroups(f.cgroups, (size_t)n, "memory", &f.cgroup) == 0)
		facts.cgroup = f.cgroup.v2[0] ? f.cgroup.v2 : f.cgroup.v1;
	facts.uid = read_user(p->pid);
	for (unsigned i = 0; i < t->count; i++)
		if (pick_match(t->text[i], &facts))
			return true;
	return false;
}

/* ---- the machine but for them ---- */

struct barebone {
	DIR *proc;
	struct texts keep, protect;
	struct failsoft_responder_run run;
	int ancestors[ANCESTORS_MAX];
	unsigned ancestors_count;
	int signal;
	unsigned reached;		/* of them, and their pids */
	int pids[REACHED_MAX];
};

static bool is_kept(const struct barebone *b, const struct process *p)
{
	for (unsigned i = 0; i < b->ancestors_count; i++)
		if (b->ancestors[i] == p->pid)
			return true;
	/* called for nobody, it is told who may not be ended */
	for (unsigned i = 0; !b->run.pid && i < b->run.pids_count; i++)
		if (b->run.pids[i] == p->pid)
			return true;
	return p->pid == 1 || (p->flags & PF_KTHREAD) || p->state == 'Z' ||
	       is_one_of(p->name, always, sizeof(always) / sizeof(always[0])) ||
	       is_one_of(p->name, b->keep.text, b->keep.count) || is_protected(&b->protect, p);
}

/* A signal that is on its way does not show in the state yet. */
static bool was_reached(const struct barebone *b, int pid)
{
	for (unsigned i = 0; i < b->reached && i < REACHED_MAX; i++)
		if (b->pids[i] == pid)
			return true;
	return false;
}

/* Is anybody of those that were reached still there? */
static bool are_there(const struct barebone *b)
{
	for (unsigned i = 0; i < b->reached && i < REACHED_MAX; i++)
		if (kill(b->pids[i], 0) == 0)
			return true;
	return false;
}

/* What is stopped need not be stopped again, but it may have to end. */
static bool is_meant(const struct barebone *b, const struct process *p)
{
	if (b->signal == SIGCONT)
		return p->state == 'T';
	return !(b->signal == SIGSTOP && p->state == 'T') && !is_kept(b, p);
}

static void pass(struct barebone *b)
{
	const struct dirent *entry;
	struct process p;

	rewinddir(b->proc);
	while ((entry = readdir(b->proc))) {
		if (!isdigit((unsigned char)entry->d_name[0]) || !read_process(entry->d_name, &p))
			continue;
		if (!is_meant(b, &p) || was_reached(b, p.pid) || kill(p.pid, b->signal) < 0)
			continue;
		if (b->reached < REACHED_MAX)
			b->pids[b->reached] = p.pid;
		b->reached++;
	}
}

/* A program that tidies up takes milliseconds. Half: slow ones are cut off; double: what does not mean
 * to end keeps its memory for half a second more. */
#define LEAVE_MS	500
#define LOOK_MS		20

/* Whoever is still there had its time, and may have started others. */
static void end(struct barebone *b)
{
	unsigned told = b->reached;

	for (unsigned waited = 0; waited < LEAVE_MS && are_there(b); waited += LOOK_MS)
		usleep(LOOK_MS * 1000);
	b->signal = SIGKILL;
	b->reached = 0;
	pass(b);
	pass(b); /* what was forked in between */
	b->reached = told > b->reached ? told : b->reached;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "term", no_argument, NULL, 't' }, { "end", no_argument, NULL, 'e' },
		{ "continue", no_argument, NULL, 'c' }, { "protect", required_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
	};
	static struct barebone b; /* locked from the beginning */
	bool is_end = false;
	int option, r;

	b.proc = opendir("/proc");
	b.signal = SIGSTOP;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'h')
			return help();
		if (option == '?' || (option == 'p' && !add_texts(&b.protect, optarg)))
			return usage();
		if (option == 'p')
			continue;
		b.signal = option == 'c' ? SIGCONT : SIGTERM;
		is_end |= option == 'e';
	}
	if (!b.proc || (b.signal == SIGCONT) != (optind == argc))
		return usage();
	while (optind < argc)
		if (!add_texts(&b.keep, argv[optind++]))
			return usage();
	if (b.signal == SIGCONT) {
		pass(&b);
		printf("%u processes go on\n", b.reached);
		return 0;
	}
	r = failsoft_responder_wait(&b.run);
	if (r)
		return r < 0;
	if (!b.run.pid && b.run.pids_count > FAILSOFT_RESPONDER_PIDS_MAX) {
		printf("%u clients may not be ended, more than can be told: nobody is\n", b.run.pids_count);
		return 1;
	}
	b.ancestors_count = find_ancestors(b.ancestors);
	pass(&b);
	if (b.signal == SIGSTOP)
		pass(&b); /* what was forked in between */
	if (is_end)
		end(&b);
	printf("%u processes %s\n", b.reached, b.signal == SIGSTOP ? "stopped" : "told to end");
	return 0;
}
