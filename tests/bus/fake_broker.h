/* SPDX-License-Identifier: MIT */
/*
 * Fake broker: a private dbus-daemon and, on it, just enough of org.failsoft.Broker1 to try out
 * clients: it registers one client, writes orders to its lifeline, reads answers. Edge, one thread:
 * everything happens in fake_pump(). Include after cmocka.h.
 */
#pragma once

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <time.h>
#include <unistd.h>

#include <failsoft/client.h>

#define FAKE_NAME	"org.failsoft.Broker1"
#define FAKE_PATH	"/org/failsoft/Broker1"

struct fake_daemon {
	char directory[64];
	char address[96];
	pid_t pid;			/* 0: not running */
};

struct fake_broker {
	sd_bus *bus;			/* NULL: not running */
	int lifeline;			/* our end; -1: nobody is registered */
	uint64_t id, sequence;
	unsigned registrations, calls;
	const char *refuse;		/* last part of the error's name; NULL: accept */
	/* what the last Register said */
	char name[64], sender[64], domain[64];
	uint64_t budget_us[4];
	uint32_t order_group;
	int may_be_ended;		/* -1: not given */
};

static inline uint64_t fake_now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail with this clock */
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* ---- the bus ---- */

static inline void fake_write_config(const struct fake_daemon *d, const char *path)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fprintf(f, "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\"\n"
		   " \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
		   "<busconfig><type>session</type><listen>%s</listen><auth>EXTERNAL</auth>\n"
		   "<policy context=\"default\"><allow user=\"*\"/><allow own=\"*\"/>\n"
		   "<allow send_type=\"method_call\"/><allow send_type=\"signal\"/>\n"
		   "<allow send_type=\"method_return\"/><allow send_type=\"error\"/>\n"
		   "<allow receive_type=\"method_call\"/><allow receive_type=\"signal\"/>\n"
		   "<allow receive_type=\"method_return\"/><allow receive_type=\"error\"/>\n"
		   "</policy></busconfig>\n", d->address);
	assert_int_equal(fclose(f), 0);
}

static inline void fake_path_in(const struct fake_daemon *d, const char *name, char ret[128])
{
	assert_true(snprintf(ret, 128, "%s/%s", d->directory, name) < 128);
}

static inline void fake_daemon_start(struct fake_daemon *d)
{
	char config[128], option[160], socket_path[128];
	struct stat there;

	fake_path_in(d, "bus.conf", config);
	fake_path_in(d, "bus", socket_path);
	(void)unlink(socket_path); /* left by one that was killed */
	fake_write_config(d, config);
	(void)snprintf(option, sizeof(option), "--config-file=%s", config);
	d->pid = fork();
	assert_true(d->pid >= 0);
	if (d->pid == 0) {
		fake_path_in(d, "bus.log", config); /* what it says would stand among the results */
		if (!freopen(config, "a", stderr))
			_exit(126);
		execlp("dbus-daemon", "dbus-daemon", option, "--nofork", "--nopidfile", NULL);
		_exit(127);
	}
	for (int i = 0; i < 500 && stat(socket_path, &there) < 0; i++)
		usleep(10000);
	assert_int_equal(stat(socket_path, &there), 0); /* dbus-daemon must be installed */
}

static inline void fake_daemon_open(struct fake_daemon *d)
{
	*d = (struct fake_daemon){ .directory = "/tmp/failsoft-bus-XXXXXX" };
	assert_non_null(mkdtemp(d->directory));
	(void)snprintf(d->address, sizeof(d->address), "unix:path=%s/bus", d->directory);
	fake_daemon_start(d);
}

static inline void fake_daemon_stop(struct fake_daemon *d)
{
	if (!d->pid)
		return;
	(void)kill(d->pid, SIGKILL); /* may be gone; a stopped one ends, too */
	assert_int_equal(waitpid(d->pid, NULL, 0), d->pid);
	d->pid = 0;
}

static inline void fake_daemon_close(struct fake_daemon *d)
{
	char path[128];

	fake_daemon_stop(d);
	fake_path_in(d, "bus", path);
	(void)unlink(path); /* may not be there */
	fake_path_in(d, "bus.conf", path);
	(void)unlink(path);
	fake_path_in(d, "bus.log", path);
	(void)unlink(path);
	(void)rmdir(d->directory);
}

/* ---- registration ---- */

static inline int fake_read_option(sd_bus_message *m, struct fake_broker *b)
{
	static const struct {
		const char *key;
		enum failsoft_step step;
	} budgets[] = {
		{ "ResumeUSec", FAILSOFT_STEP_RESUME }, { "FlushUSec", FAILSOFT_STEP_FLUSH },
		{ "DegradeUSec", FAILSOFT_STEP_DEGRADE }, { "ShutdownUSec", FAILSOFT_STEP_SHUTDOWN },
	};
	const char *key, *text;
	int r = sd_bus_message_read_basic(m, 's', &key);

	for (int i = 0; r >= 0 && i < 4; i++)
		if (!strcmp(key, budgets[i].key))
			return sd_bus_message_read(m, "v", "t", &b->budget_us[budgets[i].step]);
	if (r >= 0 && !strcmp(key, "OrderGroup"))
		return sd_bus_message_read(m, "v", "u", &b->order_group);
	if (r >= 0 && !strcmp(key, "MayBeEnded"))
		return sd_bus_message_read(m, "v", "b", &b->may_be_ended);
	if (r < 0 || strcmp(key, "Domain"))
		return -EINVAL;
	r = sd_bus_message_read(m, "v", "s", &text);
	if (r >= 0)
		(void)snprintf(b->domain, sizeof(b->domain), "%s", text);
	return r;
}

