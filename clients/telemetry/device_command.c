/* SPDX-License-Identifier: MIT */
/* A drill that the fleet asks for. The broker decides whether this process may. */
#include <string.h>

#include "device.h"
#include "tell.h"

#define BROKER "org.failsoft.Broker1"
#define PATH   "/org/failsoft/Broker1"

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct device *d = userdata;
	const sd_bus_error *e = sd_bus_message_get_error(m);
	uint32_t asked = 0;

	(void)error;
	d->is_drill_over = true; /* the bus is closed by the next tick, not in its own callback */
	if (e)
		tell(TELL_WARNING, "the drill was not begun: %s: %s", e->name, e->message);
	else if (sd_bus_message_read(m, "u", &asked) >= 0)
		tell(TELL_INFO, "a drill was begun for the fleet: %u clients are asked", asked);
	return 0;
}

static int call(struct device *d, const char *stage)
{
	int r = sd_bus_new(&d->bus);

	if (r >= 0)
		r = sd_bus_set_address(d->bus, d->options.bus_address
						       ? d->options.bus_address
						       : "unix:path=/run/dbus/system_bus_socket");
	if (r >= 0)
		r = sd_bus_set_bus_client(d->bus, true);
	if (r >= 0) /* the loop's end would wait for a bus that stands still */
		r = sd_bus_set_close_on_exit(d->bus, false);
	if (r >= 0)
		r = sd_bus_start(d->bus);
	if (r >= 0)
		r = sd_bus_attach_event(d->bus, d->event, SD_EVENT_PRIORITY_NORMAL);
	if (r >= 0)
		r = sd_bus_call_method_async(d->bus, NULL, BROKER, PATH, BROKER, "Drill", on_reply,
					     d, "sas", stage, 0);
	return r;
}

static void close_bus(struct device *d)
{
	if (d->bus)
		(void)sd_bus_detach_event(d->bus); /* it may not be attached */
	d->bus = sd_bus_close_unref(d->bus);
	d->is_drill_over = false;
}

void device_command_tick(struct device *d)
{
	if (d->is_drill_over)
		close_bus(d);
}

void device_command(struct device *d, const struct link_message *m)
{
	const char *why = "", *stage;
	int r;

	if (!d->settings.commands || strcmp(m->topic, d->topic[TOPIC_AT_COMMAND]) != 0)
		return;
	stage = command_take(&d->gate, m->payload, m->length, m->is_retained, device_now_us(),
			     &why);
	if (!stage) {
		/* the first hundred, then each hundredth: nobody fills the journal from outside */
		if (d->gate.refused <= 100 || d->gate.refused % 100 == 0)
			tell(TELL_WARNING, "a command was refused (%llu so far): %s",
			     (unsigned long long)d->gate.refused, why);
		return;
	}
	close_bus(d);
	r = call(d, stage);
	if (r < 0)
		tell(TELL_WARNING, "the drill was not begun: the bus: %s", strerror(-r));
}
