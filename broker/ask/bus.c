/* SPDX-License-Identifier: MIT */
#include "ask/bus.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/units.h"

/* Pauses between attempts to reach a bus that went away: at first short, a restart takes < 0.1 s. */
#define RETRY_FIRST_US	(100 * US_PER_MS)
#define RETRY_LAST_US	(5 * US_PER_S)

/* Messages that may wait in our own queue. A stage change to 1000 clients is 1000 messages. */
#define QUEUE_MAX	4096u

static int connect_now(struct bus *b);

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct bus *b = userdata;

	(void)source, (void)usec;
	(void)connect_now(b); /* arms the next attempt itself */
	return 0;
}

static void retry_later(struct bus *b)
{
	int r;

	b->retry_us = b->retry_us ? MIN_OF(2 * b->retry_us, RETRY_LAST_US) : RETRY_FIRST_US;
	b->retry = sd_event_source_disable_unref(b->retry);
	r = sd_event_add_time_relative(b->event, &b->retry, CLOCK_MONOTONIC, b->retry_us,
				       10 * US_PER_MS, on_retry, b);
	if (r < 0)
		log_error("bus: no timer to try again: %s", strerror(-r));
}

static void drop_connection(struct bus *b)
{
	if (!b->connection)
		return;
	(void)sd_bus_detach_event(b->connection); /* only fails when it was not attached */
	sd_bus_close(b->connection);
	b->connection = sd_bus_unref(b->connection);
	b->is_named = false;
}

static void went_away(struct bus *b)
{
	log_warning("the bus went away; clients are served on their lifelines until it is back");
	drop_connection(b);
	b->handler.lost(b->handler.userdata);
	retry_later(b);
}

static int on_disconnected(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	(void)m, (void)error;
	went_away(userdata);
	return 0;
}

static int on_name(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct bus *b = userdata;
	uint32_t outcome = 0;

	(void)error;
	/* it stalls or broke off again: what a bus does when memory runs out, and no refusal */
	if (sd_bus_message_is_method_error(m, SD_BUS_ERROR_NO_REPLY)) {
		went_away(b);
		return 0;
	}
	if (sd_bus_message_is_method_error(m, NULL)) {
		b->handler.refused(b->handler.userdata, sd_bus_message_get_error(m)->message);
		return 0;
	}
	/* 1: primary owner, 4: already ours (D-Bus specification, RequestName) */
	if (sd_bus_message_read(m, "u", &outcome) < 0 || (outcome != 1 && outcome != 4)) {
		b->handler.refused(b->handler.userdata, "another process owns it");
		return 0;
	}
	b->is_named = true;
	b->retry_us = 0;
	b->handler.named(b->handler.userdata);
	return 0;
}

static int on_daemon(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct bus *b = userdata;
	uint32_t pid = 0;

	(void)error;
	if (!sd_bus_message_is_method_error(m, NULL) && sd_bus_message_read(m, "u", &pid) >= 0 &&
	    pid <= INT32_MAX)
		b->daemon_pid = (int32_t)pid;
	return 0;
}

/* Answers come in the order of the questions: this one before that of the name. */
static int ask_for_daemon(struct bus *b)
{
	b->daemon_pid = 0;
	return sd_bus_call_method_async(b->connection, NULL, "org.freedesktop.DBus", "/org/freedesktop/DBus",
					"org.freedesktop.DBus", "GetConnectionUnixProcessID", on_daemon, b,
					"s", "org.freedesktop.DBus");
}

static int setup(struct bus *b)
{
	int r = sd_bus_set_bus_client(b->connection, true);

	if (r >= 0)
		r = sd_bus_set_connected_signal(b->connection, false);
	if (r >= 0)
		r = sd_bus_start(b->connection);
	if (r >= 0)
		r = sd_bus_attach_event(b->connection, b->event, SD_EVENT_PRIORITY_NORMAL);
	if (r >= 0)
		r = sd_bus_match_signal_async(b->connection, NULL, "org.freedesktop.DBus.Local", NULL,
					      "org.freedesktop.DBus.Local", "Disconnected",
					      on_disconnected, NULL, b);
	if (r >= 0)
		r = b->handler.connected(b->handler.userdata, b->connection);
	if (r >= 0)
		r = ask_for_daemon(b);
	if (r >= 0)
		r = sd_bus_request_name_async(b->connection, NULL, BUS_NAME, 0, on_name, b);
	return r;
}

static int new_connection(struct bus *b)
{
	const char *address = b->address;
	int r = sd_bus_new(&b->connection);

	if (r < 0)
		return r;
	if (!address)
		address = secure_getenv("DBUS_SYSTEM_BUS_ADDRESS");
	if (!address)
		address = "unix:path=/run/dbus/system_bus_socket";
	r = sd_bus_set_address(b->connection, address);
	return r < 0 ? r : setup(b);
}

static int connect_now(struct bus *b)
{
	int r = new_connection(b);

	b->retry = sd_event_source_disable_unref(b->retry);
	if (r >= 0)
		return 0;
	drop_connection(b);
	retry_later(b);
	return r;
}

int bus_open(struct bus *b, sd_event *event, const char *address, const struct bus_handler *h)
{
	int r;

	*b = (struct bus){ .event = sd_event_ref(event), .address = address, .handler = *h };
	r = connect_now(b);
	if (r < 0)
		log_error("bus %s: %s; is dbus-daemon running, is --bus right?",
			  address ? address : "(system)", strerror(-r));
	return r;
}

void bus_close(struct bus *b)
{
	b->retry = sd_event_source_disable_unref(b->retry);
	drop_connection(b);
	b->event = sd_event_unref(b->event);
}

bool bus_takes_signals(const struct bus *b)
{
	uint64_t queued = 0;

	return b->connection && b->is_named && sd_bus_is_open(b->connection) > 0 &&
	       sd_bus_get_n_queued_write(b->connection, &queued) >= 0 && queued < QUEUE_MAX;
}

int32_t bus_daemon_pid(const struct bus *b)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);
	int fd = b->connection ? sd_bus_get_fd(b->connection) : -1;

	if (b->daemon_pid)
		return b->daemon_pid;
	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return 0;
	return peer.pid;
}
