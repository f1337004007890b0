/* SPDX-License-Identifier: MIT */
/*
 * Words: what the last boot left behind, as facts without a judgement: per file of pstore its time,
 * its checksum and what of it counts; who keeps such files; what a watchdog says.
 * failsoft-last-words, which is root, leaves them in a file for the service, which is nobody; how
 * old a dump is judges who knows the crumb: outcome_gather().
 *
 * words.c and words_file.c are pure; words_read() and words_write() are edges. A struct words is
 * large (some 90 KiB): not on the stack.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "outcome.h"

/* Of each place, the newest. EFI keeps some ten dumps in parts of 1 KiB, ten files each. Half: of
 * dumps of many parts not even the newest two are whole. Double: 11 KiB more. */
#define WORDS_DUMPS_MAX 64u
#define WORDS_NAME_MAX	128
/* What counts of all dumps; a part of 1 KiB has some 300 bytes of it. Half: the oldest dumps' kills
 * are not told. */
#define WORDS_TEXT_MAX (64u * 1024)
/* Of one dump. Half: "the last of" says too few where a boot was killing for hours. */
#define WORDS_KILLS_MAX 64u
/* All of that as lines, with what stands around it. */
#define WORDS_FILE_MAX	    (128u * 1024)
#define WORDS_COMPLAINT_MAX 160
/* In the directory that systemd makes for failsoft-last-words.service: root's, nobody else writes.
 */
#define WORDS_FILE "words"
#define WORDS_PATH "run/failsoft-last-words/" WORDS_FILE

enum words_place { WORDS_LIVE, WORDS_ARCHIVE, WORDS_PLACE_COUNT };

enum words_kind {
	WORDS_PLAIN,
	WORDS_PACKED, /* the kernel could not unpack it */
	WORDS_CLOSED, /* cannot be read by who looked */
	WORDS_KIND_COUNT
};

struct words_dump {
	char name[WORDS_NAME_MAX]; /* printable ASCII */
	enum words_place place;
	enum words_kind kind;
	int64_t time_s;	  /* since 1970, of the file; 0: none */
	uint32_t crc;	  /* of its bytes; 0: not read */
	uint32_t text_at; /* in words.text: for outcome_kmsg() */
};

struct words {
	char boot[TOPIC_BOOT_MAX];  /* in which they were read; "": not known */
	bool is_kept, has_watchdog; /* these four as in struct outcome_facts */
	char kept_by[OUTCOME_NAME_MAX], watchdog[OUTCOME_NAME_MAX];
	bool is_closed[WORDS_PLACE_COUNT]; /* the directory */
	uint32_t count;
	struct words_dump
		dump[WORDS_PLACE_COUNT * WORDS_DUMPS_MAX]; /* the newest of a place first */
	uint32_t used;
	char text[WORDS_TEXT_MAX];
};

const char *words_place_path(enum words_place place); /* "/sys/fs/pstore" */

/* Text with '?' for what is not printable ASCII, cut to its size. */
void words_copy(char *ret, size_t size, const char *text);
/* The next dump, its text still empty; NULL: there are enough of that place. */
struct words_dump *words_add(struct words *w, enum words_place place, const char *name);
/* One more line for the newest dump, without newline. false: no room, no dump. */
bool words_add_line(struct words *w, const char *line);
/* Of a whole file what outcome_kmsg() takes, and nothing else, for the newest dump. */
void words_sift(struct words *w, const char *text);

/* As lines, see the top of words_file.c. Returns its length, there is no NUL; -ENOSPC. */
int words_format(const struct words *w, char *ret, size_t size);
/* Back. 0, or -EBADMSG for anything that words_format() would not write: complaint says where, and
 * what is in *ret is to be thrown away, which is too large for a second one. */
int words_parse(const char *text, size_t length, struct words *ret,
		char complaint[WORDS_COMPLAINT_MAX]);

/* `root`: a directory handle, for tests. Never fails: what cannot be read is said. */
void words_read(int root_fd, struct words *ret);

/*
 * Into the directory, as one file of mode 0644 that is whole or not there. The directory must be
 * its user's, and writable for nobody else: links are nobody's then. 0 or -errno: -EPERM if not so,
 * -ENOMEM, what the system said.
 */
int words_write(int directory_fd, const struct words *w);
