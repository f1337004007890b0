/* SPDX-License-Identifier: MIT */
/*
 * failsoft/order.h - the words and the wire format of the lifeline.
 *
 * The lifeline is the AF_UNIX SOCK_SEQPACKET socket that Register() returns. The broker writes one
 * struct failsoft_order per datagram, the client answers with one struct failsoft_answer per
 * datagram. Nothing lies between the two: no bus daemon, no allocation, no text.
 *
 * All integers are in the byte order of the machine (both ends run on it). All times are
 * CLOCK_MONOTONIC in microseconds. A program that uses libfailsoft reads struct failsoft_order in
 * its callback and needs nothing else of this file.
 *
 * Growth: a newer broker may send a longer datagram with a higher `version`; the first
 * sizeof(struct failsoft_order) bytes keep their meaning. A receiver must accept longer datagrams
 * and refuse those with a wrong `magic` or a size below FAILSOFT_ORDER_SIZE_V1.
 */
#ifndef FAILSOFT_ORDER_H
#define FAILSOFT_ORDER_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* "FSO1" and "FSA1" as little-endian bytes: tells the two records from each other and from noise. */
#define FAILSOFT_ORDER_MAGIC	0x314f5346u
#define FAILSOFT_ANSWER_MAGIC	0x31415346u
#define FAILSOFT_WIRE_VERSION	1u

/* Longest domain name in an order, terminating NUL included; a longer one is cut at the front
 * ("...tail"), the full name is in the bus signal. */
#define FAILSOFT_DOMAIN_MAX	64

/* How far a domain is from running out. The numbers only grow with the danger. */
enum failsoft_stage {
	FAILSOFT_STAGE_NORMAL = 0,
	FAILSOFT_STAGE_WARNING = 1,
	FAILSOFT_STAGE_IMMINENT = 2,
	FAILSOFT_STAGE_SHUTDOWN = 3,
};

/*
 * What a client is asked to do.
 * Each step includes the duty of the ones before it: who is asked to degrade without having been
 * asked to flush also makes its data durable.
 */
enum failsoft_step {
	FAILSOFT_STEP_RESUME = 0,	/* the pressure is over: back to full service */
	FAILSOFT_STEP_FLUSH = 1,	/* make durable what is only in memory, free what is cheap */
	FAILSOFT_STEP_DEGRADE = 2,	/* smaller service: write through, shed load, free memory */
	FAILSOFT_STEP_SHUTDOWN = 3,	/* safe state: nothing unsaved, nothing half done. With
					 * FAILSOFT_ORDER_FINAL: close files and exit, you will be
					 * ended. Without it: stay safe and go on; another program
					 * is ended and resume follows */
};

/* Bits of failsoft_order.flags. Unknown bits must be ignored. */
#define FAILSOFT_ORDER_FINAL	(1u << 0)	/* this client is ended after its answer or deadline */
#define FAILSOFT_ORDER_DRILL	(1u << 1)	/* rehearsal: act and answer, but end nothing */
#define FAILSOFT_ORDER_DRY_RUN	(1u << 2)	/* the broker runs with --dry-run: it will end nothing */

/* How a client answers. */
enum failsoft_result {
	FAILSOFT_RESULT_LATER = 0,	/* callback only: "I answer with failsoft_answer()"; never
					 * on the wire */
	FAILSOFT_RESULT_DONE = 1,	/* the step is complete */
	FAILSOFT_RESULT_PARTIAL = 2,	/* as much as is possible is done; some is not */
	FAILSOFT_RESULT_BUSY = 3,	/* needs more time; granted once per request */
	FAILSOFT_RESULT_REFUSED = 4,	/* will not do it */
};

/* One order. 192 bytes. */
struct failsoft_order {
	uint32_t magic;			/* FAILSOFT_ORDER_MAGIC */
	uint16_t version;		/* FAILSOFT_WIRE_VERSION of the sender */
	uint16_t size;			/* bytes of the record as the sender knows it */
	uint32_t stage;			/* enum failsoft_stage of the domain */
	uint32_t step;			/* enum failsoft_step asked for */
	uint32_t flags;			/* FAILSOFT_ORDER_* */
	uint32_t reserved;		/* 0 */
	uint64_t client;		/* the id that Register() returned */
	uint64_t episode;		/* episode number, never reused */
	uint64_t sequence;		/* names this request; quote it in the answer */
	uint64_t issued_us;		/* when the broker decided, CLOCK_MONOTONIC */
	uint64_t deadline_us;		/* answer before this, CLOCK_MONOTONIC */
	uint64_t headroom_bytes;	/* distance to the cliff at issued_us */
	uint64_t exhaustion_us;		/* estimated time to exhaustion from issued_us;
					 * UINT64_MAX: not falling */
	uint64_t exhaustion_low_us;	/* its pessimistic bound */
	uint64_t wanted_bytes;		/* how much freeing would help; 0: unknown */
	char domain[FAILSOFT_DOMAIN_MAX]; /* "system" or the cgroup's path, NUL-terminated */
	uint64_t spare[4];		/* 0 */
};

#define FAILSOFT_ORDER_SIZE_V1	192u

/* What a struct failsoft_answer is. */
enum failsoft_answer_kind {
	FAILSOFT_ANSWER_STEP = 1,	/* answers the order `sequence` */
	FAILSOFT_ANSWER_REPORT = 2,	/* only reports exposure and freeable bytes */
};

/* One answer. 64 bytes. */
struct failsoft_answer {
	uint32_t magic;			/* FAILSOFT_ANSWER_MAGIC */
	uint16_t version;		/* FAILSOFT_WIRE_VERSION of the sender */
	uint16_t size;			/* bytes of the record as the sender knows it */
	uint32_t kind;			/* enum failsoft_answer_kind */
	uint32_t result;		/* enum failsoft_result, not LATER; 0 in a report */
	uint64_t sequence;		/* of the order; 0 in a report */
	uint64_t freed_bytes;		/* what the step gave back, as the client believes */
	uint64_t exposure_bytes;	/* not durable yet, now */
	uint64_t freeable_bytes;	/* could still be freed if asked */
	uint64_t more_time_us;		/* with BUSY: time wanted from now */
	uint64_t spare;			/* 0 */
};

#define FAILSOFT_ANSWER_SIZE_V1	64u

#ifdef __cplusplus
}
#endif

#endif
