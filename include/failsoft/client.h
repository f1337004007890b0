/* SPDX-License-Identifier: MIT */
/*
 * failsoft/client.h - be told before memory runs out, with a deadline, and answer.
 *
 * A program creates one struct failsoft, says how much time it needs for each step, and lets one
 * of three things drive it: its own poll loop (failsoft_fd, failsoft_dispatch), an sd-event loop
 * (failsoft_attach_event) or a thread of the library (failsoft_start_thread). When memory runs
 * short it is called back with an order and the deadline of that order.
 *
 * No broker running is not an error: the program runs on, unprotected, failsoft_is_connected()
 * says so, and the library registers by itself as soon as a broker appears or comes back.
 *
 * Times: CLOCK_MONOTONIC, microseconds. Errors: 0 or a positive count is success, a negative
 * errno is failure; every function that returns int may return -EINVAL for a NULL or
 * out-of-range argument. Threads: one struct failsoft belongs to one thread at a time, except for
 * failsoft_answer, failsoft_report and failsoft_is_connected, which any thread may call at any
 * time until failsoft_free. No function is async-signal-safe. Memory: after failsoft_prepare the
 * way from an order to the callback and from failsoft_answer to the broker allocates nothing.
 */
#ifndef FAILSOFT_CLIENT_H
#define FAILSOFT_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <failsoft/order.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FAILSOFT_API __attribute__((visibility("default")))

struct failsoft;
struct sd_event;

/*
 * A step of the program. Called on the thread that drives the struct failsoft, never twice at the
 * same time. `order` is valid during the call only. Return what came of it: DONE, PARTIAL, BUSY
 * (asks once for as much time again) or REFUSED is sent as the acknowledgement, and if the broker's
 * queue is full, as soon as there is room; FAILSOFT_RESULT_LATER sends nothing, and the program owes
 * a failsoft_answer(). The library never acknowledges on its own: a step without a callback is
 * answered REFUSED.
 */
typedef enum failsoft_result failsoft_step_fn(const struct failsoft_order *order, void *userdata);

/* What the program is and needs. Zero it, set `name`, then what differs from the default. */
struct failsoft_options {
	const char *name;		/* required: 1..47 bytes of [A-Za-z0-9._@-]; copied */
	const char *bus_address;	/* NULL: $FAILSOFT_BUS_ADDRESS if set, else the system bus; copied */
	const char *domain;		/* NULL: system and every limited cgroup that the program is
					 * in; else one domain's name; copied */
	uint32_t order_group;		/* 0..99, lower is asked earlier; equal: at the same time */
	bool may_not_be_ended;		/* true: never choose this program as a victim */

	failsoft_step_fn *flush;	/* stage warning; NULL: answered REFUSED */
	failsoft_step_fn *degrade;	/* stage imminent; NULL: answered REFUSED */
	failsoft_step_fn *shutdown;	/* stage shutdown; NULL: answered REFUSED */
	failsoft_step_fn *resume;	/* all clear; NULL: answered DONE, there is nothing to do */
	void *userdata;			/* handed to every callback */

	/* Time the step needs, microseconds, 1000 (1 ms) .. 60000000 (60 s); 0: the broker's
	 * default (1 s unless configured). The broker may grant less: see failsoft_granted_us(). */
	uint64_t flush_us;
	uint64_t degrade_us;
	uint64_t shutdown_us;
	uint64_t resume_us;
};

/*
 * Creates the client. Connects to nothing yet: the first dispatch does (or the event loop, or the
 * thread).
 * options: borrowed during the call. ret: set on success only; free with failsoft_free.
 * Errors: -EINVAL a field is out of its range, name missing or with other characters; -ENOMEM;
 * -EMFILE, -ENFILE no file descriptor left.
 * Since: 1.0
 */
FAILSOFT_API int failsoft_new(const struct failsoft_options *options, struct failsoft **ret);

/*
 * Ends the registration, stops the library's thread if there is one, frees everything. NULL is
 * allowed. Must not be called from a callback. The lifeline closes, so the broker knows at once.
 * Always returns NULL, for `f = failsoft_free(f)`.
 * Since: 1.0
 */
FAILSOFT_API struct failsoft *failsoft_free(struct failsoft *f);

/*
 * The descriptor to poll for POLLIN; the same number until failsoft_free. It becomes readable for
 * orders, for bus traffic and for the library's own timers, so no timeout is needed beside it.
 * Errors: -EINVAL.
 * Since: 1.0
 */
