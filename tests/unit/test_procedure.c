/* SPDX-License-Identifier: MIT */
#include "rig.h"

static const struct procedure_facts hog = {
	.pid = 812, .start_ticks = 5, .name = "hog", .program = "/usr/bin/hog",
	.cgroup = "/system.slice/hog.service/worker",
};

/* What stands ready, whether it is the hog's. */
static const struct row {
	const char *name;
	enum procedure_kind kind;
	const char *match;
	bool fits;
} rows[] = {
	{ "its pid", PROCEDURE_PID, "812", true },
	{ "another pid", PROCEDURE_PID, "81", false },
	{ "its name", PROCEDURE_NAME, "hog", true },
	{ "only the beginning of its name", PROCEDURE_NAME, "ho", false },
	{ "its program", PROCEDURE_NAME, "/usr/bin/hog", true },
	{ "another program of that name", PROCEDURE_NAME, "/opt/bin/hog", false },
	{ "its unit", PROCEDURE_UNIT, "hog.service", true },
	{ "a slice is no unit", PROCEDURE_UNIT, "system.slice", false },
	{ "the end of its unit's name", PROCEDURE_UNIT, "og.service", false },
	{ "its cgroup", PROCEDURE_CGROUP, "/system.slice/hog.service/worker", true },
	{ "a cgroup above", PROCEDURE_CGROUP, "/system.slice", true },
	{ "the root of all", PROCEDURE_CGROUP, "/", true },
	{ "a cgroup that begins so", PROCEDURE_CGROUP, "/system.slice/hog", false },
	{ "a cgroup below", PROCEDURE_CGROUP, "/system.slice/hog.service/worker/a", false },
};

static struct procedure_table table;

static struct procedure *ready(enum procedure_kind kind, const char *match)
{
	struct procedure_spec spec = { .kind = kind, .program = "/bin/true", .deadline_us = US_PER_S };
	struct procedure *p;

	strcpy(spec.match, match);
	p = procedure_add(&table, &spec);
	assert_non_null(p);
	assert_null(procedure_match(&table, &hog)); /* does not stand ready yet */
	p->state = PROCEDURE_READY;
	p->start_ticks = hog.start_ticks;
	return p;
}

static int empty(void **state)
{
	(void)state;
	memset(&table, 0, sizeof(table));
	return 0;
}

static void who_is_meant(void **state)
{
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		struct procedure *p;

		SAY(&rows[i]);
		empty(state);
		p = ready(rows[i].kind, rows[i].match);
		assert_ptr_equal(procedure_match(&table, &hog), rows[i].fits ? p : NULL);
	}
}

static void a_reused_pid_is_somebody_else(void **state)
{
	struct procedure_facts other = hog;

	(void)state;
	ready(PROCEDURE_PID, "812");
	other.start_ticks++;
	assert_non_null(procedure_match(&table, &hog));
	assert_null(procedure_match(&table, &other));
}

static void the_most_specific_wins(void **state)
{
	static const struct { enum procedure_kind kind; const char *match; } order[] = {
		{ PROCEDURE_NAME, "hog" }, { PROCEDURE_NAME, "/usr/bin/hog" },
		{ PROCEDURE_UNIT, "hog.service" }, { PROCEDURE_CGROUP, "/system.slice" },
		{ PROCEDURE_CGROUP, "/system.slice/hog.service" }, { PROCEDURE_PID, "812" },
	};
	struct procedure *p = NULL, *again;

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(order); i++) {
		struct procedure_spec spec = { .kind = order[i].kind };

		strcpy(spec.match, order[i].match);
		p = procedure_add(&table, &spec);
		p->start_ticks = hog.start_ticks;
		p->state = PROCEDURE_READY;
		assert_ptr_equal(procedure_match(&table, &hog), p);
	}
	again = procedure_add(&table, &p->spec);
	again->state = PROCEDURE_READY;
	again->start_ticks = hog.start_ticks;
	assert_ptr_equal(procedure_match(&table, &hog), p); /* the older one of two */
}

static void never_twice_for_one_process(void **state)
{
	struct procedure *first = ready(PROCEDURE_NAME, "hog");
	struct procedure_facts second = hog;

	(void)state;
	first->runs = 1;
	first->ran_pid = hog.pid;
	first->ran_start_ticks = hog.start_ticks;
	assert_null(procedure_match(&table, &hog)); /* though it stands ready again */
	second.pid++;
	assert_ptr_equal(procedure_match(&table, &second), first);
}

