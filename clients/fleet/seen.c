/* SPDX-License-Identifier: MIT */
#include "seen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BATCH	256u		/* records of one write() */
#define TRIES	10u		/* to lock the file that has the name, while another renames */

struct seen {
	const char *path;
	char *new_path, *aside_path;
	int fd;
	uint32_t crc;		/* of the last record */
	uint64_t bytes, snapshot_bytes, removed, replaced, written_us;
	bool is_failing, is_torn; /* torn: nothing can be appended */
	struct seen_record unsure[SEEN_UNSURE_MAX];
	uint32_t unsures;
};

/* ---- the journal ---- */

static void say_failure(struct seen *s, int error)
{
	if (!s->is_failing)
		fprintf(stderr, "failsoft-fleet: %s: %s: what is shown from now on may be shown again after "
			"a restart\n", s->path, strerror(error));
	s->is_failing = true;
}

static void append(struct seen *s, struct seen_record *record, uint32_t count)
{
	const size_t bytes = count * sizeof(*record);
	uint32_t crc = s->crc;
	ssize_t written;

	if (s->is_torn)
		return;
	for (uint32_t i = 0; i < count; i++)
		crc = seen_file_seal(&record[i], crc);
	written = write(s->fd, record, bytes);
	if (written == (ssize_t)bytes) {
		s->crc = crc;
		s->bytes += bytes;
		return;
	}
	say_failure(s, written < 0 ? errno : ENOSPC);
	s->is_torn = written > 0 && ftruncate(s->fd, (off_t)s->bytes) < 0;
}

static struct seen_record record_of(const struct ingest_message *m)
{
	struct seen_record record = { .what = SEEN_BEGUN, .instance = m->instance, .first = m->sequence,
				      .last = m->sequence };

	strcpy(record.fleet, m->topic.fleet); /* the same sizes */
	strcpy(record.device, m->topic.device);
	strcpy(record.boot, m->boot);
	return record;
}

static bool is_of_alarm(const struct roster_note *note)
{
	return note->kind == ROSTER_RAISED || note->kind == ROSTER_CLEARED;
}

/* Was the one begun, and is the other that it was shown? A raised one is known by its number, which the kept
 * message and the log's have in common; a kept one that is cleared has none. */
static bool is_same_alarm(const struct seen_record *begun, const struct seen_record *alarm)
{
	return begun->what == SEEN_ALARM_BEGUN && begun->kind == alarm->kind &&
	       begun->is_raised == alarm->is_raised && begun->instance == alarm->instance &&
	       (!begun->is_raised || begun->last == alarm->last) &&
	       !strcmp(begun->device, alarm->device) && !strcmp(begun->fleet, alarm->fleet);
}

static bool is_same_line(const struct seen_record *begun, const struct ingest_message *m)
{
	return begun->what == SEEN_BEGUN && !m->is_empty && roster_seen_is_of(begun, m);
}

bool seen_is_unsure(const struct seen *s, const struct ingest_message *m, const struct roster_note *note)
{
	struct seen_record alarm = { .what = 0 };

	if (is_of_alarm(note))
		roster_seen_alarm(note->device, note->alarm, &alarm);
	for (uint32_t i = 0; i < s->unsures; i++)
		if (is_same_line(&s->unsure[i], m) || (alarm.what && is_same_alarm(&s->unsure[i], &alarm)))
			return true;
	return false;
}

void seen_begin(struct seen *s, const struct ingest_message *m, const struct roster_note *note,
		uint32_t notes)
{
	struct seen_record record[ROSTER_NOTES_MAX];
	uint32_t records = 0;

	for (uint32_t i = 0; i < notes; i++) {
		if (note[i].kind == ROSTER_LOGGED) {
			record[records++] = record_of(m);
		} else if (is_of_alarm(&note[i])) {
			roster_seen_alarm(note[i].device, note[i].alarm, &record[records]);
			record[records++].what = SEEN_ALARM_BEGUN;
		}
	}
	if (records)
		append(s, record, records);
}

static void remove_unsure(struct seen *s, uint32_t i)
{
	memmove(&s->unsure[i], &s->unsure[i + 1], (s->unsures - i - 1) * sizeof(s->unsure[0]));
	s->unsures--;
}

static void remove_shown(struct seen *s, const struct ingest_message *m, const struct roster_note *note)
{
	struct seen_record alarm = { .what = 0 };

	if (is_of_alarm(note))
		roster_seen_alarm(note->device, note->alarm, &alarm);
	for (uint32_t i = s->unsures; i-- > 0;)
		if ((note->kind == ROSTER_LOGGED && is_same_line(&s->unsure[i], m)) ||
		    (alarm.what && is_same_alarm(&s->unsure[i], &alarm)))
			remove_unsure(s, i);
}

