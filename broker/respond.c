/* SPDX-License-Identifier: MIT */
#include "respond.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "act/responder.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "sense/parse_process.h"
#include "warning.h"

#ifndef FAILSOFT_LIBEXECDIR
#define FAILSOFT_LIBEXECDIR "/usr/libexec"
#endif
/* systemd's: a unit of its own for each, outside of the broker's sandbox. */
#define PLACE_SOCKET	"/run/failsoft-responder.socket"
#define PLACE_PROGRAM	FAILSOFT_LIBEXECDIR "/failsoft/failsoft-responder"

/* One user's share, as with clients a quarter and more for one; root has all. */
#define PER_USER_MOST	(PROCEDURES_MAX / 2)
/* What could not be made ready is tried again: a disk may come later. Half: twice as many lines in the
 * record; double: a mended program waits a minute longer. */
#define RETRY_US	(60 * US_PER_S)
/* It has 10 s for the program and 5 s for its libraries. Half: a slow disk is called broken. */
#define STARTING_MOST_US (20 * US_PER_S)
/* Told to stop it kills at once; then it is closed, which kills as well. */
#define STOPPING_MOST_US US_PER_S
/* It ends what leaves within 0.5 s, then the rest; see barebone.c. */
#define BAREBONE_US	(5 * US_PER_S)
/* Of what it says so many lines are events. Half: a trace is cut; double: one chatty program fills the
 * ring of a small configuration. */
#define LINES_MOST	16u

struct respond_slot *respond_slot_of(struct broker *b, const struct procedure *p)
{
	return &b->respond.slot[p - b->respond.table.slot];
}

static void tell_longest(struct broker *b)
{
	core_set_procedure_time(&b->core, b->config.procedures_enabled
					      ? procedure_longest_us(&b->respond.table) : 0);
}

/* ---- the record ---- */

static void note(struct broker *b, const struct procedure *p, struct event e)
{
	bool is_broken = e.kind == EVENT_RESPONDER && p->error;
	const char *path = is_broken ? respond_broken_path(b, p) : p->spec.program;
	const char *slash = strrchr(path, '/');

	if (!e.name[0])
		text_copy_tail(e.name, sizeof(e.name), slash ? slash + 1 : path);
	core_note(&b->core, &e, clock_now_us());
}

static void note_responder(struct broker *b, const struct procedure *p)
{
	note(b, p, (struct event){ .kind = EVENT_RESPONDER, .a = p->id, .b = (uint64_t)p->error });
}

/* Other people's bytes: what a terminal or JSON could trip over becomes '?'. */
static void note_output(struct broker *b, const struct procedure *p, const struct launch_reply *r)
{
	struct event e = { .kind = EVENT_PROCEDURE_OUTPUT, .a = (uint64_t)p->ran_pid, .b = p->id,
			   .domain = (uint16_t)respond_slot_of(b, p)->domain };
	uint32_t at = 0;

	for (unsigned lines = 0; at < r->output_used && lines < LINES_MOST; lines++) {
		const char *line = r->output + at;
		uint32_t length = 0, kept;

		while (at + length < r->output_used && line[length] != '\n')
			length++;
		kept = (uint32_t)MIN_OF(length, sizeof(e.name) - 1);
		memset(e.name, 0, sizeof(e.name));
		for (uint32_t i = 0; i < kept; i++)
			e.name[i] = line[i] < 0x20 || line[i] == 0x7f ? '?' : line[i];
		if (e.name[0])
			note(b, p, e);
		at += length + 1;
	}
}

/* ---- starting and ending ---- */

void respond_close_slot(struct respond_slot *slot)
{
	slot->source = sd_event_source_disable_unref(slot->source);
	slot->fd = file_close(slot->fd);
	slot->is_stopping = false;
}

/* By one of its files; "": by its program. */
static void set_broken(struct broker *b, struct procedure *p, int error, const char *by)
{
	bool is_new = p->state != PROCEDURE_BROKEN || p->error != error;

	respond_close_slot(respond_slot_of(b, p));
	p->state = PROCEDURE_BROKEN;
	p->error = error;
	text_copy_tail(p->broken, sizeof(p->broken), by);
	respond_slot_of(b, p)->since_us = clock_now_us();
	if (is_new)
		note_responder(b, p);
}

