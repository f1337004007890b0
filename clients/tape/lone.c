/* SPDX-License-Identifier: MIT */
/*
 * A recorder without a broker: the same readers, the same core, the same samples at the same times,
 * but no client, and nobody is asked or ended. What the kernel does in the end is its own decision,
 * which makes such a recording the measure of every forecast.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/epoll.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "config.h"
#include "config_policy.h"
#include "core_tape.h"
#include "recorder.h"
#include "sense/psi.h"
#include "sense/sense.h"
#include "tape_verbs.h"

#define RING_BYTES	(512 * KIB)
#define EVENTS		1024u
#define EFFECTS		256u
#define TRIGGERS	3u
#define PRIORITY	40	/* above a broker's, so that it is the broker that is seen late */

/* On a calm machine look so often, at least: other rules poll at 10 Hz and want something to see. */
#define IDLE_US		(100 * US_PER_MS)

struct lone {
	struct core core;
	struct core_memory memory;
	struct sense *sense;
	struct tape tape;
	uint8_t *ring;
	int fd, error;
	sd_event *event;
	sd_event_source *timer;
	struct psi trigger[TRIGGERS];
	uint32_t armed, fired;		/* enum sample_rival_trigger */
	uint64_t until_us;
};

/* Source: low-memory-monitor 2.1, its three levels. */
static const struct {
	uint32_t bit, distress;
	uint64_t stall_us;
} triggers[TRIGGERS] = {
	{ RIVAL_TRIGGER_LOW, DISTRESS_PSI_SOME, 70 * US_PER_MS },
	{ RIVAL_TRIGGER_MEDIUM, DISTRESS_PSI_SOME, 100 * US_PER_MS },
	{ RIVAL_TRIGGER_CRITICAL, DISTRESS_PSI_FULL, 70 * US_PER_MS },
};

/* Everything that is written and not yet in the file. */
static void write_out(struct lone *l)
{
	uint8_t piece[16384];
	size_t size;

	while (!l->error && (size = tape_take(&l->tape, piece, sizeof(piece)))) {
		for (size_t done = 0; done < size && !l->error;) {
			ssize_t n = write(l->fd, piece + done, size - done);

			if (n < 0 && errno != EINTR)
				l->error = -errno;
			done += n > 0 ? (size_t)n : 0;
		}
	}
	if (l->error || l->tape.is_broken)
		(void)sd_event_exit(l->event, 1); /* cannot fail: the loop runs */
}

static void take_samples(struct lone *l, uint64_t now_us)
{
	struct core_effect effect;
	struct sample sample;

	for (uint32_t d = 0; d < CORE_DOMAINS_MAX; d++) {
		if (!core_wants_sample(&l->core, d, now_us))
			continue;
		if (sense_read(l->sense, d, now_us, &sample) < 0)
			sample = (struct sample){ .time_us = now_us, .domain = d };
		if (d == CORE_DOMAIN_SYSTEM) {
			sample.has |= l->armed ? SAMPLE_HAS_RIVALS : 0;
			sample.rival_triggers = l->fired;
			l->fired = 0;
		}
		core_sample(&l->core, &sample);
	}
	core_tick(&l->core, now_us);
	while (core_effect(&l->core, &effect))
		continue; /* nobody is asked */
}

static void step(struct lone *l)
{
	uint64_t now_us = clock_now_us();

	take_samples(l, now_us);
	write_out(l);
	if (now_us >= l->until_us)
		(void)sd_event_exit(l->event, 0); /* cannot fail: the loop runs */
	if (sd_event_source_set_time(l->timer, MIN_OF(core_due_us(&l->core), l->until_us)) < 0 ||
	    sd_event_source_set_enabled(l->timer, SD_EVENT_ONESHOT) < 0)
		l->error = -EIO;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source, (void)usec;
	step(userdata);
	return 0;
}

