/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "parse_rows.h"
#include "sense/parse_census.h"

static int statm(const char *text, size_t size, uint64_t *figure)
{
	struct parse_census_statm m;
	int r = parse_census_statm(text, size, &m);

	if (r == 0) {
		figure[0] = m.has_memory;
		figure[1] = m.resident;
		figure[2] = m.shared;
	}
	return r;
}

/* Names as their length and their first two bytes. */
static int stat_line(const char *text, size_t size, uint64_t *figure)
{
	struct parse_census_stat p;
	int r = parse_census_stat(text, size, &p);

	if (r == 0) {
		figure[0] = (uint64_t)p.parent;
		figure[1] = p.start_ticks;
		figure[2] = strlen(p.name);
		figure[3] = (unsigned char)p.name[0];
		figure[4] = figure[2] ? (unsigned char)p.name[1] : 0;
		figure[5] = (unsigned char)p.state;
	}
	return r;
}

#define FIELDS " 201 0 -1 4194304 101 0 0 0 0 0 0 0 20 0 1 0 60000 3133440 397\n"

static const struct row rows[] = {
	{ "statm", statm, "1234 500 200 10 0 300 0\n", 0, { 1, 500, 200 }, false },
	{ "statm: kernel thread", statm, "0 0 0 0 0 0 0\n", 0, { 0 }, false },
	{ "statm: new fields behind", statm, "9 5 2 1 0 3 0 77 x\n", 0, { 1, 5, 2 }, false },
	{ "statm: empty", statm, "", -ENODATA, { 0 }, false },
	{ "statm: cut", statm, "1234 500 20", -ENODATA, { 0 }, false },
	{ "statm: short", statm, "1234 500\n", -ENODATA, { 0 }, false },
	{ "statm: no figure", statm, "1234 -5 20\n", -EINVAL, { 0 }, false },
	{ "statm: too large", statm, "1 99999999999999999999 2\n", -EINVAL, { 0 }, false },
	{ "stat", stat_line, "201 (bash) S 200 201" FIELDS, 0, { 200, 60000, 4, 'b', 'a', 'S' },
	  true },
	{ "stat: a name that lies", stat_line, "201 (a) (b S) S 200 201" FIELDS, 0,
	  { 200, 60000, 7, 'a', ')', 'S' }, true },
	{ "stat: newline and more in the name", stat_line, "201 (\n\xff) R 7 201" FIELDS, 0,
	  { 7, 60000, 2, '?', '?', 'R' }, true },
	{ "stat: long name", stat_line, "201 (kworker/u8:2-events) I 2 0" FIELDS, 0,
	  { 2, 60000, 15, 'k', 'w', 'I' }, true },
	{ "stat: no name", stat_line, "201 () T 200 201" FIELDS, 0, { 200, 60000, 0, 0, 0, 'T' },
	  true },
	{ "stat: empty", stat_line, "", -EINVAL, { 0 }, true },
	{ "stat: no parenthesis", stat_line, "201 bash S 200" FIELDS, -EINVAL, { 0 }, true },
	{ "stat: turned round", stat_line, "201 )a( S 200 201" FIELDS, -EINVAL, { 0 }, true },
	{ "stat: no parent", stat_line, "201 (bash) S -1 201" FIELDS, -EINVAL, { 0 }, true },
	{ "stat: parent too large", stat_line, "201 (bash) S 2147483648 201" FIELDS, -EINVAL, { 0 },
	  true },
	{ "stat: short", stat_line, "201 (bash) S 200 201 1 1\n", -ENODATA, { 0 }, true },
};

static void whole(void **state)
{
	(void)state;
	rows_whole(rows, ARRAY_LEN(rows));
}

static void cut(void **state)
{
	(void)state;
	rows_cut(rows, ARRAY_LEN(rows));
}

static void damaged(void **state)
{
	(void)state;
	rows_damaged(rows, ARRAY_LEN(rows));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole),
		cmocka_unit_test(cut),
		cmocka_unit_test(damaged),
	};

	return cmocka_run_group_tests_name("parse_census", tests, NULL, NULL);
}