static int on_responder(sd_event_source *source, int fd, uint32_t revents, void *userdata);

static const char *place_of(const struct broker *b)
{
	struct stat st;

	if (b->options.responder)
		return b->options.responder;
	return stat(PLACE_SOCKET, &st) == 0 && S_ISSOCK(st.st_mode) ? PLACE_SOCKET : PLACE_PROGRAM;
}

const char *respond_broken_path(const struct broker *b, const struct procedure *p)
{
	if (p->is_without_responder)
		return place_of(b);
	return p->broken[0] ? p->broken : p->spec.program;
}

static void start(struct broker *b, struct procedure *p)
{
	struct respond_slot *slot = respond_slot_of(b, p);
	int r = responder_open(place_of(b), &p->spec, &slot->fd);

	slot->since_us = clock_now_us();
	p->is_without_responder = r < 0;
	if (r >= 0)
		r = sd_event_add_io(b->event, &slot->source, slot->fd, EPOLLIN, on_responder, b);
	if (r >= 0)
		r = sd_event_source_set_priority(slot->source, SD_EVENT_PRIORITY_IMPORTANT);
	if (r < 0)
		set_broken(b, p, -r, "");
	else if (p->state != PROCEDURE_BROKEN) /* said once, it is broken until it is ready */
		p->state = PROCEDURE_STARTING;
}

static bool is_start_due(const struct procedure *p, const struct respond_slot *slot, uint64_t now_us)
{
	if (slot->fd >= 0)
		return false;
	if (p->state == PROCEDURE_BROKEN)
		return now_us >= slot->since_us + RETRY_US;
	return p->state == PROCEDURE_STARTING || p->state == PROCEDURE_USED;
}

/* ---- what it says ---- */

static void take_end(struct broker *b, struct procedure *p, const struct core_procedure_end *end)
{
	procedure_end(p, end->outcome);
	b->respond.quiet_us = b->respond.silent_us = 0;
	core_procedure_done(&b->core, respond_slot_of(b, p)->domain, end, clock_now_us());
	broker_drain(b);
}

static void take_gone(struct broker *b, struct procedure *p)
{
	const struct core_procedure_end end = {
		.procedure = p->id, .outcome = PROCEDURE_LOST, .code = ECHILD,
	};

	if (p->state != PROCEDURE_RUNNING) {
		set_broken(b, p, ECHILD, "");
		return;
	}
	take_end(b, p, &end);
	respond_close_slot(respond_slot_of(b, p));
}

/* First the ladder, then the record: the victim waits for the one, nobody for the other. */
static void take_reply(struct broker *b, struct procedure *p, const struct launch_reply *r)
{
	const struct core_procedure_end end = {
		p->id, (enum procedure_outcome)r->outcome, r->code, r->output_bytes,
	};

	if (r->word == LAUNCH_READY && p->state != PROCEDURE_RUNNING) {
		p->state = PROCEDURE_READY;
		p->error = 0;
		respond_slot_of(b, p)->held_bytes = r->held_bytes;
		note_responder(b, p);
	} else if (r->word == LAUNCH_DONE && p->state == PROCEDURE_RUNNING) {
		take_end(b, p, &end);
		note_output(b, p, r);
		respond_close_slot(respond_slot_of(b, p));
	} else { /* it is broken, or it ended before it was called */
		note_output(b, p, r);
		set_broken(b, p, r->word == LAUNCH_BROKEN && r->code ? (int)r->code : ECHILD, r->broken);
	}
}

static int on_responder(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct broker *b = userdata;
	struct launch_reply reply;
	int r = responder_read(fd, &reply);

	(void)source, (void)revents;
	if (r == -EAGAIN)
		return 0;
	for (unsigned i = 0; i < PROCEDURES_MAX; i++) {
		struct procedure *p = &b->respond.table.slot[i];

		if (p->state == PROCEDURE_FREE || b->respond.slot[i].fd != fd)
			continue;
		if (r < 0)
			take_gone(b, p);
		else
			take_reply(b, p, &reply);
		break;
	}
	broker_step(b);
	return 0;
}

/* ---- in every step ---- */

static void let_go(struct broker *b)
{
	for (uint32_t d = 0; b->respond.held && d < CORE_DOMAINS_MAX; d++)
		if (b->core.domain[d].escalate.rung != RUNG_PROCEDURE)
			respond_let_go(b, d);
}

