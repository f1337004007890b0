/* SPDX-License-Identifier: MIT */
#include "broker.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "ask/shield.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/priority.h"
#include "config_policy.h"
#include "domains.h"
#include "outlook.h"
#include "peer.h"
#include "recorder.h"
#include "resort.h"
#include "respond.h"
#include "service.h"
#include "standby.h"
#include "start.h"
#include "stream.h"
#include "trip.h"
#include "victims.h"
#include "warning.h"

/* A fading maximum: after 100 quiet steps a late one still counts for a third. */
#define LATENCY_FADE	100u
#define LATENCY_LEAST_US (5 * US_PER_MS)
/* Later than this, answers that came meanwhile are read before deadlines are looked at. A turn takes
 * 2 ms; half: a read per client in busy turns; double: who answered in time is said to have missed. */
#define LATE_US		(10 * US_PER_MS)
/*
 * The bus is told so much later than the lifelines. On one CPU a broker of real-time priority that
 * goes on to write D-Bus messages keeps the clients that it has just asked from running: measured
 * (1000-MIPS CPU) order to handler 275 us with, 100 us without. Half: some handlers still wait;
 * double: clients without a lifeline are told 0.5 ms later.
 */
#define PUBLISH_AFTER_US (500u)

/* ---- carrying out ---- */

static void publish_soon(struct broker *b)
{
	if (!b->publish_us)
		b->publish_us = clock_now_us() + PUBLISH_AFTER_US;
}

static void carry_out(struct broker *b, const struct core_effect *e)
{
	switch (e->kind) {
	case EFFECT_ORDER:
		peer_order(b, e);
		publish_soon(b);
		break;
	case EFFECT_SHIELD_UP:
		peer_shield_up(b, e->client);
		break;
	case EFFECT_SHIELD_DOWN:
		peer_shield_down(b, e->client);
		break;
	case EFFECT_SURVEY:
		victims_choose(b, e->domain);
		break;
	case EFFECT_LOOK:
		victims_look(b, e->domain);
		break;
	case EFFECT_STOP:
		victims_stop(b, e->domain);
		break;
	case EFFECT_LET_GO:
		if (!respond_holds(b, e->domain))
			brake_release(&b->brake, e->domain);
		break;
	case EFFECT_SIGNAL_VICTIM:
		victims_signal(b, e);
		break;
	case EFFECT_PROCEDURE:
		respond_run(b, e->domain);
		break;
	case EFFECT_FREE_FILES:
	case EFFECT_LAST_RUN:
	case EFFECT_END_MACHINE:
		resort_do(b, e);
		break;
	case EFFECT_TRIPWIRE:
		trip_set(b, e->limit_bytes);
		break;
	case EFFECT_ANNOUNCE:
		b->announce |= 1u << e->domain;
		b->announce_sequence[e->domain] = e->sequence;
		b->announce_episode[e->domain] = e->episode;
		publish_soon(b);
		break;
	case EFFECT_NONE:
	case EFFECT_KIND_COUNT:
		break;
	}
}

void broker_drain(struct broker *b)
{
	struct core_effect e;

	while (core_effect(&b->core, &e))
		carry_out(b, &e);
}

/* ---- keep ---- */

static void keep_episodes(struct broker *b)
{
	for (uint32_t d = 0; d < CORE_DOMAINS_MAX; d++) {
		const struct core_domain *domain = &b->core.domain[d];
		struct state_episode note = {
			.number = domain->episode, .stage = domain->stage.now,
			.began_us = domain->stage.since_us,
		};

		if (!domain->used)
			note.number = 0;
		if (note.number == b->kept_episode[d] && note.stage == b->kept_stage[d])
			continue;
		b->kept_episode[d] = note.number;
		b->kept_stage[d] = note.stage;
		strcpy(note.domain, domain->name); /* same size, see the assertion */
		if (note.number)
			state_episode_set(&b->state, d, &note);
		else
			state_episode_clear(&b->state, d);
	}
}
_Static_assert(STATE_DOMAIN_MAX == CORE_DOMAIN_NAME_MAX, "a domain's name fits");
_Static_assert(STATE_EPISODES_MAX == CORE_DOMAINS_MAX, "an episode per domain");

