/* SPDX-License-Identifier: MIT */
/*
 * Facts: what failsoftctl doctor looks at, as it was found. Edge. Below one root, so that a test
 * can write a tree, and so that the files of another machine can be judged. Each figure says
 * whether it was there, and whether it could be read: what nobody has seen is neither good nor bad.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/scan.h"
#include "judge/rival.h"

/* ABSENT: there is no such file. HIDDEN: not to be read, `error` says why. ODD: not what a kernel
 * writes. */
enum figure_state { FIGURE_ABSENT, FIGURE_HIDDEN, FIGURE_ODD, FIGURE_SEEN };
#define FIGURE_UNLIMITED INT64_MAX /* "max" */

struct figure {
	enum figure_state state;
	int error; /* positive errno */
	int64_t value;
	char path[96]; /* without the root; its end, where it is longer */
};

/* A daemon that runs. pid 0: none was found. */
struct facts_daemon {
	int32_t pid;
	char name[16];
	struct figure locked_kib, swap_kib, oom_score_adj;
	struct figure priority;	      /* of real time, 0: none */
	struct figure floor_bytes;    /* memory.min, the least of its cgroup and all above it */
	struct figure swap_max_bytes; /* of its cgroup */
	char words[1024];	      /* its command line, blanks between */
};

enum facts_call { CALL_PIDFD_OPEN, CALL_PIDFD_SEND_SIGNAL, CALL_PROCESS_MRELEASE, CALL_COUNT };

struct facts {
	bool is_here;	      /* the root is this very machine */
	struct figure proc;   /* can it be looked at at all? */
	struct figure others; /* PID 1's name: hidden where /proc hides others' processes */
	/* memory */
	struct figure psi; /* some stall, total us */
	struct figure boost, min_free_kib, total_kib, panic, kills_asker;
	struct figure overcommit, commit_limit_kib, committed_kib;
	struct figure swap_total_kib;
	bool has_disk_swap; /* not all of it is zram */
	/* kernel */
	uint32_t release;		/* 5014 is 5.14; 0: unknown */
	struct figure call[CALL_COUNT]; /* 1: the kernel has it */
	struct figure mounts;
	bool has_v2, has_v1_freezer;
	struct figure controllers; /* of v2; 1: memory is one of them */
	struct figure freeze,
		kill;	 /* a cgroup has the file; ABSENT also where there is no cgroup */
	bool has_cgroup; /* there is one below the root of v2 */
	/* daemons */
	struct facts_daemon bus, broker, holder;
	uint32_t rivals;	/* bit: enum rival */
	struct figure watchdog; /* 1: somebody feeds it */
	/* what the broker told */
	bool is_asked;	      /* else there was nobody to ask */
	struct figure answer; /* HIDDEN: it did not answer */
	uint32_t clients, unlocked, unseen;
	uint32_t procedures, not_ready;
	char unlocked_name[48], not_ready_name[256]; /* the first of them */
};

/* What the bus says of who is behind a name; 0: nothing. Of this machine only. */
struct facts_hint {
	int32_t bus_pid, broker_pid;
};

/* root: a directory with proc and sys in it; NULL: this machine. Does not fail: what cannot be read
 * is a fact. hint may be NULL. */
void facts_read(struct facts *f, const char *root, const struct facts_hint *hint);

/* ---- what its files share ---- */

struct figure figure_of(int error, int64_t value); /* error: 0, or a negative errno of reading */
/* A file with one figure, signed or "max". */
void figure_read(int root_fd, const char *path, struct figure *ret);
/* A line "NAME: figure unit" of a text that was read with `r`. */
void figure_line(ssize_t r, const char *text, const char *name, struct figure *ret);
void figure_name(struct figure *f, const char *path);
/* The directory of cgroup v2, relative to the root; "": not mounted. */
struct facts_mounts {
	char v2[256];
};
void facts_kernel(struct facts *f, int root_fd, struct facts_mounts *ret);
/* Keeps those that are known already. */
void facts_daemons(struct facts *f, int root_fd, const struct facts_mounts *m);
/* One process, whatever it is called. */
void facts_daemon(int root_fd, const struct facts_mounts *m, int32_t pid, struct facts_daemon *ret);
