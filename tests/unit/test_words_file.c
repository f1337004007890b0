/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "words.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define HEAD	     "failsoft-last-words 1\nboot 0123456789abcdef0123456789abcdef\n"
#define DUMP	     "dump live 1700000000 0a2b3c4d plain dmesg-ramoops-0\n"
#define SAYS	     "> Kernel panic - not syncing: x\n> Killed process 312 (hog) total-vm:\n"
#define FULL                                                                                       \
	HEAD "kept ramoops\nwatchdog watchdog0\nclosed live\nclosed archive\n" DUMP SAYS           \
	     "dump archive 0 00000000 closed dmesg.txt\ndump archive 5 ffffffff packed dmesg "     \
	     "1.enc.z\nend\n"

static struct words words;
static char text[WORDS_FILE_MAX];

static int parse(const char *from, size_t length, char complaint[WORDS_COMPLAINT_MAX])
{
	memset(&words, 0xff, sizeof(words));
	complaint[0] = '\0';
	return words_parse(from, length, &words, complaint);
}

static void all_that_can_be_said(void **state)
{
	char complaint[WORDS_COMPLAINT_MAX];

	(void)state;
	assert_int_equal(parse(FULL, strlen(FULL), complaint), 0);
	assert_string_equal(words.boot, "0123456789abcdef0123456789abcdef");
	assert_true(words.is_kept && words.has_watchdog && words.is_closed[0] &&
		    words.is_closed[1]);
	assert_string_equal(words.kept_by, "ramoops");
	assert_string_equal(words.watchdog, "watchdog0");
	assert_int_equal(words.count, 3);
	assert_string_equal(words.dump[0].name, "dmesg-ramoops-0");
	assert_true(words.dump[0].time_s == 1700000000 && words.dump[0].crc == 0x0a2b3c4d);
	assert_string_equal(words.text + words.dump[0].text_at,
			    "Kernel panic - not syncing: x\nKilled process 312 (hog) total-vm:\n");
	assert_int_equal(words.dump[1].kind, WORDS_CLOSED);
	assert_int_equal(words.dump[1].place, WORDS_ARCHIVE);
	assert_string_equal(words.text + words.dump[1].text_at, "");
	assert_int_equal(words.dump[2].kind, WORDS_PACKED);
	assert_string_equal(words.dump[2].name, "dmesg 1.enc.z");
}

/* Refused, with the words that say where. */
static const struct {
	const char *name, *text, *complaint;
} refused_rows[] = {
	{"nothing", "", "after 0 of 0 bytes"},
	{"something else", "{}\n", "line 1"},
	{"another version", "failsoft-last-words 2\nboot -\nend\n", "line 1"},
	{"no end", HEAD, "not whole"},
	{"half a line", HEAD "kept ram", "line 3"},
	{"more after the end", HEAD "end\nend\n", "not whole"},
	{"no boot", "failsoft-last-words 1\nend\n", "not whole"},
	{"half a boot", "failsoft-last-words 1\nboot 0123\nend\n", "line 2"},
	{"no hexadecimal boot",
	 "failsoft-last-words 1\nboot 0123456789abcdefX123456789abcdef\nend\n", "line 2"},
	{"two boots", HEAD "boot -\nend\n", "not whole"},
	{"twice", HEAD "kept a\nkept b\nend\n", "not whole"},
	{"another order", HEAD "watchdog w\nkept a\nend\n", "not whole"},
	{"no keeper", HEAD "kept \nend\n", "line 3"},
	{"a long keeper", HEAD "kept 0123456789012345678901234567890123456789\nend\n", "line 3"},
	{"another place", HEAD "closed /etc\nend\n", "line 3"},
	{"words of no dump", HEAD SAYS "end\n", "line 3"},
	{"a dump of nowhere", HEAD "dump etc 0 00000000 plain x\nend\n", "line 3"},
	{"a dump of no kind", HEAD "dump live 0 00000000 good x\nend\n", "line 3"},
	{"a dump without a name", HEAD "dump live 0 00000000 plain \nend\n", "line 3"},
	{"a dump without anything", HEAD "dump live\nend\n", "line 3"},
	{"a time that is none", HEAD "dump live x 00000000 plain x\nend\n", "line 3"},
	{"a time of many digits", HEAD "dump live 99999999999999999999 00000000 plain x\nend\n",
	 "line 3"},
	{"a time with a sign", HEAD "dump live +1 00000000 plain x\nend\n", "not whole"},
	{"a checksum too short", HEAD "dump live 1 abc plain x\nend\n", "not whole"},
	{"a checksum in capitals", HEAD "dump live 1 0000000A plain x\nend\n", "not whole"},
	{"two blanks", HEAD "dump live  1 00000000 plain x\nend\n", "not whole"},
	{"an empty line", HEAD "\nend\n", "line 3"},
	{"an empty word", HEAD DUMP "> \nend\n", "line 4"},
	{"a carriage return", HEAD "end\r\n", "line 3"},
	{"bytes", HEAD "kept \xff\nend\n", "line 3"},
};

