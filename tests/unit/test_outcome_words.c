/* SPDX-License-Identifier: MIT */
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "outcome_rig.h"

/* As it is for the service: as nobody, whose pstore is shut. Where the tests are not root's, it is
 * shut for all. */
static struct outcome_facts gather_as_nobody(const struct crumb_note *past)
{
	struct outcome_facts facts;
	int ends[2], status;
	pid_t child;

	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		if (geteuid() == 0 &&
		    (setgroups(0, NULL) < 0 || setgid(65534) < 0 || setuid(65534) < 0))
			_exit(1);
		outcome_gather(root, past, &facts);
		_exit(write(ends[1], &facts, sizeof(facts)) != sizeof(facts)); /* less than a pipe holds */
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], &facts, sizeof(facts)), sizeof(facts));
	close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	return facts;
}

static void shut(const char *path)
{
	assert_int_equal(fchmodat(root, path, geteuid() == 0 ? 0750 : 0, 0), 0);
}

static void open_again(const char *path)
{
	assert_int_equal(fchmodat(root, path, 0755, 0), 0);
}

static void must_be(const char *name, const struct outcome_facts *facts, enum tally_end end,
		    const char *text)
{
	const struct crumb_note past = past_of(true);
	struct outcome o;

	outcome_judge(&past, facts, &o);
	if (!o.is_known || o.end != end || !strstr(o.text, text))
		fail_msg("%s: %s: %s", name, tally_end_name(o.end), o.text);
}

/* Power-loss must not be claimed for what was not seen. */
static void what_may_not_be_read(void **state)
{
	static const struct file dump = { LIVE "dmesg-ramoops-0", PANIC, CRASH };
	const struct crumb_note past = past_of(true);
	struct outcome_facts facts;

	(void)state;
	begin();
	put(&ramoops);
	put(&dump);
	open_again(".");
	facts = gather_as_nobody(&past);
	must_be("all is open", &facts, TALLY_END_PANIC, "deadlocked");
	assert_string_equal(facts.closed, "");
	assert_string_equal(facts.refused, "");
	shut(LIVE "dmesg-ramoops-0");
	facts = gather_as_nobody(&past);
	must_be("the file is shut", &facts, TALLY_END_UNKNOWN,
		"/sys/fs/pstore cannot be read by this process");
	open_again(LIVE "dmesg-ramoops-0");
	shut("sys/fs/pstore");
	facts = gather_as_nobody(&past);
	must_be("the directory is shut", &facts, TALLY_END_UNKNOWN,
		"(failsoft-last-words.service writes it).");
	open_again("sys/fs/pstore");
	end();
}

/* ---- root has read it ---- */

static void write_words(void)
{
	static struct words words;
	int fd;

	assert_int_equal(mkdirat(root, "run", 0755), 0);
	assert_int_equal(mkdirat(root, "run/failsoft-last-words", 0755), 0);
	open_again("run");
	open_again("run/failsoft-last-words");
	fd = openat(root, "run/failsoft-last-words", O_RDONLY | O_DIRECTORY);
	assert_true(fd >= 0);
	words_read(root, &words);
	assert_int_equal(words_write(fd, &words), 0);
	close(fd);
}

static void shut_all(bool is_shut)
{
	static const char *const paths[] = { "sys/fs/pstore", "var/lib/systemd/pstore" };

	for (size_t i = 0; i < COUNT(paths); i++)
		if (faccessat(root, paths[i], F_OK, 0) == 0)
			(is_shut ? shut : open_again)(paths[i]);
}

/* Every row, as nobody and with both places shut: the same end, of the same file. */
static void what_root_has_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct crumb_note past = past_of(!rows[i].no_clock);
		struct outcome_facts facts;

		begin_row(i);
		open_again(".");
		write_words();
		shut_all(true);
		facts = gather_as_nobody(&past);
		shut_all(false);
		end();
		must_be_row(i, &facts);
		assert_string_equal(facts.refused, "");
	}
}

