/* SPDX-License-Identifier: MIT */
/*
 * Spool rig: a spool in a folder of its own, records whose content follows from their sequence (so that
 * a mixture of two is seen), and the file's bytes. Include after cmocka.h. One per test program.
 */
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool_inner.h"

#define RIG_SLOTS	SPOOL_SLOTS_MIN
#define RIG_BYTES	(SPOOL_FILE_HEAD_BYTES + RIG_SLOTS * SPOOL_SLOT_BYTES)

static char rig_folder[32], rig_path[64];

static inline int rig_make(void **state)
{
	(void)state;
	strcpy(rig_folder, "/tmp/failsoft-spool-XXXXXX");
	assert_non_null(mkdtemp(rig_folder));
	snprintf(rig_path, sizeof(rig_path), "%s/spool", rig_folder);
	return 0;
}

static inline int rig_clean(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", rig_folder);
	return system(command);
}

static inline struct spool *rig_open(uint32_t slots)
{
	struct spool *s = NULL;

	assert_int_equal(spool_open(&s, rig_path, slots), 0);
	assert_non_null(s);
	return s;
}

/* As after SIGKILL: nothing is said to the disk. */
static inline struct spool *rig_kill(struct spool *s)
{
	return spool_free(s);
}

static inline uint32_t rig_length(uint64_t sequence)
{
	return TOPIC_PAYLOAD_MAX - (uint32_t)(sequence * 7919 % 1200);
}

static inline char rig_byte(uint64_t sequence, uint32_t at)
{
	return (char)(1 | (sequence * 38 + at * 10 + at / 64));
}

static inline struct spool_record rig_record(uint64_t sequence, enum topic_type type)
{
	struct spool_record r = { .sequence = sequence, .type = type, .length = rig_length(sequence) };

	r.alarm = type == TOPIC_ALARM ? sequence % TOPIC_ALARM_COUNT : 0;
	r.is_raised = type == TOPIC_ALARM;
	for (uint32_t i = 0; i < r.length; i++)
		r.payload[i] = rig_byte(sequence, i);
	return r;
}

static inline bool rig_is_whole(const struct spool_record *r)
{
	if (r->length != rig_length(r->sequence))
		return false;
	for (uint32_t i = 0; i < r->length; i++)
		if (r->payload[i] != rig_byte(r->sequence, i))
			return false;
	return true;
}

static inline uint64_t rig_put(struct spool *s, enum topic_type type, bool is_urgent)
{
	const struct spool_record r = rig_record(spool_next_sequence(s), type);

	assert_int_equal(spool_put(s, &r, is_urgent), 0);
	return r.sequence;
}

/* All records that wait, in order, each whole. */
static inline uint32_t rig_waiting(struct spool *s)
{
	const struct spool_record *r;
	uint64_t after = 0;
	uint32_t count = 0;

	while ((r = spool_next(s, SPOOL_HEARTBEAT, after))) {
		assert_true(r->sequence > after);
		assert_true(rig_is_whole(r));
		after = r->sequence;
		count++;
	}
	return count;
}

/* A child, from its first word on, which may take it long on a busy machine; fd -1: from its start on. */
static inline void rig_let_run(int fd, unsigned for_us)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (fd >= 0)
		assert_int_equal(poll(&p, 1, 20000), 1);
	usleep(for_us);
}

static inline size_t rig_read(void *bytes, size_t size)
{
	int fd = open(rig_path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	assert_true(fd >= 0);
	n = pread(fd, bytes, size, 0);
	close(fd);
	assert_true(n >= 0);
	return (size_t)n;
}

static inline void rig_write(const void *bytes, size_t size)
{
	int fd = open(rig_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size), size);
	close(fd);
}
