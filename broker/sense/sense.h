/* SPDX-License-Identifier: MIT */
/*
 * Sense: everything that is read from the kernel, as samples per domain and as calls when it cries
 * out. Edge. Times are CLOCK_MONOTONIC in microseconds, memory is in bytes. One thread. After
 * sense_open reading a sample allocates nothing, opens nothing and waits for nothing; only adding a
 * domain and attaching to a loop allocate.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "sense/cgroup.h"
#include "sense/sample.h"

struct sense;

struct sense_options {
	const char *root;		/* NULL: "/". Tests give a recorded tree */
	uint64_t psi_some_us, psi_full_us; /* stall per window that makes the kernel call */
	uint64_t psi_window_us;		/* 500000 to 10000000 */
	uint32_t max_domains;		/* with the system's, which is 0 */
	uint32_t page_bytes;		/* 0: of this machine */
	uint32_t cpus;			/* 0: of this machine */
};

/* Called from the loop. Both may call sense_read, sense_domain_add and sense_domain_remove. */
struct sense_handler {
	void *userdata;
	/*
	 * Something happened: read a sample of the domain now. bits: enum sample_distress, already
	 * remembered for that sample; 0: no distress in itself (a usage mark was passed, a counter
	 * moved, or the cgroup is gone).
	 */
	void (*distress)(void *userdata, uint32_t domain, uint32_t bits);
	/*
	 * The kernel killed a process; may also come from inside sense_read of the system. domain
	 * 0: the machine was out of memory. A kill for the limit of a cgroup that is not a domain
	 * is only logged: it is nobody's distress here.
	 */
	void (*kernel_oom)(void *userdata, uint32_t domain, int32_t pid, const char *name);
};

/* -ENOENT or what reading said: no meminfo, without which nothing can be judged (logged). */
int sense_open(const struct sense_options *o, struct sense **ret);
/* Returns NULL; takes NULL. */
struct sense *sense_close(struct sense *s);

/* Calls *h (copied) from the loop from now on, at high priority. */
int sense_attach(struct sense *s, sd_event *event, const struct sense_handler *h);

/*
 * Reads a sample. System: meminfo with every call, the rest as often as it can matter (see
 * sense.c). Returns 0; -EINVAL: no such domain; -ENODEV or -ENOENT: its cgroup is gone, remove it.
 */
int sense_read(struct sense *s, uint32_t domain, uint64_t now_us, struct sample *ret);

/* Kills that the kernel has logged until now, and nobody has read yet, come through kernel_oom at once. */
void sense_hear(struct sense *s);

/* The limited cgroups that a process lives in, its own first; see cgroup_find for errors. */
int sense_cgroup_paths(struct sense *s, int32_t pid, struct cgroup_paths *ret);

/*
 * Makes the cgroup `name` ("/demo/apps") domain number `domain` (1 to max_domains - 1).
 * -ENODEV: no memory cgroups here; -ENOENT: no such cgroup; -EINVAL: not a name, or a bad number;
 * -EEXIST: the number is taken.
 */
int sense_domain_add(struct sense *s, uint32_t domain, const char *name);
void sense_domain_remove(struct sense *s, uint32_t domain);
/* Is there a cgroup of that name that could be made one? */
bool sense_domain_exists(const struct sense *s, const char *name);
/* ... or one with a memory controller at all? */
bool sense_cgroup_exists(const struct sense *s, const char *name);

/* The memory.high of this cgroup is not a limit, but our tripwire; "": of none. Before it is a domain. */
void sense_set_tripwire(struct sense *s, const char *name);

/* Somebody else heard the kernel: it is in the next sample of the domain. */
void sense_cry(struct sense *s, uint32_t domain, uint32_t distress);

/* Whether its cgroup had a limit below the machine's memory when it was last read. */
bool sense_domain_is_limited(const struct sense *s, uint32_t domain);

/* Directory of the domain's cgroup, for the survey; borrowed. -1: the system, or no such domain. */
int sense_domain_directory(const struct sense *s, uint32_t domain);

/* For status. Texts are static. */
struct sense_source {
	const char *name;
	bool is_present;
	const char *gives;
	const char *remedy;		/* what adds it */
	const char *note; /* NULL, why it is absent, or what is special about it here */
};

#define SENSE_SOURCES_MAX	24
/* Fills ret[SENSE_SOURCES_MAX]; returns how many. */
uint32_t sense_sources(const struct sense *s, struct sense_source *ret);
