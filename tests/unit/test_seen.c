/* SPDX-License-Identifier: MIT */
/* A process that is killed between a line and the note that it left: what the next one is not sure of. */
#include "fleet_rig.h"

#include <stdlib.h>
#include <unistd.h>

#include "seen.h"

#define EVENT	TOPIC_AT_EVENT
#define KEPT	TOPIC_AT_ALARM

/* One process: it reads the file and takes messages. */
struct process {
	struct roster *roster;
	struct seen *seen;
};

static char path[] = "/tmp/failsoft-test-seen-XXXXXX";

static void start(struct process *p)
{
	char complaint[512];

	p->roster = roster_new(&rig_limits);
	assert_int_equal(seen_open(&p->seen, path, p->roster, complaint), 0);
	assert_string_equal(complaint, "");
}

/* The file stays as it is. */
static void kill_it(struct process *p)
{
	p->seen = seen_close(p->seen, NULL);
	roster_free(p->roster);
}

/* "+" raised, "-" cleared, "l" a line of the log; each with "?" if it perhaps was shown before. */
static void take(struct process *p, enum topic_place place, bool is_raised, uint64_t sequence, bool is_ended,
		 char *ret)
{
	static const char letter[ROSTER_NOTE_COUNT] = { [ROSTER_RAISED] = '+', [ROSTER_CLEARED] = '-',
							[ROSTER_LOGGED] = 'l' };
	struct ingest_message m = rig_alarm(place, TOPIC_ALARM_IMMINENT, is_raised, sequence);
	const struct roster_now now = { 1, 1 };
	struct roster_note note[ROSTER_NOTES_MAX];
	uint32_t notes;

	assert_int_equal(roster_apply(p->roster, &m, &now, note, &notes), INGEST_OK);
	for (uint32_t i = 0; i < notes; i++) {
		if (!letter[note[i].kind])
			continue;
		*ret++ = letter[note[i].kind];
		if (seen_is_unsure(p->seen, &m, &note[i]))
			*ret++ = '?';
	}
	*ret = '\0';
	seen_begin(p->seen, &m, note, notes);
	if (is_ended)
		seen_end(p->seen, &m, note, notes);
}

struct step {
	enum topic_place place;
	bool is_raised;
	uint64_t sequence;
	const char *expect;	/* NULL: no more */
};

static const struct row {
	const char *name;
	struct step before[2], next[3]; /* the last one before is not ended */
} rows[] = {
	{ "the log's line, again", { { EVENT, true, 7, "l+" } }, { { EVENT, true, 7, "l?+?" } } },
	{ "what it raised, by the kept alarm, and then its line",
	  { { EVENT, true, 7, "l+" } }, { { KEPT, true, 7, "+?" }, { EVENT, true, 7, "l?" } } },
	{ "the kept alarm, again", { { KEPT, true, 7, "+" } },
	  { { KEPT, true, 7, "+?" }, { KEPT, true, 7, "" } } },
	{ "the kept alarm, and its line, which was never begun",
	  { { KEPT, true, 7, "+" } }, { { EVENT, true, 7, "l+?" }, { KEPT, true, 7, "" } } },
	{ "another kept alarm of it, which nobody has begun", { { KEPT, true, 7, "+" } },
	  { { KEPT, true, 11, "+" } } },
	{ "cleared by the log, and again", { { EVENT, true, 7, "l+" }, { EVENT, false, 9, "l-" } },
	  { { EVENT, false, 9, "l?-?" } } },
	{ "another alarm of it is another line", { { EVENT, true, 7, "l+" } },
	  { { EVENT, true, 7, "l?+?" }, { EVENT, false, 9, "l-" }, { EVENT, true, 11, "l+" } } },
};

static void run(const struct row *row)
{
	struct process p;
	char told[64];

	(void)unlink(path);
	start(&p);
	for (unsigned i = 0; i < 2 && row->before[i].expect; i++) {
		const struct step *s = &row->before[i];

		take(&p, s->place, s->is_raised, s->sequence, i == 0 && row->before[1].expect, told);
		assert_string_equal(told, s->expect);
	}
	kill_it(&p);
	start(&p); /* a second process that ends before it hears anything forgets nothing */
	kill_it(&p);
	start(&p);
	for (unsigned i = 0; i < 3 && row->next[i].expect; i++) {
		const struct step *s = &row->next[i];

		take(&p, s->place, s->is_raised, s->sequence, true, told);
		assert_string_equal(told, s->expect);
	}
	kill_it(&p);
	start(&p); /* by now all is sure */
	for (unsigned i = 0; i < 3 && row->next[i].expect; i++) {
		take(&p, row->next[i].place, row->next[i].is_raised, row->next[i].sequence, true, told);
		assert_null(strchr(told, '?'));
		assert_null(strchr(told, 'l'));
	}
	kill_it(&p);
}

static void killed_between(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		print_message("# %s\n", rows[i].name);
		run(&rows[i]);
	}
	(void)unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_between),
	};
	int fd = mkstemp(path);

	if (fd < 0)
		return 1;
	close(fd);
	return cmocka_run_group_tests_name("seen", tests, NULL, NULL);
}
