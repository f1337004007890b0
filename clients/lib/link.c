/* SPDX-License-Identifier: MIT */
/*
 * The way to the broker: bus connection, registration, and coming back by itself. Nothing waits:
 * every call on the bus is asynchronous, every failure arms the timer for another attempt.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <fcntl.h>
#include <unistd.h>

#include "client.h"

#define NAME		"org.failsoft.Broker1"
#define PATH		"/org/failsoft/Broker1"
#define SYSTEM_BUS	"unix:path=/run/dbus/system_bus_socket"

/* A restart of the broker takes < 50 ms; after that patience costs less than polling. */
#define PAUSE_FIRST_US	50000u
#define PAUSE_LAST_US	5000000u

#define MESSAGES_MAX	32	/* of one dispatch; sd-bus asks to be called again for the rest */

static void arm(int timer_fd, uint64_t from_now_us)
{
	/* 0 would disarm */
	const uint64_t us = from_now_us ? from_now_us : 1;
	const struct itimerspec when = {
		.it_value = { (time_t)(us / 1000000), (long)(us % 1000000) * 1000 },
	};

	(void)timerfd_settime(timer_fd, 0, &when, NULL); /* cannot fail with these values */
}

static void try_later(struct failsoft *f)
{
	f->pause_us = f->pause_us ? f->pause_us * 2 : PAUSE_FIRST_US;
	if (f->pause_us > PAUSE_LAST_US)
		f->pause_us = PAUSE_LAST_US;
	arm(f->timer_fd, f->pause_us);
}

static void drop_bus(struct failsoft *f)
{
	f->call = sd_bus_slot_unref(f->call);
	if (f->bus_fd >= 0)
		client_unwatch(f, f->bus_fd);
	f->bus_fd = -1;
	if (f->bus)
		sd_bus_close(f->bus);
	f->bus = sd_bus_unref(f->bus);
}

/* A refusal that a person must mend is said once; there is no other way to say it. */
static void complain(struct failsoft *f, const char *name, const char *message)
{
	char text[sizeof(f->complaint)];

	(void)snprintf(text, sizeof(text), "%s: %s", name, message ? message : "no reason given");
	if (!strcmp(text, f->complaint))
		return;
	memcpy(f->complaint, text, sizeof(text));
	fprintf(stderr, "libfailsoft: %s is not registered: %s\n", f->name, text);
}