/* A panic's dump that root has read, and pstore shut. */
static void begin_shut(int64_t age_s)
{
	const struct file dump = { LIVE "dmesg-ramoops-0", PANIC, age_s };

	begin();
	open_again(".");
	put(&ramoops);
	put(&dump);
	write_words();
	shut("sys/fs/pstore");
}

/* Two boots without a clock: root reads, the service remembers. */
static void what_root_had_read_before(void **state)
{
	struct crumb_note past = past_of(false);
	struct outcome_facts facts;

	(void)state;
	begin_shut(NEVER_SET);
	facts = gather_as_nobody(&past);
	must_be("a panic", &facts, TALLY_END_PANIC, "deadlocked");
	assert_true(facts.dumps[0] != 0);
	memcpy(past.dumps, facts.dumps, sizeof(past.dumps));
	facts = gather_as_nobody(&past);
	must_be("the same words a boot later", &facts, TALLY_END_POWER_LOSS, "ramoops");
	open_again("sys/fs/pstore");
	end();
}

#define NOW_BOOT	"0123456789abcdef0123456789abcdef"
#define WORDS(boot)	"failsoft-last-words 1\nboot " boot "\n"

/* What else may stand there: refused, said, and nothing of it is believed. */
static const struct {
	const char *name, *text, *said;
} refused[] = {
	{ "garbage", "Kernel panic - not syncing: no\n", "line 1 is none" },
	{ "nothing", "", "not whole" },
	{ "of another boot", WORDS("ffffffffffffffffffffffffffffffff") "kept ramoops\nend\n",
	  "not written in this boot" },
	{ "of no known boot", WORDS("-") "kept ramoops\nend\n", "not written in this boot" },
	{ "without its end", WORDS(NOW_BOOT) "kept ramoops\n", "not whole" },
	{ "that says power was lost, and more", WORDS(NOW_BOOT) "kept ramoops\nend\n \n",
	  "line 5 is none" },
};

static void what_is_refused(void **state)
{
	const struct crumb_note past = past_of(true);
	struct outcome_facts facts;

	(void)state;
	begin_shut(CRASH);
	for (size_t i = 0; i < COUNT(refused); i++) {
		const struct file file = { WORDS_PATH, refused[i].text, NOW };

		put(&file);
		facts = gather_as_nobody(&past);
		must_be(refused[i].name, &facts, TALLY_END_UNKNOWN, refused[i].said);
		assert_false(facts.has_panic);
	}
	open_again("sys/fs/pstore");
	facts = gather_as_nobody(&past);
	must_be("not looked at where one may read oneself", &facts, TALLY_END_PANIC, "deadlocked");
	end();
}

/* Not followed, not waited for. */
static void what_is_no_words_file(void **state)
{
	static const struct file secret = { "secret", WORDS(NOW_BOOT) "end\n", NOW };
	static const struct {
		const char *make, *said;
	} kinds[] = { { "ln -s ../../secret", "symbolic links" }, { "mkfifo", "Protocol error" },
		      { "mkdir", "Protocol error" }, { "truncate -s 200000", "too large" } };
	const struct crumb_note past = past_of(true);

	(void)state;
	begin();
	open_again(".");
	put(&ramoops); /* whose directory is not there: it cannot be read */
	put(&secret);
	write_words();
	for (size_t i = 0; i < COUNT(kinds); i++) {
		struct outcome_facts facts;
		char command[256];

		snprintf(command, sizeof(command), "rm -r '%s/" WORDS_PATH "' && %s '%s/" WORDS_PATH "'",
			 directory, kinds[i].make, directory);
		assert_int_equal(system(command), 0);
		facts = gather_as_nobody(&past);
		must_be(kinds[i].make, &facts, TALLY_END_UNKNOWN, kinds[i].said);
	}
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_may_not_be_read),
		cmocka_unit_test(what_root_has_read),
		cmocka_unit_test(what_root_had_read_before),
		cmocka_unit_test(what_is_refused),
		cmocka_unit_test(what_is_no_words_file),
	};

	return cmocka_run_group_tests_name("outcome_words", tests, NULL, NULL);
}
