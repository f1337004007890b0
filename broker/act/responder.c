/* SPDX-License-Identifier: MIT */
#include "act/responder.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "base/units.h"

_Static_assert((int)PROCEDURE_DONE == LAUNCH_OK && (int)PROCEDURE_FAILED == LAUNCH_FAILED &&
	       (int)PROCEDURE_KILLED == LAUNCH_KILLED && (int)PROCEDURE_LATE == LAUNCH_LATE &&
	       (int)PROCEDURE_CUT == LAUNCH_CUT && (int)PROCEDURE_LOST == LAUNCH_LOST, "the same words");
_Static_assert(PROCEDURE_ARGUMENTS_MAX == LAUNCH_WORDS_MAX && PROCEDURE_WORDS_BYTES == LAUNCH_WORDS_BYTES,
	       "words fit");
_Static_assert(PROCEDURE_PROGRAM_MAX == sizeof(((struct launch_spec *)0)->program), "a program fits");

static struct launch_words words_of(const struct procedure_words *from)
{
	struct launch_words to = { .count = from->count, .used = from->used };

	memcpy(to.bytes, from->bytes, sizeof(to.bytes));
	return to;
}

/* The signals that the broker takes by its loop, and SIGCHLD that it ignores, are nobody's heritage. */
static int spawn(const char *program, int fd)
{
	char *arguments[] = { (char *)program, NULL };
	char *environment[] = { (char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	pid_t pid;
	int r;

	sigemptyset(&none);
	sigfillset(&all);
	(void)posix_spawn_file_actions_init(&actions); /* cannot fail: allocates nothing */
	(void)posix_spawnattr_init(&attributes);	/* same */
	r = posix_spawn_file_actions_adddup2(&actions, fd, LAUNCH_FD);
	if (r == 0)
		r = posix_spawnattr_setsigmask(&attributes, &none);
	if (r == 0)
		r = posix_spawnattr_setsigdefault(&attributes, &all);
	if (r == 0)
		r = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	if (r == 0)
		r = posix_spawn(&pid, program, &actions, &attributes, arguments, environment);
	(void)posix_spawn_file_actions_destroy(&actions); /* cannot fail */
	(void)posix_spawnattr_destroy(&attributes);	   /* same */
	return -r;
}

static int open_socket(const char *place, int *ret_fd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (strlen(place) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, place);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

static int open_program(const char *place, int *ret_fd)
{
	int ends[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	r = spawn(place, ends[1]);
	(void)file_close(ends[1]);
	if (r < 0)
		(void)file_close(ends[0]);
	else
		*ret_fd = ends[0];
	return r;
}

int responder_open(const char *place, const struct procedure_spec *spec, int *ret_fd)
{
	struct launch_spec message = {
		.word = LAUNCH_SPEC, .version = LAUNCH_VERSION, .uid = spec->uid, .gid = spec->gid,
		.is_responder = spec->is_responder, .memory_bytes = spec->memory_bytes,
		.arguments = words_of(&spec->arguments), .keep = words_of(&spec->keep),
	};
	struct stat st;
	int fd = -1, r;

	if (stat(place, &st) < 0)
		return -errno;
	r = S_ISSOCK(st.st_mode) ? open_socket(place, &fd) : open_program(place, &fd);
	if (r < 0)
		return r;
	memcpy(message.program, spec->program, sizeof(message.program));
	if (send(fd, &message, sizeof(message), MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
		r = -errno;
		(void)file_close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int responder_run(int fd, const struct launch_run *run)
{
	return send(fd, run, sizeof(*run), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

int responder_stop(int fd)
{
	const uint32_t word = LAUNCH_STOP;

	return send(fd, &word, sizeof(word), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

int responder_read(int fd, struct launch_reply *ret)
{
	struct launch_reply reply;
	ssize_t n = recv(fd, &reply, sizeof(reply), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	if (n <= 0)
		return -ECONNRESET;
	if (n != sizeof(reply) || reply.output_used > sizeof(reply.output) ||
	    !memchr(reply.broken, 0, sizeof(reply.broken)) || !text_is_utf8(reply.broken) ||
	    reply.outcome >= PROCEDURE_OUTCOME_COUNT || reply.word < LAUNCH_READY || reply.word > LAUNCH_DONE)
		return -EPROTO;
	*ret = reply;
	return 0;
}
