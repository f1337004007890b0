/* SPDX-License-Identifier: MIT */
/*
 * Lines: one line on a stream for everything that is new, as JSON (for scripts) or as text. Edge: writes,
 * and decides nothing. Each line leaves at once.
 */
#pragma once

#include <stdio.h>

#include "roster.h"

struct lines {
	FILE *out;
	bool is_json;
};

/* What came, and what it changed. false: the stream has ended. */
bool lines_note(const struct lines *l, const struct roster_note *note, const struct ingest_message *m,
		const struct ingest_raw *raw);
bool lines_refused(const struct lines *l, const struct ingest_raw *raw, enum ingest_refusal refusal,
		   const char *why);
