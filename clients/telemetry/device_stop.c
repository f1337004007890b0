/* SPDX-License-Identifier: MIT */
/* The end of the process: was it meant for the machine? The server, and the next boot, are told. */
#include <string.h>
#include <systemd/sd-daemon.h>

#include "device.h"
#include "tell.h"

/* Waits for the goodbye's acknowledgement; a server that does not answer sends the will instead. */
#define GOODBYE_US UINT64_C(2000000)
#define ASK_US	   UINT64_C(500000) /* systemd answers in 1 ms, or not at all any more */

/* systemd says "stopping" from the moment at which it decides to shut down, halt or reboot. */
static bool is_systemd_stopping(void)
{
	sd_bus *bus = NULL;
	sd_bus_message *reply = NULL, *m = NULL;
	const char *state = "";
	bool is_stopping = false;

	if (sd_bus_open_system(&bus) >= 0 &&
	    sd_bus_message_new_method_call(bus, &m, "org.freedesktop.systemd1",
					   "/org/freedesktop/systemd1",
					   "org.freedesktop.DBus.Properties", "Get") >= 0 &&
	    sd_bus_message_append(m, "ss", "org.freedesktop.systemd1.Manager", "SystemState") >=
		    0 &&
	    sd_bus_call(bus, m, ASK_US, NULL, &reply) >= 0 &&
	    sd_bus_message_read(reply, "v", "s", &state) >= 0)
		is_stopping = !strcmp(state, "stopping");
	sd_bus_message_unref(m);
	sd_bus_message_unref(reply);
	sd_bus_close_unref(bus);
	return is_stopping;
}

static bool is_machine_going_down(const struct device *d)
{
	switch ((enum settings_stop)d->settings.stop) {
	case SETTINGS_STOP_SHUTDOWN:
		return true;
	case SETTINGS_STOP_SERVICE:
		return false;
	case SETTINGS_STOP_ASK:
		break;
	}
	return sd_booted() > 0 && is_systemd_stopping();
}

int device_on_signal(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata)
{
	struct device *d = userdata;
	int message;

	(void)source;
	if (d->goodbye)
		return sd_event_exit(d->event, 0); /* asked twice */
	(void)sd_notify(false, "STOPPING=1");
	if (!d->expect[0] && si->ssi_signo == SIGTERM && is_machine_going_down(d))
		d->expect = "shutdown";
	tell(TELL_INFO, "ending%s%s", d->expect[0] ? "; of the machine is expected: " : "",
	     d->expect);
	device_past_conclude(d);
	(void)sd_event_source_set_enabled(d->rebirth, SD_EVENT_OFF);
	d->goodbye = -1;
	device_keep(d, true);
	message = device_state(d, false);
	if (message < 0)
		return sd_event_exit(d->event, 0);
	d->goodbye = message;
	device_arm(d->stop, GOODBYE_US, 1000);
	return 0;
}