FAILSOFT_API int failsoft_fd(struct failsoft *f);

/*
 * Does what is due and returns; never blocks. Calls back for each order that has arrived. Call it
 * when failsoft_fd() is readable, and once after failsoft_new.
 * Returns the number of callbacks made.
 * Errors: -EINVAL; -EBUSY the library's thread drives this client. A lost broker or bus is not an
 * error.
 * Since: 1.0
 */
FAILSOFT_API int failsoft_dispatch(struct failsoft *f);

/*
 * Drives the client from an sd-event loop: adds one io source of priority `priority`
 * (SD_EVENT_PRIORITY_NORMAL is 0, lower is earlier; an earlier one than the program's bulk work
 * is advised). The source lives until failsoft_free. `event` is referenced.
 * Errors: -EINVAL; -EBUSY already driven by a loop or thread; -ENOMEM; others from sd-event.
 * Since: 1.0
 */
FAILSOFT_API int failsoft_attach_event(struct failsoft *f, struct sd_event *event, int64_t priority);

/*
 * Drives the client from a thread of the library with all signals blocked; callbacks run on that
 * thread. Ended by failsoft_free.
 * Errors: -EINVAL; -EBUSY already driven; -EAGAIN no thread could be made.
 * Since: 1.0
 */
FAILSOFT_API int failsoft_start_thread(struct failsoft *f);

/*
 * Answers an order for which the callback returned FAILSOFT_RESULT_LATER, or answers BUSY in the
 * middle of a step. `answer`: kind, magic, version and size are filled in by the library; set
 * result, sequence and what is known of the rest (0: unknown). Any thread; does not block.
 * Errors: -EINVAL result is LATER or out of range; -ENOTCONN no broker: the order is void, there
 * is nobody to answer; -ENOENT no such order is open (answered before, or superseded); -EAGAIN the
 * broker's queue is full, try again.
 * Since: 1.0
 */
FAILSOFT_API int failsoft_answer(struct failsoft *f, const struct failsoft_answer *answer);

/*
 * Reports what would be lost by a kill now (`exposure_bytes`, not durable) and what could be freed
 * if asked (`freeable_bytes`). Cheap (one send of 64 bytes); call it when the figure changes by
 * much, not per record. The last report is repeated to a broker that comes back.
 * Errors: -EINVAL; -ENOTCONN no broker: remembered and reported later; -EAGAIN as above.
 * Since: 1.0
 */
FAILSOFT_API int failsoft_report(struct failsoft *f, uint64_t exposure_bytes, uint64_t freeable_bytes);

/*
 * Makes the handlers' way safe from paging: touches and locks the program's code and libraries
 * (what is mapped executable), the library's own state, `length` bytes at `buffers` (may be NULL
 * with 0), the next 64 KiB of the stack, and sets aside a locked reserve of `reserve_bytes`
 * (0..16 MiB; returned in ret_reserve if not NULL, zeroed, owned by the library) for the handlers
 * to work in. Call once, after the buffers exist, before the crisis. Measured: a cold handler
 * needs 10-15 ms to wake on a thrashing machine, a locked one 0.01 ms.
 * The stack is the calling thread's, or, after failsoft_start_thread, that of the library's thread;
 * a thread started later locks its own, or only touches it where the limit is used up by then.
 * Locked memory raises the program's RSS and so its place on the kernel's list of victims; the
 * broker's shield covers that while a step is asked.
 * Errors: -EINVAL; -EPERM, -ENOMEM not allowed to lock so much (RLIMIT_MEMLOCK or CAP_IPC_LOCK):
 * everything was touched, nothing is locked, the reserve exists unlocked and is returned.
 * Since: 1.0
 */
FAILSOFT_API int failsoft_prepare(struct failsoft *f, void *buffers, size_t length, size_t reserve_bytes,
				  void **ret_reserve);

/*
 * Time granted by the broker for `step`, microseconds; 0: not registered at the moment. A grant
 * below what was asked for means that the step must be made shorter.
 * Since: 1.0
 */
FAILSOFT_API uint64_t failsoft_granted_us(struct failsoft *f, enum failsoft_step step);

/*
 * true: registered with a living broker, orders will come. false: unprotected at the moment.
 * Any thread.
 * Since: 1.0
 */
FAILSOFT_API bool failsoft_is_connected(struct failsoft *f);

#ifdef __cplusplus
}
#endif

#endif
