/* SPDX-License-Identifier: MIT */
#include "sense/parse_sysv.h"

#include "base/units.h"

/* Clock ticks and whole seconds: a process and its first segment may be of the same second. Half: a maker
 * is not recognised; double: a pid that was given out anew within so long is taken for it. */
#define SLACK_S		2u

/* Fields of a line, from ipc/shm.c: key, shmid, perms, size, cpid, lpid, nattch, uid, gid, cuid, cgid, atime,
 * dtime, ctime, rss, swap. */
enum field { FIELD_CPID = 4, FIELD_CTIME = 13, FIELD_RSS = 14, FIELD_SWAP = 15, FIELD_COUNT = 16 };

static struct sysv_maker *maker_of(struct sysv *t, int32_t pid)
{
	for (uint32_t i = 0; i < t->count; i++)
		if (t->maker[i].pid == pid)
			return &t->maker[i];
	if (t->count == SYSV_MAKERS_MAX)
		return NULL;
	t->maker[t->count] = (struct sysv_maker){ .pid = pid };
	return &t->maker[t->count++];
}

void parse_sysv_line(struct sysv *t, struct scan line)
{
	uint64_t figure[FIELD_COUNT] = { 0 }, bytes;
	struct sysv_maker *maker;
	struct scan word;

	for (unsigned i = 0; i < FIELD_COUNT; i++)
		if (!scan_word(&line, &word) ||
		    (i >= FIELD_CPID && (!scan_u64(&word, &figure[i]) || scan_left(&word))))
			return; /* the head, or nothing that we know */
	if (!figure[FIELD_CPID] || figure[FIELD_CPID] > INT32_MAX ||
	    __builtin_add_overflow(figure[FIELD_RSS], figure[FIELD_SWAP], &bytes))
		return;
	maker = maker_of(t, (int32_t)figure[FIELD_CPID]);
	if (!maker || __builtin_add_overflow(maker->bytes, bytes, &maker->bytes))
		return;
	maker->made_s = MAX_OF(maker->made_s, figure[FIELD_CTIME]);
}

uint64_t sysv_bytes(const struct sysv *t, int32_t pid, uint64_t born_s)
{
	for (uint32_t i = 0; i < t->count; i++)
		if (t->maker[i].pid == pid)
			return born_s <= time_add_us(t->maker[i].made_s, SLACK_S) ? t->maker[i].bytes : 0;
	return 0;
}