/* When nothing else is left to do: events to the writer and to the readers. */
static int on_pump(sd_event_source *source, void *userdata)
{
	struct broker *b = userdata;
	const struct event *e;
	uint64_t lost = 0;

	while ((e = record_next(&b->core.record, &b->written, &lost)))
		writer_put(&b->writer, e);
	stream_pump(b);
	recorder_pump(b);
	return sd_event_source_set_enabled(source, SD_EVENT_OFF);
}

/* ---- the loop ---- */

static void read_samples(struct broker *b, uint64_t now_us)
{
	struct sample sample;

	for (uint32_t d = 0; d < CORE_DOMAINS_MAX; d++) {
		int r;

		if (!core_wants_sample(&b->core, d, now_us))
			continue;
		r = sense_read(b->sense, d, now_us, &sample);
		if (r == -ENODEV || r == -ENOENT) {
			if (d != CORE_DOMAIN_SYSTEM)
				domains_lose(b, d, now_us);
			continue;
		}
		if (r < 0)
			sample = (struct sample){ .time_us = now_us, .domain = d };
		if (d == CORE_DOMAIN_SYSTEM) {
			outlook_sample(b, &sample);
			trip_sample(b, &sample);
			standby_sample(b, &sample);
		}
		outlook_pools(b, &sample);
		core_sample(&b->core, &sample);
		broker_drain(b);
	}
}

/* Due now, not before: what was due long ago would count as the loop's own lateness. */
void broker_sample_now(struct broker *b, uint32_t domain)
{
	uint64_t *due_us = &b->core.domain[domain].sample_due_us;

	*due_us = MIN_OF(*due_us, clock_now_us());
}

/* From when a step was due to when its orders were out; feeds back into the lead. */
static void measure_latency(struct broker *b, uint64_t due_us)
{
	uint64_t now_us = clock_now_us(), late_us = due_us < now_us ? now_us - due_us : 0;

	b->latency_us -= b->latency_us / LATENCY_FADE;
	b->latency_us = MAX_OF(b->latency_us, MIN_OF(late_us, US_PER_S));
	core_set_latency(&b->core, MAX_OF(b->latency_us, LATENCY_LEAST_US));
}

/* Returns when the next turn is due. */
static uint64_t arm(struct broker *b)
{
	uint64_t rest_us = MIN_OF(outlook_due_us(b), b->publish_us ? b->publish_us : NEVER_US);
	uint64_t due_us = MIN_OF(MAX_OF(core_due_us(&b->core), b->respond.silent_us),
				 MAX_OF(rest_us, b->respond.quiet_us));
	int r;

	r = sd_event_source_set_time(b->timer, due_us);

	if (r >= 0)
		r = sd_event_source_set_enabled(b->timer, due_us == NEVER_US ? SD_EVENT_OFF
									      : SD_EVENT_ONESHOT);
	if (r >= 0 && (b->core.record.last != b->written || b->core.tape))
		r = sd_event_source_set_enabled(b->pump, b->respond.quiet_us ? SD_EVENT_OFF
									     : SD_EVENT_ONESHOT);
	if (r < 0)
		log_error("the loop's timer: %s", strerror(-r));
	return due_us;
}

/* The other thread acts just now: nothing is decided beside it. */
static void come_again(struct broker *b, uint64_t now_us)
{
	if (sd_event_source_set_time(b->timer, now_us + US_PER_MS) < 0 ||
	    sd_event_source_set_enabled(b->timer, SD_EVENT_ONESHOT) < 0)
		log_error("the loop's timer cannot be set");
}