void seen_end(struct seen *s, const struct ingest_message *m, const struct roster_note *note, uint32_t notes)
{
	struct seen_record record[2 + ROSTER_NOTES_MAX];
	uint32_t records = 0;

	for (uint32_t i = 0; i < notes; i++) {
		if (note[i].kind == ROSTER_LOGGED) {
			records += roster_seen_range(note[i].device, m->boot, m->sequence,
						     &record[records]);
			if (m->type == TOPIC_ALARM)
				roster_seen_alarm(note[i].device, (enum topic_alarm)m->data.kind,
						  &record[records++]);
		} else if (is_of_alarm(&note[i])) {
			roster_seen_alarm(note[i].device, note[i].alarm, &record[records++]);
		}
	}
	if (records)
		append(s, record, records);
	for (uint32_t i = 0; i < notes; i++)
		remove_shown(s, m, &note[i]);
}

/* ---- the whole file ---- */

struct writer {
	int fd;
	uint32_t crc, count;
	uint64_t records;
	bool has_failed;
	struct seen_record record[BATCH];
};

static bool flush(struct writer *w)
{
	const size_t bytes = w->count * sizeof(w->record[0]);

	if (bytes && write(w->fd, w->record, bytes) != (ssize_t)bytes)
		w->has_failed = true;
	w->count = 0;
	return !w->has_failed;
}

static bool put(void *userdata, const struct seen_record *record)
{
	struct writer *w = userdata;

	w->record[w->count] = *record;
	w->crc = seen_file_seal(&w->record[w->count], w->crc);
	return ++w->count < BATCH || flush(w);
}

static bool count(void *userdata, const struct seen_record *record)
{
	uint64_t *records = userdata;

	(void)record;
	++*records;
	return true;
}

static int write_all(struct writer *w, const struct seen *s, const struct roster *roster)
{
	struct seen_head head;

	w->records = s->unsures;
	roster_seen_all(roster, count, &w->records);
	seen_file_head(&head, w->records, (uint64_t)time(NULL));
	w->crc = head.crc;
	errno = ENOSPC; /* of a write() that was short */
	if (write(w->fd, &head, sizeof(head)) != (ssize_t)sizeof(head))
		return -errno;
	for (uint32_t i = 0; i < s->unsures; i++)
		put(w, &s->unsure[i]);
	if (!roster_seen_all(roster, put, w) || !flush(w))
		return -errno;
	return 0;
}

