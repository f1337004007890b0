/* SPDX-License-Identifier: MIT */
/*
 * Replay TARGET DIRECTORY: the kept inputs of a target without a fuzzer: each file, each of its
 * beginnings, and each with single bits turned over. TAP. On a failure it says which input it was
 * and leaves its bytes in a file.
 */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../sim/dice.h"
#include "base/units.h"
#include "fuzz.h"

/* Kept inputs are some 100 bytes, those of `replay` a few KiB; a longer file is cut. */
#define FILE_BYTES_MAX	 (1u << 16)
/* All targets take 10 s under sanitizers with these two, measured on 2 CPUs; twice of both: 4 times. */
#define PREFIX_BYTES_MAX 4096u
#define FLIPS		 256u	/* bits per file: all of one of 32 bytes */
#define SEED		 2025u	/* any number, but the same bits on every machine */
#define HANG_S		 60u	/* for one file, which takes less than 1 s */

/* What has no sanitizer has no such function. */
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static const struct {
	const char *name;
	void (*run)(const uint8_t *bytes, size_t size);
} targets[] = {
#define ROW(name) {#name, fuzz_##name},
	FUZZ_TARGETS(ROW)
#undef ROW
};

_Static_assert(ARRAY_LEN(targets) == FUZZ_COUNT, "fuzz.h and meson.build name different targets");

static struct {
	const char *target, *file;
	const char *what; /* was done to it */
	size_t number;
	const uint8_t *bytes;
	size_t size;
} now;

/* Not for signal handlers in general; but the program ends here anyway, and it should say why. */
static void tell(void)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/fuzz-%s.failed", getenv("FAILSOFT_BUILD") ?: ".",
		 now.target);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, now.bytes, now.size) != (ssize_t)now.size)
		snprintf(path, sizeof(path), "(could not be written)");
	printf("not ok - %s: %s, %s %zu\n# this input: %s\n# a kept one: copy it to "
	       "tests/data/fuzz/%s/\n",
	       now.target, now.file, now.what, now.number, path, now.target);
	fflush(stdout);
}

static void tell_signal(int number)
{
	signal(number, SIG_DFL);
	tell();
	raise(number);
}

static void prepare(void)
{
	signal(SIGABRT, tell_signal);
	signal(SIGALRM, tell_signal);
	if (__sanitizer_set_death_callback) {
		__sanitizer_set_death_callback(tell);
		return;
	}
	signal(SIGSEGV, tell_signal);
	signal(SIGBUS, tell_signal);
	signal(SIGFPE, tell_signal);
}

/* ---- what is done with a file ---- */

static void run_one(size_t target, size_t number, const uint8_t *bytes, size_t size)
{
	now.number = number;
	now.bytes = bytes;
	now.size = size;
	targets[target].run(bytes, size);
}

static uint64_t run_whole(size_t target, uint8_t *bytes, size_t size)
{
	run_one(target, size, bytes, size);
	return 1;
}

static uint64_t run_prefixes(size_t target, uint8_t *bytes, size_t size)
{
	size_t count = MIN_OF(size, PREFIX_BYTES_MAX);

	for (size_t i = 0; i < count; i++)
		run_one(target, i, bytes, i);
	return count;
}

static uint64_t run_flips(size_t target, uint8_t *bytes, size_t size)
{
	struct dice dice = {SEED};
	size_t count = MIN_OF(size * 8, FLIPS);

	for (size_t i = 0; i < count; i++) {
		size_t bit = size * 8 <= FLIPS ? i : dice_below(&dice, size * 8);
		uint8_t mask = (uint8_t)(1u << bit % 8);

		bytes[bit / 8] ^= mask;
		run_one(target, bit, bytes, size);
		bytes[bit / 8] ^= mask;
	}
	return count;
}

static const struct {
	const char *name, *what;
	uint64_t (*run)(size_t target, uint8_t *bytes, size_t size);
} ways[] = {
	{"whole files", "its size", run_whole},
	{"beginnings", "cut at byte", run_prefixes},
	{"with a bit turned over", "turned over bit", run_flips},
};

/* ---- all files, in the same order everywhere ---- */

static int is_file(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static size_t read_file(const char *directory, const char *name, uint8_t *ret)
{
	char path[1024];
	size_t size;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "r");
	if (!file) {
		perror(path);
		exit(2);
	}
	size = fread(ret, 1, FILE_BYTES_MAX, file);
	fclose(file);
	return size;
}

static uint64_t run_files(size_t target, const char *directory, size_t way)
{
	static uint8_t bytes[FILE_BYTES_MAX];
	struct dirent **entries;
	int count = scandir(directory, &entries, is_file, alphasort);
	uint64_t inputs = 0;

	now.what = ways[way].what;
	for (int i = 0; i < count; i++) {
		size_t size = read_file(directory, entries[i]->d_name, bytes);

		now.file = entries[i]->d_name;
		alarm(HANG_S);
		inputs += ways[way].run(target, bytes, size);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	return inputs;
}

int main(int argc, char **argv)
{
	size_t target = 0;
	bool failed = false;

	while (argc == 3 && target < ARRAY_LEN(targets) &&
	       strcmp(targets[target].name, argv[1]) != 0)
		target++;
	if (argc != 3 || target == ARRAY_LEN(targets)) {
		fprintf(stderr, "usage: replay TARGET DIRECTORY\n");
		return 2;
	}
	now.target = argv[1];
	prepare();
	printf("1..%zu\n", ARRAY_LEN(ways));
	for (size_t way = 0; way < ARRAY_LEN(ways); way++) {
		uint64_t inputs = run_files(target, argv[2], way);

		printf("%sok %zu - %s, %s: %" PRIu64 " inputs\n", inputs ? "" : "not ", way + 1,
		       argv[1], ways[way].name, inputs);
		fflush(stdout);
		failed |= inputs == 0;
	}
	return failed;
}
