/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <lzma.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../sim/dice.h"
#include "crumb_file.h"
#include "msync_count.h"

#define MINUTE_US	(UINT64_C(60) * 1000 * 1000)

typedef uint64_t image_bytes[CRUMB_FILE_BYTES / sizeof(uint64_t)];

static char folder[32], path[64];
static int make(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/failsoft-crumb-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/crumb", folder);
	return 0;
}

static int clean(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	return system(command);
}

/* All of it follows from the number, so that a mixture of two is seen. */
static struct crumb_note note_of(uint64_t number)
{
	struct crumb_note n;

	memset(&n, 0, sizeof(n));
	snprintf(n.boot, sizeof(n.boot), "%032llx", (unsigned long long)number);
	snprintf(n.firmware, sizeof(n.firmware), "fw-%llu", (unsigned long long)number * 7);
	n.alive_us = number * MINUTE_US;
	n.mono_us = number * 11;
	n.real_s = number + 1700000000;
	n.is_orderly = number % 2;
	n.counts.episodes = number * 3;
	n.counts.observed_s = number * 60;
	n.episode.number = number;
	n.episode.highest = FAILSOFT_STAGE_IMMINENT;
	snprintf(n.episode.domain, sizeof(n.episode.domain), "domain %llu", (unsigned long long)number);
	n.episode.is_near_miss = number % 2;
	n.mark.last_number = number * 13;
	n.mark.newest_us = number * 17;
	n.mark.ended = (uint32_t)number * 19;
	n.is_stopped = (number + 1) % 2;
	return n;
}

static bool is_note(const struct crumb_note *n)
{
	const struct crumb_note same = note_of(n->alive_us / MINUTE_US);

	return !memcmp(n, &same, sizeof(same));
}

static struct crumb_note reopen(struct crumb **c)
{
	struct crumb_note past;

	*c = crumb_close(*c);
	memset(&past, 0xff, sizeof(past));
	assert_int_equal(crumb_open(c, path, &past), 0);
	return past;
}

static void put(struct crumb *c, uint64_t number, bool is_urgent)
{
	const struct crumb_note n = note_of(number);

	assert_int_equal(crumb_write(c, &n, is_urgent), 0);
}

static void survives_its_writer(void **state)
{
	struct crumb *c = NULL;
	struct crumb_note past = reopen(&c);

	(void)state;
	assert_string_equal(past.boot, "");
	for (uint64_t i = 1; i < 40; i++) {
		put(c, i, i % 5 == 0);
		if (i % 3)
			continue;
		past = reopen(&c);
		assert_true(is_note(&past));
		assert_int_equal(past.alive_us, i * MINUTE_US);
	}
	past = reopen(&c); /* nothing was written in between: it is still there */
	assert_int_equal(past.episode.number, 39);
	c = crumb_close(c);
	assert_null(crumb_close(NULL));
}

/* The first, then one in ten minutes; and what is urgent. */
static void waits_seldom(void **state)
{
	struct crumb *c = NULL;

	(void)state;
	(void)reopen(&c);
	syncs = 0;
	put(c, 1, false);
	assert_int_equal(syncs, 1);
	for (uint64_t i = 2; i < 11; i++)
		put(c, i, false);
	assert_int_equal(syncs, 1);
	put(c, 11, false);
	assert_int_equal(syncs, 2);
	put(c, 12, true);
	assert_int_equal(syncs, 3);
	c = crumb_close(c);
}

static void a_disk_that_takes_nothing(void **state)
{
	const struct crumb_note note = note_of(2);
	struct crumb *c = NULL;
	struct crumb_note past;

	(void)state;
	(void)reopen(&c);
	put(c, 1, true);
	sync_error = EIO;
	assert_int_equal(crumb_write(c, &note, true), -EIO);
	sync_error = 0;
	past = reopen(&c);
	assert_int_equal(past.episode.number, 2);
	c = crumb_close(c);
}

static void take_image(image_bytes ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_int_equal(pread(fd, ret, CRUMB_FILE_BYTES, 0), CRUMB_FILE_BYTES);
	close(fd);
}

/* One whole note, of those from the one that is known to be on the disk to the last. */
static void must_be_one_of(const image_bytes image, uint64_t known, uint64_t last)
{
	uint32_t copy;
	const struct crumb_page *page = crumb_file_newest(image, CRUMB_FILE_BYTES, &copy);

	assert_non_null(page);
	assert_true(is_note(&page->note));
	assert_true(page->note.episode.number >= known && page->note.episode.number <= last);
}

static void tear(const image_bytes before, const image_bytes after, uint64_t known, uint64_t last)
{
	static image_bytes mixture;
	struct dice dice = { last };

	memcpy(mixture, before, sizeof(mixture));
	for (uint32_t i = 0; i < CRUMB_FILE_BYTES; i++) {
		((char *)mixture)[i] = ((const char *)after)[i];
		must_be_one_of(mixture, known, last);
	}
	for (uint32_t run = 0; run < 200; run++) {
		for (uint32_t i = 0; i < CRUMB_FILE_BYTES; i++)
			((char *)mixture)[i] = ((const char *)(dice_below(&dice, 2) ? after : before))[i];
		must_be_one_of(mixture, known, last);
	}
}

static void power_ends_at_any_byte(void **state)
{
	static image_bytes before, after;
	struct crumb *c = NULL;

	(void)state;
	(void)reopen(&c);
	put(c, 1, true);
	take_image(before);
	put(c, 2, false); /* over the blank one */
	take_image(after);
	tear(before, after, 1, 2);
	put(c, 3, false); /* over the one that was not waited for: the known one is 1 */
	take_image(before);
	tear(after, before, 1, 3);
	c = crumb_close(c);
}

