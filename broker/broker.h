/* SPDX-License-Identifier: MIT */
/*
 * Broker: the whole state of the daemon in one struct, in the order in which data flows through it,
 * and the loop. Edge. One thread, one sd-event loop, one timer; the core says when it is due.
 * Everything is allocated by broker_start(), except what a bus message itself needs.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "act/brake.h"
#include "act/bystander.h"
#include "act/ending.h"
#include "act/procedure.h"
#include "act/sentry.h"
#include "act/terminate.h"
#include "act/wire.h"
#include "act/worker.h"
#include "ask/bus.h"
#include "base/units.h"
#include "config.h"
#include "core.h"
#include "judge/badness.h"
#include "judge/growth.h"
#include "judge/rival.h"
#include "keep/reboots.h"
#include "keep/state.h"
#include "keep/writer.h"
#include "sense/census.h"
#include "sense/delays.h"
#include "sense/feeders.h"
#include "sense/procwatch.h"
#include "sense/sense.h"
#include "sense/survey.h"

#define BROKER_PROCESSES_MAX	4096	/* of a survey; more are counted by the kernel alone */
#define BROKER_WARNINGS_MAX	16
#define BROKER_SENDER_MAX	64	/* unique bus name with NUL; dbus-daemon's have < 16 */
#define BROKER_STREAMS_MAX	64

struct broker_options {
	const char *bus_address;	/* NULL: the system bus */
	const char *root;		/* of /proc and /sys; NULL: "/" */
	const char *state_directory;
	const char *episode_directory;	/* of the last number: must outlive a reboot */
	struct config_source config;
	const char *responder;		/* failsoft-responder, or its socket; NULL: where it is installed */
	bool dry_run;			/* in addition to the configuration's */
};

/* What a sentence of Warnings is about; see warning.h. */
enum warning_kind {
	WARNING_BAREBONE, WARNING_BUS, WARNING_DESCRIPTORS, WARNING_DOMAINS, WARNING_ENDING,
	WARNING_EXPORT, WARNING_GUARD, WARNING_IPC, WARNING_LISTS, WARNING_MEMORY, WARNING_PAST,
	WARNING_PRIORITY, WARNING_PROCEDURES, WARNING_RESTART, WARNING_SHIELD, WARNING_TRIPWIRE,
	WARNING_KIND_COUNT
};

struct warning {
	enum warning_kind kind;
	char text[256];
};

/* A client as the shell sees it; the slot is the one of its session. */
struct peer {
	struct broker *broker;
	uint64_t id;			/* 0: free */
	int lifeline_fd;
	int proc_fd;			/* /proc/PID of that very process */
	uint64_t start_ticks;
	sd_event_source *source;
	char sender[BROKER_SENDER_MAX];	/* "" when the bus that it came from is gone */
	uint32_t garbage;		/* datagrams that were no answers */
	bool is_at_tripwire;		/* it lives in its cgroup */
	bool is_shielded, shield_failed;
	int32_t original_adj;
	/* The order to be repeated on the bus once the urgent things are done; sequence 0: none. */
	struct session_request order;
	enum stage_word order_stage;
};

/* A reader of the events, on a socket of its own. */
struct stream {
	struct broker *broker;
	int fd;				/* -1: free */
	uint32_t uid;			/* whose */
	sd_event_source *source;
	uint64_t number;		/* of the newest event taken */
	char line[2048];
	uint32_t used, sent;
};

#define OUTLOOK_PLACES	4096u	/* of the growth table: 3072 processes */
#define OUTLOOK_WAITERS	64u
#define OUTLOOK_ENDS	8u	/* clients that end at once; those of a cgroup with memory.oom.group do */

/* What a process had waited when it was last asked about. */
struct outlook_waiter {
	int32_t pid;
	uint64_t memory_us, cpu_us, run_us;
};

/* A client that left, or that a signal ended, until it is known whose it was. */
struct outlook_end {
	int32_t pid;			/* 0: none */
	uint32_t signal;		/* 0: none so far */
	uint64_t client, left_us, until_us;
	char name[SESSION_NAME_MAX];
};

