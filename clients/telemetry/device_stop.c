/* SPDX-License-Identifier: MIT */
/* The end of the process: was it meant for the machine? The server, and the next boot, are told. */
#include <string.h>
#include <systemd/sd-daemon.h>

#include "device.h"
#include "tell.h"

/* Waits for the goodbye's acknowledgement; a server that does not answer sends the will instead. */
#define GOODBYE_US UINT64_C(2000000)
#define ASK_US	   UINT64_C(500000) /* systemd answers in 1 ms, or not at all any more */

static int say_goodbye(struct device *d)
{
	int message;

	d->is_asking = false;
	tell(TELL_INFO, "ending%s%s", d->expect[0] ? "; of the machine is expected: " : "",
	     d->expect);
	message = device_state(d, false);
	if (message < 0)
		return sd_event_exit(d->event, 0);
	d->goodbye = message;
	device_arm(d->stop, GOODBYE_US, 1000);
	return 0;
}

/* systemd says "stopping" from the moment at which it decides to shut down, halt or reboot. */
static int on_systemd(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct device *d = userdata;
	const char *state = "";

	(void)error;
	if (!d->is_asking)
		return 0; /* it took too long */
	if (!sd_bus_message_is_method_error(m, NULL) &&
	    sd_bus_message_read(m, "v", "s", &state) >= 0 && !strcmp(state, "stopping")) {
		d->expect = "shutdown";
		device_keep(d, true);
	}
	return say_goodbye(d);
}

/* Nothing here waits: what is due ends it. Nor does the loop's end, which would flush to a bus that stands
 * still. */
static int ask_systemd(struct device *d)
{
	int r = sd_bus_open_system(&d->systemd);

	if (r >= 0)
		r = sd_bus_set_close_on_exit(d->systemd, false);
	if (r >= 0)
		r = sd_bus_attach_event(d->systemd, d->event, SD_EVENT_PRIORITY_NORMAL);
	if (r >= 0)
		r = sd_bus_call_method_async(d->systemd, NULL, "org.freedesktop.systemd1",
					     "/org/freedesktop/systemd1",
					     "org.freedesktop.DBus.Properties", "Get", on_systemd, d, "ss",
					     "org.freedesktop.systemd1.Manager", "SystemState");
	return r;
}

int device_stop_due(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct device *d = userdata;

	(void)source, (void)usec;
	return d->is_asking ? say_goodbye(d) : sd_event_exit(d->event, 0);
}

int device_on_signal(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata)
{
	struct device *d = userdata;
	const bool is_open = !d->expect[0] && si->ssi_signo == SIGTERM;

	(void)source;
	if (d->goodbye)
		return sd_event_exit(d->event, 0); /* asked twice */
	(void)sd_notify(false, "STOPPING=1");
	if (is_open && d->settings.stop == SETTINGS_STOP_SHUTDOWN)
		d->expect = "shutdown";
	device_past_conclude(d);
	(void)sd_event_source_set_enabled(d->rebirth, SD_EVENT_OFF);
	d->goodbye = -1;
	device_keep(d, true); /* first: who is asked may not answer any more */
	if (!is_open || d->settings.stop != SETTINGS_STOP_ASK || sd_booted() <= 0)
		return say_goodbye(d);
	d->is_asking = true;
	device_arm(d->stop, ASK_US, 1000);
	return ask_systemd(d) < 0 ? say_goodbye(d) : 0;
}