static bool is_wanted(const struct broker *b, const struct procedure *p, uint32_t domain)
{
	const struct escalate *e = &b->core.domain[domain].escalate;

	if (p->spec.kind == PROCEDURE_LAST)
		return b->core.domain[domain].last.phase == LAST_RUNNING;
	return e->rung == RUNG_PROCEDURE && e->victim.procedure == p->id && !e->procedure_ended;
}

static void stop_unwanted(struct broker *b, struct procedure *p, uint64_t now_us)
{
	struct respond_slot *slot = respond_slot_of(b, p);

	if (p->state == PROCEDURE_STARTING && slot->fd >= 0 && now_us > slot->since_us + STARTING_MOST_US)
		set_broken(b, p, ETIMEDOUT, "");
	if (p->state != PROCEDURE_RUNNING || is_wanted(b, p, slot->domain))
		return;
	if (!slot->is_stopping) {
		slot->is_stopping = true;
		slot->since_us = now_us;
		(void)responder_stop(slot->fd); /* it has its own deadline, and is closed later */
	} else if (now_us > slot->since_us + STOPPING_MOST_US) {
		procedure_end(p, PROCEDURE_LATE);
		respond_close_slot(slot);
	}
}

static void drop(struct broker *b, struct procedure *p)
{
	respond_close_slot(respond_slot_of(b, p));
	procedure_remove(p);
}

/* Beside the responder, where all of them are installed. */
static void barebone_path(const struct broker *b, char *ret, size_t size)
{
	const char *place = b->options.responder ? b->options.responder : PLACE_PROGRAM;
	const char *slash = strrchr(place, '/');

	if (!slash)
		slash = strrchr((place = PLACE_PROGRAM), '/');
	(void)snprintf(ret, size, "%.*s/failsoft-barebone", (int)(slash - place), place); /* see -ENOENT */
}

/* A line each; false: no room, or a text that cannot be told so. */
static bool join(char *to, size_t size, const struct config_list *list)
{
	size_t used = strlen(to);

	for (uint32_t i = 0; i < list->count; i++) {
		int n = snprintf(to + used, size - used, "%s%s", i ? "\n" : "", list->text[i]);

		if (n < 0 || (size_t)n >= size - used || strchr(list->text[i], '\n'))
			return false;
		used += (size_t)n;
	}
	return true;
}

/* Whom it spares: who is protected is not ended by this way either. */
static bool add_lists(struct procedure_words *words, const struct config *c)
{
	char protect[PROCEDURE_WORDS_BYTES] = "--protect=", keep[PROCEDURE_WORDS_BYTES] = "";

	if (!join(protect, sizeof(protect), &c->protect) || !join(keep, sizeof(keep), &c->barebone_keep))
		return false;
	return procedure_words_add(words, "--end") && procedure_words_add(words, protect) &&
	       procedure_words_add(words, "--") && procedure_words_add(words, keep);
}

/* It may also follow a reboot too many, or one that did not come about. */
static void add_barebone(struct broker *b)
{
	struct procedure_spec spec = procedure_default();
	struct procedure *p;

	if (!b->config.barebone_keep.count)
		return;
	spec.kind = PROCEDURE_LAST;
	spec.is_responder = true;
	spec.holds = false;
	spec.deadline_us = BAREBONE_US;
	strcpy(spec.match, PROCEDURE_BAREBONE);
	barebone_path(b, spec.program, sizeof(spec.program));
	if (!add_lists(&spec.arguments, &b->config)) {
		warning_add(b, WARNING_BAREBONE,
			    "barebone does not stand ready: what it has to spare (protect and "
			    "barebone_keep) is longer than %u bytes, or has a line break",
			    PROCEDURE_WORDS_BYTES);
		return;
	}
	p = procedure_add(&b->respond.table, &spec);
	if (p)
		p->is_configured = true;
	else
		warning_add(b, WARNING_BAREBONE,
			    "there is no room for barebone: there are %u procedures already",
			    PROCEDURES_MAX);
}

