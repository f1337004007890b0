/* SPDX-License-Identifier: MIT */
/* Births and ends of processes, as the kernel tells them: who grows, and which client a signal ended. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "outlook.h"

/* Process events come in bursts; in between they wait in the kernel's queue, which holds 2700. Half: a
 * storm of births overruns it in 1 s, double: it takes 40 wakeups a second. */
#define NEAR_WAKEUPS	20u
/* Far from the cliff only ends by a signal are told. Half: none at all; double: a machine whose scripts
 * kill a lot wakes us twice a second at rest. */
#define FAR_WAKEUPS	1u
/* So many in a turn: 0.6 ms of a slow CPU near the cliff; far from it all that wait, 6 ms at most. Half: a
 * storm overruns the queue; double: an order may be late by 1 ms. */
#define NEAR_AT_ONCE	256u
#define FAR_AT_ONCE	4096u

/* From a client's SIGKILL to the kernel's own line about it. Source: it is logged before the signal,
 * but read by another source; half: a slow log looks like somebody else's kill. */
#define KILL_TOLD_US	(500 * US_PER_MS)
/* Between a lifeline that hangs up and the end of the process: do_exit() closes the files some 0.1 ms
 * before it tells. Half: a machine that stands still looks like a client that went by itself. */
#define LEFT_US		(500 * US_PER_MS)
/* Losses are told no more often: a storm makes 20 a second. */
#define OVERRUN_US	(US_PER_S)

static void note_killed(struct broker *b, struct outlook_end *end, bool by_kernel)
{
	struct event e = {
		.kind = EVENT_CLIENT_KILLED, .client = end->client, .a = (uint64_t)end->pid,
		.b = end->signal, .c = by_kernel,
	};

	memcpy(e.name, end->name, sizeof(end->name));
	core_note(&b->core, &e, clock_now_us());
	end->pid = 0;
}

/* Half a second without a word of the kernel: it was somebody else. */
void outlook_settle_ends(struct broker *b, uint64_t now_us)
{
	for (uint32_t i = 0; i < OUTLOOK_ENDS; i++) {
		struct outlook_end *end = &b->outlook.ends[i];

		if (end->pid && end->signal && now_us >= end->until_us)
			note_killed(b, end, false);
	}
}

uint64_t outlook_ends_due_us(const struct broker *b)
{
	uint64_t due_us = NEVER_US;

	for (uint32_t i = 0; i < OUTLOOK_ENDS; i++)
		if (b->outlook.ends[i].pid && b->outlook.ends[i].signal)
			due_us = MIN_OF(due_us, b->outlook.ends[i].until_us);
	return due_us;
}

static struct outlook_end *find_end(struct outlook *o, int32_t pid)
{
	for (uint32_t i = 0; i < OUTLOOK_ENDS; i++)
		if (o->ends[i].pid == pid)
			return &o->ends[i];
	return NULL;
}

/* The oldest makes room. */
static struct outlook_end *add_end(struct broker *b, const struct session *s)
{
	struct outlook *o = &b->outlook;
	struct outlook_end *end = &o->ends[o->ends_next++ % OUTLOOK_ENDS];

	if (end->pid && end->signal)
		note_killed(b, end, false);
	*end = (struct outlook_end){ .client = s->id, .pid = s->offer.pid };
	memcpy(end->name, s->offer.name, sizeof(end->name));
	return end;
}

void outlook_client_left(struct broker *b, const struct session *s)
{
	struct outlook_end *end = find_end(&b->outlook, s->offer.pid);

	if (end && end->signal)
		return; /* its end was told first */
	if (!end)
		end = add_end(b, s);
	end->client = s->id; /* it may have come and gone before */
	end->left_us = clock_now_us();
}

static bool is_killed_by_kernel(const struct outlook *o, int32_t pid)
{
	for (uint32_t i = 0; i < OUTLOOK_ENDS; i++)
		if (o->kernel_killed[i] == pid)
			return true;
	return false;
}

static struct outlook_end *whose_end(struct broker *b, const struct parse_netlink_event *e)
{
	struct session_table *t = &b->core.sessions;
	struct outlook_end *end = find_end(&b->outlook, e->pid);

