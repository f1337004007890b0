/* SPDX-License-Identifier: MIT */
/*
 * What goes out, and in which order: birth; alarms and reports, those that a killed server may have
 * forgotten among them; the alarms' present state; then events, not faster than drain_per_s.
 * Nothing of it rests on the library's queue: a new connection begins from the spool.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "device.h"
#include "device_check.h"
#include "tell.h"

#define US_PER_S UINT64_C(1000000)
#define TOKEN	 1000u		 /* one event, in permille */
#define DRAIN_US (US_PER_S / 10) /* a wakeup for each tenth of drain_per_s */

static void on_will(void *userdata, const char **topic, const void **payload, size_t *length)
{
	struct device *d = userdata;
	const struct envelope_state gone = {.is_online = false};
	struct envelope_moment m = {.sequence = spool_next_sequence(d->spool),
				    .boottime_us = device_boot_us()};
	int r;

	d->envelope.session = spool_next_session(d->spool);
	r = envelope_state(&d->envelope, &m, &gone, false, d->will);
	if (r < 0) {
		tell(TELL_ERROR, "no last will: %s", strerror(-r));
		return;
	}
	*topic = d->topic[TOPIC_AT_STATE];
	*payload = d->will;
	*length = (size_t)r;
}

static const char *topic_of(const struct device *d, uint32_t type)
{
	switch ((enum topic_type)type) {
	case TOPIC_HEARTBEAT:
		return d->topic[TOPIC_AT_HEARTBEAT];
	case TOPIC_REPORT:
		return d->topic[TOPIC_AT_REPORT];
	case TOPIC_STATE:
	case TOPIC_EVENT:
	case TOPIC_ALARM:
	case TOPIC_TYPE_COUNT:
		break;
	}
	return d->topic[TOPIC_AT_EVENT];
}

static int send_record(struct device *d, const struct spool_record *r)
{
	const bool is_sure = r->type != TOPIC_HEARTBEAT;
	int message =
		link_publish(d->link, topic_of(d, r->type), r->payload, r->length, is_sure, false);

	if (message < 0)
		return message;
	if (is_sure)
		d->flight[d->flights++] = (struct device_flight){message, r->sequence};
	else
		spool_acknowledge(d->spool, r->sequence, device_boot_us() / US_PER_S);
	return 0;
}

void device_send_retained(struct device *d, enum topic_alarm alarm)
{
	const struct spool_record *r = spool_alarm(d->spool, alarm);
	const bool is_raised = r && r->is_raised;
	struct topic t = {.place = TOPIC_AT_ALARM, .alarm = alarm};
	char topic[TOPIC_MAX];

	memcpy(t.fleet, d->envelope.fleet, sizeof(t.fleet));
	memcpy(t.device, d->envelope.device, sizeof(t.device));
	topic_format(&t, topic);
	if (link_publish(d->link, topic, is_raised ? r->payload : "", is_raised ? r->length : 0, 1,
			 true) < 0)
		d->is_retained_sent = false; /* all of them, with the next that is sent */
}

static bool send_urgent(struct device *d)
{
	const struct spool_record *r;

	while ((r = spool_next(d->spool, SPOOL_ALARM, d->alarm_after))) {
		if (d->flights == DEVICE_FLIGHTS_MAX || send_record(d, r) < 0)
			return false;
		d->alarm_after = r->sequence;
	}
	return true;
}

static void fill_bucket(struct device *d)
{
	const uint64_t now_us = device_now_us();
	const uint64_t most = d->settings.drain_per_s * TOKEN;
	const uint64_t passed_us =
		now_us - d->tokens_us < US_PER_S ? now_us - d->tokens_us : US_PER_S;

	d->tokens_permille += passed_us * d->settings.drain_per_s / (US_PER_S / TOKEN);
	d->tokens_permille = d->tokens_permille < most ? d->tokens_permille : most;
	d->tokens_us = now_us;
}

static void send_events(struct device *d)
{
	const struct spool_record *r;

	fill_bucket(d);
	while ((r = spool_next(d->spool, SPOOL_HEARTBEAT, d->event_after))) {
		if (spool_priority(r->type) != SPOOL_ALARM) { /* those have gone before */
			if (d->flights >= d->settings.window)
				return; /* an acknowledgement goes on here */
			if (d->tokens_permille < TOKEN || send_record(d, r) < 0) {
				device_arm(d->drain, DRAIN_US, DRAIN_US / 10);
				return;
			}
			d->tokens_permille -= TOKEN;
		}
		d->event_after = r->sequence;
	}
}

