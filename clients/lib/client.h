/* SPDX-License-Identifier: MIT */
/*
 * The inside of struct failsoft. Not installed.
 *
 * The thread that drives the client owns everything but what `lock` guards: the lifeline's
 * descriptor, the open order, its answer and the last report, which failsoft_answer() and
 * failsoft_report() use from any thread, and the thread's stack. Nobody calls out while holding it.
 */
#ifndef FAILSOFT_LIB_CLIENT_H
#define FAILSOFT_LIB_CLIENT_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include <failsoft/client.h>

#define NAME_MAX_BYTES	48
#define STEPS		4
#define ORDERS_MAX	16	/* of one dispatch; the broker has at most one open per client */

enum drive { DRIVE_NONE, DRIVE_EVENT, DRIVE_THREAD };

struct failsoft {
	struct failsoft_options options; /* texts point to the copies below */
	char name[NAME_MAX_BYTES];
	char *bus_address, *domain;
	atomic_int drive;

	int epoll_fd;			/* all the others; what failsoft_fd() returns */
	int timer_fd;			/* the next attempt to connect or to register */
	int wake_fd;			/* ends the thread */
	int bus_timer_fd;		/* what sd-bus wants to be woken for */
	int again_fd;			/* the next attempt to send `unsent` */

	sd_bus *bus;			/* NULL: not connected */
	int bus_fd;			/* in the epoll set; -1 */
	uint32_t bus_events;
	sd_bus_slot *call;		/* Register under way */
	uint64_t pause_us;		/* before the next attempt */
	char complaint[256];		/* the last one that was printed */

	pthread_mutex_t lock;
	int lifeline;			/* -1: not registered */
	uint64_t id;
	uint64_t open_sequence;		/* the order that awaits an answer; 0: none */
	enum failsoft_result unsent;	/* its callback returned that, there was no room; LATER: none */
	uint64_t exposure_bytes, freeable_bytes;
	uintptr_t thread_stack;		/* top of what callbacks on our thread use of it; 0: no thread */
	bool is_held;			/* failsoft_prepare() locked everything */

	atomic_ullong granted_us[STEPS];
	uint64_t garbage;		/* datagrams that were no orders */

	sd_event_source *source;
	pthread_t thread;
	sem_t started;			/* the thread has told its stack */
	atomic_bool ending;
	void *reserve;
	size_t reserve_bytes;
};

/* link.c: the bus, registration, coming back. */
int link_start(struct failsoft *f);		/* arms the first attempt */
void link_dispatch(struct failsoft *f);		/* bus traffic and timers that are due */
void link_lost(struct failsoft *f);		/* the lifeline closed: register again */
void link_stop(struct failsoft *f);

/* orders.c: orders in, answers out. */
int orders_take(struct failsoft *f, int fd, uint64_t id); /* takes fd */
void orders_drop(struct failsoft *f);
int orders_dispatch(struct failsoft *f);	/* callbacks made */

/* prepare.c: the stack below `frame`, on the library's thread before and after it calls back. */
void prepare_enter(struct failsoft *f, void *frame);
void prepare_leave(struct failsoft *f);

/* The epoll set. */
int client_watch(struct failsoft *f, int fd, uint32_t events);
void client_unwatch(struct failsoft *f, int fd);

#endif
