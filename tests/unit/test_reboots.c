/* SPDX-License-Identifier: MIT */
#include "keep/reboots.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/units.h"

static char directory[64];

static int make(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/failsoft-reboots-XXXXXX");
	return mkdtemp(directory) ? 0 : -1;
}

static void path_of(char *ret, const char *name)
{
	assert_true(snprintf(ret, 128, "%s/%s", directory, name) < 128);
}

static int drop(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -r '%s'", directory);
	return system(command);
}

/* A boot of this number, as its kernel tells it. */
static void begin(struct reboots *r, unsigned boot)
{
	char path[128], command[160];
	int root;
	FILE *f;

	snprintf(command, sizeof(command), "mkdir -p '%s/proc/sys/kernel/random'", directory);
	assert_int_equal(system(command), 0);
	path_of(path, "proc/sys/kernel/random/boot_id");
	f = fopen(path, "w");
	fprintf(f, "%08x-1234-1234-1234-123456789abc\n", boot);
	assert_int_equal(fclose(f), 0);
	root = open(directory, O_PATH | O_DIRECTORY);
	(void)reboots_open(r, root, directory);
	close(root);
}

static void put(const char *text, size_t size)
{
	char path[128];
	FILE *f;

	path_of(path, "reboots");
	f = fopen(path, "w");
	assert_int_equal(fwrite(text, 1, size, f), size);
	assert_int_equal(fclose(f), 0);
}

static const struct reboots_note usual = {
	.count = 2, .policy = LAST_REBOOT, .episode = 17, .real_s = 1795000000,
	.boot = "00000001-1234-1234-1234-123456789abc", .domain = "/system.slice/logger.service",
};

static void told_in_the_next_boot_and_once(void **state)
{
	char line[REBOOTS_LINE_BYTES + 1];
	struct reboots r;

	(void)state;
	begin(&r, 1);
	assert_true(r.fd >= 0);
	assert_int_equal(r.past.count, 0);
	assert_false(reboots_tell(&r));
	reboots_line(&usual, line);
	assert_int_equal(pwrite(r.fd, line, REBOOTS_LINE_BYTES, 0), REBOOTS_LINE_BYTES);
	reboots_close(&r);

	begin(&r, 1); /* it did not go: the broker alone was started again */
	assert_false(reboots_tell(&r));
	reboots_close(&r);
	begin(&r, 2);
	assert_memory_equal(&r.past, &usual, sizeof(usual));
	assert_true(reboots_tell(&r));
	assert_false(reboots_tell(&r));
	reboots_close(&r);
	begin(&r, 2);
	assert_int_equal(r.past.count, 2); /* still counted */
	assert_false(reboots_tell(&r));
	reboots_close(&r);
}

static void nonsense_is_no_reboot(void **state)
{
	char line[REBOOTS_LINE_BYTES + 1], wrong[REBOOTS_LINE_BYTES + 2];
	struct reboots r;

	(void)state;
	reboots_line(&usual, line);
	for (size_t size = 1; size < REBOOTS_LINE_BYTES; size += 7) { /* cut at any byte */
		put(line, size);
		begin(&r, 2);
		assert_int_equal(r.past.count, 0);
		reboots_close(&r);
	}
	for (size_t at = 0; at < 270; at++) { /* a bit turned anywhere: another note, or none */
		memcpy(wrong, line, sizeof(line));
		wrong[at] ^= 0x40;
		put(wrong, REBOOTS_LINE_BYTES);
		begin(&r, 2);
		assert_true((unsigned)r.past.policy < LAST_POLICY_COUNT);
		reboots_close(&r);
	}
	memset(wrong, 'x', sizeof(wrong));
	put(wrong, sizeof(wrong)); /* longer than ours */
	begin(&r, 2);
	assert_int_equal(r.past.count, 0);
	assert_true(r.fd >= 0);
	reboots_close(&r);
}

static void names_that_do_not_fit(void **state)
{
	char line[REBOOTS_LINE_BYTES + 1];
	struct reboots_note note = usual;
	struct reboots r;

	(void)state;
	strcpy(note.domain, "/a b\n\x7f\xc3\xa9");
	reboots_line(&note, line);
	assert_int_equal(strlen(line), REBOOTS_LINE_BYTES);
	assert_non_null(strstr(line, "domain /a?b???? end"));
	memset(note.domain, 'd', sizeof(note.domain) - 1);
	note.count = UINT32_MAX;
	note.episode = note.real_s = UINT64_MAX;
	note.policy = LAST_POWEROFF;
	reboots_line(&note, line);
	put(line, REBOOTS_LINE_BYTES);
	begin(&r, 2);
	assert_memory_equal(&r.past, &note, sizeof(note));
	reboots_close(&r);
	note.domain[0] = '\0';
	reboots_line(&note, line);
	assert_non_null(strstr(line, "domain - end"));
}

static void without_a_place(void **state)
{
	struct reboots r;

	(void)state;
	assert_true(reboots_open(&r, AT_FDCWD, "/nonexistent") < 0);
	assert_int_equal(r.fd, -1);
	assert_false(reboots_tell(&r));
	reboots_close(&r);
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, make, drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIRECTORY(told_in_the_next_boot_and_once), IN_DIRECTORY(nonsense_is_no_reboot),
		IN_DIRECTORY(names_that_do_not_fit), cmocka_unit_test(without_a_place),
	};

	return cmocka_run_group_tests_name("reboots", tests, NULL, NULL);
}
