/* SPDX-License-Identifier: MIT */
/* The screen of failsoftctl top and replay --draw, letter by letter: what is shown, what is left out
 * where there is no room, and that no row is ever wider than a terminal. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "picture.h"

#define MIB(n)		((uint64_t)(n) << 20)
#define NOW_US		UINT64_C(5000000)

static const struct client_row clients[] = {
	{ .name = "viewer", .state = "idle", .result = "none", .exposure_bytes = 0 },
	{ .name = "logger", .state = "flush", .result = "done", .exposure_bytes = 4096,
	  .deadline_us = NOW_US + 100000, .granted_us = { 250000 } },
	{ .name = "editor", .state = "idle", .result = "missed", .exposure_bytes = MIB(3) },
	{ .name = "mailer", .state = "idle", .result = "none", .exposure_bytes = 0 },
	{ .name = "player", .state = "idle", .result = "none", .exposure_bytes = 0 },
};

static struct domain_row domain(const char *stage, uint64_t headroom_mib)
{
	struct domain_row d = {
		.name = "system", .limited_by = "memory", .headroom_bytes = MIB(headroom_mib),
		.limit_bytes = MIB(1024), .some_permyriad = 0, .full_permyriad = PICTURE_NOT_TOLD,
		.tte_us = NEVER_US, .tte_low_us = NEVER_US,
		.tte_early_us = NEVER_US, .tte_late_us = NEVER_US,
	};

	snprintf(d.stage, sizeof(d.stage), "%s", stage);
	return d;
}

static void fill_calm(struct picture *p)
{
	p->domain[0] = domain("normal", 512);
	p->domains = 1;
	p->now_us = NOW_US;
	picture_step(p);
}

static void add_growers(struct picture *p)
{
	p->grower[0] = (struct grower_row){ "tree", "make", 4711, 12, 9000, MIB(700), MIB(500), MIB(100) };
	p->grower[1] = (struct grower_row){ "pool", "tmpfs and shared memory", 0, 0, 1000, MIB(90),
		MIB(50), MIB(7) };
	p->growers = 2;
	p->outlook = (struct outlook_row){ .pid = 4712, .score = 901, .name = "cc1", .rivals = 2,
		.rival = { { "earlyoom", "nothing", "" }, { "systemd-oomd", "end a program", "" } } };
}

/* Four seconds of a fall: headroom, time left and stall at the end of each. */
static void fill_falling(struct picture *p)
{
	static const struct { uint64_t mib, tte_us; uint32_t some; } seconds[] = {
		{ 900, NEVER_US, 0 }, { 600, 40000000, 1000 }, { 300, 9000000, 5000 }, { 24, 2300000, 9000 },
	};

	for (uint64_t i = 0; i < 4; i++) {
		struct domain_row d = domain("imminent", seconds[i].mib);

		d.tte_us = d.tte_low_us = d.tte_early_us = d.tte_late_us = seconds[i].tte_us;
		d.some_permyriad = seconds[i].some;
		p->domain[0] = d;
		p->domains = 1;
		p->now_us = NOW_US - (3 - i) * 1000000;
		picture_step(p);
	}
	p->domain[0].tte_early_us = 1600000;
	p->domain[0].tte_late_us = 4100000;
	p->domain[0].rate = (int64_t)MIB(10);
	p->domain[0].full_permyriad = 4000;
	picture_step(p); /* the same second once more */
	p->client = clients;
	p->clients = 5;
	add_growers(p);
	for (int i = 0; i < 9; i++) {
		char sentence[40];

		snprintf(sentence, sizeof(sentence), "event %d", i);
		picture_add_event(p, sentence);
	}
}

/* ---- rows ---- */