static void the_table_is_full_and_forgets(void **state)
{
	const struct procedure_spec spec = { .kind = PROCEDURE_NAME, .match = "x", .deadline_us = 7 };
	uint32_t id = 0;

	(void)state;
	assert_true(procedure_table_is_empty(&table));
	for (unsigned i = 0; i < PROCEDURES_MAX; i++)
		id = procedure_add(&table, &spec)->id;
	assert_null(procedure_add(&table, &spec));
	assert_true(procedure_longest_us(&table) == 7);
	procedure_remove(procedure_find(&table, id));
	assert_null(procedure_find(&table, id));
	assert_int_equal(procedure_add(&table, &spec)->id, id + 1); /* no id is given twice */
}

static void words_have_limits(void **state)
{
	struct procedure_words words = { 0 };
	const char *list[PROCEDURE_ARGUMENTS_MAX + 1];
	char large[PROCEDURE_WORDS_BYTES + 1];

	(void)state;
	memset(large, 'x', sizeof(large) - 1);
	large[sizeof(large) - 1] = 0;
	assert_false(procedure_words_add(&words, large));
	assert_true(procedure_words_add(&words, "-o"));
	assert_true(procedure_words_add(&words, ""));
	procedure_words_list(&words, list);
	assert_string_equal(list[0], "-o");
	assert_string_equal(list[1], "");
	assert_null(list[2]);
	while (words.count < PROCEDURE_ARGUMENTS_MAX)
		assert_true(procedure_words_add(&words, "a"));
	assert_false(procedure_words_add(&words, "a"));
}

static void what_is_refused(void **state)
{
	static const struct { const char *name; struct procedure_spec spec; } wrong[] = {
		{ "no path", { PROCEDURE_NAME, "hog", "true" } },
		{ "nobody", { PROCEDURE_NAME, "", "/bin/true" } },
		{ "no pid", { PROCEDURE_PID, "12x", "/bin/true" } },
		{ "pid 0", { PROCEDURE_PID, "0", "/bin/true" } },
		{ "a pid that is none", { PROCEDURE_PID, "99999999999", "/bin/true" } },
		{ "no cgroup", { PROCEDURE_CGROUP, "a.slice", "/bin/true" } },
		{ "a unit's path", { PROCEDURE_UNIT, "/a.slice/b.service", "/bin/true" } },
		{ "process 1", { PROCEDURE_PID, "1", "/bin/true" } },
		{ "a unit without its ending", { PROCEDURE_UNIT, "logger", "/bin/true" } },
		{ "a slice", { PROCEDURE_UNIT, "system.slice", "/bin/true" } },
		{ "an ending alone", { PROCEDURE_UNIT, ".service", "/bin/true" } },
		{ "half a path", { PROCEDURE_NAME, "bin/logger", "/bin/true" } },
		{ "a long name", { PROCEDURE_NAME, "0123456789abcdef", "/bin/true" } },
	};
	const struct procedure_spec good = { PROCEDURE_NAME, "hog", "/bin/true" };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(wrong); i++) {
		SAY(&wrong[i]);
		assert_non_null(procedure_refuse(&wrong[i].spec));
	}
	assert_null(procedure_refuse(&good));
}

static void what_a_victim_gets(void **state)
{
	struct procedure *p = ready(PROCEDURE_NAME, "hog");
	struct victim v = { .pid = 812 };

	(void)state;
	procedure_give(p, &v);
	assert_int_equal(v.procedure, p->id);
	assert_true(v.procedure_us == US_PER_S);
	assert_string_equal(v.procedure_name, "true");
	procedure_give(NULL, &v);
	assert_int_equal(v.procedure, 0);
}

/* What ended last is told; what has only begun has not. */
static void a_run_begins_and_ends(void **state)
{
	struct procedure *p = ready(PROCEDURE_NAME, "hog");

	(void)state;
	procedure_begin(p, 100, 700);
	assert_int_equal(p->state, PROCEDURE_RUNNING);
	assert_false(p->has_outcome);
	assert_true(p->runs == 1 && p->started_us == 100 && p->ends_us == 700);
	procedure_end(p, PROCEDURE_LOST);
	assert_int_equal(p->state, PROCEDURE_USED);
	procedure_begin(p, 1000, 1600);
	assert_true(p->has_outcome && p->outcome == PROCEDURE_LOST && p->runs == 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_meant),
		cmocka_unit_test_setup(a_run_begins_and_ends, empty),
		cmocka_unit_test_setup(a_reused_pid_is_somebody_else, empty),
		cmocka_unit_test_setup(the_most_specific_wins, empty),
		cmocka_unit_test_setup(never_twice_for_one_process, empty),
		cmocka_unit_test_setup(the_table_is_full_and_forgets, empty),
		cmocka_unit_test(words_have_limits),
		cmocka_unit_test(what_is_refused),
		cmocka_unit_test_setup(what_a_victim_gets, empty),
	};

	return cmocka_run_group_tests_name("procedure", tests, NULL, NULL);
}
