/* SPDX-License-Identifier: MIT */
#include "feed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>
#include <time.h>
#include <unistd.h>

#include "feed_parts.h"

#define NAME		"org.failsoft.Broker1"
#define PATH		"/org/failsoft/Broker1"
#define DEFAULT_BUS	"unix:path=/run/dbus/system_bus_socket"

/* A name of libfailsoft's; the same on each device. */
#define CLIENT_NAME	"telemetry"
/* With everybody else's default: nobody is asked only after the network has answered. */
#define ORDER_GROUP	50u
#define LIFELINE_PRIORITY	(SD_EVENT_PRIORITY_NORMAL - 10)

/* While there is no bus, or a broker that refuses; one that appears is heard of at once. Half: twice
 * the wakeups of a machine without a bus. */
#define RETRY_US	2000000u
/* How long a program that starts with the machine waits before it says that there is no broker. */
#define GRACE_US	3000000u
/* For what a broker still remembers to arrive (300 lines: 12 ms), before it is asked what is open. */
#define SETTLE_US	200000u
/* Of a broker that is gone; each takes 32 KiB, and its socket holds 208 KiB. Half: the last may be lost. */
#define READS_AT_END	8u


static uint64_t now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail */
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int arm(struct sd_event_source *timer, uint64_t pause_us)
{
	int r = sd_event_source_set_time(timer, now_us() + pause_us);

	return r < 0 ? r : sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

/* ---- gone ---- */

static void close_stream(struct feed *f)
{
	f->stream = sd_event_source_disable_unref(f->stream);
	f->call = sd_bus_slot_unref(f->call);
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
	f->used = 0;
	f->is_overlong = false;
}

static void lose(struct feed *f)
{
	close_stream(f);
	(void)arm(f->timer, RETRY_US); /* fails only without memory: NameOwnerChanged is left */
	if (!f->is_up)
		return;
	f->is_up = false;
	f->handlers.down(f->handlers.userdata);
}

static int on_grace(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct feed *f = userdata;

	(void)source, (void)usec;
	if (!f->is_up)
		f->handlers.down(f->handlers.userdata);
	return 0;
}

/* ---- what is said ---- */

static int on_stream(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct feed *f = userdata;

	(void)source, (void)fd, (void)revents;
	if (!feed_read(f))
		lose(f);
	return 0;
}

static int on_domains(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const struct feed_event settled = { .kind = FEED_SETTLED, .word = "settled", .time_us = now_us() };
	struct feed *f = userdata;
	int r;

	(void)error;
	f->call = sd_bus_slot_unref(f->call);
	if (f->fd < 0 || !feed_read(f)) { /* what is there already comes before */
		lose(f);
		return 0;
	}
	r = sd_bus_message_is_method_error(m, NULL) ? -EIO : 0;
	if (r >= 0)
		r = sd_bus_message_enter_container(m, 'a', "(ssttttta{sv})");
	while (r >= 0 && (r = sd_bus_message_enter_container(m, 'r', "ssttttta{sv}")) > 0) {
		r = feed_read_domain(f, m);
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
	}
	if (r < 0)
		return arm(f->timer, RETRY_US);
	f->handlers.event(f->handlers.userdata, &settled);
	return 0;
}

static int ask_domains(struct feed *f)
{
	f->asked_us = now_us();
	f->call = sd_bus_slot_unref(f->call);
	return sd_bus_call_method_async(f->bus, &f->call, NAME, PATH, NAME, "ListDomains", on_domains, f, "");
}

/* ---- coming up ---- */

static int take_stream(struct feed *f, sd_bus_message *m)
{
	int fd, r = sd_bus_message_read(m, "h", &fd);

	if (r < 0)
		return r;
	f->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3); /* the message owns its own */
	if (f->fd < 0 || fcntl(f->fd, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	r = sd_event_add_io(f->event, &f->stream, f->fd, EPOLLIN, on_stream, f);
	if (r < 0)
		return r;
	f->had_stream = f->is_up = true;
	f->handlers.up(f->handlers.userdata);
	return arm(f->timer, SETTLE_US);
}

static int on_monitor(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct feed *f = userdata;

	(void)error;
	f->call = sd_bus_slot_unref(f->call);
	if (sd_bus_message_is_method_error(m, NULL) || take_stream(f, m) < 0)
		lose(f);
	return 0;
}

static int ask_monitor(struct feed *f)
{
	if (f->had_stream)
		f->is_live = true;
	else
		f->since_us = now_us();
	f->call = sd_bus_slot_unref(f->call);
	return sd_bus_call_method_async(f->bus, &f->call, NAME, PATH, NAME, "Monitor", on_monitor, f,
					"a{sv}", 1, "History", "b", 1);
}

static bool is_nobody(sd_bus_message *m)
{
	return sd_bus_message_is_method_error(m, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
	       sd_bus_message_is_method_error(m, SD_BUS_ERROR_NAME_HAS_NO_OWNER);
}

static int on_dry_run(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct feed *f = userdata;
	int is_dry_run, r = 0;

	(void)error;
	f->call = sd_bus_slot_unref(f->call);
	if (is_nobody(m))
		return 0; /* NameOwnerChanged tells when there is one */
	if (sd_bus_message_is_method_error(m, NULL))
		r = -EIO;
	if (r >= 0)
		r = sd_bus_message_read(m, "v", "b", &is_dry_run);
	if (r >= 0)
		f->is_dry_run = is_dry_run;
	if (r >= 0)
		r = f->fd < 0 ? ask_monitor(f) : arm(f->timer, 0); /* and then what is open */
	if (r < 0)
		lose(f);
	return 0;
}

/* Who only looks starts nobody: a broker that is not there is waited for. */
void feed_read_dry_run(struct feed *f)
{
	sd_bus_message *m = NULL;
	int r = sd_bus_message_new_method_call(f->bus, &m, NAME, PATH,
					       "org.freedesktop.DBus.Properties", "Get");

	f->call = sd_bus_slot_unref(f->call);
	if (r >= 0)
		r = sd_bus_message_set_auto_start(m, false);
	if (r >= 0)
		r = sd_bus_message_append(m, "ss", NAME, "DryRun");
	if (r >= 0)
		r = sd_bus_call_async(f->bus, &f->call, m, on_dry_run, f, 0);
	sd_bus_message_unref(m);
	if (r < 0)
		(void)arm(f->timer, RETRY_US); /* no memory: tried again */
}

/* ---- the bus ---- */

static int on_owner(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const char *name, *old, *new, *sender = sd_bus_message_get_sender(m);
	struct feed *f = userdata;

	(void)error;
	/* sd-bus takes any unique name for a match on a well-known one; anybody may send this to us */
	if (!sender || strcmp(sender, "org.freedesktop.DBus"))
		return 0;
	if (sd_bus_message_read(m, "sss", &name, &old, &new) < 0)
		return 0;
	/* its stream has ended, too, or will: what it said before is heard */
	for (unsigned i = 0; i < READS_AT_END && f->fd >= 0 && feed_read(f); i++)
		;
	if (f->is_up)
		lose(f);
	if (*new)
		feed_read_dry_run(f);
	return 0;
}

static void drop_bus(struct feed *f)
{
	lose(f);
	f->watch = sd_bus_slot_unref(f->watch);
	if (f->bus)
		(void)sd_bus_detach_event(f->bus); /* it was attached */
	f->bus = sd_bus_close_unref(f->bus);
}

static int on_disconnected(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct feed *f = userdata;

	(void)m, (void)error;
	lose(f); /* the timer sees that the bus is closed */
	return 0;
}

static int connect_bus(struct feed *f)
{
	int r = sd_bus_new(&f->bus);

	if (r >= 0)
		r = sd_bus_set_address(f->bus, f->address);
	if (r >= 0)
		r = sd_bus_set_bus_client(f->bus, true);
	if (r >= 0)
		r = sd_bus_negotiate_fds(f->bus, true);
	if (r >= 0) /* the loop's end would wait for a bus that stands still */
		r = sd_bus_set_close_on_exit(f->bus, false);
	if (r >= 0)
		r = sd_bus_start(f->bus);
	if (r >= 0)
		r = sd_bus_attach_event(f->bus, f->event, SD_EVENT_PRIORITY_NORMAL);
	if (r >= 0)
		r = sd_bus_add_match_async(f->bus, &f->watch, "type='signal',sender='org.freedesktop.DBus',"
					   "interface='org.freedesktop.DBus',member='NameOwnerChanged',"
					   "arg0='" NAME "'", on_owner, NULL, f);
	if (r >= 0)
		r = sd_bus_match_signal_async(f->bus, NULL, "org.freedesktop.DBus.Local", NULL,
					      "org.freedesktop.DBus.Local", "Disconnected", on_disconnected,
					      NULL, f);
	return r;
}

/* What comes next, whatever was before: a bus, a broker, what is open. */
static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct feed *f = userdata;

	(void)source, (void)usec;
	if (f->bus && sd_bus_is_open(f->bus) <= 0)
		drop_bus(f);
	if (f->call) /* a bus that thrashes answers after seconds: asked again it would never */
		return 0;
	if (!f->bus && connect_bus(f) < 0)
		drop_bus(f); /* arms the timer */
	else if (f->is_up && ask_domains(f) < 0)
		lose(f);
	else if (!f->is_up)
		feed_read_dry_run(f);
	return 0;
}

/* ---- the lifeline ---- */

static enum failsoft_result on_order(const struct failsoft_order *order, void *userdata)
{
	struct feed *f = userdata;

	f->handlers.order(f->handlers.userdata, order);
	return FAILSOFT_RESULT_LATER;
}

static int start_client(struct feed *f, uint64_t budget_us)
{
	const struct failsoft_options options = {
		.name = CLIENT_NAME, .bus_address = f->address, .order_group = ORDER_GROUP,
		.flush = on_order, .degrade = on_order, .shutdown = on_order, .userdata = f,
		.flush_us = budget_us, .degrade_us = budget_us, .shutdown_us = budget_us,
	};
	int r = failsoft_new(&options, &f->client);

	return r < 0 ? r : failsoft_attach_event(f->client, f->event, LIFELINE_PRIORITY);
}

/* ---- whole ---- */

static const char *address_or_default(const char *address)
{
	if (!address)
		address = secure_getenv("FAILSOFT_BUS_ADDRESS");
	if (!address)
		address = secure_getenv("DBUS_SYSTEM_BUS_ADDRESS");
	return address ? address : DEFAULT_BUS;
}

int feed_new(struct feed **ret, struct sd_event *event, const struct feed_options *options,
	     const struct feed_handlers *handlers)
{
	struct feed *f = calloc(1, sizeof(*f));
	int r = 0;

	if (!f)
		return -ENOMEM;
	*f = (struct feed){ .event = sd_event_ref(event), .handlers = *handlers, .fd = -1,
			    .is_live = options->has_past };
	f->address = strdup(address_or_default(options->bus_address));
	if (!f->address)
		r = -ENOMEM;
	if (r >= 0)
		r = sd_event_add_time(event, &f->timer, CLOCK_MONOTONIC, 0, 0, on_timer, f);
	if (r >= 0)
		r = sd_event_add_time(event, &f->grace, CLOCK_MONOTONIC, now_us() + GRACE_US, 0, on_grace, f);
	if (r >= 0)
		r = start_client(f, options->budget_us);
	if (r < 0) {
		(void)feed_free(f);
		return r;
	}
	*ret = f;
	return 0;
}

struct feed *feed_free(struct feed *f)
{
	if (!f)
		return NULL;
	f->client = failsoft_free(f->client);
	f->is_up = false; /* nobody is told any more */
	if (f->timer)
		drop_bus(f);
	f->timer = sd_event_source_disable_unref(f->timer);
	f->grace = sd_event_source_disable_unref(f->grace);
	sd_event_unref(f->event);
	free(f->address);
	free(f);
	return NULL;
}

int feed_answer(struct feed *f, uint64_t sequence, enum failsoft_result result)
{
	const struct failsoft_answer answer = { .sequence = sequence, .result = result };

	return failsoft_answer(f->client, &answer);
}

bool feed_is_up(const struct feed *f)
{
	return f->is_up;
}
