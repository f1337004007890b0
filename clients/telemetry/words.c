/* SPDX-License-Identifier: MIT */
#include "words.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PANIC "Kernel panic - not syncing: "
#define KILL  "Killed process %" PRIu64 " (%s) total-vm:"

const char *words_place_path(enum words_place place)
{
	static const char *const paths[WORDS_PLACE_COUNT] = {
		[WORDS_LIVE] = "/sys/fs/pstore",
		[WORDS_ARCHIVE] =
			"/var/lib/systemd/pstore", /* where systemd-pstore moves them at boot */
	};

	return paths[place];
}

void words_copy(char *ret, size_t size, const char *text)
{
	size_t used = 0;

	for (; text[used] && used + 1 < size; used++)
		ret[used] = text[used] >= ' ' && text[used] <= '~' ? text[used] : '?';
	ret[used] = '\0';
}

static uint32_t count_of(const struct words *w, enum words_place place)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < w->count; i++)
		count += w->dump[i].place == place;
	return count;
}

struct words_dump *words_add(struct words *w, enum words_place place, const char *name)
{
	struct words_dump *d = &w->dump[w->count];

	if (count_of(w, place) == WORDS_DUMPS_MAX || w->used == WORDS_TEXT_MAX)
		return NULL;
	*d = (struct words_dump){.place = place, .text_at = w->used};
	words_copy(d->name, sizeof(d->name), name);
	w->text[w->used++] = '\0';
	w->count++;
	return d;
}

bool words_add_line(struct words *w, const char *line)
{
	const size_t length = strlen(line);

	if (!w->count || length + 1 > WORDS_TEXT_MAX - w->used)
		return false;
	memcpy(w->text + w->used - 1, line, length);
	w->used += (uint32_t)length + 1;
	w->text[w->used - 2] = '\n';
	w->text[w->used - 1] = '\0';
	return true;
}

/* Takes those after the first `skip`; returns how many there are. */
static uint32_t sift_kills(struct words *w, const char *text, uint32_t skip)
{
	char said[sizeof(KILL) + 32 + FEED_NAME_MAX];
	uint32_t count = 0;

	for (size_t length; *text; text += length + (text[length] == '\n')) {
		struct outcome_facts one = {0};

		length = strcspn(text, "\n");
		outcome_kmsg_line(text, length, &one);
		if (!one.kills || count++ < skip)
			continue;
		(void)snprintf(said, sizeof(said), KILL, one.killed_pid[0], one.killed[0]);
		(void)words_add_line(w, said); /* full: the newest dumps are there */
	}
	return count;
}

void words_sift(struct words *w, const char *text)
{
	char line[sizeof(PANIC) + OUTCOME_LINE_MAX];
	struct outcome_facts all = {0};
	uint32_t kills;

	outcome_kmsg(text, &all);
	(void)snprintf(line, sizeof(line), PANIC "%s", all.panic);
	if (all.has_panic) /* why may be in another part of the dump: then its head alone */
		(void)words_add_line(w, all.panic[0] ? line : "Panic#");
	kills = sift_kills(w, text, UINT32_MAX);
	(void)sift_kills(w, text, kills > WORDS_KILLS_MAX ? kills - WORDS_KILLS_MAX : 0);
}
