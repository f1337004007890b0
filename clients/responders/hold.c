/* SPDX-License-Identifier: MIT */
/* Held: a shared mapping of the whole file, locked. The page cache cannot drop it then, and exec finds
 * every page of it in memory. Which libraries a program needs its own loader says. */
#include "launcher.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A script's interpreter may be a script: the kernel goes as deep (fs/exec.c, BINPRM depth 5). */
#define SCRIPTS_MOST	5u
#define LOADER_MS	5000
#define LIST_BYTES	16384u

static int hold_file(const char *path, uint64_t *bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	void *at;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode)) {
		(void)close(fd);
		return -EINVAL;
	}
	at = st.st_size ? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0) : NULL;
	(void)close(fd);
	if (at == MAP_FAILED)
		return -errno;
	if (at && mlock(at, (size_t)st.st_size) < 0)
		return -errno;
	*bytes += (uint64_t)st.st_size;
	return 0;
}

/* ---- what it is linked with ---- */

static void ask_loader(const char *program, int output)
{
	char *arguments[] = { (char *)program, NULL };
	char *environment[] = { "LD_TRACE_LOADED_OBJECTS=1", NULL };
	int null = open("/dev/null", O_RDWR);

	if (null < 0 || dup2(null, 0) < 0 || dup2(output, 1) < 0 || dup2(null, 2) < 0)
		_exit(127);
	(void)close_range(3, ~0u, 0);
	execve(program, arguments, environment);
	_exit(127);
}

static size_t read_list(int fd, char *text, size_t size)
{
	uint64_t until = launch_now_usec() + LOADER_MS * 1000u;
	size_t used = 0;
	ssize_t n = 1;

	while (n > 0 && used < size - 1) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		uint64_t now = launch_now_usec();

		if (now >= until || poll(&p, 1, (int)((until - now) / 1000)) <= 0)
			break;
		n = read(fd, text + used, size - 1 - used);
		used += n > 0 ? (size_t)n : 0;
	}
	text[used] = 0;
	return used;
}

/* "libc.so.6 => /lib/libc.so.6 (0x...)": every word that is a path. A library that is not there is
 * for the program's own loader to complain about. */
static bool is_left_out(const char *path, const char *const *without)
{
	const char *name = strrchr(path, '/') + 1;

	for (; without && *without; without++)
		if (!strncmp(name, *without, strlen(*without)))
			return true;
	return false;
}

static void hold_libraries(const char *program, const char *const *without, uint64_t *bytes)
{
	static char text[LIST_BYTES];
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return;
	pid = fork();
	if (pid == 0)
		ask_loader(program, fds[1]);
	(void)close(fds[1]);
	if (pid > 0) {
		(void)read_list(fds[0], text, sizeof(text));
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
	}
	(void)close(fds[0]);
	for (char *word = strtok(text, " \t\n"); pid > 0 && word; word = strtok(NULL, " \t\n"))
		if (word[0] == '/' && !is_left_out(word, without))
			(void)hold_file(word, bytes);
	(void)hold_file("/etc/ld.so.cache", bytes); /* musl has none */
}

/* Only a program that names a loader understands LD_TRACE_LOADED_OBJECTS: a static one would run. */
static bool names_loader(const char *head, size_t size)
{
	Elf64_Ehdr header;

	if (size < sizeof(header) || memcmp(head, ELFMAG, SELFMAG))
		return false;
	memcpy(&header, head, sizeof(header));
	if (head[EI_CLASS] == ELFCLASS32) {
		Elf32_Ehdr small;

		memcpy(&small, head, sizeof(small));
		header.e_phoff = small.e_phoff;
		header.e_phnum = small.e_phnum;
	}
	for (unsigned i = 0; i < header.e_phnum; i++) {
		size_t each = head[EI_CLASS] == ELFCLASS32 ? sizeof(Elf32_Phdr) : sizeof(Elf64_Phdr);
		uint32_t type; /* the first member of both */

		if (header.e_phoff > size || (i + 1) * each > size - header.e_phoff)
			return false;
		memcpy(&type, head + header.e_phoff + i * each, sizeof(type));
		if (type == PT_INTERP)
			return true;
	}
	return false;
}

/* "#!/bin/sh -e": cut to "/bin/sh"; NULL: no script. */
static const char *interpreter(char *head)
{
	char *name = head + 2;

	if (head[0] != '#' || head[1] != '!')
		return NULL;
	name += strspn(name, " \t");
	name[strcspn(name, " \t\n")] = 0;
	return name[0] == '/' ? name : NULL;
}

int hold_program(const char *path, const char *const *without, uint64_t *bytes)
{
	char head[4096], name[sizeof(head)];
	int r = 0;

	if (strlen(path) >= sizeof(name))
		return -ENAMETOOLONG;
	strcpy(name, path);
	for (unsigned depth = 0; r == 0 && depth < SCRIPTS_MOST; depth++) {
		int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		ssize_t n = fd < 0 ? -1 : read(fd, head, sizeof(head) - 1);
		const char *next;

		if (n < 0)
			r = -errno;
		if (fd >= 0)
			(void)close(fd);
		if (r < 0)
			return r;
		head[n] = 0;
		r = hold_file(name, bytes);
		next = interpreter(head);
		if (!next) {
			if (r == 0 && names_loader(head, (size_t)n))
				hold_libraries(name, without, bytes);
			return r;
		}
		strcpy(name, next); /* of head, so it fits */
	}
	return r;
}

/* Cut where it is too long, but not within a character: D-Bus has no half ones. */
static void name_broken(struct launch_reply *ret, const char *path)
{
	size_t length = strlen(path);

	if (length >= sizeof(ret->broken))
		for (length = sizeof(ret->broken) - 1; length && (path[length] & 0xc0) == 0x80; length--)
			continue;
	memcpy(ret->broken, path, length);
	ret->broken[length] = '\0';
}

int hold_files(const struct launch_spec *spec, struct launch_reply *ret)
{
	const char *list[LAUNCH_WORDS_MAX + 2];
	uint64_t bytes = 0;
	int r = spec->is_responder ? 0 : hold_program(spec->program, NULL, &bytes);

	launch_list(&spec->keep, NULL, list);
	for (unsigned i = 0; r == 0 && list[i]; i++) {
		r = hold_program(list[i], NULL, &bytes);
		if (r < 0)
			name_broken(ret, list[i]);
	}
	ret->held_bytes = bytes;
	return r;
}