static int replace(struct seen *s, const struct roster *roster)
{
	struct writer *w = calloc(1, sizeof(*w));
	int r = -ENOMEM;

	if (!w)
		return r;
	w->fd = open(s->new_path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	r = w->fd < 0 || flock(w->fd, LOCK_EX | LOCK_NB) < 0 ? -errno : write_all(w, s, roster);
	if (r == 0 && rename(s->new_path, s->path) < 0)
		r = -errno;
	if (r == 0) {
		close(s->fd);
		s->fd = w->fd;
		s->crc = w->crc;
		s->bytes = s->snapshot_bytes = sizeof(struct seen_head) +
					       w->records * sizeof(struct seen_record);
		s->is_failing = s->is_torn = false;
	} else if (w->fd >= 0) {
		close(w->fd);
		(void)unlink(s->new_path);
	}
	free(w);
	return r;
}

void seen_tick(struct seen *s, const struct roster *roster, uint64_t now_us)
{
	const uint64_t journal_bytes = s->bytes - s->snapshot_bytes;
	const bool is_stale = roster_removed(roster) != s->removed ||
			      roster_totals(roster)->replaced != s->replaced;
	int r;

	if (now_us - s->written_us < SEEN_PAUSE_US ||
	    !(s->is_failing || is_stale ||
	      (journal_bytes > SEEN_JOURNAL_BYTES && journal_bytes > s->snapshot_bytes)))
		return;
	s->written_us = now_us;
	s->removed = roster_removed(roster);
	s->replaced = roster_totals(roster)->replaced;
	r = replace(s, roster);
	if (r < 0)
		say_failure(s, -r);
}

/* ---- at the start ---- */

/* The file that has the name, and nobody else's. */
static int open_locked(const char *path)
{
	for (unsigned i = 0; i < TRIES; i++) {
		int fd = open(path, O_RDWR | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0600);
		struct stat held = { 0 }, named = { 0 };
		int r = 0;

		if (fd < 0)
			return -errno;
		if (fstat(fd, &held) < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
			r = -errno;
		else if (!S_ISREG(held.st_mode))
			r = -EINVAL;
		if (r == 0 && stat(path, &named) == 0 && named.st_ino == held.st_ino &&
		    named.st_dev == held.st_dev)
			return fd;
		close(fd);
		if (r < 0)
			return r;
	}
	return -EWOULDBLOCK;
}

static int read_whole(int fd, void **ret, size_t *ret_size)
{
	struct stat st;
	uint8_t *image;
	size_t size = 0;

	if (fstat(fd, &st) < 0)
		return -errno;
	image = malloc((size_t)st.st_size + 1);
	if (!image)
		return -ENOMEM;
	while (size < (size_t)st.st_size) {
		ssize_t r = read(fd, image + size, (size_t)st.st_size - size);

		if (r <= 0) {
			free(image);
			return r < 0 ? -errno : -EIO;
		}
		size += (size_t)r;
	}
	*ret = image;
	*ret_size = size;
	return 0;
}

static void take_begun(struct seen *s, const struct seen_record *record)
{
	if (s->unsures == SEEN_UNSURE_MAX)
		remove_unsure(s, 0);
	s->unsure[s->unsures++] = *record;
}

static bool covers(const struct seen_record *shown, const struct seen_record *begun)
{
	struct ingest_message m = { .instance = begun->instance, .sequence = begun->first };

	if (begun->what != SEEN_BEGUN)
		return false;
	memcpy(m.topic.fleet, begun->fleet, sizeof(m.topic.fleet));
	memcpy(m.topic.device, begun->device, sizeof(m.topic.device));
	memcpy(m.boot, begun->boot, sizeof(m.boot));
	return roster_seen_is_of(shown, &m);
}

static void restore(struct seen *s, struct roster *roster, const struct seen_record *record)
{
	if (record->what == SEEN_BEGUN || record->what == SEEN_ALARM_BEGUN) {
		take_begun(s, record);
		return;
	}
	(void)roster_restore(roster, record); /* beyond --devices it is forgotten, as a message would be */
	for (uint32_t i = s->unsures; i-- > 0;)
		if (record->what == SEEN_SHOWN ? covers(record, &s->unsure[i])
					       : is_same_alarm(&s->unsure[i], record))
			remove_unsure(s, i);
}

static int take(struct seen *s, struct roster *roster, const void *image, size_t size, char *complaint)
{
	const struct seen_sight sight = seen_file_read(image, size);

	if (sight.health == SEEN_FOREIGN) {
		snprintf(complaint, 512, "--state-file=%s: it %s: name another", s->path,
			 seen_file_words(sight.health));
		return -EINVAL;
	}
	for (uint64_t i = 0; i < sight.records; i++)
		restore(s, roster, seen_file_record(image, i));
	if (sight.health == SEEN_WHOLE || size == 0)
		return 0;
	if (sight.health == SEEN_TORN) {
		snprintf(complaint, 512, "%s: it %s, which is left out: one line may be shown again", s->path,
			 seen_file_words(sight.health));
		return 0;
	}
	if (rename(s->path, s->aside_path) < 0)
		return -errno;
	snprintf(complaint, 512,
		 "%s: it %s after %zu of %zu bytes, and is not trusted: moved to %s; what was shown before "
		 "may be shown again",
		 s->path, seen_file_words(sight.health), sight.at, size, s->aside_path);
	return 0;
}

static int begin(struct seen *s, struct roster *roster, char *complaint)
{
	void *image = NULL;
	size_t size = 0;
	int r;

	if (asprintf(&s->new_path, "%s.new", s->path) < 0 ||
	    asprintf(&s->aside_path, "%s.damaged", s->path) < 0)
		return -ENOMEM;
	r = s->fd = open_locked(s->path);
	if (r == -EWOULDBLOCK)
		snprintf(complaint, 512, "--state-file=%s: another failsoft-fleet uses it: each needs its "
			 "own", s->path);
	if (r >= 0)
		r = read_whole(s->fd, &image, &size);
	if (r >= 0)
		r = take(s, roster, image, size, complaint);
	free(image);
	return r < 0 ? r : replace(s, roster);
}

int seen_open(struct seen **ret, const char *path, struct roster *roster, char complaint[512])
{
	struct seen *s = calloc(1, sizeof(*s));
	int r = -ENOMEM;

	complaint[0] = '\0';
	if (s) {
		s->path = path;
		s->fd = -1;
		r = begin(s, roster, complaint);
	}
	if (r < 0 && !complaint[0])
		snprintf(complaint, 512, "--state-file=%s: %s", path,
			 r == -EINVAL ? "is no regular file" : strerror(-r));
	if (r < 0) {
		seen_close(s, NULL);
		return r;
	}
	s->removed = roster_removed(roster);
	*ret = s;
	return 0;
}

struct seen *seen_close(struct seen *s, const struct roster *roster)
{
	int r;

	if (!s)
		return NULL;
	r = roster ? replace(s, roster) : 0;
	if (r < 0)
		say_failure(s, -r);
	if (s->fd >= 0)
		close(s->fd);
	free(s->new_path);
	free(s->aside_path);
	free(s);
	return NULL;
}
