/* SPDX-License-Identifier: MIT */
#include "window.h"

#include <stdlib.h>
#include <string.h>

#define ROOM_FIRST	4u

/* The first range that does not end before `sequence`. */
static uint32_t find(const struct window *w, uint64_t sequence)
{
	uint32_t low = 0, high = w->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (w->range[middle].last < sequence)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void remove_range(struct window *w, uint32_t at)
{
	memmove(&w->range[at], &w->range[at + 1], (w->count - at - 1) * sizeof(w->range[0]));
	w->count--;
}

static bool make_room(struct window *w)
{
	uint32_t room = w->room ? 2 * w->room : ROOM_FIRST;
	struct window_range *range;

	if (w->count < w->room)
		return true;
	range = reallocarray(w->range, room, sizeof(*range));
	if (!range)
		return false;
	w->range = range;
	w->room = room;
	return true;
}

/* All that is not above the second range counts as seen from now on. */
static void forget_lowest(struct window *w)
{
	w->range[1].first = 1;
	remove_range(w, 0);
}

static bool joins(struct window *w, uint32_t at, uint64_t sequence)
{
	bool is_after = at > 0 && w->range[at - 1].last + 1 == sequence;
	bool is_before = at < w->count && w->range[at].first == sequence + 1;

	if (is_after && is_before) {
		w->range[at - 1].last = w->range[at].last;
		remove_range(w, at);
	} else if (is_after) {
		w->range[at - 1].last = sequence;
	} else if (is_before) {
		w->range[at].first = sequence;
	}
	return is_after || is_before;
}

static enum window_outcome insert(struct window *w, uint32_t at, struct window_range range)
{
	if (w->count == WINDOW_RANGES_MAX) {
		if (at == 0)
			return WINDOW_SEEN; /* older than all that it remembers */
		forget_lowest(w);
		at--;
	}
	if (!make_room(w))
		return WINDOW_NO_MEMORY;
	memmove(&w->range[at + 1], &w->range[at], (w->count - at) * sizeof(w->range[0]));
	w->range[at] = range;
	w->count++;
	return WINDOW_NEW;
}

enum window_outcome window_add(struct window *w, uint64_t sequence)
{
	uint32_t at = find(w, sequence);

	if (at < w->count && w->range[at].first <= sequence)
		return WINDOW_SEEN;
	if (joins(w, at, sequence))
		return WINDOW_NEW;
	return insert(w, at, (struct window_range){ sequence, sequence });
}

enum window_outcome window_add_range(struct window *w, struct window_range range)
{
	uint32_t at = find(w, range.first - 1), end = at;

	for (; end < w->count && w->range[end].first - 1 <= range.last; end++) {
		if (w->range[end].first < range.first)
			range.first = w->range[end].first;
		if (w->range[end].last > range.last)
			range.last = w->range[end].last;
	}
	if (end == at)
		return insert(w, at, range);
	w->range[at] = range;
	while (--end > at)
		remove_range(w, end);
	return WINDOW_NEW;
}

const struct window_range *window_find(const struct window *w, uint64_t sequence)
{
	uint32_t at = find(w, sequence);

	return at < w->count && w->range[at].first <= sequence ? &w->range[at] : NULL;
}

uint64_t window_highest(const struct window *w)
{
	return w->count ? w->range[w->count - 1].last : 0;
}

void window_fini(struct window *w)
{
	free(w->range);
	*w = (struct window){ 0 };
}
