/* SPDX-License-Identifier: MIT */
#include "player.h"

#include <errno.h>
#include <fcntl.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "config.h"
#include "config_policy.h"
#include "recorder.h"

#define FILE_BYTES_MAX	(UINT64_C(1) << 30)
#define XZ_MEMORY_MAX	(UINT64_C(256) << 20)
/* How long a client takes that never answered in the recording: half its budget. */
#define UNKNOWN_SHARE	2u
/* A program is gone so long after its signal. Source: 17 ms measured for 48 MiB. */
#define GONE_US		(20 * US_PER_MS)

/* ---- the file ---- */

static int grow(struct player *p, size_t needed)
{
	uint8_t *bytes;

	if (needed > FILE_BYTES_MAX)
		return -EFBIG;
	bytes = realloc(p->bytes, needed);
	if (!bytes)
		return -ENOMEM;
	p->bytes = bytes;
	return 0;
}

static int read_plain(struct player *p, int fd)
{
	ssize_t n;
	int r;

	do {
		r = grow(p, p->size + 65536);
		if (r < 0)
			return r;
		n = read(fd, p->bytes + p->size, 65536);
		if (n < 0 && errno != EINTR)
			return -errno;
		p->size += n > 0 ? (size_t)n : 0;
	} while (n);
	return 0;
}

/* What was compressed and then cut or damaged is read as far as it goes. */
static int unpack(struct player *p)
{
	static const uint8_t magic[] = { 0xfd, '7', 'z', 'X', 'Z', 0 };
	lzma_stream stream = LZMA_STREAM_INIT;
	uint8_t *packed = p->bytes;
	lzma_ret result = LZMA_OK;
	int r = 0;

	if (p->size < sizeof(magic) || memcmp(packed, magic, sizeof(magic)) != 0)
		return 0;
	if (lzma_stream_decoder(&stream, XZ_MEMORY_MAX, LZMA_CONCATENATED) != LZMA_OK)
		return -ENOMEM;
	stream.next_in = packed;
	stream.avail_in = p->size;
	p->bytes = NULL;
	p->size = 0;
	while (result == LZMA_OK && r == 0) {
		r = grow(p, p->size + 65536);
		if (r < 0)
			break;
		stream.next_out = p->bytes + p->size;
		stream.avail_out = 65536;
		result = lzma_code(&stream, LZMA_FINISH);
		p->size += 65536 - stream.avail_out;
	}
	lzma_end(&stream);
	free(packed);
	p->is_badly_packed = result != LZMA_STREAM_END && result != LZMA_BUF_ERROR; /* that: it is cut */
	if (r == 0 && result != LZMA_STREAM_END)
		fprintf(stderr, "failsoftctl: %s: its compression %s; what came before is shown\n", p->path,
			p->is_badly_packed ? "is damaged" : "ends too early: the file is cut");
	return r;
}

static int load(struct player *p)
{
	_cleanup_close_ int fd = open(p->path, O_RDONLY | O_CLOEXEC);
	int r = fd < 0 ? -errno : read_plain(p, fd);

	r = r < 0 ? r : unpack(p);
	if (r < 0)
		fprintf(stderr, "failsoftctl: %s: %s\n", p->path, strerror(-r));
	return r;
}

static int open_core(struct player *p)
{
	struct config config;
	struct core_policy policy;

	config_default(&config);
	policy = p->policy ? *p->policy : config_policy(&config);
	policy.session.max_clients = PLAYER_CLIENTS;
	p->memory = (struct core_memory){
		calloc(PLAYER_CLIENTS, sizeof(struct session)),
		calloc(core_effects_needed(PLAYER_CLIENTS), sizeof(struct core_effect)),
		core_effects_needed(PLAYER_CLIENTS),
		calloc(PLAYER_EVENTS, sizeof(struct event)), PLAYER_EVENTS,
	};
	if (!p->memory.sessions || !p->memory.effects || !p->memory.events) {
		fputs("failsoftctl: no memory for the replay\n", stderr);
		return -ENOMEM;
	}
	core_init(&p->core, &policy, &p->memory, 0, 0);
	core_replay_init(&p->replay, &p->core);
	return 0;
}

int player_open(struct player *p, const char *path, const struct core_policy *policy)
{
	int r;

	memset(p, 0, sizeof(*p));
	p->path = path;
	p->policy = policy;
	r = load(p);
	r = r < 0 ? r : open_core(p);
	if (r < 0) {
		player_close(p);
		return r;
	}
	tape_read_init(&p->read, core_tape_shapes, CORE_TAPE_KIND_COUNT);
	p->end = tape_read_open(&p->read, p->bytes, p->size);
	if (p->end == TAPE_READ)
		return 0;
	fprintf(stderr, "failsoftctl: %s is no recording that can be read: %s\n", path, p->read.problem);
	player_close(p);
	return -EINVAL;
}

void player_close(struct player *p)
{
	free(p->bytes);
	free(p->memory.sessions);
	free(p->memory.effects);
	free(p->memory.events);
	p->bytes = NULL;
	p->memory = (struct core_memory){ 0 };
}

/* ---- what would have been ---- */

