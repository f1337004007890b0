/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "client.h"

#define GROUP_MAX	99u
#define BUDGET_MIN_US	1000u
#define BUDGET_MAX_US	60000000u

_Static_assert(sizeof(struct failsoft_order) == FAILSOFT_ORDER_SIZE_V1, "wire format");
_Static_assert(sizeof(struct failsoft_answer) == FAILSOFT_ANSWER_SIZE_V1, "wire format");

int client_watch(struct failsoft *f, int fd, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.fd = fd };

	return epoll_ctl(f->epoll_fd, EPOLL_CTL_ADD, fd, &e) < 0 ? -errno : 0;
}

void client_unwatch(struct failsoft *f, int fd)
{
	(void)epoll_ctl(f->epoll_fd, EPOLL_CTL_DEL, fd, NULL); /* closing it would do the same */
}

/* ---- new, free ---- */

static bool is_name(const char *name)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._@-";
	size_t length = name ? strlen(name) : 0;

	return length && length < NAME_MAX_BYTES && strspn(name, allowed) == length;
}

static bool is_budget(uint64_t us)
{
	return us == 0 || (us >= BUDGET_MIN_US && us <= BUDGET_MAX_US);
}

static bool are_options(const struct failsoft_options *o)
{
	return o && is_name(o->name) && o->order_group <= GROUP_MAX && is_budget(o->flush_us) &&
	       is_budget(o->degrade_us) && is_budget(o->shutdown_us) && is_budget(o->resume_us);
}

static int copy_text(const char *from, char **ret)
{
	if (!from)
		return 0;
	*ret = strdup(from);
	return *ret ? 0 : -ENOMEM;
}

static int copy_options(struct failsoft *f, const struct failsoft_options *o)
{
	f->options = *o;
	strcpy(f->name, o->name);
	if (copy_text(o->bus_address, &f->bus_address) < 0 || copy_text(o->domain, &f->domain) < 0)
		return -ENOMEM;
	f->options.name = f->name;
	f->options.bus_address = f->bus_address;
	f->options.domain = f->domain;
	return 0;
}

static int open_fds(struct failsoft *f)
{
	int *const fds[] = { &f->timer_fd, &f->bus_timer_fd, &f->again_fd, &f->wake_fd };

	f->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	f->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	f->bus_timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	f->again_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	f->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (f->epoll_fd < 0 || f->timer_fd < 0 || f->bus_timer_fd < 0 || f->again_fd < 0 || f->wake_fd < 0)
		return -errno;
	for (unsigned i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		int r = client_watch(f, *fds[i], EPOLLIN);

		if (r < 0)
			return r;
	}
	return 0;
}

