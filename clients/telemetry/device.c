/* SPDX-License-Identifier: MIT */
#include "device.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "reserve.h"
#include "tell.h"

#define US_PER_S UINT64_C(1000000)

/* The crumb says within this when the process was last alive. Half: twice the wakeups at rest;
 * double: a report's "then it ended" is as much less sure. */
#define TICK_US (10 * US_PER_S)

/* What the process may grow by after its start. A server's message is taken whole before anybody looks at
 * it, and ours has 32 MiB in its cgroup, of which it has up to 10: without a limit a message of 20 MB is
 * its end, at each start again if the server keeps it. A lookup's thread takes 256 KiB of stack, a
 * connection with TLS 200 KiB. Half would do; double leaves little of the cgroup. */
#define MARGIN_BYTES ((size_t)8 << 20)

static uint64_t clock_us(clockid_t clock)
{
	struct timespec t;

	(void)clock_gettime(clock, &t); /* cannot fail: a valid clock */
	return (uint64_t)t.tv_sec * US_PER_S + (uint64_t)t.tv_nsec / 1000;
}

uint64_t device_now_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

uint64_t device_boot_us(void)
{
	return clock_us(CLOCK_BOOTTIME);
}

void device_arm(sd_event_source *source, uint64_t in_us, uint64_t accuracy_us)
{
	(void)sd_event_source_set_time_relative(source, in_us); /* fails for overflow only */
	(void)sd_event_source_set_time_accuracy(source, accuracy_us ? accuracy_us : 1);
	(void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* ---- what the broker says ---- */

static void on_event(void *userdata, const struct feed_event *e)
{
	struct tally_note note[TALLY_NOTES_MAX];
	struct device *d = userdata;
	uint32_t notes;

	if (e->total_bytes)
		d->newest = *e;
	notes = tally_step(&d->tally, e, note);
	device_tell(d, note, notes, e);
	device_past_event(d, e);
}

static void on_order(void *userdata, const struct failsoft_order *order)
{
	device_ordered(userdata, order);
}

static void on_broker(struct device *d, bool is_up)
{
	struct tally_note note[TALLY_NOTES_MAX];
	uint32_t notes = tally_broker(&d->tally, is_up, note);

	device_tell(d, note, notes, NULL);
}

static void on_up(void *userdata)
{
	on_broker(userdata, true);
}

static void on_down(void *userdata)
{
	device_past_conclude(userdata);
	on_broker(userdata, false);
}

/* ---- time ---- */

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct tally_note note[TALLY_NOTES_MAX];
	struct device *d = userdata;
	uint32_t notes =
		tally_time(&d->tally, device_now_us(), d->settings.oom_hold_s * US_PER_S, note);

	(void)usec;
	if (link_is_connected(d->link))
		device_meet(d);
	device_tell(d, note, notes, NULL);
	device_past_conclude(d); /* a broker that has not said all within a tick says no more */
	device_keep(d, false);
	device_command_tick(d);
	device_arm(source, notes ? US_PER_S : TICK_US, US_PER_S); /* a note may be one of several */
	return 0;
}

static int on_heartbeat(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct device *d = userdata;
	const uint64_t period_us = d->settings.heartbeat_s * US_PER_S;
	uint64_t random = 0;

	if (usec)
		device_beat(d);
	(void)!getrandom(&random, sizeof(random), GRND_NONBLOCK); /* early at boot: the shortest */
	device_arm(source, period_us * 9 / 10 + random % (period_us / 5), US_PER_S);
	return 0;
}

/* A will of the connection before, that came late and covered the birth, is covered in turn. */
static int on_rebirth(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source, (void)usec;
	(void)device_state(userdata, true); /* not connected: there is a birth to come */
	return 0;
}

static int on_drain(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source, (void)usec;
	device_send(userdata);
	return 0;
}

/* ---- start ---- */

static int complain(const char *what, int error, const char *text)
{
	tell(TELL_ERROR, "%s: %s", what, text && *text ? text : strerror(-error));
	return error;
}

static int name_topics(struct device *d)
{
	struct topic t;

	strcpy(d->envelope.fleet, d->settings.fleet);
	strcpy(d->envelope.device, d->identity.device);
	strcpy(d->envelope.firmware, d->identity.firmware);
	strcpy(d->envelope.boot, d->identity.boot);
	memcpy(t.fleet, d->envelope.fleet, sizeof(t.fleet));
	memcpy(t.device, d->envelope.device, sizeof(t.device));
	for (t.place = 0; t.place < TOPIC_PLACE_COUNT; t.place++)
		if (t.place != TOPIC_AT_ALARM)
			topic_format(&t, d->topic[t.place]);
	/* Fleet and instance, too: a server throws out whoever has the id of one that comes, so two
	 * devices with one name would do that to each other for ever, and neither would be seen. */
	return snprintf(d->client_id, sizeof(d->client_id), "failsoft-%s-%s-%08x",
			d->envelope.fleet, d->envelope.device, d->envelope.instance) > 0
		       ? 0
		       : -EINVAL;
}

static int add_sources(struct device *d)
{
	const struct {
		sd_event_source **source;
		sd_event_time_handler_t handler;
	} timers[] = {
		{&d->tick, on_tick},   {&d->heartbeat, on_heartbeat},  {&d->rebirth, on_rebirth},
		{&d->drain, on_drain}, {&d->answer, device_order_due}, {&d->stop, device_stop_due}};
	int r = sd_event_new(&d->event);

	for (size_t i = 0; r >= 0 && i < sizeof(timers) / sizeof(timers[0]); i++) {
		r = sd_event_add_time(d->event, timers[i].source, CLOCK_MONOTONIC, UINT64_MAX, 0,
				      timers[i].handler, d);
		if (r >= 0)
			r = sd_event_source_set_enabled(*timers[i].source, SD_EVENT_OFF);
	}
	for (size_t i = 0; r >= 0 && i < 2; i++)
		r = sd_event_add_signal(d->event, NULL, (int[]){SIGTERM, SIGINT}[i],
					device_on_signal, d);
	if (r >= 0)
		r = sd_event_source_set_priority(d->answer, SD_EVENT_PRIORITY_IMPORTANT);
	return r < 0 ? r : sd_event_set_watchdog(d->event, true);
}

static const char *why_no_spool(int r)
{
	switch (r) {
	case -EBUSY:
		return "another failsoft-telemetry has it; its journal says what its server says";
	case -ENOENT:
		return "the state directory is not there: StateDirectory= of the service makes it; "
		       "without systemd make it, mode 0700, for the user of this process, or name "
		       "another one with --state-dir";
	}
	return "";
}

static int open_spool(struct device *d)
{
	const uint32_t slots = (uint32_t)d->settings.spool_slots;
	struct spool_opening how;
	char path[512];
	int r;

	(void)snprintf(path, sizeof(path), "%s/spool", d->options.state_directory);
	r = spool_open_anyway(&d->spool, path, slots, &how);
	if (r < 0)
		return complain(path, r, why_no_spool(r));
	if (how.is_aside)
		tell(TELL_ERROR, "%s was no spool of ours: it is %s.bad now, and a new one is begun; "
		     "what waited in it is not sent", path, path);
	if (how.is_in_memory)
		tell(TELL_ERROR, "%s: %s: what waits is in memory alone and lost with this process, "
		     "until a start finds room", path, strerror(-how.error));
	if (how.is_old_size)
		tell(TELL_WARNING, "%s: %s: it keeps its %u slots instead of %u", path,
		     strerror(-how.error), spool_count(d->spool).slots, slots);
	if (!spool_is_locked(d->spool))
		tell(TELL_WARNING, "the spool is not locked in memory: RLIMIT_MEMLOCK is too low");
	return 0;
}

static int open_state(struct device *d)
{
	char complaint[256] = "";
	int r = identity_read(d->root_fd, d->settings.device, d->settings.firmware, &d->identity,
			      complaint);

	if (r < 0)
		return complain("who this device is", r, complaint);
	r = open_spool(d);
	if (r < 0)
		return r;
	device_meet(d); /* when the one before lost its server is not known */
	d->envelope.instance = spool_instance(d->spool);
	r = name_topics(d);
	if (r >= 0)
		r = device_connect(d, complaint);
	if (r < 0)
		return complain("the connection", r, complaint);
	r = device_past_open(d, complaint);
	return r < 0 ? complain("the state", r, complaint) : 0;
}

int device_start(struct device *d, const struct device_options *options,
		 const struct settings *settings)
{
	const struct feed_handlers handlers = {on_event, on_order, on_up, on_down, d};
	struct feed_options feed = {.bus_address = options->bus_address,
					  .budget_us = settings->budget_us};
	struct reserve reserve;
	sigset_t mask;
	int r;

	*d = (struct device){
		.settings = *settings, .options = *options, .expect = "", .root_fd = -1};
	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	d->root_fd = open(options->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (d->root_fd < 0)
		return complain(options->root, -errno, "");
	r = add_sources(d);
	if (r < 0)
		return complain("the event loop", r, "");
	r = reserve_memory(settings->reserve_bytes, &reserve);
	if (r < 0)
		return complain("the reserve of memory", r, "");
	tell(reserve.is_all_locked ? TELL_DEBUG : TELL_WARNING, "%s", reserve.text);
	r = open_state(d);
	if (r < 0)
		return r;
	device_rehearse(d);
	feed.has_past = d->past.mark.newest_us && !d->facts.is_other_boot;
	if (!options->is_check)
		r = feed_new(&d->feed, d->event, &feed, &handlers);
	if (r < 0)
		return complain("the broker", r, "");
	r = reserve_no_more(MARGIN_BYTES);
	if (r < 0)
		tell(TELL_WARNING, "a large message of a server's may take memory without limit: %s",
		     strerror(-r));
	if (options->is_check)
		return 0;
	device_arm(d->tick, TICK_US, US_PER_S);
	return on_heartbeat(d->heartbeat, 0, d);
}

int device_run(struct device *d)
{
	int r;

	(void)sd_notifyf(false, "READY=1\nSTATUS=%s/%s", d->envelope.fleet, d->envelope.device);
	r = sd_event_loop(d->event);
	if (r < 0)
		complain("the event loop", r, "");
	return r < 0 ? EXIT_FAILURE : r;
}

void device_stop(struct device *d)
{
	sd_event_source **const sources[] = {&d->tick,	&d->heartbeat, &d->rebirth,
					     &d->drain, &d->answer,    &d->stop};

	d->link = link_free(d->link);
	d->feed = feed_free(d->feed);
	d->is_drill_over = true;
	device_command_tick(d);
	if (d->systemd)
		(void)sd_bus_detach_event(d->systemd); /* it may not be attached */
	d->systemd = sd_bus_close_unref(d->systemd);
	d->spool = spool_close(d->spool);
	d->crumb = crumb_close(d->crumb);
	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
		*sources[i] = sd_event_source_disable_unref(*sources[i]);
	d->event = sd_event_unref(d->event);
	if (d->root_fd >= 0)
		close(d->root_fd);
}
