/* SPDX-License-Identifier: MIT */
/* Who grows, whom the kernel would end and what other daemons would do, as rows for people. */
#include <string.h>

#include "ctl.h"

/* ---- who grows ---- */

static void describe(const struct grower_row *g, char *text, size_t size)
{
	if (!strcmp(g->kind, "pool"))
		snprintf(text, size, "in no process");
	else if (!strcmp(g->kind, "namesakes"))
		snprintf(text, size, "%u of this name", g->processes);
	else if (g->processes > 1)
		snprintf(text, size, "%u processes, pid %u", g->processes, g->pid);
	else
		snprintf(text, size, "pid %u", g->pid);
}

static void print_grower(const struct ctl *c, const struct grower_row *g)
{
	char what[48], bytes[32], rate[32], name[CELL_MAX_BYTES], cell[CELL_MAX_BYTES];

	describe(g, what, sizeof(what));
	print_bytes(c, g->bytes_per_s, rate, sizeof(rate) - 2);
	strcat(rate, "/s");
	printf("%s %s %9s %10s %3u %%\n", print_cell(g->name, 24, name), print_cell(what, 26, cell),
	       print_bytes(c, g->bytes, bytes, sizeof(bytes)), rate,
	       g->share_permyriad < 10000 ? g->share_permyriad / 100 : 100);
}

unsigned growers_print(const struct ctl *c, const struct grower_row *g, uint32_t count, unsigned rows)
{
	if (!count || rows < 2)
		return 0;
	count = count < rows - 1 ? count : rows - 1;
	printf("%-24s %-26s %9s %10s %5s\n", "WHO GROWS", "", "HOLDS", "GROWS BY", "SHARE");
	for (uint32_t i = 0; i < count; i++)
		print_grower(c, &g[i]);
	return count + 1;
}

/* ---- what would happen without us ---- */

static bool is_calm(const struct rival_row *rival)
{
	return !strcmp(rival->word, "nothing");
}

static bool is_said(const struct outlook_row *o, uint32_t i)
{
	for (uint32_t before = 0; before < i; before++)
		if (!strcmp(o->rival[before].word, o->rival[i].word))
			return true;
	return false;
}

/* Those of one word together: "a, b would do nothing". */
static size_t say(const struct outlook_row *o, uint32_t first, char *text, size_t size)
{
	const char *word = o->rival[first].word;
	size_t used = 0;

	for (uint32_t i = first; i < o->rivals && used < size; i++)
		if (!strcmp(o->rival[i].word, word))
			used += (size_t)snprintf(text + used, size - used, "%s%s", i == first ? "" : ", ",
						 o->rival[i].name);
	if (used < size)
		used += (size_t)snprintf(text + used, size - used, " would %s%s",
					 is_calm(&o->rival[first]) ? "do " : "", word);
	return used;
}

/* Those that would do something come first: the row may be cut at its end. */
static void say_all(const struct outlook_row *o, char *text, size_t size)
{
	size_t used = 0;

	for (int calm = 0; calm < 2; calm++)
		for (uint32_t i = 0; i < o->rivals; i++) {
			if (is_calm(&o->rival[i]) != calm || is_said(o, i))
				continue;
			if (used && used < size)
				used += (size_t)snprintf(text + used, size - used, "; ");
			if (used < size)
				used += say(o, i, text + used, size - used);
		}
}

unsigned growers_print_outlook(const struct outlook_row *o, unsigned rows)
{
	char text[RIVALS_MAX * (sizeof(o->rival[0].name) + sizeof(o->rival[0].word) + 16)];
	unsigned used = 0;

	if (o->pid && rows) {
		snprintf(text, sizeof(text), "would end %s (pid %u, oom_score %u) now", o->name, o->pid,
			 o->score);
		used += print_wrapped("kernel       ", text, 1);
	}
	if (o->rivals && rows > used) {
		say_all(o, text, sizeof(text));
		used += print_wrapped("others       ", text, rows - used);
	}
	return used;
}
