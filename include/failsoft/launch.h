/* SPDX-License-Identifier: MIT */
/*
 * failsoft/launch.h - what failsoftd and failsoft-responder say to each other. Not installed, no
 * interface: both are of one build. A SOCK_SEQPACKET socket, each packet one of these structs.
 *
 *	failsoftd -> launch_spec; <- READY or BROKEN; -> launch_run; <- DONE. Then both close.
 *
 * failsoftd closes early: what runs is killed, the victim goes on if it was stopped.
 */
#ifndef FAILSOFT_LAUNCH_H
#define FAILSOFT_LAUNCH_H

#include <stdint.h>

#include <failsoft/responder.h>

#define LAUNCH_FD		3	/* where failsoft-responder finds its end; as systemd does it */
#define LAUNCH_VERSION		2u
#define LAUNCH_WORDS_BYTES	1024u
#define LAUNCH_WORDS_MAX	16u
#define LAUNCH_OUTPUT_BYTES	1024u
#define LAUNCH_SAME_ID		UINT32_MAX

enum launch_word {
	LAUNCH_SPEC = 0x66730001,	/* struct launch_spec */
	LAUNCH_RUN,			/* struct launch_run */
	LAUNCH_STOP,			/* its first member only: kill what runs, say DONE */
	LAUNCH_READY,			/* struct launch_reply, and all below */
	LAUNCH_BROKEN,
	LAUNCH_DONE
};

/* Texts one after the other, each with its NUL. */
struct launch_words {
	uint32_t count, used;
	char bytes[LAUNCH_WORDS_BYTES];
};

struct launch_spec {
	uint32_t word, version;
	uint32_t uid, gid;		/* as whom it runs; LAUNCH_SAME_ID: as failsoft-responder */
	uint32_t is_responder;		/* uses failsoft/responder.h: started now */
	uint64_t memory_bytes;		/* kept until it runs */
	char program[256];
	struct launch_words arguments, keep;
};

struct launch_run {
	uint32_t word;
	struct failsoft_responder_run run;
};

/* How it ended. */
enum launch_outcome { LAUNCH_OK, LAUNCH_FAILED, LAUNCH_KILLED, LAUNCH_LATE, LAUNCH_CUT, LAUNCH_LOST };

struct launch_reply {
	uint32_t word;
	uint32_t outcome;		/* DONE: enum launch_outcome */
	uint32_t code;			/* DONE: exit status or signal; BROKEN, LOST: errno */
	uint32_t output_used;
	uint64_t output_bytes;		/* that were written; the first of them follow */
	uint64_t held_bytes;		/* READY: locked for it, the files included */
	char broken[256];		/* BROKEN: by this file to keep (cut); "": not by one */
	char output[LAUNCH_OUTPUT_BYTES];
};

#endif
