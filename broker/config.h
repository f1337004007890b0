/* SPDX-License-Identifier: MIT */
/*
 * Config: the settings table and how files are read into it. Edge (reads files, json-c). The table
 * in config.c is the one place where a setting's key, unit, range, default and reason stand;
 * help, the sample file and the man page's option list are printed from it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "act/last.h"
#include "act/procedure.h"
#include "ask/session.h"
#include "judge/stage.h"

#define CONFIG_LIST_MAX		32	/* entries of a list setting */
#define CONFIG_TEXT_MAX		256	/* bytes of a text setting, with NUL */
#define CONFIG_ERROR_MAX	512

struct config_list {
	uint32_t count;
	char text[CONFIG_LIST_MAX][CONFIG_TEXT_MAX];
};

struct config_procedures {
	uint32_t count;
	struct procedure_spec spec[PROCEDURES_MAX];
};

struct config {
	/* sampling */
	uint64_t idle_interval_us, near_interval_us;
	uint64_t plausible_bytes_per_s;
	uint64_t swap_weight_permyriad;
	uint64_t psi_some_us, psi_full_us, psi_window_us;
	/* stages; index enum stage_word, [STAGE_NORMAL] unused */
	uint64_t floor_permyriad[STAGE_COUNT];
	uint64_t floor_max_bytes[STAGE_COUNT];
	uint64_t warning_permyriad;	/* of a fall, gone before a forecast warns */
	uint64_t confirm_us, hold_us;
	/* asking; index enum session_step */
	uint64_t default_budget_us[STEP_COUNT];
	uint64_t max_budget_us;
	uint64_t max_clients, max_per_uid, max_monitors;
	bool shield;
	bool brake;
	int64_t shield_oom_score_adj;
	/* acting */
	bool act;
	bool dry_run;
	uint64_t term_us, kill_us, settle_us;
	bool guard;
	uint64_t guard_after_us;
	bool procedures_enabled;
	struct config_procedures procedures; /* what runs before a program is ended */
	char tripwire_cgroup[CONFIG_TEXT_MAX]; /* where ordinary programs live, "" none */
	bool tripwire_create;
	char last_policy[CONFIG_TEXT_MAX]; /* word of act/last.h, of the system */
	struct config_list last_policies; /* "CGROUP=WORD" for others */
	uint64_t last_after_us;
	struct config_list last_files;	/* patterns; deleted when no process helps */
	struct config_list barebone_keep; /* comm patterns */
	uint64_t sync_us;
	uint64_t reboots_most, reboots_within_us;
	char watchdog_device[CONFIG_TEXT_MAX]; /* "" none */
	uint64_t stall_permyriad, stall_window_us;
	struct config_list protect;	/* never ended; pick.h */
	struct config_list prefer;	/* ended before others */
	/* domains */
	struct config_list domains;	/* cgroup paths watched without a client */
	/* keeping */
	uint64_t events;		/* size of the ring */
	char export_file[CONFIG_TEXT_MAX]; /* JSON Lines, "" none */
	/* the process */
	bool lock_memory;
	uint64_t realtime_priority;	/* SCHED_FIFO, 0: none */
};

/* Where the configuration comes from. */
struct config_source {
	const char *file;		/* default /etc/failsoft/failsoft.json; its .d/ beside it */
	bool is_explicit;		/* given by --config: must exist */
};

void config_default(struct config *c);

/*
 * Starts from the defaults, whatever *c holds: what a reload no longer finds is a default again.
 * Reads the file (FILE) and then *.json, by name, in the directory beside it (.json replaced by
 * .d), later ones win. On error *c is unchanged and `error` holds one
 * sentence per problem (all problems, newline between) that names file, key, value and range.
 * Returns 0, -EINVAL bad content, or the errno of reading a file.
 */
int config_read(struct config *c, const struct config_source *source, char *error,
		size_t error_size);

/*
 * For a reload: what needs a restart is in *c as it is in force. `kept` gets the keys that are not as
 * they were asked for, ", " between; whole ones, as many as fit. Returns how many there are.
 */
unsigned config_keep(struct config *c, const struct config *in_force, char *kept, size_t kept_size);

/* The last policy of a domain by its name. */
enum last_policy config_last_policy(const struct config *c, const char *domain);
/* Does any domain's end the machine? */
bool config_ends_machine(const struct config *c);

/* The table, printed. */
void config_print_help(FILE *out);	/* key, unit, range, default, text: for --help-config */
void config_print_sample(FILE *out);	/* a JSON file with every default */
void config_print_man(FILE *out);	/* the option list of failsoft.json(5), roff */
void config_print_json(const struct config *c, FILE *out); /* what is in force: --check-config */
