/* SPDX-License-Identifier: MIT */
/* What the last boot left behind, read here or by root for us: of which boot it is. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "outcome.h"
#include "words.h"

/* A clock that is set in steps may be that much off between a last sign of life and a dump. */
#define SLACK_S 10
/* A clock before 2020 was never set. */
#define CLOCK_SET_S 1577836800

/* ---- which boot ---- */

struct clocks {
	int64_t now_s, boot_s; /* of the wall clock: now, and when this boot began */
	int64_t past_s;	       /* the last sign of life; 0: that clock was not synchronised */
};

static struct clocks read_clocks(const struct crumb_note *past)
{
	struct timespec real, boot;

	(void)clock_gettime(CLOCK_REALTIME, &real); /* cannot fail */
	(void)clock_gettime(CLOCK_BOOTTIME, &boot);
	return (struct clocks){real.tv_sec, real.tv_sec - boot.tv_sec, (int64_t)past->real_s};
}

/* A file of pstore itself has the time of the dump, if its backend knows any. */
static bool is_older(const struct clocks *c, int64_t time_s)
{
	return c->past_s && time_s >= CLOCK_SET_S && time_s < c->past_s - SLACK_S;
}

enum age { AGE_LAST_BOOT, AGE_OLDER, AGE_UNKNOWN };

/* One that systemd-pstore has moved has the time when it did: early in the boot after. */
static enum age age_of(const struct clocks *c, int64_t time_s)
{
	if (time_s >= c->boot_s - SLACK_S)
		return AGE_LAST_BOOT;
	if (!c->past_s || time_s < CLOCK_SET_S || c->now_s < c->past_s)
		return AGE_UNKNOWN;
	return time_s >= c->past_s - SLACK_S ? AGE_LAST_BOOT : AGE_OLDER;
}

/* ---- last words ---- */

struct judge {
	const struct words *words;
	const struct clocks *clocks;
	const struct crumb_note *past;
	struct outcome_facts *facts;
};

static bool is_of_last_boot(const struct judge *j, const struct words_dump *d)
{
	enum age age;

	if (d->place == WORDS_LIVE)
		return !is_older(j->clocks, d->time_s);
	age = age_of(j->clocks, d->time_s);
	j->facts->is_undated |= age == AGE_UNKNOWN;
	return age == AGE_LAST_BOOT;
}

/* It was there when the last boot began, so it is older, whatever a clock says. */
static bool is_seen(const struct judge *j, uint32_t crc)
{
	for (uint32_t i = 0; crc && i < CRUMB_DUMPS_MAX; i++)
		if (j->past->dumps[i] == crc)
			return true;
	return false;
}

/* That it is there, for the next boot. */
static void note_dump(struct outcome_facts *facts, uint32_t crc)
{
	for (uint32_t i = 0; crc && i < CRUMB_DUMPS_MAX; i++)
		if (!facts->dumps[i] || facts->dumps[i] == crc) {
			facts->dumps[i] = crc;
			return;
		}
}

static void take_text(struct outcome_facts *facts, const char *name, const char *text)
{
	const struct outcome_facts before = *facts;

	outcome_kmsg(text, facts);
	/* the file that says most is named: the panic's, else the first with a kill */
	if ((facts->panic[0] && !before.panic[0]) || (facts->has_panic && !before.has_panic) ||
	    (facts->kills && !before.kills && !facts->has_panic))
		(void)snprintf(facts->source, sizeof(facts->source), "%s", name);
}

/* true: it cannot be read. */
static bool take_dump(const struct judge *j, const struct words_dump *d)
{
	if (d->kind == WORDS_CLOSED)
		return true;
	note_dump(j->facts, d->crc);
	if (d->kind == WORDS_PACKED)
		j->facts->unreadable++;
	else
		take_text(j->facts, d->name, j->words->text + d->text_at);
	return false;
}

/* How many of the last boot are there. */
static uint32_t take_place(const struct judge *j, enum words_place place)
{
	bool is_closed = j->words->is_closed[place];
	uint32_t count = 0;

	for (uint32_t i = 0; i < j->words->count; i++) {
		const struct words_dump *d = &j->words->dump[i];

		if (d->place != place || is_seen(j, d->crc) || !is_of_last_boot(j, d))
			continue;
		is_closed |= take_dump(j, d);
		count++;
	}
	if (is_closed)
		(void)snprintf(j->facts->closed, sizeof(j->facts->closed), "%s",
			       words_place_path(place));
	return count;
}

static struct outcome_facts weigh(const struct words *w, const struct crumb_note *past)
{
	const struct clocks clocks = read_clocks(past);
	struct outcome_facts facts = {
		.is_other_boot = w->boot[0] &&
				 strcmp(w->boot, past->boot), /* not known: nothing is claimed */
		.is_kept = w->is_kept,
		.has_watchdog = w->has_watchdog,
	};
	const struct judge j = {w, &clocks, past, &facts};

	memcpy(facts.kept_by, w->kept_by, sizeof(facts.kept_by));
	memcpy(facts.watchdog, w->watchdog, sizeof(facts.watchdog));
	if (!take_place(&j, WORDS_LIVE))
		(void)take_place(&j, WORDS_ARCHIVE);
	/* behind those of the last boot, for which there must be room: the older ones; the clock of the
	 * next boot may not tell */
	for (uint32_t i = 0; i < w->count; i++)
		note_dump(&facts, w->dump[i].crc);
	return facts;
}

/* ---- what root has read for us ---- */

/* Its length; -EFBIG, -EPROTO, what the system said. */
static ssize_t read_file(int root_fd, char *ret, size_t size)
{
	int fd = openat(root_fd, WORDS_PATH, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	struct stat s;
	ssize_t n;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &s) < 0)
		n = -errno;
	else if (!S_ISREG(s.st_mode))
		n = -EPROTO;
	else if (s.st_size > (off_t)size)
		n = -EFBIG;
	else if ((n = read(fd, ret, size)) < 0)
		n = -errno;
	close(fd);
	return n;
}

/* false: *ret is nothing, and complaint says why. */
static bool read_words(int root_fd, const char *boot, struct words *ret,
		       char complaint[WORDS_COMPLAINT_MAX])
{
	char *text = malloc(WORDS_FILE_MAX);
	ssize_t length = text ? read_file(root_fd, text, WORDS_FILE_MAX) : -ENOMEM;
	bool is_good = length >= 0 && words_parse(text, (size_t)length, ret, complaint) == 0;

	if (length == -ENOENT)
		(void)snprintf(complaint, WORDS_COMPLAINT_MAX,
			       "it is not there (failsoft-last-words.service writes it)");
	else if (length < 0)
		(void)snprintf(complaint, WORDS_COMPLAINT_MAX, "%s", strerror((int)-length));
	if (is_good && strcmp(ret->boot, boot)) {
		(void)snprintf(complaint, WORDS_COMPLAINT_MAX, "it was not written in this boot");
		is_good = false;
	}
	free(text);
	return is_good;
}

void outcome_gather(int root_fd, const struct crumb_note *past, struct outcome_facts *ret)
{
	struct words *w = malloc(sizeof(*w));
	char boot[TOPIC_BOOT_MAX];

	if (!w) { /* then nothing is claimed, as where no boot is known */
		*ret = (struct outcome_facts){0};
		return;
	}
	words_read(root_fd, w);
	*ret = weigh(w, past);
	memcpy(boot, w->boot, sizeof(boot));
	if (ret->closed[0] && read_words(root_fd, boot, w, ret->refused))
		*ret = weigh(w, past);
	free(w);
}
