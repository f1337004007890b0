/* SPDX-License-Identifier: MIT */
#include "ask/lifeline.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"

/* Inside and outside count alike, so that translating is a cast. */
_Static_assert(sizeof(struct failsoft_order) == FAILSOFT_ORDER_SIZE_V1, "wire format");
_Static_assert(sizeof(struct failsoft_answer) == FAILSOFT_ANSWER_SIZE_V1, "wire format");
_Static_assert((int)STAGE_NORMAL == (int)FAILSOFT_STAGE_NORMAL &&
	       (int)STAGE_WARNING == (int)FAILSOFT_STAGE_WARNING &&
	       (int)STAGE_IMMINENT == (int)FAILSOFT_STAGE_IMMINENT &&
	       (int)STAGE_SHUTDOWN == (int)FAILSOFT_STAGE_SHUTDOWN, "stages");
_Static_assert((int)STEP_RESUME == (int)FAILSOFT_STEP_RESUME &&
	       (int)STEP_FLUSH == (int)FAILSOFT_STEP_FLUSH &&
	       (int)STEP_DEGRADE == (int)FAILSOFT_STEP_DEGRADE &&
	       (int)STEP_SHUTDOWN == (int)FAILSOFT_STEP_SHUTDOWN, "steps");
_Static_assert((int)RESULT_DONE == (int)FAILSOFT_RESULT_DONE &&
	       (int)RESULT_PARTIAL == (int)FAILSOFT_RESULT_PARTIAL &&
	       (int)RESULT_BUSY == (int)FAILSOFT_RESULT_BUSY &&
	       (int)RESULT_REFUSED == (int)FAILSOFT_RESULT_REFUSED, "results");

int lifeline_open(int *ret_ours, int *ret_theirs)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
		return -errno;
	*ret_ours = fds[0];
	*ret_theirs = fds[1];
	return 0;
}

void lifeline_format(const struct lifeline_order *o, struct failsoft_order *ret)
{
	*ret = (struct failsoft_order){
		.magic = FAILSOFT_ORDER_MAGIC, .version = FAILSOFT_WIRE_VERSION,
		.size = sizeof(*ret), .stage = o->stage, .step = o->request->step,
		.flags = (o->request->is_final ? FAILSOFT_ORDER_FINAL : 0) |
			 (o->request->is_drill ? FAILSOFT_ORDER_DRILL : 0) |
			 (o->dry_run ? FAILSOFT_ORDER_DRY_RUN : 0),
		.client = o->client, .episode = o->episode, .sequence = o->request->sequence,
		.issued_us = o->request->issued_us, .deadline_us = o->request->deadline_us,
		.headroom_bytes = o->estimate->headroom_bytes,
		.exhaustion_us = o->estimate->tte_us, .exhaustion_low_us = o->estimate->tte_low_us,
		.wanted_bytes = o->wanted_bytes,
	};
	text_copy_tail(ret->domain, sizeof(ret->domain), o->domain);
}

int lifeline_send(int fd, const struct failsoft_order *order)
{
	ssize_t n;

	do {
		n = send(fd, order, sizeof(*order), MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* A newer client may send more than we know; the part that we know must be right. */
static bool is_answer(const struct failsoft_answer *a, ssize_t bytes)
{
	if (bytes < (ssize_t)FAILSOFT_ANSWER_SIZE_V1 || a->magic != FAILSOFT_ANSWER_MAGIC ||
	    a->version < 1 || a->size != bytes)
		return false;
	if (a->kind == FAILSOFT_ANSWER_REPORT)
		return true;
	return a->kind == FAILSOFT_ANSWER_STEP && a->result >= FAILSOFT_RESULT_DONE &&
	       a->result <= FAILSOFT_RESULT_REFUSED;
}

/* An empty datagram reads as the end does; only then is the other end asked for. */
static enum lifeline_outcome empty_or_closed(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };

	return poll(&p, 1, 0) > 0 ? LIFELINE_CLOSED : LIFELINE_GARBAGE;
}

enum lifeline_outcome lifeline_receive(int fd, struct failsoft_answer *ret)
{
	union {
		struct failsoft_answer answer;
		char room[1024];
	} datagram;
	ssize_t n;

	do {
		/* MSG_TRUNC: the true length, also of one that is longer than our room */
		n = recv(fd, &datagram, sizeof(datagram), MSG_DONTWAIT | MSG_TRUNC);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return LIFELINE_NOTHING;
	if (n < 0)
		return LIFELINE_CLOSED;
	if (n == 0)
		return empty_or_closed(fd);
	if (!is_answer(&datagram.answer, n))
		return LIFELINE_GARBAGE;
	*ret = datagram.answer;
	return LIFELINE_ANSWER;
}
