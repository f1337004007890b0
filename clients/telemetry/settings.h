/* SPDX-License-Identifier: MIT */
/*
 * Settings: of failsoft-telemetry, and how its file is read. The table in settings.c is the one place where
 * a setting's key, unit, range, default and reason stand; help, sample and manual page are printed from it.
 * Edge: reads files.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "link.h"
#include "topic.h"

#define SETTINGS_TEXT_MAX	256	/* with NUL */
#define SETTINGS_FILE		"/etc/failsoft/telemetry.json"

enum settings_stop {			/* what SIGTERM means for the machine */
	SETTINGS_STOP_ASK,		/* systemd says whether it goes down */
	SETTINGS_STOP_SHUTDOWN,		/* it does */
	SETTINGS_STOP_SERVICE		/* it does not */
};

struct settings {
	/* the server */
	uint64_t servers;
	char server[LINK_SERVERS_MAX][SETTINGS_TEXT_MAX];
	char ca_file[SETTINGS_TEXT_MAX], cert_file[SETTINGS_TEXT_MAX], key_file[SETTINGS_TEXT_MAX];
	char user[SETTINGS_TEXT_MAX], password_file[SETTINGS_TEXT_MAX];
	uint64_t keepalive_s, connect_us, pause_first_us, pause_last_us, spread_us;
	/* the device */
	char fleet[SETTINGS_TEXT_MAX], device[SETTINGS_TEXT_MAX], firmware[SETTINGS_TEXT_MAX];
	/* messages */
	uint64_t heartbeat_s, resend_window_s, drain_per_s, window;
	uint64_t oom_hold_s;
	uint64_t commands;		/* 0 off, 1 drill */
	/* the end of the machine */
	uint64_t budget_us, margin_us;
	uint64_t stop;			/* enum settings_stop */
	/* memory */
	uint64_t spool_slots, reserve_bytes;
};

enum settings_type {
	SETTINGS_COUNT, SETTINGS_S, SETTINGS_MS, SETTINGS_BYTES,	/* uint64_t */
	SETTINGS_WORD,			/* uint64_t: its place in `words` */
	SETTINGS_TEXT, SETTINGS_SERVERS
};

struct settings_option {
	const char *group, *key;
	enum settings_type type;
	size_t at;			/* in struct settings */
	uint64_t min, max, initial;	/* as in the file: ms, s, bytes */
	const char *words;		/* "off|drill"; of a text: its default */
	const char *text;
};

extern const struct settings_option settings_options[];
extern const size_t settings_options_count;

void settings_default(struct settings *s);

/*
 * Reads `path` over what *s has. Missing and not is_required: the defaults. 0 or -errno after one sentence a
 * line in `complaint`; then *s is as it was.
 */
int settings_read(struct settings *s, const char *path, bool is_required, char *complaint, size_t size);

void settings_print_json(const struct settings *s, FILE *out);
void settings_print_help(FILE *out);
void settings_print_man(FILE *out);

/* "drill" of value 1. */
void settings_word(const struct settings_option *o, uint64_t value, char ret[32]);
