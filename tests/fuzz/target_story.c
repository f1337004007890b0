/* SPDX-License-Identifier: MIT */
/*
 * The telemetry's two parsers: a stream of Monitor's lines, which go on into the tally, and the kernel's
 * last words, which go on to the judge.
 */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "fuzz.h"
#include "outcome.h"
#include "tally.h"
#include "words.h"

/* With a NUL behind it, which fuzz_exact() has not. */
static char *text_of(const uint8_t *bytes, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		abort();
	if (size)
		memcpy(text, bytes, size);
	text[size] = '\0';
	return text;
}

static void must_be_text(const char *text, size_t size)
{
	MUST(memchr(text, '\0', size));
	MUST(text_is_utf8(text));
}

/* ---- lines ---- */

static void check_event(const char *line, const struct feed_event *e)
{
	struct feed_event again = { 0 };

	MUST(e->kind < FEED_KIND_COUNT && e->kind != FEED_SETTLED && e->word[0]);
	must_be_text(e->word, sizeof(e->word));
	must_be_text(e->domain, sizeof(e->domain));
	must_be_text(e->name, sizeof(e->name));
	must_be_text(e->text, sizeof(e->text));
	MUST(e->from <= FAILSOFT_STAGE_SHUTDOWN && e->to <= FAILSOFT_STAGE_SHUTDOWN);
	MUST(e->step <= FAILSOFT_STEP_SHUTDOWN);
	MUST(!e->is_late || e->kind == FEED_ANSWER);
	MUST(feed_parse(line, &again));
	MUST(again.kind == e->kind && again.number == e->number && again.time_us == e->time_us &&
	     !strcmp(again.text, e->text) && !strcmp(again.name, e->name));
}

static void take_event(struct tally *t, const struct feed_event *e)
{
	struct tally_note notes[TALLY_NOTES_MAX];
	const struct tally before = *t;
	bool is_raised[TOPIC_ALARM_COUNT];
	uint32_t count = tally_step(t, e, notes), reports = 0;

	memcpy(is_raised, before.is_raised, sizeof(is_raised));
	MUST(count <= TALLY_NOTES_MAX);
	for (uint32_t i = 0; i < count; i++) {
		reports += notes[i].kind == TALLY_NOTE_REPORT;
		if (notes[i].kind != TALLY_NOTE_ALARM)
			continue;
		MUST(is_raised[notes[i].alarm] != notes[i].is_raised);
		is_raised[notes[i].alarm] = notes[i].is_raised;
	}
	MUST(!memcmp(is_raised, t->is_raised, sizeof(is_raised)));
	MUST(t->counts.episodes == before.counts.episodes + reports);
	MUST(t->counts.near_misses <= t->counts.episodes && t->counts.false_alarms <= t->counts.near_misses);
}

void fuzz_feed_line(const uint8_t *bytes, size_t size)
{
	char *text = text_of(bytes, size), *rest = text, *line;
	struct tally *t = calloc(1, sizeof(*t));
	struct feed_event e;

	if (!t)
		abort();
	while ((line = strsep(&rest, "\n"))) {
		fuzz_stain(&e, sizeof(e));
		if (!feed_parse(line, &e)) {
			fuzz_must_be_stained(&e, sizeof(e));
			continue;
		}
		check_event(line, &e);
		take_event(t, &e);
	}
	free(t);
	free(text);
}

/* ---- last words ---- */

static unsigned count_of(const char *text, const char *literal)
{
	unsigned count = 0;

	for (; (text = strstr(text, literal)); text++)
		count++;
	return count;
}

static void check_facts(const char *text, const struct outcome_facts *f)
{
	MUST(f->kills <= count_of(text, "Killed process "));
	MUST(!f->has_panic || !strncmp(text, "Panic#", 6) || strstr(text, "Kernel panic - not syncing: "));
	MUST(f->has_panic || !f->panic[0]);
	must_be_text(f->panic, sizeof(f->panic));
	for (uint32_t i = 0; i < OUTCOME_KILLS_MAX; i++)
		must_be_text(f->killed[i], sizeof(f->killed[i]));
}

/* As root's step leaves it: no more is said of it than of the whole, and it comes back from its file. */
static void check_sifted(const char *text, const struct outcome_facts *whole)
{
	static struct words w, again;
	static char page[WORDS_FILE_MAX];
	char complaint[WORDS_COMPLAINT_MAX];
	struct outcome_facts f = { 0 };
	int length;

	memset(&w, 0, sizeof(w));
	MUST(words_add(&w, WORDS_LIVE, "dmesg"));
	words_sift(&w, text);
	outcome_kmsg(w.text, &f);
	MUST(f.has_panic == whole->has_panic && !strcmp(f.panic, whole->panic));
	MUST(f.kills <= whole->kills && !f.kills == !whole->kills);
	length = words_format(&w, page, sizeof(page));
	MUST(length > 0);
	MUST(words_parse(page, (size_t)length, &again, complaint) == 0);
	MUST(again.used == w.used && !memcmp(again.text, w.text, w.used));
}

void fuzz_last_words(const uint8_t *bytes, size_t size)
{
	static const struct crumb_note past = { .boot = "0123456789abcdef0123456789abcdef" };
	struct outcome_facts f = { .is_other_boot = true, .is_kept = true }, twice;
	char *text = text_of(bytes, size);
	struct outcome o;

	outcome_kmsg(text, &f);
	check_facts(text, &f);
	check_sifted(text, &f);
	twice = f;
	outcome_kmsg(text, &twice);
	MUST(f.kills > OUTCOME_PIDS_MAX || twice.kills == f.kills);
	outcome_judge(&past, &f, &o);
	MUST(o.is_known && (o.end == TALLY_END_PANIC) == f.has_panic);
	MUST((o.end == TALLY_END_POWER_LOSS) == (!f.has_panic && !f.kills));
	must_be_text(o.text, sizeof(o.text));
	must_be_text(o.of, sizeof(o.of));
	free(text);
}

/* ---- root's words about them ---- */

static void check_words(const struct words *w)
{
	uint32_t at = 0;

	MUST(w->used <= WORDS_TEXT_MAX && w->count <= WORDS_PLACE_COUNT * WORDS_DUMPS_MAX);
	MUST(!w->boot[0] || strlen(w->boot) == TOPIC_BOOT_MAX - 1);
	must_be_text(w->kept_by, sizeof(w->kept_by));
	must_be_text(w->watchdog, sizeof(w->watchdog));
	for (uint32_t i = 0; i < w->count; i++) {
		const struct words_dump *d = &w->dump[i];
		struct outcome_facts f = { 0 };

		MUST(d->place < WORDS_PLACE_COUNT && d->kind < WORDS_KIND_COUNT && d->text_at == at);
		must_be_text(d->name, sizeof(d->name));
		must_be_text(w->text + at, w->used - at);
		outcome_kmsg(w->text + at, &f);
		check_facts(w->text + at, &f);
		at += (uint32_t)strlen(w->text + at) + 1;
	}
	MUST(at == w->used);
}

void fuzz_words_file(const uint8_t *bytes, size_t size)
{
	static struct words w;
	static char page[WORDS_FILE_MAX];
	char complaint[WORDS_COMPLAINT_MAX] = "";
	char *text = fuzz_exact(bytes, size);

	if (words_parse(text, size, &w, complaint) < 0) {
		MUST(complaint[0]);
	} else {
		check_words(&w);
		MUST(size > sizeof(page) || (size_t)words_format(&w, page, sizeof(page)) == size);
		MUST(size > sizeof(page) || !memcmp(page, text, size));
	}
	free(text);
}