void device_send(struct device *d)
{
	if (!link_is_connected(d->link) || !send_urgent(d))
		return;
	if (!d->is_retained_sent) {
		d->is_retained_sent = true;
		for (enum topic_alarm a = 0; a < TOPIC_ALARM_COUNT; a++)
			device_send_retained(d, a);
	}
	send_events(d);
}

void device_meet(struct device *d)
{
	d->met_s = device_boot_us() / US_PER_S;
	spool_meet(d->spool, d->met_s, d->settings.resend_window_s);
}

static void on_connected(void *userdata)
{
	struct device *d = userdata;
	uint32_t again;

	if (d->options.is_check) {
		device_check_connected(d);
		return;
	}
	d->flights = 0;
	d->alarm_after = d->event_after = 0;
	d->is_retained_sent = false;
	d->tokens_permille = d->settings.drain_per_s * TOKEN / 10;
	d->tokens_us = device_now_us();
	again = spool_resend(d->spool, d->met_s, d->settings.resend_window_s);
	device_meet(d);
	tell(TELL_INFO,
	     "connected to %s, session %llu; %u messages wait, %u of them were sent before",
	     link_server(d->link), (unsigned long long)d->envelope.session,
	     spool_count(d->spool).waiting, again);
	(void)device_state(d,
			   true); /* the birth; what is lost now comes with the next connection */
	device_arm(d->rebirth, d->settings.keepalive_s * US_PER_S * 3 / 2 + 5 * US_PER_S, US_PER_S);
	device_send(d);
}

static void on_lost(void *userdata, const char *why)
{
	struct device *d = userdata;

	if (d->options.is_check) {
		device_check_lost(d, why);
		return;
	}
	tell(TELL_WARNING, "not connected: %s", why);
	d->flights = 0;
	(void)sd_event_source_set_enabled(d->rebirth, SD_EVENT_OFF);
	device_order_lost(d);
	if (d->goodbye && !d->is_asking)
		sd_event_exit(d->event, 0);
}

static void on_acknowledged(void *userdata, int message)
{
	struct device *d = userdata;
	uint64_t sequence = 0;

	for (uint32_t i = 0; i < d->flights && !sequence; i++)
		if (d->flight[i].message == message) {
			sequence = d->flight[i].sequence;
			d->flight[i] = d->flight[--d->flights];
		}
	if (sequence) {
		device_meet(d);
		spool_acknowledge(d->spool, sequence, d->met_s);
		d->last_alarm = d->last_alarm == sequence ? 0 : d->last_alarm;
	}
	device_order_sent(d, sequence, message);
	if (d->options.is_check)
		device_check_acknowledged(d, message);
	if (d->goodbye && message == d->goodbye)
		sd_event_exit(d->event, 0);
	else if (sequence)
		device_send(d);
}

static void on_received(void *userdata, const struct link_message *m)
{
	device_command(userdata, m);
}

/* The first line of the file. */
static int read_password(struct device *d, char complaint[256])
{
	const char *path = d->settings.password_file;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, d->password, sizeof(d->password) - 1);
	int r = length < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	if (r < 0) {
		(void)snprintf(complaint, 256, "cannot read %.180s: %s", path, strerror(-r));
		return r;
	}
	d->password[length] = '\0';
	d->password[strcspn(d->password, "\r\n")] = '\0';
	return 0;
}

static const char *or_null(const char *text)
{
	return *text ? text : NULL;
}

int device_connect(struct device *d, char complaint[256])
{
	const struct settings *s = &d->settings;
	struct link_options o = {
		.servers = (uint32_t)s->servers,
		.client_id = d->client_id,
		.user = or_null(s->user),
		.password = s->password_file[0] ? d->password : NULL,
		.ca_file = or_null(s->ca_file),
		.cert_file = or_null(s->cert_file),
		.key_file = or_null(s->key_file),
		.is_clean = true,
		.keepalive_s = (unsigned)s->keepalive_s,
		.connect_us = s->connect_us,
		.pause_first_us = s->pause_first_us,
		.pause_last_us = s->pause_last_us,
		.spread_us = s->spread_us,
		.subscription = {d->topic[TOPIC_AT_COMMAND]},
		.subscriptions = s->commands ? 1 : 0,
	};
	const struct link_events events = {on_will,	    on_connected, on_lost,
					   on_acknowledged, on_received,  d};
	int r = s->password_file[0] ? read_password(d, complaint) : 0;

	for (uint32_t i = 0; i < o.servers; i++)
		o.server[i] = s->server[i];
	return r < 0 ? r : link_new(&d->link, d->event, &o, &events, complaint);
}
