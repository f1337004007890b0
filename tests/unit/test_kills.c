/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/units.h"
#include "sense/kills.h"

/* vmstat's oom_kill, what the log told until then, and how many kills of the machine that makes. */
static void kills_of_the_machine(void **state)
{
	static const struct {
		const char *when;
		uint64_t vmstat, global, in_cgroups;
		bool has_log;
		uint64_t expect;
	} steps[] = {
		{ "at start", 28, 0, 0, true, 28 },
		{ "a cgroup's kill, told at once", 29, 0, 1, true, 28 },
		{ "a kill that is not yet told", 30, 0, 1, true, 28 },
		{ "it was of the machine", 30, 1, 1, true, 29 },
		{ "never told", 31, 1, 1, true, 29 },
		{ "still not: it counts", 31, 1, 1, true, 30 },
		{ "told after all: never falls", 31, 1, 2, true, 30 },
		{ "no log: at once", 40, 1, 2, false, 38 },
		{ "counter went backwards", 3, 1, 2, false, 38 },
	};
	struct kills k = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		uint64_t is;

		k.global = steps[i].global;
		k.in_cgroups = steps[i].in_cgroups;
		is = kills_settle(&k, steps[i].vmstat, steps[i].has_log);
		if (is != steps[i].expect)
			fail_msg("%s: %llu", steps[i].when, (unsigned long long)is);
	}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kills_of_the_machine),
	};

	return cmocka_run_group_tests_name("kills", tests, NULL, NULL);
}
