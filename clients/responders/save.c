/* SPDX-License-Identifier: MIT */
/*
 * failsoft-save: writes what a dying process has in memory, or streams, to a file. A procedure, see
 * failsoftctl(1): failsoft-save --from=shm:frames --to=/var/log/frames.raw
 *
 * The target is opened before, and written past the page cache (O_DIRECT) from one locked buffer
 * where the file system allows it, because in the crisis there are no pages to be had for a cache.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <failsoft/responder.h>

/* One write. Half: more calls; double: no faster on flash cards, and locked for nothing. */
#define BUFFER_BYTES	(256u * 1024u)
#define BLOCK_BYTES	4096u
/* The end must be on the disk before the deadline, not after it. */
#define RESERVE_USEC	20000u
#define PATH_BYTES	512u

struct save {
	const char *from, *to;
	unsigned long long max_bytes;	/* 0: all */
	char partial[PATH_BYTES];
	int fd, folder_fd;		/* of partial, and where it is */
	bool is_direct;
	char *buffer;
	unsigned long long written;
	int source;
	unsigned long long at, end;	/* of a mapping, in the process' memory */
	bool is_mapping;
};

static void print_usage(FILE *out)
{
	fputs("usage: failsoft-save --from=WHAT --to=FILE [--max=BYTES]\n"
	      "       failsoft-save --help\n"
	      "  WHAT  fd:N     what the process has open as N; of a pipe, what is in it\n"
	      "        shm:NAME the shared memory /dev/shm/NAME\n"
	      "        map:NAME the first mapping whose name ends so, as in /proc/PID/maps\n"
	      "        file:PATH\n"
	      "  it is written to FILE.new; one that a power cut left is kept as FILE.left\n", out);
}

static int usage(void)
{
	print_usage(stderr);
	return 2;
}

/* Asked for: 0, unless nobody could be told. */
static int help(void)
{
	print_usage(stdout);
	return fflush(stdout) ? 1 : 0;
}

static int complain(const char *what)
{
	int error = errno;

	fprintf(stderr, "%s: %s\n", what, strerror(error));
	return -error;
}

/* ---- before ---- */

/* A power cut may have left the only copy under this name: it is not written over. */
static int keep_left(const struct save *s)
{
	char left[PATH_BYTES];
	struct stat st;

	if (lstat(s->partial, &st) < 0 || !S_ISREG(st.st_mode) || !st.st_size)
		return 0;
	snprintf(left, sizeof(left), "%s.left", s->to);
	if (rename(s->partial, left) < 0)
		return complain(left);
	fprintf(stderr, "%s was left by an earlier start; it is %s now\n", s->partial, left);
	return 0;
}

static int open_folder(struct save *s)
{
	char path[PATH_BYTES];

	snprintf(path, sizeof(path), "%s", s->to);
	strrchr(path, '/')[1] = 0; /* it begins with one */
	s->folder_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return s->folder_fd < 0 ? complain(path) : 0;
}

static int open_target(struct save *s)
{
	snprintf(s->partial, sizeof(s->partial), "%s.new", s->to);
	if (open_folder(s) < 0 || keep_left(s) < 0)
		return -1;
	s->fd = open(s->partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_DIRECT | O_NOFOLLOW, 0600);
	s->is_direct = s->fd >= 0;
	if (s->fd < 0)
		s->fd = open(s->partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->fd < 0)
		return complain(s->partial);
	s->buffer = mmap(NULL, BUFFER_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s->buffer == MAP_FAILED)
		return complain("memory");
	memset(s->buffer, 1, BUFFER_BYTES);
	return 0;
}

/* ---- now ---- */

/* "7f..-7f.. rw-s 00000000 00:01 5 /dev/shm/frames" */
static bool is_named(const char *line, const char *name)
{
	const char *found = strchr(line, '/');
	size_t length, wanted = strlen(name);

	found = found ? found : strchr(line, '[');
	length = found ? strcspn(found, "\n") : 0;
	if (length > 10 && !strncmp(found + length - 10, " (deleted)", 10))
		length -= 10;
	return length >= wanted && !strncmp(found + length - wanted, name, wanted);
}

static int find_mapping(struct save *s, int pid, const char *name)
{
	char path[PATH_BYTES], line[PATH_BYTES];
	FILE *maps;
	bool found = false;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	if (!maps)
		return complain(path);
	while (!found && fgets(line, sizeof(line), maps))
		found = is_named(line, name) && sscanf(line, "%llx-%llx", &s->at, &s->end) == 2;
	fclose(maps);
	if (!found) {
		fprintf(stderr, "it has no mapping %s\n", name);
		return -ENOENT;
	}
	s->is_mapping = true;
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	s->source = open(path, O_RDONLY | O_CLOEXEC);
	return s->source < 0 ? complain(path) : 0;
}

static int open_source(struct save *s, int pid)
{
	const char *name = strchr(s->from, ':') + 1;
	char path[PATH_BYTES];

	if (!strncmp(s->from, "map:", 4))
		return find_mapping(s, pid, name);
	if (!strncmp(s->from, "fd:", 3))
		snprintf(path, sizeof(path), "/proc/%d/fd/%s", pid, name);
	else
		snprintf(path, sizeof(path), "%s%s", !strncmp(s->from, "shm:", 4) ? "/dev/shm/" : "", name);
	/* of a pipe only what is there: its writer is stopped */
	s->source = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return s->source < 0 ? complain(path) : 0;
}