static inline int fake_read_options(sd_bus_message *m, struct fake_broker *b)
{
	int r = sd_bus_message_enter_container(m, 'a', "{sv}");

	while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
		r = fake_read_option(m, b);
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
	}
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

static inline int fake_on_register(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct fake_broker *b = userdata;
	int ends[2], r;
	char full[96];
	const char *name;

	b->calls++;
	b->order_group = 12345;
	b->may_be_ended = -1;
	b->domain[0] = 0;
	memset(b->budget_us, 0, sizeof(b->budget_us));
	r = sd_bus_message_read(m, "s", &name);
	if (r >= 0)
		r = fake_read_options(m, b);
	if (r < 0)
		return r;
	(void)snprintf(b->name, sizeof(b->name), "%s", name);
	(void)snprintf(b->sender, sizeof(b->sender), "%s", sd_bus_message_get_sender(m));
	if (b->refuse) {
		(void)snprintf(full, sizeof(full), FAKE_NAME ".Error.%s", b->refuse);
		return sd_bus_error_set(error, full, "because the test says so");
	}
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
	if (b->lifeline >= 0)
		close(b->lifeline);
	b->lifeline = ends[0];
	b->id = 1000 + ++b->registrations;
	r = sd_bus_reply_method_return(m, "ta{st}h", b->id, 4, "flush", (uint64_t)250000, "degrade",
				       (uint64_t)260000, "shutdown", (uint64_t)270000, "resume",
				       (uint64_t)280000, ends[1]);
	close(ends[1]);
	return r;
}

static const sd_bus_vtable fake_vtable[] = {
	SD_BUS_VTABLE_START(SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Register", "sa{sv}", "ta{st}h", fake_on_register, 0),
	SD_BUS_VTABLE_END,
};

static inline bool fake_connect(struct fake_broker *b, const struct fake_daemon *d)
{
	assert_true(sd_bus_new(&b->bus) >= 0);
	assert_true(sd_bus_set_address(b->bus, d->address) >= 0);
	assert_true(sd_bus_set_bus_client(b->bus, true) >= 0);
	if (sd_bus_start(b->bus) >= 0)
		return true;
	b->bus = sd_bus_unref(b->bus);
	return false;
}

static inline void fake_open(struct fake_broker *b, const struct fake_daemon *d)
{
	b->lifeline = -1;
	/* A daemon's socket is there a moment before it listens. */
	for (int tries = 0; !fake_connect(b, d); tries++) {
		assert_true(tries < 100);
		usleep(20000);
	}
	assert_true(sd_bus_add_object_vtable(b->bus, NULL, FAKE_PATH, FAKE_NAME, fake_vtable, b) >= 0);
	assert_true(sd_bus_request_name(b->bus, FAKE_NAME, 0) >= 0);
}

/* As a broker dies: name and lifeline at once. */
static inline void fake_close(struct fake_broker *b)
{
	if (b->lifeline >= 0)
		close(b->lifeline);
	b->lifeline = -1;
	if (b->bus)
		sd_bus_close(b->bus);
	b->bus = sd_bus_unref(b->bus);
}

/* What is due on the bus; never waits. */
static inline void fake_pump(struct fake_broker *b)
{
	while (b->bus && sd_bus_process(b->bus, NULL) > 0)
		continue;
}

/* ---- lifeline ---- */

/* An order as the broker writes it, with the next sequence. */
static inline struct failsoft_order fake_order(struct fake_broker *b, enum failsoft_step step)
{
	uint64_t now_us = fake_now_us();

	return (struct failsoft_order){
		.magic = FAILSOFT_ORDER_MAGIC, .version = FAILSOFT_WIRE_VERSION,
		.size = sizeof(struct failsoft_order), .stage = FAILSOFT_STAGE_WARNING, .step = step,
		.client = b->id, .episode = 7, .sequence = ++b->sequence, .issued_us = now_us,
		.deadline_us = now_us + 250000, .headroom_bytes = 4096, .exhaustion_us = 1000000,
		.exhaustion_low_us = 500000, .domain = "system",
	};
}

static inline void fake_send(struct fake_broker *b, const void *datagram, size_t size)
{
	assert_int_equal(send(b->lifeline, datagram, size, MSG_NOSIGNAL), size);
}

static inline uint64_t fake_ask(struct fake_broker *b, enum failsoft_step step)
{
	struct failsoft_order order = fake_order(b, step);

	fake_send(b, &order, sizeof(order));
	return order.sequence;
}

/* The next answer that waits; false: none. */
static inline bool fake_answer(struct fake_broker *b, struct failsoft_answer *ret)
{
	ssize_t n = recv(b->lifeline, ret, sizeof(*ret), MSG_DONTWAIT | MSG_TRUNC);

	if (n <= 0)
		return false;
	assert_int_equal(n, FAILSOFT_ANSWER_SIZE_V1);
	assert_int_equal(ret->magic, FAILSOFT_ANSWER_MAGIC);
	assert_int_equal(ret->version, FAILSOFT_WIRE_VERSION);
	assert_int_equal(ret->size, FAILSOFT_ANSWER_SIZE_V1);
	return true;
}
