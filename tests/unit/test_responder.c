/* SPDX-License-Identifier: MIT */
/* Real programs behind a real failsoft-responder: good ones, and all that can go wrong with one. */
#include "rig.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "act/responder.h"
#include "base/clock.h"

#define SHELL	"/bin/sh"
#define WAIT_MS	20000

static char launcher[512], folder[] = "/tmp/failsoft-responder-XXXXXX";

struct run {
	const char *name;
	const char *program;
	const char *script;		/* of sh -c; NULL: no arguments */
	uint32_t word;			/* BROKEN, or DONE */
	uint32_t outcome, code;
	const char *output;		/* NULL: not looked at */
};

static const struct run runs[] = {
	{ "does nothing", SHELL, "exit 0", LAUNCH_DONE, LAUNCH_OK, 0, "" },
	{ "says whom it runs for", SHELL, "echo $FAILSOFT_NAME $FAILSOFT_PID $FAILSOFT_CGROUP",
	  LAUNCH_DONE, LAUNCH_OK, 0, "hog 4711 /a.service\n" },
	{ "fails", SHELL, "echo no >&2; exit 3", LAUNCH_DONE, LAUNCH_FAILED, 3, "no\n" },
	{ "is killed", SHELL, "kill -SEGV $$", LAUNCH_DONE, LAUNCH_KILLED, SIGSEGV, "" },
	{ "hangs", SHELL, "sleep 98700", LAUNCH_DONE, LAUNCH_LATE, 0, "" },
	{ "ignores SIGTERM and forks", SHELL, "trap '' TERM; sleep 98701 & sleep 98701 & wait",
	  LAUNCH_DONE, LAUNCH_LATE, 0, "" },
	{ "leaves its session", SHELL, "setsid sleep 98702 & exit 0", LAUNCH_DONE, LAUNCH_OK, 0, "" },
	{ "leaves a daemon behind", SHELL, "(setsid sh -c 'sleep 98703 & sleep 98703' &) ; exit 0",
	  LAUNCH_DONE, LAUNCH_OK, 0, "" },
	{ "forks on and on", SHELL, "while :; do sleep 98704 & done", LAUNCH_DONE, LAUNCH_LATE, 0, NULL },
	{ "writes without end", SHELL, "while :; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaa; done",
	  LAUNCH_DONE, LAUNCH_LATE, 0, NULL },
	{ "does not exist", "/nonexistent/program", NULL, LAUNCH_BROKEN, 0, ENOENT, NULL },
	{ "is not executable", "/etc/passwd", NULL, LAUNCH_BROKEN, 0, EACCES, NULL },
	{ "is a directory", "/tmp", NULL, LAUNCH_BROKEN, 0, EISDIR, NULL },
};

static struct launch_run call(uint64_t deadline_us)
{
	struct launch_run run = { .word = LAUNCH_RUN, .run = {
		.version = FAILSOFT_RESPONDER_VERSION, .pid = 4711, .deadline_usec = deadline_us,
		.name = "hog", .cgroup = "/a.service" } };

	return run;
}

static struct procedure_spec spec_of(const char *program, const char *script)
{
	struct procedure_spec spec = { .kind = PROCEDURE_NAME, .uid = LAUNCH_SAME_ID, .gid = LAUNCH_SAME_ID,
				       .memory_bytes = MIB };

	strcpy(spec.program, program);
	if (script) {
		procedure_words_add(&spec.arguments, "-c");
		procedure_words_add(&spec.arguments, script);
	}
	return spec;
}

static int next_word(int fd, struct launch_reply *ret)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, WAIT_MS) > 0 ? responder_read(fd, ret) : -ETIMEDOUT;
}

/* Of this test's own programs: nothing that sleeps so long may be left. */
static bool sleeps(const char *seconds)
{
	char command[128];

	snprintf(command, sizeof(command), "pgrep -f '^sleep %s$' >/dev/null", seconds);
	return system(command) == 0;
}

