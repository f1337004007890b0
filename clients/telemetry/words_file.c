/* SPDX-License-Identifier: MIT */
/*
 *	failsoft-last-words 1
 *	boot 0123456789abcdef0123456789abcdef		or "boot -"
 *	kept ramoops					unless nothing keeps
 *	watchdog watchdog0				if one says that it was it
 *	closed live					and, or "archive": cannot be read
 *	dump live 1700000000 1a2b3c4d plain dmesg-ramoops-0
 *	> Kernel panic - not syncing: System is deadlocked on memory
 *	> Killed process 312 (hog) total-vm:
 *	end
 *
 * In this order and in one spelling. The reader takes each line as it may be, writes what it took
 *again and compares: any other order, a line twice, a half, a number with a sign too many is
 *refused as a whole.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "words.h"

#define MAGIC "failsoft-last-words 1"
/* The longest is that of a dump: its name and some 40 bytes. Also ends a compare of what is no
 * line. */
#define LINE_MAX_BYTES 512

static const char *const place_words[WORDS_PLACE_COUNT] = {"live", "archive"};
static const char *const kind_words[WORDS_KIND_COUNT] = {"plain", "packed", "closed"};

/* ---- written, or compared with what is there ---- */

struct page {
	char *to;	    /* or NULL, */
	const char *expect; /* and this */
	size_t size, used;
	bool is_bad; /* it does not fit, or differs */
};

__attribute__((format(printf, 2, 3))) static void put(struct page *p, const char *format, ...)
{
	char line[LINE_MAX_BYTES];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	p->is_bad = p->is_bad || n < 0 || (size_t)n >= sizeof(line) ||
		    (size_t)n > p->size - p->used ||
		    (!p->to && memcmp(p->expect + p->used, line, (size_t)n));
	if (p->is_bad)
		return;
	if (p->to)
		memcpy(p->to + p->used, line, (size_t)n);
	p->used += (size_t)n;
}

static void put_dump(struct page *p, const struct words *w, const struct words_dump *d)
{
	const char *text = w->text + d->text_at;

	put(p, "dump %s %" PRId64 " %08" PRIx32 " %s %s\n", place_words[d->place], d->time_s,
	    d->crc, kind_words[d->kind], d->name);
	for (size_t length; *text; text += length + 1) {
		length = strcspn(text, "\n");
		put(p, "> %.*s\n", (int)length, text);
	}
}

static void put_all(struct page *p, const struct words *w)
{
	put(p, MAGIC "\nboot %s\n", w->boot[0] ? w->boot : "-");
	if (w->is_kept)
		put(p, "kept %s\n", w->kept_by);
	if (w->has_watchdog)
		put(p, "watchdog %s\n", w->watchdog);
	for (uint32_t i = 0; i < WORDS_PLACE_COUNT; i++)
		if (w->is_closed[i])
			put(p, "closed %s\n", place_words[i]);
	for (uint32_t i = 0; i < w->count; i++)
		put_dump(p, w, &w->dump[i]);
	put(p, "end\n");
}

int words_format(const struct words *w, char *ret, size_t size)
{
	struct page p = {.to = ret, .size = size};

	put_all(&p, w);
	return p.is_bad ? -ENOSPC : (int)p.used;
}

/* ---- read ---- */

/* Which of `words`; `count`: none. */
static uint32_t word_of(const char *const *words, uint32_t count, const char *word)
{
	uint32_t i = 0;

	while (i < count && strcmp(words[i], word))
		i++;
	return i;
}

/* What stands behind `word` and a blank; NULL: another line. */
static const char *behind(const char *line, const char *word)
{
	const size_t length = strlen(word);

	return !strncmp(line, word, length) && line[length] == ' ' && line[length + 1]
		       ? line + length + 1
		       : NULL;
}

static bool take_name(char *ret, size_t size, const char *text)
{
	if (strlen(text) >= size)
		return false;
	words_copy(ret, size, text);
	return true;
}

