/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backtest.h"
#include "base/units.h"

#define ENOUGH_US	(10 * US_PER_MS)	/* as exact as samples and marks are */

/* ---- a rule's moment in a recording ---- */

/* A word of a rule: a stage of ours under one configuration, or what another daemon would say. */
struct column {
	char rule[24];
	const char *word;
	bool is_own;
	uint32_t index;			/* configuration, or enum rival */
	uint32_t at;			/* stage, or 0 warns, 1 acts */
};

struct columns {
	uint32_t count;
	struct column column[CONFIGS_MAX * 3 + RIVAL_COUNT * 2];
};

static void add_own(struct columns *all, const struct backtest *b, uint32_t config)
{
	for (int stage = STAGE_WARNING; stage < STAGE_COUNT; stage++) {
		struct column *c = &all->column[all->count++];

		*c = (struct column){ "failsoft", stage_name((enum stage_word)stage), true, config,
				      (uint32_t)stage };
		if (b->configs_count > 1)
			(void)snprintf(c->rule, sizeof(c->rule), "failsoft %c", 'A' + (int)config);
	}
}

static void add_rival(struct columns *all, enum rival r)
{
	static const char *const words[] = { "warns", "acts" };

	for (uint32_t at = 0; at < 2; at++) {
		struct column *c = &all->column[all->count];

		if (!rival_has(r, at ? RIVAL_ACTS : RIVAL_WARNS))
			continue;
		*c = (struct column){ "", words[at], false, r, at };
		(void)snprintf(c->rule, sizeof(c->rule), "%s", rival_name(r)); /* it fits */
		all->count++;
	}
}

static void find_columns(const struct backtest *b, struct columns *ret)
{
	ret->count = 0;
	for (uint32_t i = 0; i < b->configs_count; i++)
		add_own(ret, b, i);
	for (int r = 0; r < RIVAL_COUNT; r++)
		add_rival(ret, (enum rival)r);
}

static uint64_t moment_us(const struct backtest *b, const struct column *c)
{
	return c->is_own ? b->own[c->index].entered_us[c->at] : b->rival_us[c->index][c->at];
}

/* Before the kill, or, on a machine that went on, since it began. */
static const char *cell(const struct backtest *b, const struct column *column, char *buffer, size_t size)
{
	uint64_t at_us = moment_us(b, column);

	if (!at_us)
		(void)snprintf(buffer, size, "-");
	else if (b->kill_us)
		(void)snprintf(buffer, size, "%.2f", (double)(b->kill_us - at_us) / 1e6);
	else if (b->is_unknown)
		(void)snprintf(buffer, size, "?");
	else
		(void)snprintf(buffer, size, "FALSE");
	return buffer;
}

/* ---- the sums ---- */

struct sum {
	uint32_t run_outs, harmless;
	uint32_t seen, in_time;		/* of the run-outs: before the kill; with all the time there was */
	uint32_t false_words;		/* of the harmless */
	double lead_s[1024];
};

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* What is to come in time is the first word; a later stage has another lead. */
static bool is_first_word(const struct column *c)
{
	return !c->is_own || c->at == STAGE_WARNING;
}

/* As much as was needed, or all there was since the harm began. A rival's clients are those of A. */
static bool is_in_time(const struct backtest *b, const struct column *c, uint64_t at_us)
{
	uint64_t needed_us = b->own[c->is_own ? c->index : 0].needed_us, had_us = b->kill_us - at_us;

	if (b->mark_us && b->mark_us < b->kill_us)
		needed_us = MIN_OF(needed_us, b->kill_us - b->mark_us);
	return had_us + MAX_OF(ENOUGH_US, needed_us / 10) >= needed_us;
}

