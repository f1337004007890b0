/* SPDX-License-Identifier: MIT */
#include "act/settle.h"

#include "base/units.h"

/* Headroom that falls by less says nothing: machines at rest move by up to 0.2 MiB (see fall.c). Half: a
 * program that wakes up looks like a leak; double: a leak at full speed takes 1 ms more. */
#define FALLS_BYTES	MIB
/* ... nor while more than this part of what came back is left. Half: watermarks that move (2-5 MiB) cut the
 * wait; double: a leak has a quarter more of it before it is met. */
#define FALLS_PART	2u

static void begin(struct settle *s, const struct settle_view *v)
{
	*s = (struct settle){ .until_us = time_add_us(v->now_us, v->settle_us), .is_owed = true };
}

static void wait(struct settle *s, const struct settle_view *v)
{
	if (!v->has_headroom)
		return;
	s->peak_bytes = MAX_OF(s->peak_bytes, v->headroom_bytes);
	if (v->headroom_bytes + FALLS_BYTES <= s->peak_bytes &&
	    v->headroom_bytes < s->peak_bytes / FALLS_PART)
		s->is_cut = true;
}

void settle_step(struct settle *s, const struct settle_view *v)
{
	bool may_begin = !s->is_owed && (!s->until_us || v->now_us >= time_add_us(s->until_us, v->settle_us));

	if (v->now_us < s->until_us)
		wait(s, v);
	else if (v->is_killed && may_begin)
		begin(s, v);
	else
		s->is_owed = false;
}

bool settle_is_on(const struct settle *s, uint64_t now_us)
{
	return now_us < s->until_us && !s->is_cut;
}