/* Not while one runs or may be needed at once. */
static void take_config(struct broker *b)
{
	const struct config_procedures *list = &b->config.procedures;

	b->respond.is_stale = false;
	warning_clear(b, WARNING_PROCEDURES);
	warning_clear(b, WARNING_BAREBONE);
	for (struct procedure *p = b->respond.table.slot; p < b->respond.table.slot + PROCEDURES_MAX; p++)
		if (p->state != PROCEDURE_FREE && p->is_configured)
			drop(b, p);
	for (uint32_t i = 0; i < list->count; i++) {
		struct procedure *p = procedure_add(&b->respond.table, &list->spec[i]);

		if (p)
			p->is_configured = true;
		else
			warning_add(b, WARNING_PROCEDURES,
				    "procedure %s of the configuration is left out: there are %u "
				    "already",
				    list->spec[i].program, PROCEDURES_MAX);
	}
	add_barebone(b);
	tell_longest(b);
}

void respond_watch(struct broker *b, uint64_t now_us)
{
	let_go(b);
	if (now_us >= b->respond.quiet_us)
		b->respond.quiet_us = 0;
	for (unsigned i = 0; i < PROCEDURES_MAX; i++)
		if (b->respond.table.slot[i].state != PROCEDURE_FREE)
			stop_unwanted(b, &b->respond.table.slot[i], now_us);
}

void respond_start(struct broker *b, uint64_t now_us)
{
	if (core_stage(&b->core) != STAGE_NORMAL)
		return;
	if (b->respond.is_stale)
		take_config(b);
	for (unsigned i = 0; i < PROCEDURES_MAX; i++)
		if (is_start_due(&b->respond.table.slot[i], &b->respond.slot[i], now_us))
			start(b, &b->respond.table.slot[i]);
}

/* ---- by the bus ---- */

static int read_start_ticks(const struct broker *b, int32_t pid, uint64_t *ret)
{
	char path[40], text[1024];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "proc/%d/stat", (int)pid); /* 21 bytes at most */
	n = file_read_at(b->root_fd, path, text, sizeof(text));
	return n < 0 ? (int)n : parse_process_start(text, (size_t)n, ret);
}

static uint32_t count_of(const struct broker *b, uint32_t uid)
{
	uint32_t count = 0;

	for (unsigned i = 0; i < PROCEDURES_MAX; i++)
		count += b->respond.table.slot[i].state != PROCEDURE_FREE &&
			 b->respond.table.slot[i].spec.uid == uid;
	return count;
}

enum respond_outcome respond_add(struct broker *b, const struct procedure_spec *spec, uint32_t *ret_id)
{
	struct procedure *p;

	if (spec->kind == PROCEDURE_PID && atoi(spec->match) == getpid())
		return RESPOND_E_NEVER;
	if (spec->uid && count_of(b, spec->uid) >= PER_USER_MOST)
		return RESPOND_E_USER_FULL;
	p = procedure_add(&b->respond.table, spec);
	if (!p)
		return RESPOND_E_FULL;
	if (spec->kind == PROCEDURE_PID && read_start_ticks(b, p->pid, &p->start_ticks) < 0) {
		procedure_remove(p);
		return RESPOND_E_NO_PROCESS;
	}
	*ret_id = p->id;
	tell_longest(b);
	return RESPOND_OK;
}

enum respond_outcome respond_remove(struct broker *b, struct procedure *p)
{
	if (p->is_configured)
		return RESPOND_E_CONFIGURED;
	if (p->state == PROCEDURE_RUNNING)
		return RESPOND_E_BUSY;
	drop(b, p);
	tell_longest(b);
	return RESPOND_OK;
}

/* ---- start, stop ---- */

void respond_open(struct broker *b)
{
	(void)signal(SIGCHLD, SIG_IGN); /* responders that end leave nothing behind */
	for (unsigned i = 0; i < PROCEDURES_MAX; i++)
		b->respond.slot[i].fd = -1;
	b->respond.is_stale = true;
}

void respond_reload(struct broker *b)
{
	b->respond.is_stale = true;
	tell_longest(b);
}

void respond_close(struct broker *b)
{
	for (uint32_t d = 0; d < CORE_DOMAINS_MAX; d++)
		respond_let_go(b, d);
	for (unsigned i = 0; i < PROCEDURES_MAX; i++)
		if (b->respond.table.slot[i].state != PROCEDURE_FREE)
			respond_close_slot(&b->respond.slot[i]);
}