static int on_trigger(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct lone *l = userdata;

	if (revents & EPOLLERR)
		return sd_event_source_set_enabled(source, SD_EVENT_OFF);
	for (unsigned i = 0; i < TRIGGERS; i++)
		if (l->trigger[i].source.fd == fd)
			l->fired |= triggers[i].bit;
	l->core.domain[CORE_DOMAIN_SYSTEM].sample_due_us = 0;
	step(l);
	return 0;
}

static void on_distress(void *userdata, uint32_t domain, uint32_t bits)
{
	struct lone *l = userdata;

	(void)bits; /* the sample that is read now carries them */
	l->core.domain[domain].sample_due_us = 0;
	step(l);
}

static void on_kernel_oom(void *userdata, uint32_t domain, int32_t pid, const char *name)
{
	struct lone *l = userdata;

	core_kernel_oom(&l->core, domain, pid, name, clock_now_us());
}

static void arm_triggers(struct lone *l)
{
	_cleanup_close_ int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	for (unsigned i = 0; i < TRIGGERS; i++) {
		struct psi *p = &l->trigger[i];

		*p = (struct psi){
			.source.fd = -1, .distress = triggers[i].distress,
			.threshold_us = triggers[i].stall_us, .window_us = US_PER_S,
		};
		psi_open(p, root_fd, NULL);
		if (!p->source.error && !p->is_doubtful &&
		    sd_event_add_io(l->event, NULL, p->source.fd, EPOLLPRI, on_trigger, l) >= 0)
			l->armed |= triggers[i].bit;
	}
	if (!l->armed)
		fputs("failsoftctl: PSI triggers are refused here, so what low-memory-monitor would do is\n"
		      "worked out from averages in this recording\n", stderr);
}

static int open_core(struct lone *l)
{
	struct config config;
	struct core_policy policy;

	config_default(&config);
	policy = config_policy(&config);
	policy.escalate.enabled = false;
	policy.idle_interval_us = IDLE_US;
	policy.session.max_clients = 1;
	l->memory = (struct core_memory){
		calloc(1, sizeof(struct session)), calloc(EFFECTS, sizeof(struct core_effect)), EFFECTS,
		calloc(EVENTS, sizeof(struct event)), EVENTS,
	};
	l->ring = calloc(1, RING_BYTES);
	if (!l->memory.sessions || !l->memory.effects || !l->memory.events || !l->ring)
		return -ENOMEM;
	core_init(&l->core, &policy, &l->memory, 0, clock_now_us());
	return 0;
}

static int open_sense(struct lone *l, struct ctl *c)
{
	const struct sense_options o = {
		.psi_some_us = 50 * US_PER_MS, .psi_full_us = 50 * US_PER_MS, .psi_window_us = US_PER_S,
		.max_domains = CORE_DOMAINS_MAX,
	};
	const struct sense_handler handler = { l, on_distress, on_kernel_oom };
	int r = sense_open(&o, &l->sense);

	for (uint32_t i = 0; i < c->cgroups_count && r >= 0; i++) {
		uint32_t d = core_domain_add(&l->core, c->cgroups[i], true, clock_now_us());

		r = d == CORE_DOMAINS_MAX ? -ENAMETOOLONG : sense_domain_add(l->sense, d, c->cgroups[i]);
		if (r < 0)
			fprintf(stderr, "failsoftctl: --cgroup=%s: %s; give its path as in "
				"/proc/PID/cgroup\n", c->cgroups[i], strerror(-r));
	}
	return r < 0 ? r : sense_attach(l->sense, l->event, &handler);
}

static void note(struct lone *l, const char *text)
{
	struct core_tape_note n = { .now_us = clock_now_us() };

	(void)snprintf(n.text, sizeof(n.text), "%s", text); /* cut is still a note */
	tape_put(&l->tape, CORE_TAPE_NOTE, &n);
}

static int on_mark(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	(void)source, (void)info;
	note(userdata, "mark");
	return 0;
}