static ssize_t read_some(struct save *s, size_t size)
{
	ssize_t n;

	if (!s->is_mapping) {
		n = read(s->source, s->buffer, size);
		return n < 0 && errno == EAGAIN ? 0 : n;
	}
	if (size > s->end - s->at)
		size = (size_t)(s->end - s->at);
	n = size ? pread(s->source, s->buffer, size, (off_t)s->at) : 0;
	s->at += n > 0 ? (unsigned long long)n : 0;
	return n;
}

/* A full buffer, or all that is there: then it is the last one. `ret_error`: what stopped it, or 0. */
static size_t fill(struct save *s, int *ret_error)
{
	char *whole = s->buffer;
	size_t used = 0, size = BUFFER_BYTES;
	ssize_t n = 1;

	if (s->max_bytes && s->max_bytes - s->written < size)
		size = (size_t)(s->max_bytes - s->written);
	while (used < size && n > 0) {
		n = read_some(s, size - used);
		used += n > 0 ? (size_t)n : 0;
		s->buffer = whole + used;
	}
	s->buffer = whole;
	*ret_error = n < 0 ? errno : 0;
	return used;
}

/* O_DIRECT takes whole blocks; what is too much is cut off at the end. */
static int put(struct save *s, size_t used)
{
	size_t size = s->is_direct ? (used + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES : used, done = 0;

	memset(s->buffer + used, 0, size - used);
	while (done < size) {
		ssize_t n = write(s->fd, s->buffer + done, size - done);

		if (n < 0 && errno == EINVAL && s->is_direct) {
			s->is_direct = false;
			if (fcntl(s->fd, F_SETFL, 0) < 0)
				return complain("O_DIRECT");
			return put(s, used);
		}
		if (n <= 0)
			return complain(s->partial);
		done += (size_t)n;
	}
	s->written += used;
	return 0;
}

static unsigned long long now_usec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (unsigned long long)t.tv_sec * 1000000u + (unsigned long long)t.tv_nsec / 1000u;
}

/*
 * What was copied by then is better than nothing. Behind a short buffer nothing may come: its last block
 * was filled up with zeroes (O_DIRECT), and a pipe whose writer still runs would go on in the middle.
 */
static int copy(struct save *s, unsigned long long deadline_usec)
{
	size_t n = BUFFER_BYTES;
	int error = 0;

	while (n == BUFFER_BYTES && now_usec() + RESERVE_USEC < deadline_usec) {
		n = fill(s, &error);
		if (n > 0 && put(s, n) < 0)
			return -1;
	}
	if (error)
		fprintf(stderr, "reading %s: %s\n", s->from, strerror(error));
	return n < BUFFER_BYTES && !error ? 0 : 1;
}

/* The new name, too, is on the disk. Some file systems have nothing to write for a directory. */
static int publish(struct save *s)
{
	if (ftruncate(s->fd, (off_t)s->written) < 0 || fsync(s->fd) < 0 || rename(s->partial, s->to) < 0)
		return -1;
	return fsync(s->folder_fd) < 0 && errno != EINVAL ? -1 : 0;
}

static int save(struct save *s, const struct failsoft_responder_run *run)
{
	int r = open_source(s, run->pid);

	if (r < 0)
		return 1;
	r = copy(s, run->deadline_usec);
	if (r < 0 || publish(s) < 0) {
		complain(s->to);
		return 1;
	}
	printf("%llu bytes of %s (pid %d) to %s%s\n", s->written, s->from, (int)run->pid, s->to,
	       r ? ", not all" : "");
	return r;
}

static bool is_source(const char *from)
{
	static const char *const kinds[] = { "fd:", "shm:", "map:", "file:" };

	for (size_t i = 0; from && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strncmp(from, kinds[i], strlen(kinds[i])) && from[strlen(kinds[i])])
			return strncmp(from, "shm:", 4) || !strstr(from, "..");
	return false;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "from", required_argument, NULL, 'f' }, { "to", required_argument, NULL, 't' },
		{ "max", required_argument, NULL, 'm' }, { "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	static char output[BUFSIZ];
	struct failsoft_responder_run run;
	struct save s = { .source = -1, .folder_fd = -1 };
	int option, r;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'f')
			s.from = optarg;
		else if (option == 't')
			s.to = optarg;
		else if (option == 'm')
			s.max_bytes = strtoull(optarg, NULL, 10);
		else
			return option == 'h' ? help() : usage();
	}
	if (optind < argc || !is_source(s.from) || !s.to || s.to[0] != '/' || strlen(s.to) > PATH_BYTES - 8)
		return usage();
	setvbuf(stdout, output, _IOFBF, sizeof(output));
	if (open_target(&s) < 0)
		return 1;
	r = failsoft_responder_wait(&run);
	return r ? r < 0 : save(&s, &run);
}