static void what_is_refused(void **state)
{
	char complaint[WORDS_COMPLAINT_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(refused_rows); i++)
		if (parse(refused_rows[i].text, strlen(refused_rows[i].text), complaint) !=
			    -EBADMSG ||
		    !strstr(complaint, refused_rows[i].complaint))
			fail_msg("%s: \"%s\"", refused_rows[i].name, complaint);
	assert_int_equal(parse(HEAD "\0end\n", sizeof(HEAD "\0end\n") - 1, complaint), -EBADMSG);
	/* a line longer than any, without an end */
	memset(text, '>', sizeof(text));
	assert_int_equal(parse(text, sizeof(text), complaint), -EBADMSG);
}

/* Wherever it ends, and whichever bit is turned over outside of what are free words. */
static void damage(void **state)
{
	char complaint[WORDS_COMPLAINT_MAX];
	const size_t length = strlen(FULL);

	(void)state;
	for (size_t i = 0; i < length; i++)
		assert_int_equal(parse(FULL, i, complaint), -EBADMSG);
	for (size_t i = 0; i < length * 8; i++) {
		memcpy(text, FULL, length);
		text[i / 8] = (char)(text[i / 8] ^ (1 << i % 8));
		if (parse(text, length, complaint) ==
		    0) /* another name, figure, word: of the same form */
			assert_true(words.count <= 3 && words.boot[0]);
		else
			assert_true(complaint[0]);
	}
}

/* The most there can be has room, comes back, and says so where it has none. */
static void the_longest(void **state)
{
	static char again[WORDS_FILE_MAX];
	char name[256], complaint[WORDS_COMPLAINT_MAX];
	int length;

	(void)state;
	memset(&words, 0, sizeof(words));
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	words.is_kept = words.has_watchdog = words.is_closed[0] = words.is_closed[1] = true;
	words_copy(words.boot, sizeof(words.boot), "0123456789abcdef0123456789abcdef");
	words_copy(words.kept_by, sizeof(words.kept_by), name);
	words_copy(words.watchdog, sizeof(words.watchdog), name);
	for (uint32_t i = 0; i < WORDS_PLACE_COUNT * WORDS_DUMPS_MAX; i++) {
		struct words_dump *d = words_add(&words, i % 2 ? WORDS_ARCHIVE : WORDS_LIVE, name);

		d->crc = UINT32_MAX;
		d->time_s = 999999999999;
		d->kind = WORDS_PACKED;
		assert_true(words_add_line(&words, "Panic#"));
	}
	while (words_add_line(&words, "Killed process 1 () total-vm:"))
		;
	length = words_format(&words, text, sizeof(text));
	assert_true(length > (int)WORDS_TEXT_MAX);
	assert_int_equal(words_format(&words, again, (size_t)length - 1), -ENOSPC);
	assert_int_equal(parse(text, (size_t)length, complaint), 0);
	assert_int_equal(words_format(&words, again, sizeof(again)), length);
	assert_memory_equal(text, again, (size_t)length);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_that_can_be_said),
		cmocka_unit_test(what_is_refused),
		cmocka_unit_test(damage),
		cmocka_unit_test(the_longest),
	};

	return cmocka_run_group_tests_name("words_file", tests, NULL, NULL);
}