static void sum_up(const struct backtest *all, uint32_t count, const struct column *column,
		   struct sum *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (uint32_t i = 0; i < count; i++) {
		const struct backtest *b = &all[i];
		uint64_t at_us = moment_us(b, column);

		if (b->is_unknown)
			continue;
		ret->run_outs += b->kill_us != 0;
		ret->harmless += b->kill_us == 0;
		if (at_us && b->kill_us && ret->seen < 1024) {
			ret->lead_s[ret->seen++] = (double)(b->kill_us - at_us) / 1e6;
			ret->in_time += is_in_time(b, column, at_us);
		}
		ret->false_words += at_us && !b->kill_us;
	}
	qsort(ret->lead_s, ret->seen, sizeof(ret->lead_s[0]), compare);
}

static struct forecast_score add_scores(const struct backtest *all, uint32_t count, uint32_t config,
					unsigned speed)
{
	struct forecast_score sum = { 0 };

	for (uint32_t i = 0; i < count; i++) {
		const struct forecast_score *s = &all[i].own[config].score[speed];

		sum.stated_us += s->stated_us;
		sum.inside_us += s->inside_us;
		sum.early_us += s->early_us;
		sum.late_us += s->late_us;
		sum.log_error += s->log_error;
	}
	return sum;
}

/* ---- for people ---- */

static void print_rows(const struct backtest *all, uint32_t count, const struct columns *columns)
{
	char text[32];

	printf("| recording | kernel's kill |");
	for (uint32_t k = 0; k < columns->count; k++)
		printf(" %s %s |", columns->column[k].rule, columns->column[k].word);
	printf("\n|---|---|");
	for (uint32_t k = 0; k < columns->count; k++)
		printf("---|");
	puts("");
	for (uint32_t i = 0; i < count; i++) {
		if (all[i].kill_us)
			printf("| %s | %.2f |", all[i].name,
			       (double)(all[i].kill_us - all[i].first_us) / 1e6);
		else
			printf("| %s | %s |", all[i].name, all[i].is_unknown ? "unknown" : "never");
		for (uint32_t k = 0; k < columns->count; k++)
			printf(" %s |", cell(&all[i], &columns->column[k], text, sizeof(text)));
		puts(all[i].is_damaged	 ? " damaged: as far as it can be read" :
		     all[i].is_unknown ? " its end is missing" : "");
	}
}

static void print_unknown(const struct backtest *all, uint32_t count)
{
	uint32_t unknown = 0;

	for (uint32_t i = 0; i < count; i++)
		unknown += all[i].is_unknown;
	if (unknown)
		printf("\n%u of %u have no end and no kill so far: nobody knows what became of them, and the "
		       "sums leave them out.\n", unknown, count);
}

static void print_sums(const struct backtest *all, uint32_t count, const struct columns *columns)
{
	static struct sum sum;
	char in_time[16];

	puts("\n| rule | says | before the kill | in time | median lead | least lead | false |\n"
	     "|---|---|---|---|---|---|---|");
	for (uint32_t k = 0; k < columns->count; k++) {
		const struct column *column = &columns->column[k];

		sum_up(all, count, column, &sum);
		(void)snprintf(in_time, sizeof(in_time), "%u", sum.in_time);
		printf("| %s | %s | %u of %u | %s |", column->rule, column->word, sum.seen, sum.run_outs,
		       is_first_word(column) ? in_time : "-");
		if (sum.seen)
			printf(" %.2f s | %.2f s |", sum.lead_s[sum.seen / 2], sum.lead_s[0]);
		else
			printf(" - | - |");
		printf(" %u of %u |\n", sum.false_words, sum.harmless);
	}
}

static void print_score(const char *name, const struct forecast_score *s)
{
	double all = (double)s->stated_us;

	if (!s->stated_us) { /* of nothing there is no share */
		printf("| %s | - | - | - | - | - |\n", name);
		return;
	}
	printf("| %s | %.1f s | %.0f %% | %.0f %% | %.0f %% | factor %.2f |\n", name,
	       (double)s->stated_us / 1e6, 100 * (double)s->inside_us / all,
	       100 * (double)s->early_us / all, 100 * (double)s->late_us / all,
	       exp(s->log_error / all));
}

