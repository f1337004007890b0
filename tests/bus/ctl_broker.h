/* SPDX-License-Identifier: MIT */
/*
 * Scripted broker: org.failsoft.Broker1 as a child process that says what a test tells it to say,
 * to try out failsoftctl. Edge. The script is borrowed and must outlive the child; what the child
 * saw is in shared memory and outlives it. Times are CLOCK_MONOTONIC microseconds.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What brokers tell of a domain since they name growers. */
struct ctl_forecast {
	uint64_t early_us, late_us;
	const char *limited_by;
	int64_t rate_bytes_per_s;
	uint32_t some_permyriad, full_permyriad;
	bool is_without_psi;		/* then the two are not told */
};

struct ctl_domain {
	const char *name, *stage;
	uint64_t headroom_bytes, limit_bytes, tte_us, tte_low_us, episode, guaranteed_us;
	const char *reason;
	const struct ctl_forecast *forecast; /* NULL: an older broker */
};

struct ctl_grower {
	const char *kind, *name;
	uint32_t pid, processes;
	uint64_t bytes, since_bytes, bytes_per_s;
	uint32_t share_permyriad;
};

struct ctl_rival {
	const char *name, *word, *rule;
};

struct ctl_outlook {
	const struct ctl_grower *grower;
	uint32_t pid, score;		/* the kernel's choice */
	const char *name;
	const struct ctl_rival *rival;
	unsigned growers_times, rivals_times; /* as below */
};

struct ctl_client {
	const char *name, *domain, *state, *result;
	uint64_t exposure_bytes, freeable_bytes;
	uint64_t deadline_in_us;	/* from the call on; 0: none */
	uint64_t granted_us;		/* for every step */
};

struct ctl_episode {
	uint64_t number;
	const char *domain, *highest;
	uint64_t began_us, ended_us;
	const char *outcome;
};

struct ctl_source {
	const char *name, *state, *gives, *remedy;
};

/* Arrays end with an element whose first pointer is NULL (episodes: whose number is 0). */
struct ctl_script {
	const char *stage, *nearest;
	const struct ctl_domain *domain;
	const struct ctl_client *client;
	const struct ctl_episode *episode;
	const struct ctl_source *source;
	const struct ctl_outlook *outlook; /* NULL: an older broker, without the two methods */
	const char *const *sentence;	/* of Explain */
	const char *const *warning;
	unsigned clients_times, domains_times, warnings_times; /* each row so often; 0: once */
	const char *stream;		/* what Monitor writes */
	bool stream_ends;		/* and then closes */
	const char *refused_method, *error_name, *error_text;
};

/* What callers did. */
struct ctl_seen {
	volatile unsigned calls, may_start, reloads, monitors, outlooks;
	volatile int history;		/* of the last Monitor */
	volatile uint64_t explained;	/* the last episode asked for */
};

struct ctl_broker {
	pid_t pid;			/* 0: not running */
	struct ctl_seen *seen;
};

/* Returns when the name is owned. Fails the test otherwise. */
void ctl_broker_start(struct ctl_broker *b, const char *address, const struct ctl_script *script);
void ctl_broker_stop(struct ctl_broker *b);
