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
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "words.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define BOOT	     "failsoft-last-words 1\nboot -\n"

static char directory[64];
static int fd = -1;

static int begin(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/failsoft-words-XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	fd = open(directory, O_RDONLY | O_DIRECTORY);
	return fd < 0 ? -1 : 0;
}

static int end(void **state)
{
	char command[128];

	(void)state;
	close(fd);
	snprintf(command, sizeof(command), "rm -r '%s'", directory);
	return system(command);
}

static void put(const char *name, const char *text)
{
	int to = openat(fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(to >= 0);
	assert_int_equal(write(to, text, strlen(text)), strlen(text));
	close(to);
}

static const char *get(const char *name)
{
	static char text[512];
	int from = openat(fd, name, O_RDONLY);
	ssize_t n = from < 0 ? -1 : read(from, text, sizeof(text) - 1);

	if (from >= 0)
		close(from);
	text[n < 0 ? 0 : n] = '\0';
	return n < 0 ? "-" : text;
}

static int run(const char *format, const char *a, const char *b)
{
	char command[512];
	int status;

	assert_true(snprintf(command, sizeof(command), format, a, b) < (int)sizeof(command));
	status = system(command);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void written_over_what_is_there(void **state)
{
	static struct words w;
	struct stat s;
	mode_t mask = umask(077);

	(void)state;
	put("secret", "secret");
	put(WORDS_FILE, "old");
	assert_int_equal(symlinkat("secret", fd, WORDS_FILE ".new"), 0);
	assert_int_equal(words_write(fd, &w), 0);
	umask(mask);
	assert_string_equal(get(WORDS_FILE), BOOT "end\n");
	assert_string_equal(get("secret"), "secret"); /* no link was followed */
	assert_int_equal(fstatat(fd, WORDS_FILE, &s, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISREG(s.st_mode));
	assert_int_equal(s.st_mode & 07777, 0644);
	assert_string_equal(get(WORDS_FILE ".new"), "-");
	/* and where the file itself is a link, the link goes */
	assert_int_equal(unlinkat(fd, WORDS_FILE, 0), 0);
	assert_int_equal(symlinkat("secret", fd, WORDS_FILE), 0);
	assert_int_equal(words_write(fd, &w), 0);
	assert_string_equal(get("secret"), "secret");
	assert_string_equal(get(WORDS_FILE), BOOT "end\n");
}

/* A directory in which another could put links. */
static void not_where_others_write(void **state)
{
	static const mode_t modes[] = {0775, 0757, 0777, 01777};
	static struct words w;

	(void)state;
	for (size_t i = 0; i < COUNT(modes); i++) {
		assert_int_equal(fchmod(fd, modes[i]), 0);
		assert_int_equal(words_write(fd, &w), -EPERM);
		assert_string_equal(get(WORDS_FILE), "-");
	}
	if (geteuid() == 0) { /* a service's own, as its StateDirectory= is */
		assert_int_equal(fchmod(fd, 0700), 0);
		assert_int_equal(fchown(fd, 65534, 65534), 0);
		assert_int_equal(words_write(fd, &w), -EPERM);
		assert_string_equal(get(WORDS_FILE), "-");
		assert_int_equal(fchown(fd, 0, 0), 0);
	}
	assert_int_equal(fchmod(fd, 0755), 0);
	assert_int_equal(words_write(fd, &w), 0);
}

static void the_program(void **state)
{
	const char *build = getenv("FAILSOFT_BUILD");

	(void)state;
	assert_non_null(build); /* set by tests/meson.build: the build directory */
	assert_int_equal(run("mkdir -p '%s/sys/fs/pstore' '%s/out'", directory, directory), 0);
	put("sys/fs/pstore/dmesg-ramoops-0",
	    "Panic#1 Part1\n<4>[ 1] secret\n<0>[ 2] Kernel panic - "
	    "not syncing: x\n");
	assert_int_equal(
		run("touch -d @1700000000 '%s/sys/fs/pstore/dmesg-ramoops-0'%s", directory, ""), 0);
	assert_int_equal(run("cd '%s' && '%s'/clients/telemetry/failsoft-last-words --root=. out",
			     directory, build),
			 0);
	assert_string_equal(get("out/words"),
			    BOOT "dump live 1700000000 120853e3 plain dmesg-ramoops-0\n"
				 "> Kernel panic - not syncing: x\nend\n");
	assert_int_equal(run("chmod 0777 '%s/out' && cd '%s'", directory, directory), 0);
	assert_int_equal(
		run("cd '%s' && '%s'/clients/telemetry/failsoft-last-words --root=. out 2>out/said",
		    directory, build),
		1);
	assert_non_null(strstr(get("out/said"), "writable for nobody else"));
	/* as a service gets it; and not at all */
	assert_int_equal(run("chmod 0755 '%s/out'; rm '%s/out/words'", directory, directory), 0);
	assert_int_equal(
		run("cd '%s' && RUNTIME_DIRECTORY=out '%s'/clients/telemetry/failsoft-last-words "
		    "--root=.",
		    directory, build),
		0);
	assert_int_equal(strncmp(get("out/words"), BOOT, strlen(BOOT)), 0);
	assert_int_equal(run("cd '%s' && '%s'/clients/telemetry/failsoft-last-words 2>/dev/null",
			     directory, build),
			 64);
	assert_int_equal(
		run("cd '%s' && '%s'/clients/telemetry/failsoft-last-words nowhere 2>/dev/null",
		    directory, build),
		1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(written_over_what_is_there, begin, end),
		cmocka_unit_test_setup_teardown(not_where_others_write, begin, end),
		cmocka_unit_test_setup_teardown(the_program, begin, end),
	};

	unsetenv("RUNTIME_DIRECTORY");
	return cmocka_run_group_tests_name("words_write", tests, NULL, NULL);
}
