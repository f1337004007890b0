/* SPDX-License-Identifier: MIT */
#include "spool.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "spool_inner.h"

/* ---- to the disk ---- */

int spool_flush(const struct spool *s, const void *at, size_t bytes)
{
	const size_t first = (size_t)((const char *)at - (const char *)s->map);
	const size_t begin = first - first % SPOOL_FILE_PAGE;

	return msync((char *)s->map + begin, first + bytes - begin, MS_SYNC) < 0 ? -errno : 0;
}

int spool_write_head(struct spool *s, bool is_durable)
{
	const uint32_t copy = !s->durable;
	struct spool_head *to = spool_file_head(s->map, copy);
	int r;

	s->head.generation++;
	spool_file_seal_head(&s->head);
	*to = s->head;
	if (!is_durable)
		return 0;
	r = spool_flush(s, to, sizeof(*to));
	if (r == 0)
		s->durable = copy;
	return r;
}

int spool_reserve(struct spool *s)
{
	int r;

	s->head.sequence_limit = s->sequence - 1 + SPOOL_SEQUENCE_BLOCK;
	s->head.session_limit = s->session - 1 + SPOOL_SESSION_BLOCK;
	r = spool_write_head(s, true);
	if (r < 0)
		return r;
	s->sequence_reserved = s->head.sequence_limit;
	s->session_reserved = s->head.session_limit;
	return 0;
}

/* ---- numbers ---- */

/* A disk that takes no more is asked again with every number; without it the numbers go on, too: what
 * could be worse than a number used twice after the next power loss is an alarm that is not sent now. */
uint64_t spool_next_sequence(struct spool *s)
{
	if (s->sequence > s->sequence_reserved)
		(void)spool_reserve(s);
	return s->sequence++;
}

uint64_t spool_next_session(struct spool *s)
{
	if (s->session > s->session_reserved)
		(void)spool_reserve(s);
	return s->session++;
}

uint32_t spool_instance(const struct spool *s)
{
	return s->head.instance;
}

bool spool_is_locked(const struct spool *s)
{
	return s->is_locked;
}

/* ---- records ---- */

uint32_t spool_take(struct spool *s, enum spool_priority priority)
{
	const uint32_t i = spool_order_place(&s->order, priority);

	if (i == SPOOL_ORDER_NONE) {
		s->head.evicted[priority]++;
	} else if (s->entry[i].phase == SPOOL_WAITING ||
		   spool_order_may_be_needed(&s->order, &s->entry[i])) {
		s->head.evicted[s->entry[i].priority]++;
	} else {
		return i;
	}
	/* The counts may be lost with the power. */
	(void)spool_write_head(s, false);
	return i;
}

static int check(const struct spool_record *r)
{
	if (r->length > TOPIC_PAYLOAD_MAX)
		return -EMSGSIZE;
	if (r->sequence == 0 || r->sequence > SPOOL_FILE_NUMBER_MAX || r->type >= TOPIC_TYPE_COUNT ||
	    (r->type == TOPIC_ALARM && r->alarm >= TOPIC_ALARM_COUNT))
		return -EINVAL;
	return 0;
}

/* Where power or SIGKILL ends this does not matter, see spool_file.h. */
static void write_slot(struct spool *s, struct spool_slot *slot, const struct spool_record *record)
{
	const bool is_alarm = record->type == TOPIC_ALARM;
	struct spool_record *to = &slot->record;

	to->sequence = record->sequence;
	to->type = record->type;
	to->alarm = is_alarm ? record->alarm : 0;
	to->is_raised = is_alarm && record->is_raised;
	to->length = record->length;
	memcpy(to->payload, record->payload, record->length);
	memset(to->payload + record->length, 0, sizeof(to->payload) - record->length);
	slot->session_limit = s->head.session_limit;
	slot->instance = s->head.instance;
	memset(slot->unused, 0, sizeof(slot->unused));
	spool_file_seal_slot(slot);
	spool_file_mark(slot, SPOOL_WAITING, 0);
}

int spool_put(struct spool *s, const struct spool_record *record, bool is_urgent)
{
	struct spool_slot *slot;
	uint32_t i;
	int r = check(record);

	if (r < 0)
		return r;
	i = spool_take(s, spool_priority((enum topic_type)record->type));
	if (i == SPOOL_ORDER_NONE)
		return -ENOBUFS;
	slot = spool_file_slot(s->map, i);
	write_slot(s, slot, record);
	s->entry[i] = spool_file_entry(slot);
	return is_urgent ? spool_flush(s, slot, sizeof(*slot)) : 0;
}

int spool_sync(struct spool *s, uint64_t sequence)
{
	const uint32_t i = spool_order_find(&s->order, sequence);

	if (i == SPOOL_ORDER_NONE)
		return -ENOENT;
	return spool_flush(s, spool_file_slot(s->map, i), SPOOL_SLOT_BYTES);
}

static const struct spool_record *record_at(const struct spool *s, uint32_t i)
{
	return i == SPOOL_ORDER_NONE ? NULL : &spool_file_slot(s->map, i)->record;
}

const struct spool_record *spool_next(const struct spool *s, enum spool_priority lowest, uint64_t after)
{
	const struct spool_order_wish wish = { SPOOL_WAITING, lowest, SPOOL_ALARM, after };

	return record_at(s, spool_order_next(&s->order, &wish));
}

const struct spool_record *spool_alarm(const struct spool *s, enum topic_alarm alarm)
{
	return record_at(s, spool_order_alarm(&s->order, alarm));
}

static void mark(struct spool *s, uint32_t i, enum spool_phase phase, uint64_t sent_s)
{
	struct spool_slot *slot = spool_file_slot(s->map, i);

	spool_file_mark(slot, phase, sent_s);
	s->entry[i] = spool_file_entry(slot);
}

/* One sequence may stand in two slots of a file that somebody put together: both are meant. */
void spool_acknowledge(struct spool *s, uint64_t sequence, uint64_t now_s)
{
	for (uint32_t i = 0; i < s->order.count; i++) {
		const struct spool_entry *e = &s->entry[i];

		if (e->phase == SPOOL_FREE || e->sequence != sequence)
			continue;
		mark(s, i, e->priority == SPOOL_ALARM ? SPOOL_SENT : SPOOL_FREE, now_s);
	}
}

void spool_meet(struct spool *s, uint64_t now_s, uint64_t window_s)
{
	s->order.met_s = now_s;
	s->order.window_s = window_s;
}

uint32_t spool_resend(struct spool *s, uint64_t met_s, uint64_t window_s)
{
	uint32_t again = 0;

	for (uint32_t i = 0; i < s->order.count; i++) {
		if (!spool_order_is_doubtful(&s->entry[i], met_s, window_s))
			continue;
		mark(s, i, SPOOL_WAITING, 0);
		again++;
	}
	return again;
}

struct spool_counts spool_count(const struct spool *s)
{
	struct spool_counts c = { .damaged = s->damaged };

	spool_order_count(&s->order, &c);
	memcpy(c.evicted, s->head.evicted, sizeof(c.evicted));
	return c;
}

/* ---- the end ---- */

struct spool *spool_close(struct spool *s)
{
	if (!s)
		return NULL;
	/* No number is left out next time. If the disk does not take it, a block is. */
	s->head.sequence_limit = s->sequence - 1;
	s->head.session_limit = s->session - 1;
	(void)spool_flush(s, s->map, s->map_bytes);
	(void)spool_write_head(s, true);
	return spool_free(s);
}