int failsoft_new(const struct failsoft_options *options, struct failsoft **ret)
{
	struct failsoft *f;
	int r;

	if (!are_options(options) || !ret)
		return -EINVAL;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->epoll_fd = f->timer_fd = f->bus_timer_fd = f->again_fd = f->wake_fd = f->bus_fd = -1;
	f->lifeline = -1;
	(void)pthread_mutex_init(&f->lock, NULL); /* cannot fail with default attributes */
	r = copy_options(f, options);
	if (r >= 0)
		r = open_fds(f);
	if (r >= 0)
		r = link_start(f);
	if (r < 0) {
		failsoft_free(f);
		return r;
	}
	*ret = f;
	return 0;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void stop_thread(struct failsoft *f)
{
	const uint64_t one = 1;

	atomic_store(&f->ending, true);
	(void)!write(f->wake_fd, &one, sizeof(one)); /* full means that it will wake anyway */
	(void)pthread_join(f->thread, NULL);	      /* fails only from a callback: forbidden */
	(void)sem_destroy(&f->started);		      /* nobody waits for it */
}

struct failsoft *failsoft_free(struct failsoft *f)
{
	if (!f)
		return NULL;
	if (atomic_load(&f->drive) == DRIVE_THREAD)
		stop_thread(f);
	f->source = sd_event_source_disable_unref(f->source);
	link_stop(f);
	close_fd(f->timer_fd);
	close_fd(f->bus_timer_fd);
	close_fd(f->again_fd);
	close_fd(f->wake_fd);
	close_fd(f->epoll_fd);
	if (f->reserve)
		(void)munmap(f->reserve, f->reserve_bytes); /* our own mapping */
	pthread_mutex_destroy(&f->lock);
	free(f->bus_address);
	free(f->domain);
	free(f);
	return NULL;
}

/* ---- driving ---- */

int failsoft_fd(struct failsoft *f)
{
	return f ? f->epoll_fd : -EINVAL;
}

/* Orders first: they have deadlines, the bus has not. */
static int dispatch(struct failsoft *f)
{
	int called = orders_dispatch(f);

	link_dispatch(f);
	return called + orders_dispatch(f);
}

int failsoft_dispatch(struct failsoft *f)
{
	if (!f)
		return -EINVAL;
	if (atomic_load(&f->drive) == DRIVE_THREAD)
		return -EBUSY;
	return dispatch(f);
}

static int on_readable(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	(void)source, (void)fd, (void)revents;
	(void)dispatch(userdata); /* a count, not an error */
	return 0;
}

static bool take_drive(struct failsoft *f, enum drive how)
{
	int none = DRIVE_NONE;

	return atomic_compare_exchange_strong(&f->drive, &none, how);
}

int failsoft_attach_event(struct failsoft *f, struct sd_event *event, int64_t priority)
{
	int r;

	if (!f || !event)
		return -EINVAL;
	if (!take_drive(f, DRIVE_EVENT))
		return -EBUSY;
	r = sd_event_add_io(event, &f->source, f->epoll_fd, EPOLLIN, on_readable, f);
	if (r >= 0)
		r = sd_event_source_set_priority(f->source, priority);
	if (r < 0) {
		f->source = sd_event_source_disable_unref(f->source);
		atomic_store(&f->drive, DRIVE_NONE);
		return r;
	}
	return 0;
}

static void *work(void *userdata)
{
	struct failsoft *f = userdata;
	struct epoll_event event;

	prepare_enter(f, __builtin_frame_address(0));
	(void)sem_post(&f->started); /* cannot fail: it is the only one */
	while (!atomic_load(&f->ending)) {
		dispatch(f);
		(void)epoll_wait(f->epoll_fd, &event, 1, -1); /* EINTR: dispatching again is harmless */
	}
	prepare_leave(f);
	return NULL;
}

/*
 * A program's threads may have to do with less than what failsoft_prepare() holds. Half: no room for
 * a callback above that; double: address space, nothing else.
 */
#define THREAD_STACK_MIN	(256u << 10)

/* Returns an errno, as they do. */
static int create_thread(struct failsoft *f)
{
	pthread_attr_t attributes;
	size_t bytes = 0;
	int r = pthread_attr_init(&attributes);

	if (r)
		return r;
	(void)pthread_attr_getstacksize(&attributes, &bytes); /* cannot fail */
	if (bytes < THREAD_STACK_MIN)
		(void)pthread_attr_setstacksize(&attributes, THREAD_STACK_MIN); /* or stays as it is */
	r = pthread_create(&f->thread, &attributes, work, f);
	pthread_attr_destroy(&attributes);
	return r;
}

int failsoft_start_thread(struct failsoft *f)
{
	sigset_t all, before;
	int r;

	if (!f)
		return -EINVAL;
	if (!take_drive(f, DRIVE_THREAD))
		return -EBUSY;
	(void)sem_init(&f->started, 0, 0); /* cannot fail with these arguments */
	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before); /* cannot fail with these arguments */
	r = create_thread(f);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r) {
		atomic_store(&f->drive, DRIVE_NONE);
		return -EAGAIN;
	}
	while (sem_wait(&f->started) < 0) /* a failsoft_prepare() that comes now knows its stack */
		continue;
	return 0;
}

/* ---- asking ---- */

uint64_t failsoft_granted_us(struct failsoft *f, enum failsoft_step step)
{
	return f && (unsigned)step < STEPS ? atomic_load(&f->granted_us[step]) : 0;
}

bool failsoft_is_connected(struct failsoft *f)
{
	bool is;

	if (!f)
		return false;
	pthread_mutex_lock(&f->lock);
	is = f->lifeline >= 0;
	pthread_mutex_unlock(&f->lock);
	return is;
}