	if (end && !end->signal && e->time_us < end->left_us + LEFT_US)
		return end;
	for (struct session *s = session_next(t, NULL); s; s = session_next(t, s))
		if (s->offer.pid == e->pid)
			return add_end(b, s);
	return NULL;
}

/* A client that a signal ended: the kernel's log tells whether it was the kernel. */
static void client_ended(struct broker *b, const struct parse_netlink_event *e)
{
	uint32_t signal = e->exit_code & 127;
	struct outlook_end *end = signal ? whose_end(b, e) : NULL;

	if (!end)
		return;
	end->signal = signal;
	end->until_us = clock_now_us() + KILL_TOLD_US;
	if (is_killed_by_kernel(&b->outlook, e->pid))
		note_killed(b, end, true);
}

void outlook_kernel_oom(struct broker *b, int32_t pid)
{
	struct outlook *o = &b->outlook;
	struct outlook_end *end = pid > 0 ? find_end(o, pid) : NULL;

	o->kernel_killed[o->kernel_killed_next++ % OUTLOOK_ENDS] = pid;
	if (end && end->signal)
		note_killed(b, end, true);
}

static void take_event(struct broker *b, const struct parse_netlink_event *e)
{
	struct outlook *o = &b->outlook;

	switch (e->kind) {
	case PARSE_NETLINK_FORK:
		growth_fork(&o->growth, e->pid, e->parent, e->time_us);
		census_forget(o->census, e->pid);
		break;
	case PARSE_NETLINK_EXEC:
		census_forget(o->census, e->pid);
		break;
	case PARSE_NETLINK_EXIT:
		growth_exit(&o->growth, e->pid);
		census_forget(o->census, e->pid);
		client_ended(b, e);
		break;
	case PARSE_NETLINK_ACK:
		break;
	}
}

static void note_overrun(struct broker *b)
{
	struct event e = { .kind = EVENT_OVERRUN, .name = "proc-events",
			   .a = b->outlook.procwatch.overruns };
	uint64_t now_us = clock_now_us();

	if (now_us < b->outlook.overrun_us + OVERRUN_US && b->outlook.overrun_us)
		return;
	b->outlook.overrun_us = now_us;
	/* the census sees in its next round who is there */
	core_note(&b->core, &e, now_us);
}

static int on_process(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct broker *b = userdata;
	uint32_t most = b->outlook.focus == CORE_DOMAINS_MAX ? FAR_AT_ONCE : NEAR_AT_ONCE;
	struct parse_netlink_event e;
	int r = 0;

	(void)fd;
	for (uint32_t i = 0; i < most && r != -EAGAIN; i++) {
		r = procwatch_next(&b->outlook.procwatch, &e);
		if (r == 0)
			take_event(b, &e);
		else if (r == -ENOBUFS)
			note_overrun(b);
		else if (r != -EAGAIN)
			break;
	}
	if (revents & (EPOLLERR | EPOLLHUP) && r != -EAGAIN && r != -ENOBUFS && r != 0)
		(void)sd_event_source_set_enabled(source, SD_EVENT_OFF); /* nothing comes any more */
	broker_step(b);
	return 0;
}

void outlook_listen(struct broker *b, bool to_all)
{
	struct outlook *o = &b->outlook;

	if (!o->event)
		return;
	procwatch_want(&o->procwatch, to_all ? PROCWATCH_ALL : PROCWATCH_KILLED);
	/* fails for a source without a limit only, and then it stays as it is */
	(void)sd_event_source_set_ratelimit(o->event, US_PER_S, to_all ? NEAR_WAKEUPS : FAR_WAKEUPS);
}

int outlook_attach(struct broker *b)
{
	struct outlook *o = &b->outlook;
	int r;

	o->focus = o->table_of = CORE_DOMAINS_MAX;
	if (!o->has_netlink || o->procwatch.source.error)
		return 0;
	r = sd_event_add_io(b->event, &o->event, o->procwatch.source.fd, EPOLLIN, on_process, b);
	outlook_listen(b, false);
	return r;
}