/* Whom the kernel would end. */
struct outlook_choice {
	int32_t pid;			/* 0: nobody */
	char name[16];
	uint32_t score;			/* as /proc/PID/oom_score */
	uint32_t rivals;		/* bit per enum rival: it runs here */
};

/* Beside the figures of headroom, see outlook.h. */
struct outlook {
	struct census *census;
	struct growth growth;
	struct growth_entry *entries;
	struct growth_node *nodes;
	uint32_t focus, table_of;	/* domains; CORE_DOMAINS_MAX: far from the cliff, of none */
	uint64_t slice_us;		/* when the next slice is due */
	bool has_netlink;
	struct procwatch procwatch;
	struct delays delays;
	sd_event_source *event;
	uint64_t delays_us;		/* when they were asked for */
	uint32_t delay_reclaim_permyriad, delay_cpu_permyriad;
	struct outlook_waiter waiters[OUTLOOK_WAITERS];
	struct outlook_end ends[OUTLOOK_ENDS]; /* ring */
	int32_t kernel_killed[OUTLOOK_ENDS]; /* ring: the kernel's newest kills, pids */
	uint32_t ends_next, kernel_killed_next;
	uint64_t overrun_us;		/* when a loss was told */
	struct rival_state rivals[RIVAL_COUNT];
	struct badness_reading *readings;
	struct outlook_choice choice;
	uint64_t choice_us, swap_total_bytes;
};

/* The process that stands ready for a procedure, see respond.h. */
struct respond_slot {
	int fd;				/* -1: there is none */
	sd_event_source *source;
	uint32_t domain;		/* whose victim it runs for */
	bool is_stopping;
	uint64_t since_us;		/* started, broken or told to stop */
	uint64_t held_bytes;		/* in memory for it */
};

/* Why one stands where it does in the order of victims. */
enum victims_why {
	VICTIMS_GREW, VICTIMS_WROTE, VICTIMS_SIZE, VICTIMS_PREFERRED, VICTIMS_CLIENT,
	VICTIMS_NEVER_CLIENT, VICTIMS_PROTECTED, VICTIMS_WHY_COUNT
};

struct victims_row {
	int32_t pid;
	uint32_t processes;
	char name[16];
	uint64_t memory_bytes, growth_bytes;
	enum victims_why why;
};

/* The order, for people; see victims_order(). */
#define VICTIMS_ROWS_MAX	32
struct victims_order {
	uint32_t count;
	uint64_t taken_us;		/* 0: never */
	struct victims_row row[VICTIMS_ROWS_MAX];
};

struct respond {
	struct procedure_table table;
	struct respond_slot slot[PROCEDURES_MAX]; /* of the same index */
	struct procedure_facts facts;	/* of the newest victim */
	uint32_t held;			/* bit per domain: its victim is stopped for a procedure */
	bool is_stale;			/* the configuration's are to be taken over */
	uint64_t quiet_us;		/* until then what only informs waits; 0: none has just begun */
	uint64_t silent_us;		/* and until then samples, too */
};

/* The second thread as the loop sees it, see standby.h. */
struct standby {
	struct guard_basis basis;	/* as it was left last */
	uint64_t aim_us;		/* whom it would stop is not looked up before */
	bool has_aim;
	int withheld;			/* a signal that could not be sent yet; 0: none */
};

/* The recording that is being made. */
struct recorder {
	int fd;				/* -1: none */
	sd_event_source *source;
	struct tape *tape;
	uint8_t *ring;
	uint8_t piece[16384];
	size_t used, sent;
};

/* Last policies in the running broker; see resort.h. */
#define RESORT_DRY	0x100u		/* in the worker's token, beside the number of the pattern */
struct resort {
	struct reboots reboots;
	struct ending ending;
	sd_event_source *source;
	uint32_t domain;		/* whose policy ends the machine */
	uint32_t freeing;		/* patterns that the worker has */
	struct config_list files;	/* patterns; theirs while `freeing` */
	bool is_stale;			/* the configuration has others */
};

