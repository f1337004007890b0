/* SPDX-License-Identifier: MIT */
#include "service_caller.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "recorder.h"
#include "service.h"

#define WAITING_MAX	256u	/* calls that wait for credentials, all callers */

const char *service_sender(sd_bus_message *m)
{
	const char *sender = sd_bus_message_get_sender(m);

	return sender ? sender : ":direct"; /* a peer-to-peer connection has one other end */
}

static void call_free(void *userdata)
{
	struct service_call *p = userdata;

	p->broker->joining--;
	sd_bus_message_unref(p->call);
	free(p);
}

static int read_groups(sd_bus_message *m, struct service_caller *ret)
{
	const void *groups;
	size_t bytes;
	int r = sd_bus_message_enter_container(m, 'v', "au");

	if (r >= 0)
		r = sd_bus_message_read_array(m, 'u', &groups, &bytes);
	if (r < 0)
		return r;
	ret->groups_count = (uint32_t)MIN_OF(bytes / sizeof(uint32_t), SERVICE_GROUPS_MAX);
	memcpy(ret->groups, groups, ret->groups_count * sizeof(uint32_t));
	return sd_bus_message_exit_container(m);
}

static int read_credential(sd_bus_message *m, struct service_caller *ret)
{
	const char *key;
	uint32_t value = 0;
	int r = sd_bus_message_read_basic(m, 's', &key);

	if (r < 0)
		return r;
	if (!strcmp(key, "UnixUserID"))
		return sd_bus_message_read(m, "v", "u", &ret->uid);
	if (!strcmp(key, "UnixGroupIDs"))
		return read_groups(m, ret);
	if (strcmp(key, "ProcessID"))
		return sd_bus_message_skip(m, "v");
	r = sd_bus_message_read(m, "v", "u", &value);
	ret->pid = (int32_t)value;
	return r;
}

/* The reply of GetConnectionCredentials: a{sv}. */
static int read_caller(sd_bus_message *m, struct service_caller *ret)
{
	int r = sd_bus_message_enter_container(m, 'a', "{sv}");

	*ret = (struct service_caller){ .uid = UINT32_MAX };
	while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
		r = read_credential(m, ret);
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
	}
	if (r >= 0 && (ret->uid == UINT32_MAX || ret->pid <= 0))
		return -ENODATA;
	return r;
}

static int on_caller(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
	struct service_call *p = userdata;
	sd_bus_error error = SD_BUS_ERROR_NULL;
	struct service_caller caller;
	int r;

	(void)ret_error;
	if (sd_bus_message_is_method_error(m, NULL))
		return 0; /* the caller has left the bus meanwhile: nobody to answer */
	r = read_caller(m, &caller);
	if (r >= 0)
		r = p->go_on(p, &caller, &error);
	if (r < 0)
		r = sd_bus_error_is_set(&error) ? sd_bus_reply_method_error(p->call, &error)
						: sd_bus_reply_method_errno(p->call, r, NULL);
	if (r < 0)
		log_warning("bus: a reply cannot be sent: %s", strerror(-r));
	sd_bus_error_free(&error);
	broker_step(p->broker);
	return 0;
}

/* Takes p. */
int service_ask_caller(struct service_call *p, sd_bus_message *m, sd_bus_error *error)
{
	struct broker *b = p->broker;
	sd_bus_slot *slot = NULL;
	int r;

	if (b->joining >= WAITING_MAX) {
		free(p);
		return service_error(error, "TooManyClients",
				     "%u calls wait for the bus already; try again", WAITING_MAX);
	}
	b->joining++;
	p->call = sd_bus_message_ref(m);
	r = sd_bus_call_method_async(b->bus.connection, &slot, "org.freedesktop.DBus",
				     "/org/freedesktop/DBus", "org.freedesktop.DBus",
				     "GetConnectionCredentials", on_caller, p, "s", service_sender(m));
	if (r < 0) {
		call_free(p);
		return r;
	}
	(void)sd_bus_slot_set_destroy_callback(slot, call_free); /* only fails for other slots */
	(void)sd_bus_slot_set_floating(slot, true);		     /* same */
	sd_bus_slot_unref(slot);
	return 1;
}

/* ---- Record, Reload ---- */

bool service_is_privileged(const struct service_caller *caller)
{
	struct group room, *group = NULL;
	char buffer[4096];

	if (caller->uid == 0)
		return true;
	if (getgrnam_r("failsoft", &room, buffer, sizeof(buffer), &group) || !group)
		return false;
	for (uint32_t i = 0; i < caller->groups_count; i++)
		if (caller->groups[i] == group->gr_gid)
			return true;
	return false;
}

static int go_on_record(struct service_call *p, const struct service_caller *caller, sd_bus_error *error)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (!service_is_privileged(caller))
		return service_error(error, "NotAllowed",
				     "Record is for root and for members of the group failsoft");
	r = recorder_start(p->broker, &fd);
	if (r == -EBUSY)
		return service_error(error, "Busy", "a recording is running already; end that one first");
	if (r < 0)
		return r;
	r = sd_bus_reply_method_return(p->call, "h", fd);
	recorder_pump(p->broker);
	return r;
}

int service_record(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct service_call *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->broker = userdata;
	p->go_on = go_on_record;
	return service_ask_caller(p, m, error);
}

static int go_on_reload(struct service_call *p, const struct service_caller *caller, sd_bus_error *error)
{
	char text[CONFIG_ERROR_MAX];

	if (!service_is_privileged(caller))
		return service_error(error, "NotAllowed",
				     "Reload is for root and for members of the group failsoft");
	if (broker_reload(p->broker, text, sizeof(text)) < 0)
		return service_error(error, "ConfigInvalid", "nothing was changed: %s", text);
	return sd_bus_reply_method_return(p->call, NULL);
}

int service_reload(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct service_call *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->broker = userdata;
	p->go_on = go_on_reload;
	return service_ask_caller(p, m, error);
}
