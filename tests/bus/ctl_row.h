/* SPDX-License-Identifier: MIT */
/*
 * One row of the tests of failsoftctl: what the broker says, what failsoftctl is called with, what
 * must come of it. Include after cmocka.h and fake_broker.h.
 */
#pragma once

#include <json-c/json.h>
#include <string.h>

#include "ctl_broker.h"
#include "ctl_run.h"

enum {
	ROW_WIDTH = 1,			/* no line is wider than a terminal */
	ROW_SCREEN = 2,			/* all fits into 79x23: the prompt needs a line, and a full
					 * last column makes some terminals wrap */
	ROW_JSON = 4,			/* one or more JSON objects, nothing else */
	ROW_RAW = 8,			/* passed on as it came: control characters are JSON's affair */
	ROW_STOPPED = 16,		/* the broker stands still */
	ROW_PROMPT = 32,		/* within what a monitoring system waits: 10 s */
	ROW_ASCII = 64,			/* nothing else, and the locale is C */
};

struct ctl_row {
	const char *name;
	const struct ctl_script *script; /* NULL: no broker on the bus */
	struct ctl_call call;		/* address: filled in, unless there is one */
	int code;
	unsigned flags;
	const char *out[4], *err;	/* parts that must be there; err NULL: stderr stays empty */
	const char *not_out;
};

/* Reads JSON values one after the other. Returns how many; -1: something else is there. */
static inline int row_count_json(const char *text)
{
	struct json_tokener *tokener = json_tokener_new();
	int count = 0;

	json_tokener_set_flags(tokener, JSON_TOKENER_ALLOW_TRAILING_CHARS | JSON_TOKENER_VALIDATE_UTF8);
	for (text += strspn(text, " \n"); *text && count >= 0; text += strspn(text, " \n")) {
		struct json_object *o = json_tokener_parse_ex(tokener, text, -1);

		count = json_object_is_type(o, json_type_object) ? count + 1 : -1;
		text += json_tokener_get_parse_end(tokener);
		json_object_put(o);
	}
	json_tokener_free(tokener);
	return count;
}

static inline void row_judge(const struct ctl_row *row, const struct ctl_result *have)
{
	unsigned wide = row->flags & ROW_WIDTH ? CTL_COLUMNS : 0;
	unsigned columns = row->flags & ROW_SCREEN ? CTL_COLUMNS - 1 : wide;
	unsigned lines = row->flags & ROW_SCREEN ? CTL_ROWS - 1 : 0;

	if (have->code != row->code)
		print_error("%s%s", have->out, have->err); /* says why */
	assert_int_equal(have->code, row->code);
	for (unsigned i = 0; i < 4 && row->out[i]; i++)
		if (!strstr(have->out, row->out[i]))
			fail_msg("\"%s\" is not in:\n%s", row->out[i], have->out);
	if (row->not_out && strstr(have->out, row->not_out))
		fail_msg("\"%s\" is in:\n%s", row->not_out, have->out);
	if (!row->err)
		assert_string_equal(have->err, "");
	else if (!strstr(have->err, row->err))
		fail_msg("\"%s\" is not in: %s", row->err, have->err);
	assert_string_equal(ctl_fault(have->err, 0, 0), "");
	if (!(row->flags & ROW_RAW))
		assert_string_equal(ctl_fault(have->out, columns, lines), "");
	if (row->flags & ROW_JSON)
		assert_true(row_count_json(have->out) > 0);
	for (const char *at = have->out; row->flags & ROW_ASCII && *at; at++)
		assert_true((unsigned char)*at < 0x80);
	assert_true(have->took_us < (row->flags & ROW_PROMPT ? 10000000u : CTL_PATIENCE_US));
}

static inline void row_run(const struct ctl_row *row, const struct fake_daemon *daemon)
{
	static struct ctl_result have;
	struct ctl_broker broker = { 0 };
	struct ctl_call call = row->call;

	call.address = call.address ? call.address : daemon->address;
	call.locale = row->flags & ROW_ASCII ? "C" : NULL;
	if (row->script)
		ctl_broker_start(&broker, daemon->address, row->script);
	if (row->flags & ROW_STOPPED)
		assert_int_equal(kill(broker.pid, SIGSTOP), 0);
	ctl_run(&call, &have);
	ctl_broker_stop(&broker);
	row_judge(row, &have);
}

/* ---- on a terminal ---- */

#define SCREEN_FRAME	"\x1b[J"	/* the end of a picture */
#define SCREEN_CURSOR	"\x1b[?25h"	/* it is visible again */

/* is_as_before: the terminal's settings; out: up to `outs` parts that must be there, or NULL. */
static inline void screen_judge(const struct ctl_result *have, int code, bool is_as_before,
				const char *const *out, unsigned outs)
{
	if (have->code != code)
		print_error("%s", have->out); /* says why */
	assert_int_equal(have->code, code);
	assert_true(is_as_before);
	assert_non_null(strstr(have->out, SCREEN_CURSOR));
	assert_string_equal(ctl_picture_fault(have->out), "");
	for (unsigned i = 0; i < outs && out[i]; i++)
		if (!strstr(have->out, out[i]))
			fail_msg("\"%s\" is not in:\n%s", out[i], have->out);
}

/* The terminal of a serial line knows no blocks. */
static inline void screen_in_plain_letters(const char *verb, const struct ctl_script *script,
					   const struct fake_daemon *daemon)
{
	static struct ctl_result have;
	const struct ctl_call call = { .address = daemon->address, .locale = "C", .arg = { verb, "-n2" } };
	struct ctl_broker broker;
	struct ctl_terminal t;

	ctl_broker_start(&broker, daemon->address, script);
	ctl_terminal_open(&t, &call);
	assert_true(ctl_terminal_end(&t, &have));
	ctl_broker_stop(&broker);
	assert_int_equal(have.code, 0);
	assert_non_null(strstr(have.out, "#####....."));
	for (const char *at = have.out; *at; at++)
		assert_true((unsigned char)*at < 0x80);
}
