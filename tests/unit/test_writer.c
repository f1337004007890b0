/* SPDX-License-Identifier: MIT */
/* Events of kind "none" are in no journal, so that this test leaves nothing in that of the machine. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "base/clock.h"
#include "base/units.h"
#include "keep/writer.h"

static int start(struct writer *w, const char *path)
{
	const struct writer_setup setup = { .path = path };

	return writer_start(w, &setup);
}

static void put(struct writer *w, uint64_t number)
{
	const struct event e = { .number = number, .kind = EVENT_NONE, .name = "logger" };

	writer_put(w, &e);
}

static uint64_t figure(struct json_object *o, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(o, key, &value) ? json_object_get_uint64(value) : 0;
}

/* Reads the lines; the numbers must grow, and every gap must be announced with its size. */
static uint64_t count_lines(const char *path, uint64_t *ret_lost)
{
	uint64_t lines = 0, lost = 0, last = 0;
	FILE *f = fopen(path, "r");
	char line[2048];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		struct json_object *o = json_tokener_parse(line);
		uint64_t number, gap = 0;

		assert_non_null(o);
		if (strstr(line, "\"lost\"")) {
			gap = figure(o, "count");
			json_object_put(o);
			assert_true(gap > 0 && fgets(line, sizeof(line), f));
			o = json_tokener_parse(line);
			assert_non_null(o);
		}
		number = figure(o, "number");
		assert_int_equal(number, last + gap + 1);
		last = number;
		lost += gap;
		lines++;
		json_object_put(o);
	}
	fclose(f);
	*ret_lost = lost;
	return lines;
}

struct place {
	char directory[64], file[80];
};

static void place_open(struct place *p)
{
	strcpy(p->directory, "/tmp/failsoft-writer-XXXXXX");
	assert_non_null(mkdtemp(p->directory));
	snprintf(p->file, sizeof(p->file), "%s/events.jsonl", p->directory);
}

static void place_close(const struct place *p)
{
	assert_int_equal(unlink(p->file), 0);
	assert_int_equal(rmdir(p->directory), 0);
}

/* Stopping waits for what was handed over: the last words of a broker are in the file. */
static void everything_in_order(void **state)
{
	struct writer w;
	struct place p;
	struct stat st;
	uint64_t lost;

	place_open(&p);
	for (uint64_t run = 0; run < 2; run++) { /* a second run appends */
		assert_int_equal(start(&w, p.file), 0);
		for (uint64_t i = 1; i <= 25; i++)
			put(&w, run * 25 + i);
		writer_stop(&w);
	}
	assert_int_equal(count_lines(p.file, &lost), 50);
	assert_int_equal(lost, 0);
	assert_int_equal(stat(p.file, &st), 0);
	assert_int_equal(st.st_mode & 0007, 0); /* not for everybody */
	place_close(&p);
	(void)state;
}

/* Pipes: what the thread writes says that it is held, what is written to the other lets it go on. */
static int is_held[2], held[2];

static void hold(int signal)
{
	char byte;

	(void)signal;
	(void)!write(is_held[1], "", 1);
	(void)!read(held[0], &byte, 1);
}

/* All clients are asked, and shielded, before the thread runs once; the same number again is too much, and
 * that is told though no event follows. */
static void what_an_episode_asks_at_once(void **state)
{
	const struct sigaction action = { .sa_handler = hold, .sa_flags = SA_RESTART };
	char text[200] = "", *line, byte;
	struct writer w;
	struct place p;
	uint64_t lost;
	FILE *f;

	place_open(&p);
	assert_int_equal(pipe(is_held) | pipe(held), 0);
	assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
	for (unsigned times = 1; times <= 2; times++) {
		assert_int_equal(start(&w, p.file), 0);
		assert_int_equal(pthread_kill(w.thread, SIGUSR1), 0);
		assert_int_equal(read(is_held[0], &byte, 1), 1);
		for (uint64_t i = 1; i <= times * 512; i++)
			put(&w, i);
		assert_int_equal(write(held[1], "", 1), 1);
		writer_stop(&w);
		if (times == 1) {
			assert_int_equal(count_lines(p.file, &lost), 512);
			assert_int_equal(lost, 0);
		}
	}
	f = fopen(p.file, "r");
	assert_non_null(f);
	for (line = text; line; line = fgets(text, sizeof(text), f))
		continue;
	fclose(f);
	assert_string_equal(text, "{\"event\":\"lost\",\"count\":512}\n");
	for (unsigned end = 0; end < 2; end++) {
		close(is_held[end]);
		close(held[end]);
	}
	place_close(&p);
	(void)state;
}