static void print_forecasts(const struct backtest *all, uint32_t count)
{
	for (uint32_t i = 0; i < all->configs_count; i++) {
		struct forecast_score sum = { 0 };

		puts("\n| falling at | forecast for | inside the 80 % interval | came before it | after it "
		     "| mean error |\n|---|---|---|---|---|---|");
		for (unsigned speed = 0; speed < BACKTEST_SPEEDS; speed++) {
			struct forecast_score s = add_scores(all, count, i, speed);

			print_score(forecast_speed_name(speed), &s);
			sum.stated_us += s.stated_us;
			sum.inside_us += s.inside_us;
			sum.early_us += s.early_us;
			sum.late_us += s.late_us;
			sum.log_error += s.log_error;
		}
		print_score("all", &sum);
	}
}

void backtest_print(const struct ctl *c, const struct backtest *all, uint32_t count)
{
	struct columns columns;

	(void)c;
	find_columns(all, &columns);
	puts("Seconds from each word to the kernel's kill; FALSE: nothing ran out.\n");
	print_rows(all, count, &columns);
	print_unknown(all, count);
	print_sums(all, count, &columns);
	print_forecasts(all, count);
}

/* ---- for programs ---- */

static void add_time(struct json_object *o, const char *key, uint64_t us)
{
	(void)json_object_object_add(o, key, us ? json_object_new_uint64(us) : NULL); /* NULL: null */
}

static struct json_object *words_of(const struct backtest *b, const struct columns *columns)
{
	struct json_object *words = json_object_new_array();

	for (uint32_t k = 0; k < columns->count; k++) {
		struct json_object *word = json_object_new_object();

		(void)json_object_object_add(word, "rule",
					     json_object_new_string(columns->column[k].rule));
		(void)json_object_object_add(word, "word",
					     json_object_new_string(columns->column[k].word));
		add_time(word, "time_us", moment_us(b, &columns->column[k]));
		(void)json_object_array_add(words, word);
	}
	return words;
}

static struct json_object *scores_of(const struct backtest *b)
{
	struct json_object *scores = json_object_new_array();

	for (uint32_t i = 0; i < b->configs_count; i++)
		for (unsigned speed = 0; speed < BACKTEST_SPEEDS; speed++) {
			const struct forecast_score *s = &b->own[i].score[speed];
			struct json_object *o = json_object_new_object();

			(void)json_object_object_add(o, "config", json_object_new_int((int)i));
			(void)json_object_object_add(o, "falling_at", json_object_new_string(
							     forecast_speed_name(speed)));
			(void)json_object_object_add(o, "stated_us", json_object_new_uint64(s->stated_us));
			(void)json_object_object_add(o, "inside_us", json_object_new_uint64(s->inside_us));
			(void)json_object_object_add(o, "early_us", json_object_new_uint64(s->early_us));
			(void)json_object_object_add(o, "late_us", json_object_new_uint64(s->late_us));
			(void)json_object_array_add(scores, o);
		}
	return scores;
}

void backtest_print_json(const struct ctl *c, const struct backtest *all, uint32_t count)
{
	struct columns columns;

	(void)c;
	find_columns(all, &columns);
	for (uint32_t i = 0; i < count; i++) {
		struct json_object *o = json_object_new_object();

		(void)json_object_object_add(o, "recording", json_object_new_string(all[i].name));
		add_time(o, "first_us", all[i].first_us);
		add_time(o, "mark_us", all[i].mark_us);
		add_time(o, "kill_us", all[i].kill_us);
		add_time(o, "end_us", all[i].end_us);
		(void)json_object_object_add(o, "damaged", json_object_new_boolean(all[i].is_damaged));
		(void)json_object_object_add(o, "unknown", json_object_new_boolean(all[i].is_unknown));
		add_time(o, "needed_us", all[i].own[0].needed_us);
		(void)json_object_object_add(o, "words", words_of(&all[i], &columns));
		(void)json_object_object_add(o, "forecasts", scores_of(&all[i]));
		puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
		json_object_put(o);
	}
}