static const char calm_text[] =
	" failsoft   stage normal    system\n"
	" headroom   ████████████████░░░░░░░░░░░░░░░░ 512.0 MiB of 1.0 GiB (50 %)\n"
	" exhausted  not falling, limited by memory\n"
	"            a minute ago                                             now\n"
	" headroom                                                              ▄ 50 %\n"
	" PSI some                                                              ▁ 0 %\n"
	" PSI full\n"
	" time left\n"
	"\n"
	" WHO GROWS                                     PID     HOLDS      GROWS SHARE\n"
	" nobody, or far from the end: then nobody is looked at\n"
	" kernel would end now   not known yet\n"
	" other daemons would    none is known to run here\n"
	" CLIENT          ASKED     DEADLINE            LAST ANSWER              EXPOSED\n"
	" none has registered\n"
	"\n";
static const char falling_text[] =
	" failsoft   stage imminent  system\n"
	" headroom   █░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░ 24.0 MiB of 1.0 GiB (2 %)\n"
	" exhausted  in 2.3 s (1.6-4.1), limited by memory, falls 10.0 MiB/s\n"
	"            a minute ago                                             now\n"
	" headroom                                                           █▅▃▁ 2 %\n"
	" PSI some                                                           ▁▁▄█ 90 %\n"
	" PSI full                                                              ▄ 40 %\n"
	" time left                                                           ▇▆▄ 2.3 s\n"
	"\n"
	" WHO GROWS                                     PID     HOLDS      GROWS SHARE\n"
	" make                     tree of 12          4711 700.0 MiB 100.0 MiB/s  90 %\n"
	" tmpfs and shared memory  pool                      90.0 MiB  7.0 MiB/s  10 %\n"
	" kernel would end now   cc1 (pid 4712), its score 901\n"
	" other daemons would    systemd-oomd: end a program; earlyoom: nothing\n"
	" CLIENT          ASKED     DEADLINE            LAST ANSWER              EXPOSED\n"
	" logger          flush     ████░░░░░░ 100 ms   done           4.0 KiB not saved\n"
	" viewer          idle                          none               0 B not saved\n"
	" editor          idle                          missed         3.0 MiB not saved\n"
	" ... and 2 more clients\n"
	"\n"
	" event 6\n"
	" event 7\n"
	" event 8\n";
static const char plain_text[] =
	" failsoft   stage imminent  system\n"
	" headroom   #............................... 24.0 MiB of 1.0 GiB (2 %)\n"
	" exhausted  in 2.3 s (1.6-4.1), limited by memory, falls 10.0 MiB/s\n"
	"            a minute ago                                             now\n"
	" headroom                                                           #=-_ 2 %\n"
	" PSI some                                                           __~# 90 %\n"
	" PSI full                                                              ~ 40 %\n"
	" time left                                                           *+~ 2.3 s\n"
	"\n"
	" WHO GROWS                                     PID     HOLDS      GROWS SHARE\n"
	" kernel would end now   cc1 (pid 4712), its score 901\n"
	" other daemons would    systemd-oomd: end a program; earlyoom: nothing\n";
static const char tiny_text[] =
	" failsoft   stage imminent  system\n"
	" headroom   █░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░ 24.0 MiB of 1.0 GiB (2 %)\n"
	" exhausted  in 2.3 s (1.6-4.1), limited by memory, falls 10.0 MiB/s\n"
	"            a minute ago                                             now\n";
static const char recorded_text[] =
	" failsoft   stage imminent  system                +14.4 s, speed 50\n"
	" headroom   █░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░ 24.0 MiB of 1.0 GiB (2 %)\n"
	" exhausted  in 2.3 s (1.6-4.1), limited by memory, falls 10.0 MiB/s\n"
	"            a minute ago                                             now\n"
	" headroom                                                           █▅▃▁ 2 %\n"
	" PSI some                                                           ▁▁▄█ 90 %\n"
	" PSI full                                                              ▄ 40 %\n"
	" time left                                                           ▇▆▄ 2.3 s\n"
	"\n"
	" WHO GROWS                                     PID     HOLDS      GROWS SHARE\n"
	" make                     tree of 12          4711 700.0 MiB 100.0 MiB/s  90 %\n"
	" others' rules would    systemd-oomd: end a program\n"
	" CLIENT          ASKED     DEADLINE            LAST ANSWER              EXPOSED\n"
	" ... and 5 more clients\n"
	"\n"
	" event 8\n";