static bool is_absence(const char *name)
{
	return !strcmp(name, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
	       !strcmp(name, SD_BUS_ERROR_NAME_HAS_NO_OWNER) || !strcmp(name, SD_BUS_ERROR_NO_REPLY);
}

static int step_of(const char *name)
{
	static const char *const names[STEPS] = { "resume", "flush", "degrade", "shutdown" };

	for (int i = 0; i < STEPS; i++)
		if (!strcmp(name, names[i]))
			return i;
	return -1;
}

static int read_grants(struct failsoft *f, sd_bus_message *m)
{
	uint64_t granted;
	const char *name;
	int r = sd_bus_message_enter_container(m, 'a', "{st}");

	while (r >= 0 && (r = sd_bus_message_read(m, "{st}", &name, &granted)) > 0)
		if (step_of(name) >= 0)
			atomic_store(&f->granted_us[step_of(name)], granted);
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int take_registration(struct failsoft *f, sd_bus_message *m)
{
	uint64_t id = 0;
	int fd = -1, r = sd_bus_message_read(m, "t", &id);

	if (r >= 0)
		r = read_grants(f, m);
	if (r >= 0)
		r = sd_bus_message_read(m, "h", &fd);
	if (r < 0)
		return r;
	fd = fcntl(fd, F_DUPFD_CLOEXEC, 3); /* the message closes its own */
	if (fd < 0)
		return -errno;
	r = orders_take(f, fd, id);
	if (r < 0)
		return r;
	f->pause_us = 0;
	f->complaint[0] = 0;
	return 0;
}

static int on_registered(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
	struct failsoft *f = userdata;
	const sd_bus_error *error = sd_bus_message_get_error(m);
	int r;

	(void)ret_error;
	f->call = sd_bus_slot_unref(f->call);
	if (error) {
		if (!is_absence(error->name))
			complain(f, error->name, error->message);
		try_later(f);
		return 0;
	}
	r = take_registration(f, m);
	if (r < 0) {
		complain(f, "the broker's reply", strerror(-r));
		try_later(f);
	}
	return 0;
}

static int put_options(struct failsoft *f, sd_bus_message *m)
{
	const struct failsoft_options *o = &f->options;
	const struct {
		const char *key;
		uint64_t us;
	} budgets[] = {
		{ "FlushUSec", o->flush_us }, { "DegradeUSec", o->degrade_us },
		{ "ShutdownUSec", o->shutdown_us }, { "ResumeUSec", o->resume_us },
	};
	int r = sd_bus_message_open_container(m, 'a', "{sv}");

	for (int i = 0; r >= 0 && i < STEPS; i++)
		if (budgets[i].us)
			r = sd_bus_message_append(m, "{sv}", budgets[i].key, "t", budgets[i].us);
	if (r >= 0)
		r = sd_bus_message_append(m, "{sv}", "OrderGroup", "u", o->order_group);
	if (r >= 0 && o->domain)
		r = sd_bus_message_append(m, "{sv}", "Domain", "s", o->domain);
	if (r >= 0 && o->may_not_be_ended)
		r = sd_bus_message_append(m, "{sv}", "MayBeEnded", "b", false);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static int register_now(struct failsoft *f)
{
	sd_bus_message *m = NULL;
	int r;

	if (f->call || f->lifeline >= 0)
		return 0;
	r = sd_bus_message_new_method_call(f->bus, &m, NAME, PATH, NAME, "Register");
	if (r >= 0)
		r = sd_bus_message_set_auto_start(m, false);
	if (r >= 0)
		r = sd_bus_message_append(m, "s", f->name);
	if (r >= 0)
		r = put_options(f, m);
	if (r >= 0)
		r = sd_bus_call_async(f->bus, &f->call, m, on_registered, f, 0);
	sd_bus_message_unref(m);
	return r;
}

/* The broker is there (again): no need to wait for the timer. */
static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct failsoft *f = userdata;
	const char *name, *before, *now, *sender = sd_bus_message_get_sender(m);

	(void)error;
	/* sd-bus takes any unique name for a match on a well-known one; anybody may send this to us */
	if (!sender || strcmp(sender, "org.freedesktop.DBus"))
		return 0;
	if (sd_bus_message_read(m, "sss", &name, &before, &now) < 0 || !now[0])
		return 0;
	f->pause_us = 0;
	if (register_now(f) < 0)
		try_later(f);
	return 0;
}

static int connect_bus(struct failsoft *f)
{
	const char *address = f->bus_address;
	int r = sd_bus_new(&f->bus);

	if (!address)
		address = secure_getenv("FAILSOFT_BUS_ADDRESS");
	if (!address)
		address = secure_getenv("DBUS_SYSTEM_BUS_ADDRESS");
	if (r >= 0)
		r = sd_bus_set_address(f->bus, address ? address : SYSTEM_BUS);
	if (r >= 0)
		r = sd_bus_set_bus_client(f->bus, true);
	if (r >= 0)
		r = sd_bus_negotiate_fds(f->bus, true);
	if (r >= 0)
		r = sd_bus_start(f->bus);
	if (r >= 0)
		r = sd_bus_add_match_async(f->bus, NULL, "type='signal',sender='org.freedesktop.DBus',"
					   "interface='org.freedesktop.DBus',member='NameOwnerChanged',"
					   "arg0='" NAME "'", on_owner_changed, NULL, f);
	if (r >= 0)
		r = sd_bus_get_fd(f->bus);
	if (r < 0)
		return r;
	f->bus_fd = r;
	f->bus_events = EPOLLIN;
	return client_watch(f, f->bus_fd, f->bus_events);
}

static void attempt(struct failsoft *f)
{
	int r = 0;

	if (f->lifeline >= 0 && f->bus)
		return;
	if (!f->bus)
		r = connect_bus(f);
	if (r >= 0)
		r = register_now(f);
	if (r >= 0)
		return;
	if (r == -EINVAL)
		complain(f, "the bus address", strerror(-r));
	drop_bus(f);
	try_later(f);
}

/* What sd-bus waits for changes with its state. */
static void follow_bus(struct failsoft *f)
{
	int events = sd_bus_get_events(f->bus);
	uint64_t until_us = UINT64_MAX;
	struct epoll_event e = { .events = 0, .data.fd = f->bus_fd };
	struct timespec now;

	if (events >= 0 && f->bus_events != (uint32_t)events) {
		e.events = (events & POLLIN ? EPOLLIN : 0) | (events & POLLOUT ? EPOLLOUT : 0);
		(void)epoll_ctl(f->epoll_fd, EPOLL_CTL_MOD, f->bus_fd, &e); /* it is in the set */
		f->bus_events = (uint32_t)events;
	}
	if (sd_bus_get_timeout(f->bus, &until_us) < 0 || until_us == UINT64_MAX)
		return;
	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
	uint64_t now_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;

	arm(f->bus_timer_fd, until_us > now_us ? until_us - now_us : 0);
}

static bool has_fired(int timer_fd)
{
	uint64_t times;

	return read(timer_fd, &times, sizeof(times)) == (ssize_t)sizeof(times);
}

void link_dispatch(struct failsoft *f)
{
	int r = 0;

	(void)has_fired(f->bus_timer_fd); /* processing is what it asks for */
	if (has_fired(f->timer_fd))
		attempt(f);
	if (!f->bus)
		return;
	/* bounded: whoever floods us with messages must not keep us from the next order */
	for (int i = 0; i < MESSAGES_MAX; i++) {
		r = sd_bus_process(f->bus, NULL);
		if (r <= 0)
			break;
	}
	if (r < 0) {
		/* the lifeline lives on: the broker closes it if it takes the bus for our end */
		drop_bus(f);
		try_later(f);
		return;
	}
	follow_bus(f);
}

int link_start(struct failsoft *f)
{
	arm(f->timer_fd, 0);
	return 0;
}

void link_lost(struct failsoft *f)
{
	orders_drop(f);
	f->pause_us = 0;
	arm(f->timer_fd, 0);
}

void link_stop(struct failsoft *f)
{
	orders_drop(f);
	drop_bus(f);
}
