/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"

int orders_take(struct failsoft *f, int fd, uint64_t id)
{
	int r = client_watch(f, fd, EPOLLIN);

	if (r < 0) {
		close(fd);
		return r;
	}
	pthread_mutex_lock(&f->lock);
	f->lifeline = fd;
	f->id = id;
	f->open_sequence = 0;
	pthread_mutex_unlock(&f->lock);
	return 0;
}

void orders_drop(struct failsoft *f)
{
	pthread_mutex_lock(&f->lock);
	if (f->lifeline >= 0) {
		client_unwatch(f, f->lifeline);
		close(f->lifeline);
	}
	f->lifeline = -1;
	f->open_sequence = 0;
	pthread_mutex_unlock(&f->lock);
	for (int i = 0; i < STEPS; i++)
		atomic_store(&f->granted_us[i], 0);
}

/* ---- answers ---- */

/* With the lock held. */
static int send_locked(struct failsoft *f, const struct failsoft_answer *answer)
{
	ssize_t n;

	if (f->lifeline < 0)
		return -ENOTCONN;
	do {
		n = send(f->lifeline, answer, sizeof(*answer), MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return 0;
	return errno == EAGAIN || errno == ENOBUFS ? -EAGAIN : -ENOTCONN;
}

static struct failsoft_answer stamped(const struct failsoft_answer *a, uint32_t kind)
{
	struct failsoft_answer answer = *a;

	answer.magic = FAILSOFT_ANSWER_MAGIC;
	answer.version = FAILSOFT_WIRE_VERSION;
	answer.size = sizeof(answer);
	answer.kind = kind;
	answer.spare = 0;
	return answer;
}

int failsoft_answer(struct failsoft *f, const struct failsoft_answer *answer)
{
	struct failsoft_answer stamp;
	int r;

	if (!f || !answer || answer->result < FAILSOFT_RESULT_DONE ||
	    answer->result > FAILSOFT_RESULT_REFUSED || !answer->sequence)
		return -EINVAL;
	stamp = stamped(answer, FAILSOFT_ANSWER_STEP);
	pthread_mutex_lock(&f->lock);
	/* 0 is "unknown": the broker goes on with what was reported last */
	if (!stamp.exposure_bytes && !stamp.freeable_bytes) {
		stamp.exposure_bytes = f->exposure_bytes;
		stamp.freeable_bytes = f->freeable_bytes;
	}
	if (f->lifeline < 0)
		r = -ENOTCONN;
	else if (f->open_sequence != answer->sequence)
		r = -ENOENT;
	else
		r = send_locked(f, &stamp);
	if (r == 0) {
		f->exposure_bytes = stamp.exposure_bytes;
		f->freeable_bytes = stamp.freeable_bytes;
		if (answer->result != FAILSOFT_RESULT_BUSY)
			f->open_sequence = 0;
	}
	pthread_mutex_unlock(&f->lock);
	return r;
}

int failsoft_report(struct failsoft *f, uint64_t exposure_bytes, uint64_t freeable_bytes)
{
	const struct failsoft_answer report = {
		.exposure_bytes = exposure_bytes, .freeable_bytes = freeable_bytes,
	};
	struct failsoft_answer stamp;
	int r;

	if (!f)
		return -EINVAL;
	stamp = stamped(&report, FAILSOFT_ANSWER_REPORT);
	pthread_mutex_lock(&f->lock);
	f->exposure_bytes = exposure_bytes;
	f->freeable_bytes = freeable_bytes;
	r = send_locked(f, &stamp);
	pthread_mutex_unlock(&f->lock);
	return r;
}

/* ---- orders ---- */

static failsoft_step_fn *callback_of(const struct failsoft *f, uint32_t step)
{
	failsoft_step_fn *const callbacks[STEPS] = {
		[FAILSOFT_STEP_RESUME] = f->options.resume,
		[FAILSOFT_STEP_FLUSH] = f->options.flush,
		[FAILSOFT_STEP_DEGRADE] = f->options.degrade,
		[FAILSOFT_STEP_SHUTDOWN] = f->options.shutdown,
	};

	return step < STEPS ? callbacks[step] : NULL;
}

/* A step that the program does not have: nothing to resume is done, anything else is refused. */
static enum failsoft_result without_callback(uint32_t step)
{
	return step == FAILSOFT_STEP_RESUME ? FAILSOFT_RESULT_DONE : FAILSOFT_RESULT_REFUSED;
}

/* BUSY by return value means: the answer comes later, with as much time again. */
static void answer_order(struct failsoft *f, const struct failsoft_order *order,
			 enum failsoft_result result)
{
	struct failsoft_answer answer = { .result = result, .sequence = order->sequence };

	pthread_mutex_lock(&f->lock);
	answer.exposure_bytes = f->exposure_bytes;
	answer.freeable_bytes = f->freeable_bytes;
	pthread_mutex_unlock(&f->lock);
	/* -ENOENT: the callback answered by itself; -ENOTCONN: nobody is left to hear it */
	(void)failsoft_answer(f, &answer);
}

static bool is_order(const struct failsoft *f, const struct failsoft_order *order, ssize_t bytes)
{
	return bytes >= (ssize_t)FAILSOFT_ORDER_SIZE_V1 && order->magic == FAILSOFT_ORDER_MAGIC &&
	       order->version >= 1 && order->size == bytes && order->client == f->id &&
	       order->sequence && order->step < STEPS;
}

enum received { RECEIVED_NOTHING, RECEIVED_ORDER, RECEIVED_GARBAGE, RECEIVED_END };

static enum received receive(struct failsoft *f, struct failsoft_order *ret)
{
	union {
		struct failsoft_order order;
		char room[1024];
	} datagram;
	ssize_t n;

	do {
		n = recv(f->lifeline, &datagram, sizeof(datagram), MSG_DONTWAIT | MSG_TRUNC);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return RECEIVED_NOTHING;
	if (n <= 0)
		return RECEIVED_END;
	if (!is_order(f, &datagram.order, n)) {
		f->garbage++;
		return RECEIVED_GARBAGE;
	}
	*ret = datagram.order;
	ret->domain[FAILSOFT_DOMAIN_MAX - 1] = 0;
	return RECEIVED_ORDER;
}

static void call(struct failsoft *f, const struct failsoft_order *order)
{
	failsoft_step_fn *callback = callback_of(f, order->step);
	enum failsoft_result result;

	pthread_mutex_lock(&f->lock);
	f->open_sequence = order->sequence; /* what was open before is superseded */
	pthread_mutex_unlock(&f->lock);
	result = callback ? callback(order, f->options.userdata) : without_callback(order->step);
	if (result != FAILSOFT_RESULT_LATER)
		answer_order(f, order, result);
}

/*
 * Only the newest waiting order is carried out: the broker has one open request per client, so the
 * ones before it are superseded, and each step includes the duty of the earlier ones. A resume that
 * was superseded by a new flush is over, too.
 */
int orders_dispatch(struct failsoft *f)
{
	struct failsoft_order order, newest;
	bool have = false, ended = false;

	for (int i = 0; i < ORDERS_MAX && f->lifeline >= 0; i++) {
		enum received what = receive(f, &order);

		if (what == RECEIVED_NOTHING)
			break;
		if (what == RECEIVED_END) {
			ended = true;
			break;
		}
		if (what == RECEIVED_ORDER) {
			newest = order;
			have = true;
		}
	}
	if (have)
		call(f, &newest);
	if (ended)
		link_lost(f);
	return have;
}
