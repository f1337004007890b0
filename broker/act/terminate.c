/* SPDX-License-Identifier: MIT */
#include "act/terminate.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "sense/parse_process.h"

int terminate_init(struct terminate *t, int root_fd)
{
	memset(t, 0, sizeof(*t));
	t->root_fd = root_fd;
	t->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	return t->poll_fd < 0 ? -errno : 0;
}

/*
 * The worker may hold a copy of it, with which a closed one stays in the set and readable for good: the
 * loop then turned at real-time priority and kept the worker, and everybody, from running for 1.5 s.
 */
static void drop(struct terminate *t, struct terminate_target *target)
{
	(void)epoll_ctl(t->poll_fd, EPOLL_CTL_DEL, target->fd, NULL); /* fails for one not in it */
	target->fd = file_close(target->fd);
	target->pid = 0;
}

void terminate_fini(struct terminate *t)
{
	for (unsigned i = 0; i < TERMINATE_MAX; i++)
		if (t->target[i].pid)
			drop(t, &t->target[i]);
	t->poll_fd = file_close(t->poll_fd);
}

static struct terminate_target *find(struct terminate *t, uint32_t domain, int32_t pid)
{
	for (unsigned i = 0; i < TERMINATE_MAX; i++)
		if (t->target[i].pid == pid && (!pid || t->target[i].domain == domain))
			return &t->target[i];
	return NULL;
}

/* Read after pidfd_open: if the start time still matches, the pidfd is the process we mean. */
static bool is_same_process(struct terminate *t, int32_t pid, uint64_t start_ticks)
{
	char path[40], stat[1024];
	uint64_t now = 0;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "proc/%d/stat", (int)pid); /* 21 bytes at most */
	n = file_read_at(t->root_fd, path, stat, sizeof(stat));
	return n > 0 && !parse_process_start(stat, (size_t)n, &now) && now == start_ticks;
}

static bool has_ended(const struct terminate_target *target)
{
	struct pollfd p = { .fd = target->fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

static void hold(struct terminate *t, uint32_t domain, int32_t pid, uint64_t start_ticks)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct terminate_target *room = find(t, domain, 0), target = { .pid = pid, .domain = domain };

	if (!room || find(t, domain, pid))
		return;
	target.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (target.fd < 0)
		return;
	if (has_ended(&target) || !is_same_process(t, pid, start_ticks) ||
	    epoll_ctl(t->poll_fd, EPOLL_CTL_ADD, target.fd, &event) < 0) {
		(void)file_close(target.fd);
		return;
	}
	*room = target;
}

uint32_t terminate_hold(struct terminate *t, uint32_t domain, const struct victim *v)
{
	uint32_t held = 0;

	for (unsigned i = 0; i < TERMINATE_MAX; i++)
		if (t->target[i].pid && t->target[i].domain == domain && !victim_has(v, t->target[i].pid))
			drop(t, &t->target[i]);
	for (uint32_t i = 0; i < v->pids_count; i++)
		hold(t, domain, v->pids[i], v->start_ticks[i]);
	for (unsigned i = 0; i < TERMINATE_MAX; i++)
		held += t->target[i].pid && t->target[i].domain == domain;
	return held;
}

bool terminate_pass_by(struct terminate *t, uint32_t domain, int32_t pid, uint64_t start_ticks)
{
	_cleanup_close_ int fd = -1;

	if (find(t, domain, pid))
		return false;
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	return fd >= 0 && is_same_process(t, pid, start_ticks) &&
	       syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) == 0;
}

uint32_t terminate_signal(struct terminate *t, uint32_t domain, int signal)
{
	uint32_t sent = 0;

	for (unsigned i = 0; i < TERMINATE_MAX; i++) {
		const struct terminate_target *target = &t->target[i];

		if (!target->pid || target->domain != domain || has_ended(target))
			continue;
		sent += syscall(SYS_pidfd_send_signal, target->fd, signal, NULL, 0) == 0;
	}
	return sent;
}

/*
 * A killed process needs the CPU to give its memory back. Under a real-time broker that waits in
 * reclaim for a page it does not get it, and the machine stood still for 1.5 s: so it gets more
 * than we have, now that it runs only to end. Its pid cannot be another's: it is not reaped yet, or
 * was a moment ago.
 */
void terminate_hurry(int32_t pid)
{
	struct sched_param p;
	int policy = sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;

	if (policy != SCHED_FIFO || sched_getparam(0, &p) < 0)
		return;
	p.sched_priority = MIN_OF(p.sched_priority + 1, sched_get_priority_max(SCHED_FIFO));
	(void)sched_setscheduler(pid, SCHED_FIFO, &p); /* gone already: all the better */
}

void terminate_reap(struct terminate *t, uint32_t domain, struct worker *w)
{
	for (uint32_t i = 0; i < TERMINATE_MAX; i++) {
		if (!t->target[i].pid || t->target[i].domain != domain)
			continue;
		(void)worker_mrelease(w, t->target[i].fd, domain); /* no room: the kernel does the rest */
		terminate_hurry(t->target[i].pid);
	}
}

bool terminate_is_gone(struct terminate *t, uint32_t domain)
{
	bool any = false;

	for (unsigned i = 0; i < TERMINATE_MAX; i++) {
		struct terminate_target *target = &t->target[i];

		if (!target->pid || target->domain != domain)
			continue;
		if (has_ended(target))
			drop(t, target);
		else
			any = true;
	}
	return !any;
}

void terminate_release(struct terminate *t, uint32_t domain)
{
	for (unsigned i = 0; i < TERMINATE_MAX; i++)
		if (t->target[i].pid && t->target[i].domain == domain)
			drop(t, &t->target[i]);
}
