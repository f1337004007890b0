/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "sim.h"

void sim_fail(struct sim *s, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(s->failure, sizeof(s->failure), format, args); /* cut is still a sentence */
	va_end(args);
	siglongjmp(s->out, 1);
}

void story_add(struct sim *s, const char *format, ...)
{
	char *line = s->story.line[s->story.count % STORY_LINES];
	va_list args;
	int used;

	if (!s->story.is_told)
		return;
	used = snprintf(line, STORY_WIDTH, "%14.6f  ", (double)s->now_us / 1e6);
	va_start(args, format);
	(void)vsnprintf(line + used, STORY_WIDTH - (size_t)used, format, args); /* same */
	va_end(args);
	s->story.count++;
	if (s->story.is_loud)
		printf("# %s\n", line);
}

void story_event(struct sim *s, const struct event *e)
{
	char sentence[STORY_WIDTH / 2];

	if (!s->story.is_told)
		return;
	(void)event_sentence(e, sentence, sizeof(sentence));
	if (e->client)
		story_add(s, "    event %s [client %" PRIx64 ", domain %u, sequence %" PRIu64 "]",
			  sentence, e->client, (unsigned)e->domain, e->sequence);
	else
		story_add(s, "    event %s", sentence);
}

void story_effect(struct sim *s, const struct core_effect *e)
{
	static const char *const words[EFFECT_KIND_COUNT] = {
		[EFFECT_NONE] = "nothing",	  [EFFECT_ORDER] = "order",
		[EFFECT_SHIELD_UP] = "shield up", [EFFECT_SHIELD_DOWN] = "shield down",
		[EFFECT_LOOK] = "look", [EFFECT_STOP] = "stop", [EFFECT_LET_GO] = "let go",
		[EFFECT_SURVEY] = "survey",	  [EFFECT_SIGNAL_VICTIM] = "signal",
		[EFFECT_PROCEDURE] = "procedure", [EFFECT_ANNOUNCE] = "announce",
		[EFFECT_TRIPWIRE] = "tripwire", [EFFECT_FREE_FILES] = "free files",
		[EFFECT_LAST_RUN] = "last policy", [EFFECT_END_MACHINE] = "end the machine",
	};

	story_add(s,
		  "    effect %s: domain %u, client %" PRIx64 ", sequence %" PRIu64 ", signal %d%s",
		  words[e->kind], (unsigned)e->domain, e->client,
		  e->request.sequence ? e->request.sequence : e->sequence, e->signal,
		  e->dry_run ? " (dry run)" : "");
}

void story_print(const struct sim *s)
{
	uint64_t first = s->story.count > STORY_LINES ? s->story.count - STORY_LINES : 0;

	for (uint64_t i = first; i < s->story.count; i++)
		printf("# %s\n", s->story.line[i % STORY_LINES]);
}
