/* SPDX-License-Identifier: MIT */
/* The command line: what is taken, and what is refused. The sentences: tests/fleet/test_fleet_roster.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "options.h"

#define WORDS	12

static enum options_outcome parse(struct options *o, const char *const *word)
{
	char *argv[WORDS + 2] = { (char *)(uintptr_t)"failsoft-fleet" };
	int argc = 1;

	for (; word[argc - 1]; argc++)
		argv[argc] = (char *)(uintptr_t)word[argc - 1];
	return options_parse(o, argc, argv);
}

static const struct {
	const char *word[WORDS];
	enum options_outcome expect;
} outcome_rows[] = {
	{{NULL}, OPTIONS_RUN},
	{{"--server=a:1", "--server=b:2", "--client-id=x", "--share=g"}, OPTIONS_RUN},
	{{"--partition=1/1"}, OPTIONS_RUN},
	{{"--partition=3/3"}, OPTIONS_RUN},
	{{"--partition=0/3"}, OPTIONS_WRONG},
	{{"--partition=4/3"}, OPTIONS_WRONG},
	{{"--partition=1"}, OPTIONS_WRONG},
	{{"--partition=/"}, OPTIONS_WRONG},
	{{"--partition=1/2/3"}, OPTIONS_WRONG},
	{{"--partition=-1/3"}, OPTIONS_WRONG},
	{{"--partition=000000001/3"}, OPTIONS_WRONG},
	{{"--keepalive=4"}, OPTIONS_WRONG},
	{{"--keepalive=5"}, OPTIONS_RUN},
	{{"--keepalive=3601"}, OPTIONS_WRONG},
	{{"--devices=1000000"}, OPTIONS_RUN},
	{{"--devices=1000001"}, OPTIONS_WRONG},
	{{"--devices=10x"}, OPTIONS_WRONG},
	{{"--devices=18446744073709551617"}, OPTIONS_WRONG},
	{{"--silent-after=0"}, OPTIONS_WRONG},
	{{"--fleet=+"}, OPTIONS_WRONG},
	{{"--fleet="}, OPTIONS_WRONG},
	{{"--share=#"}, OPTIONS_WRONG},
	{{"--share=g", "--partition=1/2"}, OPTIONS_WRONG},
	{{"--read=x", "--server=a:1"}, OPTIONS_WRONG},
	{{"--read=x", "--json"}, OPTIONS_RUN},
	{{"--json", "--quiet"}, OPTIONS_WRONG},
	{{"--server=a"}, OPTIONS_WRONG},
	{{"--server=a:99999"}, OPTIONS_WRONG},
	{{"--client-id="}, OPTIONS_WRONG},
	{{"--listen=localhost:80"}, OPTIONS_WRONG},
	{{"--listen=[::1]:0"}, OPTIONS_RUN},
	{{"--alertmanager=am:9093"}, OPTIONS_WRONG},
	{{"--alertmanager=https://am"}, OPTIONS_RUN},
	{{"--cert=a", "--key=b"}, OPTIONS_WRONG},
	{{"--ca=c", "--cert=a", "--key=b"}, OPTIONS_RUN},
	{{"--ca=c", "--key=b"}, OPTIONS_WRONG},
	{{"--state-file=x", "--read=y"}, OPTIONS_RUN},
	{{"--state-file"}, OPTIONS_WRONG},
	{{"--password-file=/nonexistent"}, OPTIONS_WRONG},
	{{"--password-file=/dev/null"}, OPTIONS_WRONG},
	{{"--allow-host=a", "--allow-host=b", "--allow-host=c", "--allow-host=d",
	  "--allow-host=e", "--allow-host=f", "--allow-host=g", "--allow-host=h",
	  "--allow-host=i"},
	 OPTIONS_WRONG},
	{{"word"}, OPTIONS_WRONG},
	{{"--unknown"}, OPTIONS_WRONG},
	{{"--server"}, OPTIONS_WRONG},
	{{"--json=1"}, OPTIONS_WRONG},
};

static void outcomes(void **state)
{
	struct options o;

	(void)state;
	for (size_t i = 0; i < sizeof(outcome_rows) / sizeof(outcome_rows[0]); i++) {
		enum options_outcome outcome = parse(&o, outcome_rows[i].word);

		options_fini(&o);
		if (outcome != outcome_rows[i].expect)
			fail_msg("row %zu, %s: %d", i,
				 outcome_rows[i].word[0] ? outcome_rows[i].word[0] : "nothing", outcome);
	}
}

static void values(void **state)
{
	static const char *const words[] = {"--server=a:1",
					    "--server=b:2",
					    "--partition=2/5",
					    "--devices=7",
					    "--silent-after=9",
					    "--listen=127.0.0.1:1",
					    "--state-file=s",
					    NULL};
	static const char *const none[] = { NULL };
	struct options o;

	(void)state;
	assert_int_equal(parse(&o, words), OPTIONS_RUN);
	assert_int_equal(o.servers, 2);
	assert_string_equal(o.server[1], "b:2");
	assert_true(o.partition == 1 && o.partitions == 5 && o.devices == 7 && o.silent_s == 9);
	assert_string_equal(o.listen, "127.0.0.1:1");
	assert_string_equal(o.state_file, "s");
	assert_int_equal(parse(&o, none), OPTIONS_RUN);
	assert_string_equal(o.server[0], "127.0.0.1:1883");
	assert_true(o.servers == 1 && o.partitions == 1 && o.devices == 20000 &&
		    o.keepalive_s == 60 && !o.client_id &&
		    !o.state_file);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(outcomes), cmocka_unit_test(values) };

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
