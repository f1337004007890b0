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

#define CTL_NAME	"org.failsoft.Broker1"
#define CTL_PATH	"/org/failsoft/Broker1"
#define NEVER_US	UINT64_MAX
#define DOMAINS_MAX	32u
#define CLIENTS_MAX	4096u
#define CGROUPS_MAX	8u
#define CONFIGS_MAX	4u
#define DRILL_CLIENTS_MAX 64u
#define GROWERS_MAX	16u
#define RIVALS_MAX	8u
#define NAME_MAX_BYTES	48
#define DOMAIN_MAX_BYTES 256
#define CELL_MAX_BYTES	(4 * 80 + 1)
#define TIME_LEFT_BYTES	128
#define LINE_WIDTH	79u	/* a full last column makes some terminals wrap */
#define PIPE_WIDTH	300u	/* where nothing wraps */

/* Exit codes; the first four as monitoring plugins have them. */
enum { EXIT_OK = 0, EXIT_WARNING = 1, EXIT_CRITICAL = 2, EXIT_UNKNOWN = 3, EXIT_USAGE = 2 };

struct ctl {
	sd_bus *bus;
	const char *address;		/* NULL: the default */
	const char *argument;		/* of a verb that takes one */
	char **rest;			/* of procedure: all words after it */
	int rest_count;
	bool json, raw, colour, nagios, history, stand_alone, draw, strict;
	double speed;			/* replay --draw: times real time; 0: not given */
	long count;			/* -n; 0: endless */
	long seconds;			/* 0: endless */
	const char *note;		/* NULL: none */
	const char *root;		/* doctor: of another tree; NULL: this machine */
	const char *cgroups[CGROUPS_MAX], *configs[CONFIGS_MAX];
	uint32_t cgroups_count, configs_count;
	const char *clients[DRILL_CLIENTS_MAX]; /* drill: none is everybody */
	uint32_t clients_count;
};

struct domain_row {
	char name[DOMAIN_MAX_BYTES], stage[16];
	uint64_t headroom_bytes, limit_bytes, tte_us, tte_low_us, episode;
	uint64_t lead_us[3];		/* warning, imminent, shutdown */
	uint64_t guaranteed_us;
	uint64_t tte_early_us, tte_late_us;	/* 80 %; NEVER_US: not falling, or an older broker */
	int64_t rate;
	uint32_t clients;
	uint32_t some_permyriad, full_permyriad; /* PSI memory avg10; UINT32_MAX: not told */
	uint32_t stalled_permyriad;	/* of the window of stalls; 0 also of an older broker */
	char reason[512], limited_by[16];
};

struct grower_row {
	char kind[16], name[NAME_MAX_BYTES];
	uint32_t pid, processes, share_permyriad;
	uint64_t bytes, since_bytes, bytes_per_s;
};

/* What another daemon that runs there would do now. */
struct rival_row {
	char name[NAME_MAX_BYTES], word[24], rule[256];
};

struct outlook_row {
	uint32_t pid, score;		/* the kernel's choice; pid 0: nobody */
	char name[NAME_MAX_BYTES];
	struct rival_row rival[RIVALS_MAX];
	uint32_t rivals;
};

struct episode_row {
	uint64_t number, began_us, ended_us;	/* number 0: none */
	char domain[DOMAIN_MAX_BYTES], stage[16], outcome[32];
};

