/* SPDX-License-Identifier: MIT */
/*
 * Bus: the connection to the bus and our name on it; lost connections come back by themselves.
 * Edge. Knows nothing of what is served on it: the owner gets two calls. Nothing here waits for the
 * bus daemon, which may be the first that stands still when memory runs out.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#define BUS_NAME	"org.failsoft.Broker1"
#define BUS_PATH	"/org/failsoft/Broker1"
#define BUS_INTERFACE	"org.failsoft.Broker1"

struct bus_handler {
	void *userdata;
	/* A fresh connection, before anything is sent: add objects and matches. 0 or -errno. */
	int (*connected)(void *userdata, sd_bus *bus);
	void (*named)(void *userdata);	/* the name is ours */
	void (*lost)(void *userdata);	/* everything known of peers' bus names is void */
	/* The name is somebody else's; there will be no service. */
	void (*refused)(void *userdata, const char *why);
};

struct bus {
	sd_bus *connection;		/* NULL: none at the moment */
	sd_event *event;
	sd_event_source *retry;
	const char *address;		/* NULL: the system bus; borrowed */
	uint64_t retry_us;		/* the next pause */
	bool is_named;
	int32_t daemon_pid;		/* as it says itself; 0: it does not */
	struct bus_handler handler;
};

/* The first connection must work: a wrong address is an error, not a reason to wait. -errno. */
int bus_open(struct bus *b, sd_event *event, const char *address, const struct bus_handler *h);
void bus_close(struct bus *b);

/* Is the connection there and not clogged? Signals that it would queue without end are dropped. */
bool bus_takes_signals(const struct bus *b);

/*
 * The bus daemon's process, known by the time of handler.named(); 0: unknown. It is asked, because the
 * other end of the socket is who made it: systemd, where the bus is started by its socket.
 */
int32_t bus_daemon_pid(const struct bus *b);