void broker_step(struct broker *b)
{
	uint64_t now_us = clock_now_us(), due_us = MIN_OF(core_due_us(&b->core), now_us);

	if (!standby_begin(b, now_us)) {
		come_again(b, now_us);
		return;
	}
	if (now_us - due_us > LATE_US)
		peer_hear(b);
	read_samples(b, now_us);
	core_tick(&b->core, now_us);
	broker_drain(b);
	trip_watch(b, now_us);
	respond_watch(b, now_us);
	victims_watch(b);
	victims_hold(b, now_us);
	if (!b->respond.quiet_us)
		outlook_step(b, now_us);
	measure_latency(b, due_us);

	keep_episodes(b);
	if (b->publish_us && now_us >= b->publish_us && !b->respond.quiet_us) {
		b->publish_us = 0;
		service_publish(b);
	}
	outlook_baseline(b, now_us);
	victims_feeders(b, now_us);
	domains_step(b, now_us);
	respond_start(b, now_us);
	if (priority_step(now_us))
		log_warning("the loop turned for too long: it runs without its real-time priority for a "
			    "second, so that others run at all; please report this");
	standby_end(b, arm(b));
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source, (void)usec;
	broker_step(userdata);
	return 0;
}

static int on_victim(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	(void)source, (void)fd, (void)revents;
	broker_step(userdata);
	return 0;
}

static int on_worker(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct broker *b = userdata;
	struct worker_result result;

	(void)source, (void)fd, (void)revents;
	while (worker_result(&b->worker, &result))
		if (result.kind == WORKER_WRITE)
			brake_done(&b->brake, &result);
		else if (result.kind == WORKER_LIMIT)
			wire_done(&b->trip.wire, &result);
		else if (result.kind == WORKER_FREE)
			resort_freed(b, &result);
	return 0;
}

static void on_distress(void *userdata, uint32_t domain, uint32_t bits)
{
	struct broker *b = userdata;

	(void)bits; /* the sample that is read now carries them */
	broker_sample_now(b, domain);
	broker_step(b);
}

static void on_kernel_oom(void *userdata, uint32_t domain, int32_t pid, const char *name)
{
	struct broker *b = userdata;

	core_kernel_oom(&b->core, domain, pid, name, clock_now_us());
	outlook_kernel_oom(b, pid);
	broker_drain(b);
}

/* ---- reload ---- */

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	char error[CONFIG_ERROR_MAX];

	(void)source, (void)info;
	if (broker_reload(userdata, error, sizeof(error)) < 0)
		log_error("the configuration was not read again, the old one stays: %s", error);
	return 0;
}

/* What is in force only after a restart; the core's tables have the size that they were started with. */
static void keep_until_restart(struct broker *b, struct config *next)
{
	char kept[128];

	warning_clear(b, WARNING_RESTART);
	if (config_keep(next, &b->config, kept, sizeof(kept)))
		warning_add(b, WARNING_RESTART,
			    "changed in the configuration, but as before until failsoftd is restarted: %s",
			    kept);
}

int broker_reload(struct broker *b, char *error, size_t error_size)
{
	struct config config;
	struct core_policy policy;
	int r;

	config_default(&config);
	r = config_read(&config, &b->options.config, error, error_size);
	if (r < 0)
		return r;
	config.dry_run |= b->options.dry_run;
	keep_until_restart(b, &config);
	b->config = config;
	policy = config_policy(&b->config);
	policy.plan.latency_us = b->core.policy.plan.latency_us;
	core_reconfigure(&b->core, &policy, clock_now_us());
	respond_reload(b);
	resort_reload(b);
	for (uint32_t d = 1; d < CORE_DOMAINS_MAX; d++)
		b->core.domain[d].is_configured = false;
	b->domains_stale = true;
	trip_reload(b);
	start_lists(b);
	domains_take(b);
	broker_drain(b);
	broker_step(b);
	return 0;
}

/* ---- start, stop ---- */