/* Until the thread has taken enough that the next one is not lost. */
static void wait_for_room(struct writer *w)
{
	uint32_t place = (uint32_t)atomic_load(&w->line);

	while (atomic_load(&w->parcel[place % WRITER_ROOM].turn) != place)
		usleep(1000);
}

/* Far more than a disk takes: handing over never waits, and what is missing is counted. */
static void faster_than_the_disk(void **state)
{
	const uint64_t total = 50000;
	uint64_t lost, lines, slowest_us = 0;
	struct writer w;
	struct place p;

	place_open(&p);
	assert_int_equal(start(&w, p.file), 0);
	for (uint64_t i = 1; i <= total; i++) {
		uint64_t begin_us = clock_now_us();

		put(&w, i);
		slowest_us = MAX_OF(slowest_us, clock_now_us() - begin_us);
	}
	wait_for_room(&w); /* so that the next one says what was lost before it */
	put(&w, total + 1);
	writer_stop(&w);
	lines = count_lines(p.file, &lost);
	assert_int_equal(lines + lost, total + 1);
	assert_true(lines > 100);
	assert_true(slowest_us < US_PER_S);
	place_close(&p);
	(void)state;
}

/* The loop only hands over; 2500 episodes are more than two blocks. */
static void numbers_stay_ahead(void **state)
{
	struct writer_setup setup = { 0 };
	struct event e = { .kind = EVENT_NONE };
	struct writer w;
	struct place p;

	place_open(&p);
	setup.episodes = p.directory;
	setup.first_episode = state_reserve_episodes(p.directory);
	assert_int_equal(writer_start(&w, &setup), 0);
	for (uint64_t i = 1; i <= 2500; i++) {
		e.episode = setup.first_episode + i;
		if (i % 50 == 0)
			wait_for_room(&w); /* what does not fit is dropped, and the next one tells */
		writer_put(&w, &e);
	}
	writer_stop(&w);
	assert_true(state_reserve_episodes(p.directory) >= setup.first_episode + 2500);
	snprintf(p.file, sizeof(p.file), "%s/episode", p.directory);
	place_close(&p);
	(void)state;
}

static void files_that_cannot_be_written(void **state)
{
	static const struct {
		const char *path;
		int expect;
	} rows[] = {
		{ NULL, 0 }, { "", 0 }, /* none is wanted */
		{ "/no/such/folder/events.jsonl", -ENOENT }, /* the journal has the events all the same */
		{ "/tmp", -EISDIR },
		{ "/dev/full", 0 }, /* opens; each write fails, which is said and harms nobody */
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct writer w;

		assert_int_equal(start(&w, rows[i].path), 0);
		assert_int_equal(w.file_error, rows[i].expect);
		assert_true(w.wake_fd >= 0);
		for (uint64_t n = 1; n <= 5; n++)
			put(&w, n);
		writer_stop(&w);
		writer_stop(&w); /* once more harms nobody */
	}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_in_order),
		cmocka_unit_test(what_an_episode_asks_at_once),
		cmocka_unit_test(faster_than_the_disk),
		cmocka_unit_test(numbers_stay_ahead),
		cmocka_unit_test(files_that_cannot_be_written),
	};

	return cmocka_run_group_tests_name("writer", tests, NULL, NULL);
}