static void nothing_is_left(void)
{
	static const char *const times[] = { "98700", "98701", "98702", "98703", "98704" };

	for (unsigned i = 0; i < ARRAY_LEN(times); i++) {
		for (unsigned tries = 0; sleeps(times[i]) && tries < 500; tries++)
			usleep(20000);
		assert_false(sleeps(times[i]));
	}
}

static void run_one(const struct run *r)
{
	struct procedure_spec spec = spec_of(r->program, r->script);
	struct launch_reply reply = { 0 };
	struct launch_run run;
	/* who is to be in time is so on a busy machine, too */
	uint64_t began_us, for_us = r->outcome == LAUNCH_LATE ? 400 * US_PER_MS : 8 * US_PER_S;
	int fd = -1;

	assert_int_equal(responder_open(launcher, &spec, &fd), 0);
	assert_int_equal(next_word(fd, &reply), 0);
	if (r->word == LAUNCH_BROKEN) {
		assert_int_equal(reply.word, LAUNCH_BROKEN);
		assert_int_equal(reply.code, r->code);
		close(fd);
		return;
	}
	assert_int_equal(reply.word, LAUNCH_READY);
	assert_true(reply.held_bytes > MIB);
	began_us = clock_now_us();
	run = call(began_us + for_us);
	assert_int_equal(responder_run(fd, &run), 0);
	assert_int_equal(next_word(fd, &reply), 0);
	assert_int_equal(reply.word, LAUNCH_DONE);
	assert_int_equal(reply.outcome, r->outcome);
	assert_int_equal(reply.code, r->code);
	assert_true(clock_now_us() - began_us < for_us + 3 * US_PER_S);
	if (r->output) {
		assert_int_equal(reply.output_used, strlen(r->output));
		assert_memory_equal(reply.output, r->output, reply.output_used);
	}
	assert_true(reply.output_used <= reply.output_bytes);
	close(fd);
}

static void programs(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(runs); i++) {
		SAY(&runs[i]);
		run_one(&runs[i]);
	}
	nothing_is_left();
}

static void gone_between_ready_and_run(void **state)
{
	char path[256];
	struct procedure_spec spec;
	struct launch_reply reply;
	struct launch_run run = call(clock_now_us() + 20 * US_PER_S);
	FILE *file;
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "%s/script", folder);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs("#!" SHELL "\nexit 0\n", file);
	assert_int_equal(fchmod(fileno(file), 0755), 0);
	fclose(file);
	spec = spec_of(path, NULL);
	assert_int_equal(responder_open(launcher, &spec, &fd), 0);
	assert_int_equal(next_word(fd, &reply), 0);
	assert_int_equal(reply.word, LAUNCH_READY);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(responder_run(fd, &run), 0);
	assert_int_equal(next_word(fd, &reply), 0);
	assert_int_equal(reply.outcome, LAUNCH_LOST);
	assert_int_equal(reply.code, ENOENT);
	close(fd);
}

static void stopped_before_its_end(void **state)
{
	struct procedure_spec spec = spec_of(SHELL, "sleep 98700");
	struct launch_reply reply;
	struct launch_run run = call(clock_now_us() + 100 * US_PER_S);
	int fd;

	(void)state;
	assert_int_equal(responder_open(launcher, &spec, &fd), 0);
	assert_int_equal(next_word(fd, &reply), 0);
	assert_int_equal(responder_run(fd, &run), 0);
	assert_int_equal(responder_stop(fd), 0);
	assert_int_equal(next_word(fd, &reply), 0);
	assert_int_equal(reply.outcome, LAUNCH_CUT);
	close(fd);
	nothing_is_left();
}

