/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "outcome_rig.h"

static void what_is_left_behind(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct crumb_note past = past_of(!rows[i].no_clock);
		struct outcome_facts facts;

		begin_row(i);
		outcome_gather(root, &past, &facts);
		end();
		must_be_row(i, &facts);
	}
}

static void the_same_boot(void **state)
{
	struct crumb_note past = past_of(true);
	struct outcome_facts facts;

	(void)state;
	begin();
	outcome_gather(root, &past, &facts);
	assert_true(facts.is_other_boot);
	strcpy(past.boot, "0123456789abcdef0123456789abcdef");
	outcome_gather(root, &past, &facts);
	assert_false(facts.is_other_boot);
	assert_int_equal(unlinkat(root, "proc/sys/kernel/random/boot_id", 0), 0);
	strcpy(past.boot, "ffffffffffffffffffffffffffffffff");
	outcome_gather(root, &past, &facts);
	assert_false(facts.is_other_boot); /* not known: nothing is claimed */
	end();
}

/* Three boots on a machine whose clock begins anew in each, and where nobody removes last words: in the
 * first the kernel panicked, the second lost its power, the third panicked with one more dump. */
static void what_was_there_before(void **state)
{
	static const struct file first = { LIVE "dmesg-ramoops-0", PANIC, NEVER_SET };
	static const struct file packed = { LIVE "dmesg-ramoops-1.enc.z", "\x78\x9c", NEVER_SET };
	static const struct file third = { LIVE "dmesg-ramoops-2", QUIET PANIC, NEVER_SET };
	static const enum tally_end ends[] = { TALLY_END_PANIC, TALLY_END_POWER_LOSS, TALLY_END_PANIC };
	static const char *const sources[] = { "dmesg-ramoops-0", "", "dmesg-ramoops-2" };
	struct crumb_note past = past_of(false);
	struct outcome_facts facts;
	struct outcome o;

	(void)state;
	begin();
	put(&ramoops);
	put(&first);
	put(&packed);
	for (size_t boot = 0; boot < COUNT(ends); boot++) {
		if (boot == 2)
			put(&third);
		outcome_gather(root, &past, &facts);
		outcome_judge(&past, &facts, &o);
		if (o.end != ends[boot] || strcmp(facts.source, sources[boot]))
			fail_msg("boot %zu: %s, of \"%s\": %s", boot, tally_end_name(o.end),
				 facts.source, o.text);
		memcpy(past.dumps, facts.dumps, sizeof(past.dumps));
	}
	end();
}

/* A boot whose clock was right knew by it that a dump was old; the next one, without a clock, knows it. */
static void what_was_old_by_its_time(void **state)
{
	static const struct file dumps[] = {
		{ LIVE "dmesg-ramoops-0", PANIC, LONG_AGO }, { ARCHIVE "1/dmesg.txt", PANIC, LONG_AGO },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(dumps); i++) {
		struct crumb_note past = past_of(true);
		struct outcome_facts facts;
		struct outcome o;

		begin();
		put(&ramoops);
		put(&(struct file){ LIVE "other", "", NOW });
		put(&dumps[i]);
		outcome_gather(root, &past, &facts);
		outcome_judge(&past, &facts, &o);
		assert_int_equal(o.end, TALLY_END_POWER_LOSS);
		past = past_of(false);
		memcpy(past.dumps, facts.dumps, sizeof(past.dumps));
		outcome_gather(root, &past, &facts);
		outcome_judge(&past, &facts, &o);
		end();
		if (o.end != TALLY_END_POWER_LOSS)
			fail_msg("%s: %s: %s", dumps[i].path, tally_end_name(o.end), o.text);
	}
}

/* Links, pipes and directories where files are expected: not followed, not waited for. */
static void what_is_no_file(void **state)
{
	static const struct file secret = { "secret", PANIC, NOW };
	const struct crumb_note past = past_of(true);
	struct outcome_facts facts;

	(void)state;
	begin();
	put(&ramoops);
	put(&secret);
	assert_int_equal(mkdirat(root, "sys/fs", 0755), 0);
	assert_int_equal(mkdirat(root, "sys/fs/pstore", 0755), 0);
	assert_int_equal(symlinkat("../../../secret", root, LIVE "dmesg-link"), 0);
	assert_int_equal(mkfifoat(root, LIVE "dmesg-pipe", 0644), 0);
	assert_int_equal(mkdirat(root, LIVE "dmesg-directory", 0755), 0);
	outcome_gather(root, &past, &facts);
	end();
	assert_false(facts.has_panic);
	assert_string_equal(facts.closed, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_left_behind),
		cmocka_unit_test(the_same_boot),
		cmocka_unit_test(what_was_there_before),
		cmocka_unit_test(what_was_old_by_its_time),
		cmocka_unit_test(what_is_no_file),
	};

	return cmocka_run_group_tests_name("outcome_gather", tests, NULL, NULL);
}
