/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "words.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct words words;

static const char *sifted(const char *text)
{
	const struct words_dump *d;

	memset(&words, 0, sizeof(words));
	d = words_add(&words, WORDS_LIVE, "dmesg");
	assert_non_null(d);
	words_sift(&words, text);
	return words.text + d->text_at;
}

/* A dump, and all that is left of it. */
static const struct {
	const char *name, *text, *left;
} rows[] = {
	{"nothing", "", ""},
	{"nothing that counts", "<6>[ 1.0] usb 1-1: password is swordfish\n<6>[ 1.1] x\n", ""},
	{"a panic, and no word around it",
	 "Panic#1 Part1\n<4>[ 8.0] secret\n<0>[ 8.1][ T1] Kernel panic - not syncing: "
	 "deadlocked\n<4>[ 8.2] CPU\n",
	 "Kernel panic - not syncing: deadlocked\n"},
	{"the head of a part", "Panic#2 Part3\n<6>[1.0] usb 1-1: new\n", "Panic#\n"},
	{"kills in order, without figures",
	 "<3>[ 1.0] Out of memory: Killed process 312 (hog) total-vm:1kB, UID:7\n"
	 "<3>[ 1.1] Memory cgroup out of memory: Killed process 5 (a) b) total-vm:2kB\n",
	 "Killed process 312 (hog) total-vm:\nKilled process 5 (a) b) total-vm:\n"},
	{"both", "[1] Killed process 5 (old), UID 0, total-vm:1kB\nKernel panic - not syncing: x\n",
	 "Kernel panic - not syncing: x\nKilled process 5 (old) total-vm:\n"},
	{"a program's line", "<12>[1.0] Kernel panic - not syncing: hello\n", ""},
	{"bytes", "Kernel panic - not syncing: \x01\xff\x7f\n",
	 "Kernel panic - not syncing: ???\n"},
	{"an empty reason", "Kernel panic - not syncing: \n", "Panic#\n"},
};

static void what_counts(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (strcmp(sifted(rows[i].text), rows[i].left))
			fail_msg("%s: \"%s\"", rows[i].name, words.text);
}

/* What is sifted says the same to outcome_kmsg() as the whole. */
static void says_the_same(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct outcome_facts whole = {0}, less = {0};

		outcome_kmsg(rows[i].text, &whole);
		outcome_kmsg(sifted(rows[i].text), &less);
		if (memcmp(&whole, &less, sizeof(whole)))
			fail_msg("%s: %u and %u kills, \"%s\" and \"%s\"", rows[i].name,
				 whole.kills, less.kills, whole.panic, less.panic);
	}
}

/* A machine that killed for hours: the last of them, and the panic, which came after. */
static void the_last_of_many_kills(void **state)
{
	static char text[256 * 1024];
	struct outcome_facts f = {0};
	size_t used = 0;

	(void)state;
	for (unsigned i = 1; i <= 3000; i++)
		used += (size_t)sprintf(text + used, "[1] Killed process %u (p%u) total-vm:\n", i,
					i);
	sprintf(text + used, "Kernel panic - not syncing: at last\n");
	outcome_kmsg(sifted(text), &f);
	assert_int_equal(f.kills, WORDS_KILLS_MAX);
	assert_string_equal(f.killed[OUTCOME_KILLS_MAX - 1], "p3000");
	assert_string_equal(f.panic, "at last");
}

/* No place takes the other's room; a full text ends lines, never a NUL. */
static void how_many(void **state)
{
	uint32_t count[WORDS_PLACE_COUNT] = {0};
	char line[512];

	(void)state;
	memset(&words, 0, sizeof(words));
	assert_false(words_add_line(&words, "no dump yet"));
	for (uint32_t i = 0; i < 3 * WORDS_DUMPS_MAX; i++)
		for (enum words_place p = 0; p < WORDS_PLACE_COUNT; p++)
			count[p] += words_add(&words, p, "dmesg") != NULL;
	assert_int_equal(count[WORDS_LIVE], WORDS_DUMPS_MAX);
	assert_int_equal(count[WORDS_ARCHIVE], WORDS_DUMPS_MAX);
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	while (words_add_line(&words, line))
		;
	assert_true(words.used <= WORDS_TEXT_MAX);
	assert_true(words.used > WORDS_TEXT_MAX - sizeof(line) - 1);
	assert_int_equal(words.text[words.used - 1], '\0');
}

static void a_name_is_text(void **state)
{
	char name[256];
	const struct words_dump *d;

	(void)state;
	memset(&words, 0, sizeof(words));
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	memcpy(name, "dmesg\n\xff", 7);
	d = words_add(&words, WORDS_ARCHIVE, name);
	assert_int_equal(strlen(d->name), WORDS_NAME_MAX - 1);
	assert_memory_equal(d->name, "dmesg??nnn", 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_counts),
		cmocka_unit_test(says_the_same),
		cmocka_unit_test(the_last_of_many_kills),
		cmocka_unit_test(how_many),
		cmocka_unit_test(a_name_is_text),
	};

	return cmocka_run_group_tests_name("words", tests, NULL, NULL);
}