/* A broker that dies in the middle must not leave its victim stopped. */
static void the_victim_goes_on_when_the_broker_dies(void **state)
{
	struct procedure_spec spec = spec_of(SHELL, "sleep 98700");
	struct launch_reply reply;
	struct launch_run run = call(clock_now_us() + 100 * US_PER_S);
	pid_t victim = fork();
	int fd, status = 0;

	(void)state;
	if (victim == 0) {
		pause();
		_exit(0);
	}
	run.run.pids[0] = run.run.pid = (int32_t)victim;
	run.run.pids_count = 1;
	assert_int_equal(kill(victim, SIGSTOP), 0);
	assert_int_equal(waitpid(victim, &status, WUNTRACED), victim);
	assert_int_equal(responder_open(launcher, &spec, &fd), 0);
	assert_int_equal(next_word(fd, &reply), 0);
	assert_int_equal(responder_run(fd, &run), 0);
	close(fd);
	assert_int_equal(waitpid(victim, &status, WCONTINUED), victim);
	assert_true(WIFCONTINUED(status));
	kill(victim, SIGKILL);
	waitpid(victim, NULL, 0);
	nothing_is_left();
}

static void a_native_responder(void **state)
{
	char program[512], to[300], option[320];
	struct procedure_spec spec;
	struct launch_reply reply;
	struct launch_run run = call(0);
	char text[64] = "";
	FILE *file;
	int fd;

	(void)state;
	snprintf(program, sizeof(program), "%s/clients/responders/failsoft-save", getenv("FAILSOFT_BUILD"));
	spec = spec_of(program, NULL);
	spec.is_responder = true;
	snprintf(to, sizeof(to), "%s/saved", folder);
	snprintf(option, sizeof(option), "--to=%s", to);
	procedure_words_add(&spec.arguments, option);
	procedure_words_add(&spec.arguments, "--from=file:/proc/self/comm");
	assert_int_equal(responder_open(launcher, &spec, &fd), 0);
	assert_int_equal(next_word(fd, &reply), 0);
	assert_int_equal(reply.word, LAUNCH_READY);
	run.run.deadline_usec = clock_now_us() + 20 * US_PER_S;
	assert_int_equal(responder_run(fd, &run), 0);
	assert_int_equal(next_word(fd, &reply), 0);
	assert_int_equal(reply.outcome, LAUNCH_OK);
	file = fopen(to, "r");
	assert_non_null(file);
	assert_non_null(fgets(text, sizeof(text), file));
	assert_string_equal(text, "failsoft-save\n");
	fclose(file);
	unlink(to);
	close(fd);
}

/* As systemd does it: a unit for each connection, its end is descriptor 3. */
static void by_a_socket(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct procedure_spec spec = spec_of(SHELL, "exit 7");
	int listener = socket(AF_UNIX, SOCK_SEQPACKET, 0), fd;
	struct launch_run run = call(clock_now_us() + 20 * US_PER_S);
	struct launch_reply reply;
	pid_t pid;

	(void)state;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", folder);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 4), 0);
	pid = fork();
	if (pid == 0) {
		dup2(accept(listener, NULL, NULL), LAUNCH_FD);
		execl(launcher, launcher, NULL);
		_exit(1);
	}
	assert_int_equal(responder_open(address.sun_path, &spec, &fd), 0);
	assert_int_equal(next_word(fd, &reply), 0);
	assert_int_equal(reply.word, LAUNCH_READY);
	assert_int_equal(responder_run(fd, &run), 0);
	assert_int_equal(next_word(fd, &reply), 0);
	assert_int_equal(reply.code, 7);
	close(fd);
	close(listener);
	waitpid(pid, NULL, 0);
	unlink(address.sun_path);
}

/* What a member of the group adds has that user's rights, and no group of the broker's. */
static void as_somebody_else(void **state)
{
	struct procedure_spec spec = spec_of(SHELL, "id -u; id -G");
	struct launch_reply reply;
	struct launch_run run;
	int fd;

	(void)state;
	if (geteuid())
		skip();
	spec.uid = spec.gid = 65534;
	assert_int_equal(responder_open(launcher, &spec, &fd), 0);
	assert_int_equal(next_word(fd, &reply), 0);
	assert_int_equal(reply.word, LAUNCH_READY);
	run = call(clock_now_us() + 20 * US_PER_S);
	assert_int_equal(responder_run(fd, &run), 0);
	assert_int_equal(next_word(fd, &reply), 0);
	assert_int_equal(reply.outcome, LAUNCH_OK);
	assert_int_equal(reply.output_used, strlen("65534\n65534\n"));
	assert_memory_equal(reply.output, "65534\n65534\n", reply.output_used);
	close(fd);
}

