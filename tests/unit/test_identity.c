/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <systemd/sd-id128.h>
#include <unistd.h>

#include <cmocka.h>

#include "identity.h"

#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))
#define BOOT_ID		"01234567-89ab-cdef-0123-456789abcdef"

static char directory[64];
static int root = -1;

static void put(const char *path, const char *text)
{
	char command[256];
	int fd;

	snprintf(command, sizeof(command), "mkdir -p \"$(dirname '%s/%s')\"", directory, path);
	assert_int_equal(system(command), 0);
	fd = openat(root, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static int make(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/failsoft-identity-XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	root = open(directory, O_PATH | O_DIRECTORY);
	put("proc/sys/kernel/random/boot_id", BOOT_ID "\n");
	return root < 0;
}

static int drop(void **state)
{
	char command[128];

	(void)state;
	close(root);
	snprintf(command, sizeof(command), "rm -r '%s'", directory);
	return system(command);
}

static void firmware_by_what_os_release_says(void **state)
{
	static const struct {
		const char *name, *text, *expect;
	} rows[] = {
		{ "image", "VERSION_ID=12\nBUILD_ID=7\nIMAGE_VERSION=2025.3\n", "2025.3" },
		{ "build", "VERSION_ID=12\nBUILD_ID=\"7 b\"\n", "7 b" },
		{ "version", "NAME=x\nVERSION_ID='12'", "12" },
		{ "an empty one says nothing", "IMAGE_VERSION=\nBUILD_ID=\"\"\nVERSION_ID=3\n", "3" },
		{ "the name must stand at the start", "# "
		  "VERSION_ID=1\nX_VERSION_ID=2\nVERSION_IDX=3\nVERSION_ID=4\n", "4" },
		{ "escaped", "BUILD_ID=\"a\\\"b\\$c\\\\d\"\n", "a\"b$c\\d" },
		{ "not escaped in single quotes", "BUILD_ID='a\\b'\n", "a\\b" },
		{ "one quote", "BUILD_ID=\"\n", "\"" },
		{ "a quote that ends nowhere", "BUILD_ID=\"abc\n", "\"abc" },
		{ "no text", "BUILD_ID=\x01\xff\n", "??" },
		{ "DOS lines", "BUILD_ID=9\r\n", "9" },
		{ "nothing of it", "NAME=x\n", "unknown" },
		{ "empty", "", "unknown" },
	};
	char complaint[IDENTITY_COMPLAINT_MAX];
	struct identity i;

	(void)state;
	for (size_t row = 0; row < COUNT(rows); row++) {
		put("etc/os-release", rows[row].text);
		assert_int_equal(identity_read(root, "d", NULL, &i, complaint), 0);
		if (strcmp(i.firmware, rows[row].expect))
			fail_msg("%s: %s", rows[row].name, i.firmware);
	}
}

static void firmware_that_is_long_or_elsewhere(void **state)
{
	char complaint[IDENTITY_COMPLAINT_MAX], text[128] = "BUILD_ID=";
	struct identity i;

	(void)state;
	assert_int_equal(identity_read(root, "d", "", &i, complaint), 0);
	assert_string_equal(i.firmware, "unknown");
	put("usr/lib/os-release", "BUILD_ID=lib\n");
	assert_int_equal(identity_read(root, "d", "", &i, complaint), 0);
	assert_string_equal(i.firmware, "lib");
	memset(text + 9, 'v', 100);
	put("etc/os-release", text);
	assert_int_equal(identity_read(root, "d", NULL, &i, complaint), 0);
	assert_int_equal(strlen(i.firmware), TOPIC_NAME_MAX - 1);
	assert_int_equal(identity_read(root, "d", "configured 1.0", &i, complaint), 0);
	assert_string_equal(i.firmware, "configured 1.0");
}

static void names_that_cannot_be_used(void **state)
{
	static const char long_one[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" /* 65 bytes */
				       "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	static const struct {
		const char *device, *firmware, *complaint;
	} rows[] = {
		{ "a/b", "1", "is no name for a device" }, { "a+", "1", "is no name for a device" },
		{ long_one, "1", "is no name for a device" }, { "ok", long_one, "is no version" },
		{ "ok", "a\nb", "is no version" }, { "ok", "\xff", "is no version" },
	};
	struct identity i, before;

	(void)state;
	memset(&i, 0xa5, sizeof(i));
	before = i;
	for (size_t row = 0; row < COUNT(rows); row++) {
		char complaint[IDENTITY_COMPLAINT_MAX] = "";

		assert_int_equal(identity_read(root, rows[row].device, rows[row].firmware, &i,
					       complaint), -EINVAL);
		assert_non_null(strstr(complaint, rows[row].complaint));
	}
	assert_memory_equal(&i, &before, sizeof(i));
}

static void boot_id_in_its_plain_form(void **state)
{
	static const char *const wrong[] = { "", "x\n", "01234567-89ab-cdef-0123\n" };
	char complaint[IDENTITY_COMPLAINT_MAX];
	struct identity i;

	(void)state;
	assert_int_equal(identity_read(root, "d", "1", &i, complaint), 0);
	assert_string_equal(i.boot, "0123456789abcdef0123456789abcdef");
	for (size_t row = 0; row < COUNT(wrong); row++) {
		put("proc/sys/kernel/random/boot_id", wrong[row]);
		complaint[0] = '\0';
		assert_true(identity_read(root, "d", "1", &i, complaint) < 0);
		assert_non_null(strstr(complaint, "boot_id"));
	}
	assert_int_equal(unlinkat(root, "proc/sys/kernel/random/boot_id", 0), 0);
	assert_int_equal(identity_read(root, "d", "1", &i, complaint), -ENOENT);
}

static void the_machine_id_is_never_told(void **state)
{
	char complaint[IDENTITY_COMPLAINT_MAX] = "", raw[SD_ID128_STRING_MAX];
	struct identity i, again;
	sd_id128_t id;
	int r = identity_read(root, NULL, "1", &i, complaint);

	(void)state;
	if (sd_id128_get_machine(&id) < 0) { /* a machine without one */
		assert_true(r < 0);
		assert_non_null(strstr(complaint, "systemd-machine-id-setup"));
		return;
	}
	assert_int_equal(r, 0);
	sd_id128_to_string(id, raw);
	assert_string_not_equal(i.device, raw);
	assert_int_equal(strspn(i.device, "0123456789abcdef"), 32);
	assert_int_equal(strlen(i.device), 32);
	assert_int_equal(identity_read(root, "", "1", &again, complaint), 0);
	assert_string_equal(i.device, again.device);
}

static void clock_as_the_kernel_says(void **state)
{
	struct timex t = { 0 };

	(void)state;
	assert_true(adjtimex(&t) >= 0);
	assert_int_equal(identity_clock_is_synchronised(), !(t.status & STA_UNSYNC));
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, make, drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIRECTORY(firmware_by_what_os_release_says),
			IN_DIRECTORY(firmware_that_is_long_or_elsewhere),
		IN_DIRECTORY(names_that_cannot_be_used), IN_DIRECTORY(boot_id_in_its_plain_form),
		IN_DIRECTORY(the_machine_id_is_never_told), cmocka_unit_test(clock_as_the_kernel_says),
	};

	return cmocka_run_group_tests_name("identity", tests, NULL, NULL);
}