static void fill_recorded(struct picture *p)
{
	fill_falling(p);
	p->is_recorded = true;
	snprintf(p->place, sizeof(p->place), "+14.4 s, speed 50");
}

static const struct row {
	const char *name;
	void (*fill)(struct picture *p);
	const char *locale;
	unsigned rows;
	const char *text;
} rows[] = {
	{ "calm", fill_calm, "C.UTF-8", 23, calm_text },
	{ "falling, with growers", fill_falling, "C.UTF-8", 23, falling_text },
	{ "without UTF-8", fill_falling, "C", 12, plain_text },
	{ "a tiny terminal: what matters most", fill_falling, "C.UTF-8", 4, tiny_text },
	{ "a recording", fill_recorded, "C.UTF-8", 17, recorded_text },
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static void draw_in(const struct picture *p, unsigned columns, unsigned count, char text[16384])
{
	static const struct ctl c;	/* no colours */
	FILE *out = fmemopen(text, 16384, "w");
	struct brush b;

	assert_non_null(out);
	b = brush_begin(&c, out, columns, count);
	picture_draw(p, &b);
	assert_int_equal(fclose(out), 0);
}

/* Nobody sees them, and editors drop them from what is expected here. */
static void without_last_blanks(char *text)
{
	char *to = text;

	for (const char *at = text; *at; *to++ = *at++)
		while (*at == '\n' && to > text && to[-1] == ' ')
			to--;
	*to = 0;
}

static void run_row(void **state)
{
	static char text[16384];
	const struct row *row = *state;
	struct picture *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	if (!setlocale(LC_CTYPE, row->locale))
		skip();
	row->fill(p);
	memset(text, 0, sizeof(text));
	draw_in(p, LINE_WIDTH, row->rows, text);
	without_last_blanks(text);
	if (strcmp(text, row->text) != 0)
		print_error("%s", text);
	assert_string_equal(text, row->text);
	free(p);
}

/* Whatever the size: no row too many, none too wide. In C, bytes are columns. */
static void every_size_is_kept_to(void **state)
{
	static char text[16384];
	struct picture *p = calloc(1, sizeof(*p));

	(void)state;
	assert_non_null(p);
	assert_non_null(setlocale(LC_CTYPE, "C"));
	fill_falling(p);
	for (unsigned size = 1; size < LINE_WIDTH; size++) {
		unsigned count = 0;

		memset(text, 0, sizeof(text));
		draw_in(p, size, size, text);
		for (const char *at = text; *at; at = strchr(at, '\n') + 1, count++)
			assert_true(strcspn(at, "\n") <= size);
		assert_true(count <= size);
	}
	free(p);
}

static void a_pause_is_filled_and_a_minute_is_all(void **state)
{
	struct picture *p = calloc(1, sizeof(*p));

	(void)state;
	assert_non_null(p);
	fill_calm(p);
	p->now_us += 3000000;
	p->domain[0].headroom_bytes = MIB(256);
	picture_step(p);
	assert_int_equal(p->points, 4);
	assert_int_equal(p->point[2].headroom_permyriad, 5000);
	assert_int_equal(p->point[3].headroom_permyriad, 2500);
	p->now_us += UINT64_C(86400000000);
	picture_step(p);
	assert_int_equal(p->points, PICTURE_POINTS);
	assert_int_equal(p->point[0].headroom_permyriad, 2500);
	free(p);
}

int main(void)
{
	struct CMUnitTest tests[ROWS + 2] = {
		cmocka_unit_test(every_size_is_kept_to),
		cmocka_unit_test(a_pause_is_filled_and_a_minute_is_all),
	};

	for (size_t i = 0; i < ROWS; i++)
		tests[i + 2] = (struct CMUnitTest){ rows[i].name, run_row, NULL, NULL, (void *)&rows[i] };
	return cmocka_run_group_tests_name("picture", tests, NULL, NULL);
}
