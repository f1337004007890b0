/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "client.h"

/*
 * Before a callback's answer is tried again. The queue has room for hundreds of answers, so the broker has
 * not read for long, and looks at deadlines of 1 s unless told otherwise. Half: twice as often awake
 * while it stands still; double: the answer comes up to 10 ms after there is room.
 */
#define AGAIN_NS	5000000

static int report_locked(struct failsoft *f);

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
	f->unsent = FAILSOFT_RESULT_LATER;
	if (f->exposure_bytes || f->freeable_bytes)
		(void)report_locked(f); /* fails where the lifeline is lost at once: then it comes again */
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
	f->unsent = FAILSOFT_RESULT_LATER;
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

static bool is_result(uint32_t result)
{
	return result >= FAILSOFT_RESULT_DONE && result <= FAILSOFT_RESULT_REFUSED;
}

/* To the open order. 0 is "unknown": the broker goes on with what was reported last. */
static int answer_locked(struct failsoft *f, const struct failsoft_answer *answer)
{
	struct failsoft_answer stamp = stamped(answer, FAILSOFT_ANSWER_STEP);
	int r;

	if (!stamp.exposure_bytes && !stamp.freeable_bytes) {
		stamp.exposure_bytes = f->exposure_bytes;
		stamp.freeable_bytes = f->freeable_bytes;
	}
	r = send_locked(f, &stamp);
	if (r < 0)
		return r;
	f->exposure_bytes = stamp.exposure_bytes;
	f->freeable_bytes = stamp.freeable_bytes;
	f->unsent = FAILSOFT_RESULT_LATER;
	if (answer->result != FAILSOFT_RESULT_BUSY)
		f->open_sequence = 0;
	return 0;
}

/* What a callback returned has answered its order, be it sent or not; after BUSY more is owed. */
static bool is_open_locked(const struct failsoft *f, uint64_t sequence)
{
	return f->open_sequence == sequence &&
	       (f->unsent == FAILSOFT_RESULT_LATER || f->unsent == FAILSOFT_RESULT_BUSY);
}

int failsoft_answer(struct failsoft *f, const struct failsoft_answer *answer)
{
	int r;

	if (!f || !answer || !is_result(answer->result) || !answer->sequence)
		return -EINVAL;
	pthread_mutex_lock(&f->lock);
	if (f->lifeline < 0)
		r = -ENOTCONN;
	else if (!is_open_locked(f, answer->sequence))
		r = -ENOENT;
	else
		r = answer_locked(f, answer);
	pthread_mutex_unlock(&f->lock);
	return r;
}

static int report_locked(struct failsoft *f)
{
	const struct failsoft_answer report = {
		.exposure_bytes = f->exposure_bytes, .freeable_bytes = f->freeable_bytes,
	};
	const struct failsoft_answer stamp = stamped(&report, FAILSOFT_ANSWER_REPORT);

	return send_locked(f, &stamp);
}

int failsoft_report(struct failsoft *f, uint64_t exposure_bytes, uint64_t freeable_bytes)
{
	int r;

	if (!f)
		return -EINVAL;
	pthread_mutex_lock(&f->lock);
	f->exposure_bytes = exposure_bytes;
	f->freeable_bytes = freeable_bytes;
	r = report_locked(f);
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

/*
 * What a callback returned is the library's to send, however long the broker does not read. Its socket
 * becoming writable would not do: where the kernel had no memory for the datagram, it is so all the time.
 */
static void send_unsent_locked(struct failsoft *f)
{
	static const struct itimerspec again = { .it_value = { .tv_nsec = AGAIN_NS } };
	const struct failsoft_answer answer = { .result = f->unsent, .sequence = f->open_sequence };

	if (answer_locked(f, &answer) == -EAGAIN)
		(void)timerfd_settime(f->again_fd, 0, &again, NULL); /* cannot fail with these values */
	else
		f->unsent = FAILSOFT_RESULT_LATER; /* sent, or nobody is left to hear it */
}

static void send_again(struct failsoft *f)
{
	uint64_t times;

	(void)!read(f->again_fd, &times, sizeof(times)); /* only so that it is silent again */
	pthread_mutex_lock(&f->lock);
	if (f->unsent != FAILSOFT_RESULT_LATER)
		send_unsent_locked(f);
	pthread_mutex_unlock(&f->lock);
}

/* BUSY by return value means: the answer comes later, with as much time again. */
static void answer_order(struct failsoft *f, const struct failsoft_order *order,
			 enum failsoft_result result)
{
	pthread_mutex_lock(&f->lock);
	/* it is not open any more if the callback answered by itself */
	if (f->open_sequence == order->sequence && is_result(result)) {
		f->unsent = result;
		send_unsent_locked(f);
	}
	pthread_mutex_unlock(&f->lock);
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
	f->open_sequence = order->sequence; /* what was open before is superseded, sent or not */
	f->unsent = FAILSOFT_RESULT_LATER;
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
	else
		send_again(f);
	if (ended)
		link_lost(f);
	return have;
}