/* The tripwire in the running broker; see trip.h. */
struct trip {
	struct wire wire;
	sd_event_source *source;
	char cgroup[CONFIG_TEXT_MAX];	/* "": none is configured */
	bool may_make;
	int error;			/* why it is not open */
	int said_error;			/* ... as was said; 0: nothing */
	struct sample system;		/* newest sample */
	uint64_t read_us;		/* of the cgroup */
	uint32_t domain;		/* v1: the cgroup's */
	struct tripwire_wait wait;	/* v1 */
	bool is_stale;			/* the configuration's is to be taken as soon as it can be */
	uint64_t again_us;		/* a cgroup that is not there is looked for again then */
};

struct broker {
	struct broker_options options;
	struct config config;
	sd_event *event;
	sd_event_source *timer, *pump;

	/* sense */
	int root_fd;
	struct sense *sense;
	struct survey *survey;
	struct process *processes;
	uint64_t *scratch;
	uint64_t baseline_us;		/* when growth was last measured from */
	uint64_t newcomers_us;		/* when newcomers were last added to it */
	struct outlook outlook;

	/* judge, ask, act: pure */
	struct core core;
	struct core_memory memory;

	/* ask */
	struct bus bus;
	struct peer *peers;		/* as many as sessions */
	uint32_t joining;		/* registrations that wait for the caller's credentials */
	uint64_t publish_us;		/* when the bus is told, too; 0: nothing to tell */
	uint32_t announce;		/* bit per domain: a stage change is to be broadcast */
	uint64_t announce_sequence[CORE_DOMAINS_MAX], announce_episode[CORE_DOMAINS_MAX];
	uint64_t latency_us;		/* worst of late, fading: from due to orders sent */
	uint64_t bus_dropped;		/* signals not sent: the bus does not take them */

	/* act */
	struct terminate terminate;
	struct worker worker;
	struct brake brake;
	struct sentry sentry;
	struct standby standby;
	struct trip trip;
	uint64_t survey_again_us;	/* not sooner for what a group has forked */
	uint32_t processes_count;	/* of the newest survey */
	struct bystander_survey surveyed;
	struct victims_order order[CORE_DOMAINS_MAX]; /* by domain */
	struct respond respond;
	struct resort resort;
	struct feeders feeders;
	int32_t protect_pids[1 + FEEDERS_MAX]; /* the bus, then who feeds a watchdog; 0: nobody */
	bool is_bus_judged;		/* whether it is held in memory; once */

	/* keep */
	struct state state;
	struct writer writer;
	uint64_t kept_episode[CORE_DOMAINS_MAX]; /* as the state file has them */
	uint32_t kept_stage[CORE_DOMAINS_MAX];
	uint64_t written;		/* number of the newest event handed to the writer */
	struct stream *streams;
	struct recorder recorder;
	struct warning warnings[BROKER_WARNINGS_MAX];
	uint32_t warnings_count;
	enum stage_word stage_shown;	/* last PropertiesChanged */
	bool domains_stale;		/* a client left: is each domain still needed? */
	uint64_t domains_due_us;	/* one of the configuration is looked for; NEVER_US: all are there */
	bool cannot_shield;
};

/* 0 or a negative errno, logged with what to do. */
int broker_start(struct broker *b, const struct broker_options *options, const struct config *config);

/* Runs until SIGTERM, SIGINT or a failure; the process' exit status. */
int broker_run(struct broker *b);

/* Restores shields, closes everything. Also of a half-started broker. */
void broker_stop(struct broker *b);

/* The whole loop: read, judge, ask, act, keep. Run after every event. */
void broker_step(struct broker *b);
/* The next step looks at this domain, however lately it did. */
void broker_sample_now(struct broker *b, uint32_t domain);

/* Takes the core's effects out and carries them out, the urgent ones now. After each core call. */
void broker_drain(struct broker *b);

/* Reads the configuration again. 0, or -EINVAL and the sentences of what is wrong. */
int broker_reload(struct broker *b, char *error, size_t error_size);
