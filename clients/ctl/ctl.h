/* SPDX-License-Identifier: MIT */
/*
 * failsoftctl: what its files share. It talks to the broker over the bus alone and knows nothing
 * but interfaces/org.failsoft.Broker1.xml. Texts from the bus are cut and cleaned of control
 * characters before they reach a terminal.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <systemd/sd-bus.h>

#define NEVER_US	UINT64_MAX
#define DOMAINS_MAX	32u
#define CLIENTS_MAX	4096u
#define NAME_MAX_BYTES	48
#define DOMAIN_MAX_BYTES 256

/* Exit codes; the first four as monitoring plugins have them. */
enum { EXIT_OK = 0, EXIT_WARNING = 1, EXIT_CRITICAL = 2, EXIT_UNKNOWN = 3, EXIT_USAGE = 2 };

struct ctl {
	sd_bus *bus;
	bool json, raw, colour, nagios, history;
	unsigned width;
	long count;			/* -n; 0: endless */
};

struct domain_row {
	char name[DOMAIN_MAX_BYTES], stage[16];
	uint64_t headroom_bytes, limit_bytes, tte_us, tte_low_us, episode;
	uint64_t lead_us[3];		/* warning, imminent, shutdown */
	uint64_t guaranteed_us;
	int64_t rate;
	uint32_t clients;
	char reason[512];
};

struct client_row {
	uint64_t id, exposure_bytes, freeable_bytes, deadline_us;
	uint64_t worst_us[4];		/* flush, degrade, shutdown, resume */
	uint64_t granted_us[4];
	char name[NAME_MAX_BYTES], state[16], domains[DOMAIN_MAX_BYTES], result[16];
	uint32_t pid, uid, group;
	bool shielded, may_be_ended;
};

/* broker_call.c: 0 or -errno, with the broker's own sentence on stderr. */
int call_connect(struct ctl *c, const char *address);
int call_domains(struct ctl *c, struct domain_row *ret, uint32_t max, uint32_t *ret_count);
int call_clients(struct ctl *c, struct client_row *ret, uint32_t max, uint32_t *ret_count);
int call_text(struct ctl *c, const char *property, char *ret, size_t size);
/* Calls `method` with the arguments given; *ret_reply is to be unreferenced. */
int call_method(struct ctl *c, sd_bus_message **ret_reply, const char *method, const char *types, ...);
int call_monitor(struct ctl *c, bool history);	/* a descriptor, or -errno */

/* print.c */
void print_clean(char *to, size_t size, const char *from);
const char *print_bytes(const struct ctl *c, uint64_t bytes, char *buffer, size_t size);
const char *print_us(const struct ctl *c, uint64_t us, char *buffer, size_t size);
const char *print_stage(const struct ctl *c, const char *stage);	/* escape sequence or "" */
const char *print_plain(const struct ctl *c);
bool print_is_utf8(void);
/* At most 79 columns; the lines after the first are indented by the head's width. */
void print_wrapped(const char *head, const char *text);
uint64_t print_now_us(void);

/* Verbs. Return the exit code. */
int status_verb(struct ctl *c);
int clients_verb(struct ctl *c);
int domains_verb(struct ctl *c);
int sources_verb(struct ctl *c);
int episodes_verb(struct ctl *c);
int explain_verb(struct ctl *c, const char *number);
int reload_verb(struct ctl *c);
int monitor_verb(struct ctl *c);
int watch_verb(struct ctl *c);

/* status.c, for watch: highest stage as a number 0..3. */
int status_rank(const char *stage);