struct source_row {
	char name[48], state[16], gives[256], remedy[256];
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
int call_complain(const char *what, const sd_bus_error *error, int r);	/* returns r */
int call_connect(struct ctl *c, const char *address);
int call_connect_quietly(struct ctl *c, const char *address); /* says nothing */
int call_domains(struct ctl *c, struct domain_row *ret, uint32_t max, uint32_t *ret_count);
int call_clients(struct ctl *c, struct client_row *ret, uint32_t max, uint32_t *ret_count);
/* outlook_call.c. domain: "" is the one nearest to exhaustion. An older broker has neither: no rows,
 * no complaint. */
int call_growers(struct ctl *c, const char *domain, struct grower_row *ret, uint32_t max,
		 uint32_t *ret_count);
int call_outlook(struct ctl *c, struct outlook_row *ret);
int call_text(struct ctl *c, const char *property, char *ret, size_t size);
void call_text_if_there(struct ctl *c, const char *property, char *ret, size_t size);
/* A property; *ret_reply stands before the variant. */
int call_property(struct ctl *c, const char *property, sd_bus_message **ret_reply);
/* Rows of a reply that call_method has entered; > 0: there was one. */
int call_next_episode(sd_bus_message *m, struct episode_row *ret);
int call_next_source(sd_bus_message *m, struct source_row *ret);
/* Calls `method` with the arguments given; *ret_reply is to be unreferenced. */
int call_method(struct ctl *c, sd_bus_message **ret_reply, const char *method, const char *types, ...);
int call_monitor(struct ctl *c, bool history);	/* a descriptor, or -errno */
int call_record(struct ctl *c);			/* the same */

/* print.c, clean.c */
/* What may steer a terminal becomes '?', and so does what is no UTF-8; cut between characters. */
void print_clean(char *to, size_t size, const char *from);
/* Bytes of the UTF-8 character at `at`, its code in *ret_code; 0: none. Not mbrtowc: what comes from the
 * bus is UTF-8, whatever the locale. */
size_t print_character(const char *at, uint32_t *ret_code);
bool print_is_harmful(uint32_t code);	/* steers a terminal */
/* `text` in so many columns of the terminal's own characters. Too long: cut at the end, or at the
 * front where columns is negative. print_cell fills up with blanks, print_cut does not. */
const char *print_cell(const char *text, int columns, char buffer[CELL_MAX_BYTES]);
const char *print_cut(const char *text, int columns, char buffer[CELL_MAX_BYTES]);
const char *print_bytes(const struct ctl *c, uint64_t bytes, char *buffer, size_t size);
const char *print_us(const struct ctl *c, uint64_t us, char *buffer, size_t size);
/* "in 2.3 s (1.6-4.1)", "not falling"; a buffer of TIME_LEFT_BYTES holds the longest. */
const char *print_time_left(const struct ctl *c, const struct domain_row *d, char *buffer, size_t size);
const char *print_stage(const struct ctl *c, const char *stage);	/* escape sequence or "" */
const char *print_plain(const struct ctl *c);
bool print_is_utf8(void);
/* At most `lines` of LINE_WIDTH columns; those after the first are indented by the head's width. Returns
 * how many it took. */
unsigned print_wrapped(const char *head, const char *text, unsigned lines);
uint64_t print_now_us(void);

/* Verbs. Return the exit code. */
int status_verb(struct ctl *c);
int clients_verb(struct ctl *c);
int domains_verb(struct ctl *c);
int sources_verb(struct ctl *c);
int victims_verb(struct ctl *c);
int drill_verb(struct ctl *c);
int episodes_verb(struct ctl *c);
int explain_verb(struct ctl *c);
int reload_verb(struct ctl *c);
int procedure_verb(struct ctl *c);
int monitor_verb(struct ctl *c);
int watch_verb(struct ctl *c);
int top_verb(struct ctl *c);
/* Those of ../tape. */
int record_verb(struct ctl *c);
int replay_verb(struct ctl *c);
int backtest_verb(struct ctl *c);

/* That of ../doctor. */
int doctor_verb(struct ctl *c);
/* "2 things are missing here: ..."; false: none. Looks once at each process, and asks nobody. */
bool doctor_sentence(char *text, size_t size);

/* status.c */
int status_rank(const char *stage);	/* 0..3, -1: none of this version */
/* With what it never comes sooner than: on a second line where one is too short. Returns how many. */
unsigned status_print_time_left(const struct ctl *c, const char *head, const struct domain_row *d);
int status_unknown(struct ctl *c);	/* no broker: says it the way that was asked for */

/* growers.c, for people: in at most `rows`, the head of a table among them. Return how many. */
unsigned growers_print(const struct ctl *c, const struct grower_row *g, uint32_t count, unsigned rows);
unsigned growers_print_outlook(const struct outlook_row *o, unsigned rows);
