/* SPDX-License-Identifier: MIT */
/*
 * Lifeline: the socket straight into a client, beside the bus. Edge. Translates between the core's
 * structs and the wire records of failsoft/order.h; sending never blocks, never allocates.
 */
#pragma once

#include <failsoft/order.h>

#include "ask/session.h"
#include "judge/stage.h"

/* A fresh pair, both ends non-blocking and close-on-exec. 0 or -errno. */
int lifeline_open(int *ret_ours, int *ret_theirs);

/* What an order is made of. */
struct lifeline_order {
	uint64_t client;
	const struct session_request *request;
	enum stage_word stage;
	const struct estimate *estimate;
	uint64_t episode;
	uint64_t wanted_bytes;
	const char *domain;
	bool dry_run;
};

void lifeline_format(const struct lifeline_order *o, struct failsoft_order *ret);

/* 0; -EAGAIN: the client does not read, its queue is full; -EPIPE, -ECONNRESET: it is gone. */
int lifeline_send(int fd, const struct failsoft_order *order);

enum lifeline_outcome {
	LIFELINE_NOTHING,		/* no datagram waits */
	LIFELINE_ANSWER,		/* *ret is valid */
	LIFELINE_GARBAGE,		/* a datagram that is no answer; taken out */
	LIFELINE_CLOSED,		/* the other end is gone */
};

enum lifeline_outcome lifeline_receive(int fd, struct failsoft_answer *ret);