static int prepare(void **state)
{
	(void)state;
	signal(SIGCHLD, SIG_DFL);
	snprintf(launcher, sizeof(launcher), "%s/clients/responders/failsoft-responder",
		 getenv("FAILSOFT_BUILD") ? getenv("FAILSOFT_BUILD") : ".");
	return mkdtemp(folder) ? 0 : -1;
}

/* It goes on to D-Bus, which refuses the whole list of procedures for half a character. */
static void a_file_to_keep_is_named_in_whole_characters(void **state)
{
	struct procedure_spec spec = spec_of(SHELL, "exit 0");
	char path[300] = "/";
	struct launch_reply reply = { 0 };
	int fd;

	(void)state;
	memset(path + 1, 'x', 253);
	strcat(path, "\u00e9.service");
	assert_true(procedure_words_add(&spec.keep, path));
	assert_int_equal(responder_open(launcher, &spec, &fd), 0);
	assert_int_equal(next_word(fd, &reply), 0);
	assert_int_equal(reply.word, LAUNCH_BROKEN);
	assert_int_equal(strlen(reply.broken), 254);
	assert_memory_equal(reply.broken, path, 254);
	close(fd);
}

/* As long as what is given may be: it was cut at 255 bytes, and called missing. */
static void a_long_path_to_keep(void **state)
{
	struct procedure_spec spec = spec_of(SHELL, "exit 0");
	struct launch_reply reply = { 0 };
	char path[900];
	size_t used = (size_t)snprintf(path, sizeof(path), "%s", folder);
	int fd;

	(void)state;
	while (used < 700) {
		used += (size_t)snprintf(path + used, sizeof(path) - used, "/%0100d", 1);
		assert_int_equal(mkdir(path, 0755), 0);
	}
	snprintf(path + used, sizeof(path) - used, "/kept");
	fd = creat(path, 0644);
	assert_true(fd >= 0);
	close(fd);
	assert_true(procedure_words_add(&spec.keep, path));
	assert_int_equal(responder_open(launcher, &spec, &fd), 0);
	assert_int_equal(next_word(fd, &reply), 0);
	assert_int_equal(reply.word, LAUNCH_READY);
	close(fd);
	assert_int_equal(unlink(path), 0);
	while (*strrchr(path, '/') = '\0', strcmp(path, folder))
		assert_int_equal(rmdir(path), 0);
}

/* Whoever runs as another user says what it likes. */
static void bytes_that_are_no_text(void **state)
{
	struct launch_reply reply = { .word = LAUNCH_BROKEN, .code = ENOENT, .broken = "/\xc3" }, got;
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
	assert_int_equal(send(ends[0], &reply, sizeof(reply), 0), sizeof(reply));
	assert_int_equal(responder_read(ends[1], &got), -EPROTO);
	close(ends[0]);
	close(ends[1]);
}

static int finish(void **state)
{
	(void)state;
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(programs),
		cmocka_unit_test(gone_between_ready_and_run),
		cmocka_unit_test(stopped_before_its_end),
		cmocka_unit_test(the_victim_goes_on_when_the_broker_dies),
		cmocka_unit_test(a_native_responder),
		cmocka_unit_test(by_a_socket),
		cmocka_unit_test(as_somebody_else),
		cmocka_unit_test(a_file_to_keep_is_named_in_whole_characters),
		cmocka_unit_test(a_long_path_to_keep),
		cmocka_unit_test(bytes_that_are_no_text),
	};

	return cmocka_run_group_tests_name("responder", tests, prepare, finish);
}