/* Over the one that nobody waited for comes the next: if both are torn, the known one is there. */
static void the_known_one_is_not_touched(void **state)
{
	static image_bytes image;
	struct crumb *c = NULL;
	uint32_t copy = 9, other;

	(void)state;
	(void)reopen(&c);
	put(c, 1, true);
	take_image(image);
	assert_non_null(crumb_file_newest(image, sizeof(image), &copy));
	for (uint64_t i = 2; i < 9; i++) {
		put(c, i, false);
		take_image(image);
		memset(crumb_file_page(image, !copy), 0xa5, 100);
		must_be_one_of(image, 1, 1);
		assert_non_null(crumb_file_newest(image, sizeof(image), &other));
		assert_int_equal(other, copy);
	}
	c = crumb_close(c);
}

static void write_image(const void *bytes, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_equal(write(fd, bytes, size), size);
	close(fd);
}

static void damage(void **state)
{
	static image_bytes good, bad;
	struct dice dice = { 17 };
	struct crumb *c = NULL;

	(void)state;
	(void)reopen(&c);
	put(c, 1, true);
	put(c, 2, true);
	c = crumb_close(c);
	take_image(good);
	for (int run = 0; run < 400; run++) {
		const size_t size = run % 4 ? sizeof(bad) : dice_below(&dice, sizeof(bad));
		struct crumb_note past;

		memcpy(bad, good, sizeof(bad));
		for (int i = 0; i < 1 + run % 60; i++)
			((char *)bad)[dice_below(&dice, sizeof(bad))] ^= (char)(1 + dice_below(&dice, 255));
		write_image(bad, size);
		past = reopen(&c);
		assert_true(past.boot[0] == '\0' || is_note(&past));
		put(c, 3, true);
		past = reopen(&c);
		assert_int_equal(past.episode.number, 3);
		c = crumb_close(c);
	}
}

/* Whole by its CRC, and no note all the same. */
static void nonsense_is_not_believed(void **state)
{
	struct crumb_page page = { .note = note_of(5) }, bad;

	(void)state;
	crumb_file_seal(&page);
	assert_true(crumb_file_is_whole(&page));
	for (int i = 0; i < 6; i++) {
		bad = page;
		memset(bad.note.boot, 'a', i == 0 ? sizeof(bad.note.boot) : 0);
		memset(bad.note.firmware, 'a', i == 1 ? sizeof(bad.note.firmware) : 0);
		memset(bad.note.episode.domain, 'a', i == 2 ? sizeof(bad.note.episode.domain) : 0);
		memset(bad.note.episode.victim, 'a', i == 3 ? sizeof(bad.note.episode.victim) : 0);
		bad.note.episode.end += i == 4 ? TALLY_END_COUNT : 0;
		bad.note.episode.highest += i == 5 ? 4 : 0;
		crumb_file_seal(&bad);
		assert_false(crumb_file_is_whole(&bad));
	}
	bad = page;
	bad.bytes--;
	assert_false(crumb_file_is_whole(&bad));
}

/* What the version before this one left: nothing of it is lost, and the next note is of today's layout. */
static void the_first_layout(void **state)
{
	static image_bytes image;
	struct crumb_page *page = crumb_file_page(image, 1);
	struct crumb_note first = note_of(5), past;
	struct crumb *c = NULL;

	(void)state;
	page->note = first;
	page->magic = CRUMB_FILE_MAGIC;
	page->bytes = CRUMB_FILE_FIRST_BYTES;
	page->crc = lzma_crc32((const uint8_t *)&page->generation,
			       page->bytes - offsetof(struct crumb_page, generation), 0);
	/* behind its end is anything */
	memset((char *)page + CRUMB_FILE_FIRST_BYTES, 0xff, sizeof(*page) - CRUMB_FILE_FIRST_BYTES);
	memset(&first.mark, 0, sizeof(first.mark));
	first.is_stopped = 0;
	write_image(image, sizeof(image));
	past = reopen(&c);
	assert_memory_equal(&past, &first, sizeof(first));
	put(c, 6, true);
	past = reopen(&c);
	assert_true(is_note(&past));
	c = crumb_close(c);
}

static void cannot_be(void **state)
{
	struct crumb *c = NULL;
	struct crumb_note past;

	(void)state;
	assert_int_equal(crumb_open(&c, "/proc/no/such/place", &past), -ENOENT);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(crumb_open(&c, path, &past), -EISDIR);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(crumb_open(&c, path, &past), -EPROTO);
	assert_null(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(survives_its_writer, make, clean),
		cmocka_unit_test_setup_teardown(waits_seldom, make, clean),
		cmocka_unit_test_setup_teardown(a_disk_that_takes_nothing, make, clean),
		cmocka_unit_test_setup_teardown(power_ends_at_any_byte, make, clean),
		cmocka_unit_test_setup_teardown(the_known_one_is_not_touched, make, clean),
		cmocka_unit_test_setup_teardown(damage, make, clean),
		cmocka_unit_test(nonsense_is_not_believed),
		cmocka_unit_test_setup_teardown(the_first_layout, make, clean),
		cmocka_unit_test_setup_teardown(cannot_be, make, clean),
	};

	return cmocka_run_group_tests_name("crumb", tests, NULL, NULL);
}