static int start_loop(struct broker *b)
{
	const struct sense_handler handler = { b, on_distress, on_kernel_oom };
	sd_event_source *victims = NULL, *worker = NULL;
	int r;

	r = sense_attach(b->sense, b->event, &handler);
	if (r >= 0)
		r = outlook_attach(b);
	if (r >= 0)
		r = sd_event_add_time(b->event, &b->timer, CLOCK_MONOTONIC, clock_now_us(), 1,
				      on_timer, b);
	if (r >= 0)
		r = sd_event_source_set_priority(b->timer, SD_EVENT_PRIORITY_IMPORTANT);
	if (r >= 0)
		r = sd_event_add_io(b->event, &victims, b->terminate.poll_fd, EPOLLIN, on_victim, b);
	if (r >= 0)
		r = sd_event_source_set_floating(victims, true);
	sd_event_source_unref(victims);
	if (r >= 0)
		r = sd_event_add_io(b->event, &worker, b->worker.done_fd, EPOLLIN, on_worker, b);
	if (r >= 0)
		r = sd_event_source_set_floating(worker, true);
	sd_event_source_unref(worker);
	if (r >= 0)
		r = sd_event_add_defer(b->event, &b->pump, on_pump, b);
	if (r >= 0)
		r = sd_event_source_set_priority(b->pump, SD_EVENT_PRIORITY_IDLE);
	if (r >= 0)
		r = sd_event_add_signal(b->event, NULL, SIGTERM, NULL, NULL);
	if (r >= 0)
		r = sd_event_add_signal(b->event, NULL, SIGINT, NULL, NULL);
	if (r >= 0)
		r = sd_event_add_signal(b->event, NULL, SIGHUP, on_hangup, b);
	if (r >= 0)
		r = sd_event_set_watchdog(b->event, true);
	return r;
}

int broker_start(struct broker *b, const struct broker_options *options, const struct config *config)
{
	struct bus_handler handler = service_handler(b);
	struct event started = { .kind = EVENT_BROKER_STARTED, .name = FAILSOFT_VERSION };
	int r;

	memset(b, 0, sizeof(*b));
	b->options = *options;
	b->config = *config;
	b->config.dry_run |= options->dry_run;
	r = start_memory(b);
	if (r >= 0)
		r = start_loop(b);
	if (r >= 0)
		r = bus_open(&b->bus, b->event, options->bus_address, &handler);
	if (r < 0)
		return r;
	memset(b->kept_episode, 0xff, sizeof(b->kept_episode)); /* what the file holds is the past */
	core_note(&b->core, &started, clock_now_us());
	start_protection(b);
	victims_first_feeders(b);
	respond_open(b);
	resort_open(b);
	trip_start(b);
	domains_take(b);
	peer_restore_past(b);
	start_take_over(b);
	broker_drain(b);
	broker_step(b);
	return 0;
}

int broker_run(struct broker *b)
{
	int r = sd_event_loop(b->event);

	if (r < 0)
		log_error("the loop ended: %s", strerror(-r));
	return r < 0 ? 1 : r;
}

void broker_stop(struct broker *b)
{
	struct event stopped = { .kind = EVENT_BROKER_STOPPED };

	sentry_stop(&b->sentry);
	(void)sd_notify(0, "STOPPING=1"); /* without a supervisor there is nobody to tell */
	for (uint32_t i = 0; b->peers && i < b->core.sessions.max; i++) {
		if (!b->peers[i].id)
			continue;
		peer_shield_down(b, b->peers[i].id);
		b->peers[i].source = sd_event_source_disable_unref(b->peers[i].source);
		(void)file_close(b->peers[i].lifeline_fd);
		(void)file_close(b->peers[i].proc_fd);
	}
	if (b->pump) {
		core_note(&b->core, &stopped, clock_now_us());
		(void)on_pump(b->pump, b); /* the last events; the source goes next */
		state_keep_episodes(b->options.episode_directory, b->core.last_episode);
	}
	respond_close(b);
	resort_close(b);
	stream_close_all(b);
	recorder_stop(b, "the broker was told to end");
	start_free(b);
}