static bool take_boot(struct words *w, const char *text)
{
	if (!strcmp(text, "-"))
		return true;
	return strlen(text) == TOPIC_BOOT_MAX - 1 &&
	       strspn(text, "0123456789abcdef") == TOPIC_BOOT_MAX - 1 &&
	       take_name(w->boot, sizeof(w->boot), text);
}

static bool take_dump(struct words *w, const char *text)
{
	char place_word[8], kind_word[8];
	uint32_t place, kind, crc;
	struct words_dump *d;
	int64_t time_s;
	int at = 0;

	if (sscanf(text, "%7s %18" SCNd64 " %8" SCNx32 " %7s%n", place_word, &time_s, &crc,
		   kind_word, &at) != 4)
		return false;
	place = word_of(place_words, WORDS_PLACE_COUNT, place_word);
	kind = word_of(kind_words, WORDS_KIND_COUNT, kind_word);
	if (place == WORDS_PLACE_COUNT || kind == WORDS_KIND_COUNT || text[at] != ' ' ||
	    !text[at + 1] || strlen(text + at + 1) >= WORDS_NAME_MAX)
		return false;
	d = words_add(w, (enum words_place)place, text + at + 1);
	if (!d)
		return false;
	d->kind = (enum words_kind)kind;
	d->time_s = time_s;
	d->crc = crc;
	return true;
}

static bool take_line(struct words *w, const char *line)
{
	const char *rest;
	uint32_t place;

	if ((rest = behind(line, ">")))
		return words_add_line(w, rest);
	if ((rest = behind(line, "dump")))
		return take_dump(w, rest);
	if ((rest = behind(line, "boot")))
		return take_boot(w, rest);
	if ((rest = behind(line, "kept")))
		return w->is_kept = take_name(w->kept_by, sizeof(w->kept_by), rest);
	if ((rest = behind(line, "watchdog")))
		return w->has_watchdog = take_name(w->watchdog, sizeof(w->watchdog), rest);
	if ((rest = behind(line, "closed"))) {
		place = word_of(place_words, WORDS_PLACE_COUNT, rest);
		return place < WORDS_PLACE_COUNT && (w->is_closed[place] = true);
	}
	return !strcmp(line, MAGIC) || !strcmp(line, "end");
}

/* The next line of the text, NUL added; 0: it is too long, has no end, or bytes that no line has.
 */
static size_t next_line(const char *text, size_t length, char ret[LINE_MAX_BYTES])
{
	const char *end = memchr(text, '\n', length < LINE_MAX_BYTES ? length : LINE_MAX_BYTES);
	const size_t used = end ? (size_t)(end - text) : 0;

	for (size_t i = 0; i < used; i++)
		if (text[i] < ' ' || text[i] > '~')
			return 0;
	memcpy(ret, text, used);
	ret[used] = '\0';
	return end ? used + 1 : 0;
}

int words_parse(const char *text, size_t length, struct words *ret,
		char complaint[WORDS_COMPLAINT_MAX])
{
	struct page p = {.expect = text, .size = length};
	char line[LINE_MAX_BYTES];
	unsigned number = 0;
	size_t used = 0, n;

	memset(ret, 0, sizeof(*ret));
	while (used < length) {
		number++;
		n = next_line(text + used, length - used, line);
		if (!n || !take_line(ret, line)) {
			(void)snprintf(complaint, WORDS_COMPLAINT_MAX,
				       "line %u is none that "
				       "failsoft-last-words writes",
				       number);
			return -EBADMSG;
		}
		used += n;
	}
	put_all(&p, ret);
	if (!p.is_bad && p.used == length)
		return 0;
	(void)snprintf(complaint, WORDS_COMPLAINT_MAX,
		       "it is not whole, or not as failsoft-last-words "
		       "writes it (after %zu of %zu bytes)",
		       p.used, length);
	return -EBADMSG;
}
