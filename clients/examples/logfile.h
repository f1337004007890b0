/* SPDX-License-Identifier: MIT */
/*
 * The example's log: records of 64 bytes in RAM that become durable when they are written. What is
 * in RAM only is the exposure. The buffer is made once and never grows; when it is full it is
 * written.
 */
#ifndef EXAMPLE_LOGFILE_H
#define EXAMPLE_LOGFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORD_MAGIC	0x474f4c46u	/* "FLOG" */

struct record {
	uint32_t magic;
	uint32_t check;			/* over all that follows */
	uint64_t sequence;		/* 1, 2, 3, ... */
	uint64_t time_us;
	uint8_t payload[40];
};

/* Counters in a shared mapping: they outlive the program, whatever ends it. */
struct status {
	uint64_t magic;
	volatile uint64_t produced, durable;
};
#define STATUS_MAGIC	0x53544154474f4c46u

struct logfile {
	int fd;
	struct record *buffer;
	size_t room, used;		/* records */
	uint64_t produced;
	struct status *status;		/* never NULL */
};

/* FNV-1a of sequence, time and payload. */
static inline uint32_t record_check(const struct record *r)
{
	const uint8_t *p = (const uint8_t *)&r->sequence;
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < sizeof(*r) - offsetof(struct record, sequence); i++)
		hash = (hash ^ p[i]) * 16777619u;
	return hash;
}

/* Exits with a sentence when a file cannot be made. status_path may be NULL. */
void logfile_open(struct logfile *l, const char *path, const char *status_path, size_t room);
void logfile_add(struct logfile *l, uint64_t time_us);
/* Writes what is in RAM; is_durable: and waits until the disk has it. false: could not. */
bool logfile_write(struct logfile *l, bool is_durable);
size_t logfile_exposed_bytes(const struct logfile *l);

#endif
