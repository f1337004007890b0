/* SPDX-License-Identifier: MIT */
/* What the bus and the broker tell. Nobody is complained of here: what is not told is a row. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "facts_broker.h"

#define CALL_US 5000000u

/* 0: no answer, or nobody of that name. */
static int32_t pid_behind(struct ctl *c, const char *name)
{
	sd_bus_message *m = NULL, *reply = NULL;
	uint32_t pid = 0;
	int r = sd_bus_message_new_method_call(c->bus, &m, "org.freedesktop.DBus",
					       "/org/freedesktop/DBus", "org.freedesktop.DBus",
					       "GetConnectionUnixProcessID");

	if (r >= 0)
		r = sd_bus_message_append(m, "s", name);
	if (r >= 0)
		r = sd_bus_call(c->bus, m, CALL_US, NULL, &reply);
	if (r >= 0)
		r = sd_bus_message_read(reply, "u", &pid);
	sd_bus_message_unref(reply);
	sd_bus_message_unref(m);
	return r < 0 || pid > INT32_MAX ? 0 : (int32_t)pid;
}

int facts_ask_bus(struct ctl *c, struct facts_hint *ret)
{
	int r = call_connect_quietly(c, c->address);

	*ret = (struct facts_hint){0};
	if (r < 0)
		return r;
	ret->bus_pid = pid_behind(c, "org.freedesktop.DBus");
	ret->broker_pid = pid_behind(c, CTL_NAME);
	return ret->broker_pid ? 0 : -ENXIO;
}

/* ---- clients ---- */

static void look_at_client(struct facts *f, int root_fd, const struct client_row *k)
{
	char path[64], text[8192];
	struct figure locked;
	ssize_t n;

	snprintf(path, sizeof(path), "proc/%u/status", k->pid);
	n = file_read_at(root_fd, path, text, sizeof(text));
	figure_line(n, text, "VmLck", &locked);
	f->clients++;
	if (locked.state != FIGURE_SEEN)
		f->unseen++;
	else if (!locked.value && !f->unlocked++)
		snprintf(f->unlocked_name, sizeof(f->unlocked_name), "%s", k->name);
}

static int read_clients(struct facts *f, struct ctl *c)
{
	_cleanup_close_ int root_fd =
		open(c->root ? c->root : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct client_row *rows = calloc(CLIENTS_MAX, sizeof(*rows));
	uint32_t count = 0;
	int r = rows ? call_clients(c, rows, CLIENTS_MAX, &count) : -ENOMEM;

	for (uint32_t i = 0; r >= 0 && i < count; i++)
		look_at_client(f, root_fd, &rows[i]);
	free(rows);
	return r;
}

/* ---- procedures ---- */

static void look_at_procedure(struct facts *f, const char *state, const char *program)
{
	f->procedures++;
	if (!strcmp(state, "ready") || !strcmp(state, "running"))
		return;
	if (!f->not_ready++)
		print_clean(f->not_ready_name, sizeof(f->not_ready_name), program);
}

static int read_procedure(struct facts *f, sd_bus_message *m)
{
	const char *kind, *who, *state, *program;
	uint32_t id;
	int r = sd_bus_message_enter_container(m, 'r', "ussssasa{sv}");

	if (r <= 0)
		return r;
	r = sd_bus_message_read(m, "ussss", &id, &kind, &who, &state, &program);
	if (r < 0)
		return r;
	look_at_procedure(f, state, program);
	r = sd_bus_message_skip(m, "asa{sv}");
	if (r >= 0)
		r = sd_bus_message_exit_container(m);
	return r < 0 ? r : 1;
}

/* A broker of before procedures has none. */
static int read_procedures(struct facts *f, struct ctl *c)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *reply = NULL;
	int r = sd_bus_call_method(c->bus, CTL_NAME, CTL_PATH, CTL_NAME, "ListProcedures", &error,
				   &reply, NULL);

	if (r < 0 && sd_bus_error_has_name(&error, SD_BUS_ERROR_UNKNOWN_METHOD))
		r = 0;
	else if (r >= 0)
		r = sd_bus_message_enter_container(reply, 'a', "(ussssasa{sv})");
	while (reply && r >= 0 && (r = read_procedure(f, reply)) > 0)
		continue;
	sd_bus_error_free(&error);
	sd_bus_message_unref(reply);
	return r;
}

void facts_ask_broker(struct facts *f, struct ctl *c, int answer)
{
	if (answer >= 0)
		answer = read_clients(f, c);
	if (answer >= 0)
		answer = read_procedures(f, c);
	f->is_asked = answer >= 0 || f->broker.pid; /* else there is none to ask, which is a row */
	f->answer = figure_of(answer < 0 ? answer : 0, 0);
	if (answer < 0)
		f->answer.state = FIGURE_HIDDEN;
}
