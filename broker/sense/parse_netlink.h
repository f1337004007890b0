/* SPDX-License-Identifier: MIT */
/*
 * Parse netlink: datagrams of the process connector and of taskstats into plain structs. Pure:
 * lengths are checked before they are believed, nothing beyond `size` is read, bytes need no
 * alignment, structs hold copies. The kernel's nanoseconds become microseconds here; times are
 * CLOCK_MONOTONIC.
 *
 * All return 0, -ENODATA (nothing left, or an attribute that we need is missing) or -EINVAL (a
 * length, type or figure that cannot be), and leave *ret alone on failure. What is not known is
 * ignored and counted.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/scan.h"

enum parse_netlink_kind {
	PARSE_NETLINK_ACK,		/* answer to a subscription: error */
	PARSE_NETLINK_FORK,		/* pid was born to parent */
	PARSE_NETLINK_EXEC,		/* pid calls another program: its name changes */
	PARSE_NETLINK_EXIT,		/* see exit_code; pid is a zombie until its parent looks */
};

/*
 * What happened to a process; what happens to its other threads is left out. An EXIT is that of the
 * first thread: the process lives on if others do (rare), and an EXEC of the same pid that follows
 * says so (another thread called it).
 */
struct parse_netlink_event {
	enum parse_netlink_kind kind;
	int32_t error;			/* ACK: 0 or negative errno */
	int32_t pid;			/* of the initial pid namespace, 0 for ACK */
	int32_t parent;			/* FORK, EXIT; 0: kernel, or EXIT before Linux 4.18 */
	uint32_t exit_code;		/* EXIT: status as of wait(2); 9 if killed, and nothing says
					 * whether by the OOM killer */
	int32_t exit_signal;		/* EXIT: what the parent is sent, SIGCHLD as a rule */
	uint64_t time_us;
};

/* One datagram, borrowed. */
struct parse_netlink {
	struct scan left;
	uint32_t ignored;		/* messages and events of other kinds */
};

void parse_netlink_init(struct parse_netlink *p, const void *bytes, size_t size);

/* The next event. -EINVAL: malformed, and what is left of the datagram is dropped. */
int parse_netlink_next(struct parse_netlink *p, struct parse_netlink_event *ret);

/* A generic netlink message, the first one of a datagram. */
struct parse_netlink_message {
	uint16_t type;			/* the family; 0: an error message, or one of no family */
	uint32_t sequence;
	int error;			/* 0 or negative errno: the request failed */
	struct scan attributes;		/* borrowed; empty in an error message */
};

int parse_netlink_message(const void *bytes, size_t size, struct parse_netlink_message *ret);

/* Which figures the kernel gave; older ones give fewer. */
enum parse_netlink_has {
	PARSE_NETLINK_HAS_CPU = 1 << 0,	/* cpu_*, swapin_* */
	PARSE_NETLINK_HAS_RECLAIM = 1 << 1, /* reclaim_* */
	PARSE_NETLINK_HAS_THRASHING = 1 << 2, /* thrashing_*: since Linux 4.20 */
};

/*
 * What a process (or thread) has waited for since its start, sum of its threads: counters. All but
 * cpu_* stay 0 without delay accounting, which the kernel does not say here.
 */
struct parse_netlink_delays {
	int32_t pid;
	uint32_t has;			/* enum parse_netlink_has */
	uint32_t version;		/* of the kernel's struct taskstats */
	uint32_t ignored;		/* attributes that we do not know */
	uint64_t cpu_run_us;		/* had a CPU; the scheduler's own, not counted in ticks */
	uint64_t cpu_delay_us, cpu_count; /* waited for one */
	uint64_t swapin_delay_us, swapin_count;
	uint64_t reclaim_delay_us, reclaim_count; /* had to free memory for itself */
	uint64_t thrashing_delay_us, thrashing_count; /* waited for pages that were just dropped */
};

/* The attributes of a taskstats message, of a pid or a tgid. */
int parse_netlink_delays(struct scan attributes, struct parse_netlink_delays *ret);