static int open_loop(struct lone *l)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP };
	int r = sd_event_new(&l->event);

	for (unsigned i = 0; i < ARRAY_LEN(ends) && r >= 0; i++)
		r = sd_event_add_signal(l->event, NULL, ends[i] | SD_EVENT_SIGNAL_PROCMASK, NULL,
					NULL);
	if (r >= 0)
		r = sd_event_add_signal(l->event, NULL, SIGUSR1 | SD_EVENT_SIGNAL_PROCMASK, on_mark, l);
	if (r >= 0)
		r = sd_event_add_time(l->event, &l->timer, CLOCK_MONOTONIC, 0, 1, on_timer, l);
	return r;
}

/* As far as we are allowed to: a recorder that waits for its own pages misses the end. */
static void protect_self(void)
{
	const struct sched_param p = { .sched_priority = PRIORITY };
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
		fputs("failsoftctl: the recorder is not locked into memory (CAP_IPC_LOCK): it may miss "
		      "the end\n", stderr);
	(void)sched_setscheduler(0, SCHED_FIFO, &p); /* without it a busy CPU makes gaps */
	if (fd >= 0) {
		(void)!write(fd, "-900", 4); /* without it the kernel may end the recorder first */
		close(fd);
	}
}

static struct core_tape_machine machine_now(struct lone *l)
{
	struct core_tape_machine m = recorder_machine();
	struct sample sample;

	m.is_stand_alone = true;
	if (sense_read(l->sense, CORE_DOMAIN_SYSTEM, m.now_us, &sample) == 0) {
		m.total_bytes = sample.total_bytes;
		m.swap_total_bytes = sample.swap_total_bytes;
	}
	return m;
}

static void begin(struct lone *l, struct ctl *c)
{
	const struct core_tape_machine machine = machine_now(l);

	tape_init(&l->tape, core_tape_shapes, CORE_TAPE_KIND_COUNT);
	tape_begin(&l->tape, l->ring, RING_BYTES, "failsoftctl " FAILSOFT_VERSION);
	core_tape_start(&l->core, &l->tape, &machine);
	if (c->note)
		note(l, c->note);
	l->until_us = c->seconds ? machine.now_us + (uint64_t)c->seconds * US_PER_S : NEVER_US;
}

static int end(struct lone *l)
{
	core_tape_stop(&l->core, clock_now_us(), l->until_us <= clock_now_us()
		       ? "the time was over" : "the recorder was told to end");
	write_out(l);
	if (l->tape.is_broken)
		fputs("failsoftctl: the file took the records too slowly; the recording ends early\n",
		      stderr);
	if (l->error)
		fprintf(stderr, "failsoftctl: the recording cannot be written: %s\n",
			strerror(-l->error));
	return l->tape.is_broken || l->error ? EXIT_UNKNOWN : EXIT_OK;
}

static void close_all(struct lone *l)
{
	for (unsigned i = 0; i < TRIGGERS; i++)
		if (l->trigger[i].source.ops)
			psi_close(&l->trigger[i]);
	sd_event_source_unref(l->timer);
	sense_close(l->sense);
	sd_event_unref(l->event);
	free(l->memory.sessions);
	free(l->memory.effects);
	free(l->memory.events);
	free(l->ring);
}

int lone_record(struct ctl *c, int fd)
{
	static struct lone lone;
	struct lone *l = &lone;
	int r, code = EXIT_UNKNOWN;

	l->fd = fd;
	r = open_core(l);
	r = r < 0 ? r : open_loop(l);
	r = r < 0 ? r : open_sense(l, c);
	if (r >= 0) {
		protect_self();
		arm_triggers(l);
		begin(l, c);
		r = sd_event_loop(l->event);
		code = end(l);
	}
	if (r < 0)
		fprintf(stderr, "failsoftctl: nothing is recorded: %s\n", strerror(-r));
	close_all(l);
	return code;
}
