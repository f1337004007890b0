/* SPDX-License-Identifier: MIT */
#include "keep/export.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/units.h"

static void put_u64(struct json_object *o, const char *key, uint64_t value)
{
	json_object_object_add(o, key, json_object_new_uint64(value));
}

static void put_text(struct json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, json_object_new_string(value));
}

/* Times that never come are absent, not 2^64-1. */
static void put_time(struct json_object *o, const char *key, uint64_t value_us)
{
	if (value_us != NEVER_US)
		put_u64(o, key, value_us);
}

static void put_stage(struct json_object *o, const struct event *e)
{
	static const char *const why[] = {
		[STAGE_WHY_NONE] = "none", [STAGE_WHY_TIME] = "time", [STAGE_WHY_FLOOR] = "floor",
		[STAGE_WHY_DISTRESS] = "distress", [STAGE_WHY_OOM] = "oom",
		[STAGE_WHY_CLEARED] = "cleared",
	};
	_Static_assert(ARRAY_LEN(why) == STAGE_WHY_COUNT, "a word for every reason");

	put_text(o, "from", stage_name(e->from));
	put_text(o, "to", stage_name(e->to));
	put_text(o, "why", why[e->why]);
	put_u64(o, "headroom_bytes", e->headroom_bytes);
	put_u64(o, "total_bytes", e->total_bytes);
	put_time(o, "tte_us", e->tte_us);
	put_time(o, "tte_low_us", e->tte_low_us);
	if (e->tte_us != NEVER_US) {
		put_time(o, "tte_early_us", e->tte_early_us);
		put_time(o, "tte_late_us", e->tte_late_us);
	}
	put_u64(o, "lead_us", e->lead_us);
	put_u64(o, "floor_bytes", e->floor_bytes);
	json_object_object_add(o, "fall_bytes_per_s", json_object_new_int64(e->fall_bytes_per_s));
	put_u64(o, "distress", e->distress);
}

/* Percent of what each witness said; those that said nothing are absent. */
static void put_evidence(struct json_object *o, const struct event *e)
{
	struct json_object *witnesses = json_object_new_object();

	for (int w = 0; w < WITNESS_COUNT; w++)
		if (e->evidence.percent[w])
			put_u64(witnesses, evidence_name((enum witness)w), e->evidence.percent[w]);
	json_object_object_add(o, "evidence", witnesses);
	put_u64(o, "independent", evidence_groups(&e->evidence));
}

static void put_client(struct json_object *o, const struct event *e)
{
	if (e->client)
		put_u64(o, "client", e->client);
	if (e->name[0])
		put_text(o, "name", e->name);
	if (e->sequence)
		put_u64(o, "sequence", e->sequence);
	if (e->kind == EVENT_REQUEST || (e->kind == EVENT_ANSWER && e->result != RESULT_LATE))
		put_text(o, "step", session_step_name(e->step));
	if (e->kind == EVENT_ANSWER)
		put_text(o, "result", session_result_name(e->result));
	if (e->kind == EVENT_ACTION)
		put_text(o, "rung", escalate_rung_name(e->rung));
	if (e->kind == EVENT_PROCEDURE_ENDED && e->b < PROCEDURE_OUTCOME_COUNT)
		put_text(o, "result", procedure_outcome_name((enum procedure_outcome)e->b));
	if (e->kind == EVENT_EPISODE_TAKEN_OVER)
		put_text(o, "to", stage_name(e->to));
}

static void put_figures(struct json_object *o, const struct event *e)
{
	const uint64_t figures[] = { e->a, e->b, e->c, e->d, e->e };
	const struct event_shape *shape = event_shape(e->kind);

	for (unsigned i = 0; i < ARRAY_LEN(figures); i++)
		if (shape->figure[i])
			put_u64(o, shape->figure[i], figures[i]);
}

static struct json_object *object_of(const struct event *e)
{
	struct json_object *o = json_object_new_object();
	char sentence[512];

	if (!o)
		return NULL;
	put_u64(o, "number", e->number);
	put_u64(o, "time_us", e->time_us);
	put_text(o, "event", event_shape(e->kind)->name);
	if (e->domain_name[0])
		put_text(o, "domain", e->domain_name);
	if (e->episode)
		put_u64(o, "episode", e->episode);
	put_client(o, e);
	if (e->kind == EVENT_STAGE)
		put_stage(o, e);
	if (e->kind == EVENT_EVIDENCE || e->kind == EVENT_HELD_BACK)
		put_evidence(o, e);
	put_figures(o, e);
	event_sentence(e, sentence, sizeof(sentence));
	put_text(o, "text", sentence);
	return o;
}

int export_line(const struct event *e, char *buffer, size_t size)
{
	struct json_object *o = object_of(e);
	const char *text;
	size_t length;

	if (!o)
		return -ENOMEM;
	text = json_object_to_json_string_length(
		o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &length);
	if (text && length + 2 <= size) {
		memcpy(buffer, text, length);
		memcpy(buffer + length, "\n", 2);
	}
	json_object_put(o);
	if (!text)
		return -ENOMEM;
	return length + 2 <= size ? (int)length + 1 : -EFBIG;
}

int export_open(const char *path)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640);

	return fd < 0 ? -errno : fd;
}

int export_check(const char *path)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX];
	struct stat st;

	if (stat(path, &st) == 0)
		return S_ISDIR(st.st_mode) ? -EISDIR : access(path, W_OK) < 0 ? -errno : 0;
	if (errno != ENOENT || !slash || slash - path >= PATH_MAX)
		return -errno;
	snprintf(folder, sizeof(folder), "%.*s/", (int)(slash - path), path);
	return access(folder, W_OK | X_OK) < 0 ? -errno : 0;
}