static void later(struct player *p, uint64_t due_us, const struct core_answer *a)
{
	for (unsigned i = 0; i < PLAYER_ANSWERS; i++)
		if (!p->answers[i].due_us) {
			p->answers[i] = (struct player_answer){ due_us, *a };
			return;
		}
}

static void order(struct player *p, const struct core_effect *e)
{
	const struct core_answer answer = {
		.client = e->client, .sequence = e->request.sequence, .result = RESULT_DONE,
	};
	const struct session *s = session_get(&p->core.sessions, e->client);
	uint64_t takes_us = e->request.deadline_us - e->request.issued_us;

	takes_us = s && s->worst_us[e->request.step] ? s->worst_us[e->request.step]
						     : takes_us / UNKNOWN_SHARE;
	later(p, time_add_us(e->request.issued_us, takes_us), &answer);
}

/* client 0: it is the victim of domain `sequence` that is gone. */
static void drain(struct player *p, uint64_t now_us)
{
	struct core_effect e;

	while (core_effect(&p->core, &e)) {
		const struct core_answer gone = { .sequence = e.domain };

		if (!p->policy)
			continue;
		if (e.kind == EFFECT_ORDER)
			order(p, &e);
		else if (e.kind == EFFECT_SURVEY)
			core_survey(&p->core, e.domain,
				    p->victim.kind == VICTIM_NONE ? NULL : &p->victim, now_us);
		else if (e.kind == EFFECT_SIGNAL_VICTIM && !e.dry_run)
			later(p, now_us + GONE_US, &gone);
	}
}

static void answers_due(struct player *p, uint64_t now_us)
{
	for (unsigned i = 0; i < PLAYER_ANSWERS; i++) {
		const struct player_answer a = p->answers[i];

		if (!a.due_us || a.due_us > now_us)
			continue;
		p->answers[i].due_us = 0;
		if (a.answer.client)
			(void)core_answer(&p->core, &a.answer, now_us); /* superseded meanwhile: late */
		else
			core_victim_gone(&p->core, (uint32_t)a.answer.sequence, now_us);
		drain(p, now_us);
	}
}

/* Under another policy only what came from outside is taken over. */
static bool is_from_outside(struct player *p)
{
	union core_record *r = &p->record;

	switch (p->kind) {
	case CORE_TAPE_SAMPLE:
		return r->sample.distress || (r->sample.domain < CORE_DOMAINS_MAX &&
			core_wants_sample(&p->core, r->sample.domain, r->sample.time_us));
	case CORE_TAPE_SURVEY:
		p->victim = r->survey.victim;
		p->victim.pids_count = 0;
		return false;
	case CORE_TAPE_POLICY:
	case CORE_TAPE_RECONFIGURE:
	case CORE_TAPE_ANSWER:
	case CORE_TAPE_VICTIM:
	case CORE_TAPE_VICTIM_GONE:
	case CORE_TAPE_TAKE_OVER:
	case CORE_TAPE_EVENT:
	case CORE_TAPE_EPISODE:
		return false;
	case CORE_TAPE_SESSION:
		r->session.s.request = (struct session_request){ 0 };
		return true;
	default:
		return true;
	}
}

void player_add_client(struct player *p)
{
	const struct session_offer offer = {
		.name = "client", .pid = 1, .domains = UINT32_MAX, .may_be_ended = false,
	};
	struct session *session;

	(void)core_join(&p->core, &offer, p->replay.now_us, &session); /* there is room for 4096 */
}

static void take(struct player *p)
{
	uint64_t time_us = core_replay_time_us(p->kind, &p->record);
	const char *wrong;

	if (p->policy && time_us && p->replay.is_ready)
		answers_due(p, time_us);
	if (p->policy && !is_from_outside(p))
		return;
	wrong = core_replay_take(&p->replay, p->kind, &p->record);
	if (wrong) {
		p->wrong = wrong;
		p->wrong_count++;
	}
	if (!p->first_us)
		p->first_us = p->replay.now_us;
	if (p->kind == CORE_TAPE_READY && p->has_notional_client)
		player_add_client(p);
	drain(p, p->replay.now_us);
}

bool player_next(struct player *p)
{
	uint32_t kind;

	p->end = tape_read_next(&p->read, &kind, &p->record);
	if (p->end != TAPE_READ)
		return false;
	p->kind = (enum core_tape_kind)kind;
	take(p);
	return true;
}

bool player_has_our_rules(const struct player *p)
{
	return strcmp(p->replay.machine.rules, recorder_rules) == 0;
}

const char *player_problem(const struct player *p, char *buffer, size_t size)
{
	buffer[0] = 0;
	if (p->end == TAPE_CUT || p->end == TAPE_DAMAGED)
		(void)snprintf(buffer, size, "%s at byte %zu of %zu; what came before is shown",
			       p->read.problem, p->read.offset, p->size);
	else if (p->wrong_count)
		(void)snprintf(buffer, size, "%llu records were left out: %s",
			       (unsigned long long)p->wrong_count, p->wrong);
	else if (!p->replay.is_over)
		(void)snprintf(buffer, size, "it has no end: the recorder or the machine was stopped "
			       "by force");
	return buffer;
}
