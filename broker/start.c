/* SPDX-License-Identifier: MIT */
#include "start.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "act/brake.h"
#include "ask/shield.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/priority.h"
#include "config_policy.h"
#include "outlook.h"
#include "resort.h"
#include "standby.h"
#include "trip.h"
#include "warning.h"

/* Our own place on the kernel's list of victims; -1000 is not taken: two things at -1000 that
 * between them hold the memory are a panic. Source: systemd-oomd and dbus run at -900. */
#define OWN_OOM_SCORE_ADJ	(-900)
#define STACK_TOUCHED		(128 * KIB)
/* As the unit has it: the crisis takes 2560, each client 2, each stream 1. */
#define DESCRIPTORS		16384u
#define DESCRIPTORS_LEAST	4096u

static void log_past(const char *sentence)
{
	log_warning("%s", sentence);
}

static int start_tables(struct broker *b)
{
	const struct config *c = &b->config;
	struct core_memory *m = &b->memory;
	struct core_policy policy = config_policy(c);
	int r = state_open(&b->state, b->options.state_directory, (uint32_t)c->max_clients);

	if (r < 0)
		return r;
	(void)brake_past(b->root_fd, state_ledger(&b->state), log_past); /* each one is logged */
	(void)wire_past(b->root_fd, state_ledger(&b->state), log_past); /* the same */
	m->effects_count = core_effects_needed((uint32_t)c->max_clients);
	m->events_count = (uint32_t)c->events;
	m->sessions = calloc(c->max_clients, sizeof(*m->sessions));
	m->effects = calloc(m->effects_count, sizeof(*m->effects));
	m->events = calloc(m->events_count, sizeof(*m->events));
	b->peers = calloc(c->max_clients, sizeof(*b->peers));
	b->streams = calloc(BROKER_STREAMS_MAX, sizeof(*b->streams));
	b->processes = calloc(BROKER_PROCESSES_MAX, sizeof(*b->processes));
	b->scratch = calloc(VICTIM_SCRATCH(BROKER_PROCESSES_MAX), sizeof(*b->scratch));
	if (!m->sessions || !m->effects || !m->events || !b->peers || !b->streams || !b->processes ||
	    !b->scratch)
		return -ENOMEM;
	for (uint32_t i = 0; i < BROKER_STREAMS_MAX; i++)
		b->streams[i].fd = -1;
	core_init(&b->core, &policy, m, state_reserve_episodes(b->options.episode_directory),
		  clock_now_us());
	return 0;
}

static int start_sense(struct broker *b)
{
	const char *root = b->options.root ? b->options.root : "/";
	const struct sense_options o = {
		.root = root, .psi_some_us = b->config.psi_some_us,
		.psi_full_us = b->config.psi_full_us, .psi_window_us = b->config.psi_window_us,
		.max_domains = CORE_DOMAINS_MAX,
	};
	int r;

	b->root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (b->root_fd < 0) {
		log_error("--root=%s: %s", root, strerror(errno));
		return -errno;
	}
	r = sense_open(&o, &b->sense);
	if (r >= 0)
		r = survey_open(root, BROKER_PROCESSES_MAX, &b->survey);
	if (r >= 0)
		r = outlook_open(b);
	if (r >= 0)
		r = terminate_init(&b->terminate, b->root_fd);
	return r;
}

/* The loop takes the signals; blocked before the first thread exists. */
static int start_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	return sigprocmask(SIG_BLOCK, &set, NULL) < 0 ? -errno : 0;
}

static bool may_freeze(void *userdata, uint32_t domain, int32_t pid)
{
	struct broker *b = userdata;
	const struct bystander_view view = {
		.survey = b->surveyed, .processes = b->processes, .count = b->processes_count,
		.clients = &b->core.sessions, .protect_pids = b->protect_pids,
		.protect_count = ARRAY_LEN(b->protect_pids), .domain = domain, .now_us = clock_now_us(),
	};

	return bystander_may_stand_still(&view, pid);
}

static int start_brake(struct broker *b)
{
	const struct brake_setup setup = {
		.root_fd = b->root_fd, .ledger = state_ledger(&b->state), .worker = &b->worker,
		.may_freeze = may_freeze, .userdata = b,
	};
	int r = worker_start(&b->worker);

	if (r >= 0)
		brake_init(&b->brake, &setup);
	if (r >= 0)
		standby_start(b);
	return r;
}

static int start_writer(struct broker *b)
{
	const struct writer_setup setup = {
		.path = b->config.export_file, .episodes = b->options.episode_directory,
		.first_episode = b->core.last_episode,
	};
	int r = writer_start(&b->writer, &setup);

	if (b->writer.file_error < 0)
		warning_set(b, WARNING_EXPORT,
			    "no event is written to the export_file (%s): give one in a folder that "
			    "can be written to, and restart; it is %.100s",
			    strerror(-b->writer.file_error), setup.path);
	return r;
}

int start_memory(struct broker *b)
{
	int r;

	b->feeders.proc_fd = b->feeders.dev_fd = -1;
	b->root_fd = b->terminate.poll_fd = b->recorder.fd = b->worker.wake_fd = -1;
	b->resort.reboots.fd = -1;
	b->writer.wake_fd = b->writer.file_fd = -1;
	/* Memory that was locked once is never given back and taken anew. */
	(void)mallopt(M_TRIM_THRESHOLD, -1); /* a hint */
	(void)mallopt(M_MMAP_MAX, 0);	     /* a hint */
	(void)mallopt(M_ARENA_MAX, 1);	     /* a hint */
	r = start_signals();
	if (r >= 0)
		r = sd_event_new(&b->event);
	if (r >= 0)
		r = start_sense(b);
	if (r >= 0)
		r = start_tables(b);
	if (r >= 0)
		r = start_brake(b);
	if (r >= 0)
		r = start_writer(b);
	if (r < 0)
		log_error("failsoftd cannot start: %s", strerror(-r));
	return r;
}

void start_free(struct broker *b)
{
	bus_close(&b->bus);
	b->timer = sd_event_source_disable_unref(b->timer);
	b->pump = sd_event_source_disable_unref(b->pump);
	outlook_close(b);
	sentry_stop(&b->sentry);
	if (b->worker.wake_fd >= 0) {
		trip_stop(b);
		brake_fini(&b->brake);
		worker_stop(&b->worker);
	}
	if (b->terminate.poll_fd >= 0)
		terminate_fini(&b->terminate);
	feeders_close(&b->feeders);
	b->survey = survey_close(b->survey);
	b->sense = sense_close(b->sense);
	b->event = sd_event_unref(b->event);
	writer_stop(&b->writer);
	state_close(&b->state);
	b->root_fd = file_close(b->root_fd);
	free(b->memory.sessions);
	free(b->memory.effects);
	free(b->memory.events);
	free(b->peers);
	free(b->streams);
	free(b->processes);
	free(b->scratch);
}

/* ---- protection ---- */

/* Pages of the stack that the crisis will need are there before it. */
__attribute__((noinline)) static void touch_stack(void)
{
	volatile char room[STACK_TOUCHED];
	struct rlimit limit;

	if (getrlimit(RLIMIT_STACK, &limit) < 0 || limit.rlim_cur < 2 * sizeof(room))
		return; /* a small stack is locked whole, once it is used */
	for (size_t i = 0; i < sizeof(room); i += 4096)
		room[i] = 0;
}

/* The tables that the crisis fills; calloc() has not touched them. */
static void start_touch(struct broker *b)
{
	const struct core_memory *m = &b->memory;
	const uint64_t max_clients = b->config.max_clients;
	const struct {
		void *at;
		size_t bytes;
	} tables[] = {
		{ m->sessions, max_clients * sizeof(*m->sessions) },
		{ m->effects, m->effects_count * sizeof(*m->effects) },
		{ m->events, m->events_count * sizeof(*m->events) },
		{ b->peers, max_clients * sizeof(*b->peers) },
		{ b->streams, BROKER_STREAMS_MAX * sizeof(*b->streams) },
		{ b->processes, BROKER_PROCESSES_MAX * sizeof(*b->processes) },
		{ b->scratch, VICTIM_SCRATCH(BROKER_PROCESSES_MAX) * sizeof(*b->scratch) },
		{ b, sizeof(*b) },
	};

	for (unsigned i = 0; i < ARRAY_LEN(tables); i++)
		for (size_t k = 0; k < tables[i].bytes; k += 4096)
			((volatile char *)tables[i].at)[k] = ((volatile char *)tables[i].at)[k];
}

/* What the crisis runs through; the rest of the libraries (compression, cryptography) it does not. */
static bool is_needed(const char *path)
{
	static const char *const parts[] = { "/failsoftd", "/libc.so", "/libm.so", "/libsystemd.so",
					     "/ld-linux", "/ld-musl", "/libc.musl" };

	for (unsigned i = 0; i < ARRAY_LEN(parts); i++)
		if (strstr(path, parts[i]))
			return true;
	return false;
}

/* Pages that were touched stay locked; see lock_memory(). What lies at their beginning is no matter. */
__attribute__((no_sanitize("address"))) static void touch_code(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512], access[5];
	unsigned long from, to;

	while (maps && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx %4s", &from, &to, access) != 3 || access[0] != 'r' ||
		    !is_needed(line))
			continue;
		for (const volatile char *p = (const char *)from; p < (const char *)to; p += 4096)
			(void)*p;
	}
	if (maps)
		fclose(maps);
}

/*
 * On fault: what is used once stays, and what the crisis will use is used now. Locking all of all
 * libraries instead costs 4 MiB more, a thirtieth of a small machine.
 */
static void lock_memory(struct broker *b)
{
	if (!b->config.lock_memory)
		return;
	if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0) {
		touch_code();
		touch_stack();
		start_touch(b);
		return;
	}
	if (errno == EINVAL && mlockall(MCL_CURRENT | MCL_FUTURE) == 0) /* before Linux 4.4 */
		return;
	warning_set(
		b, WARNING_MEMORY,
		"the broker's memory is not locked (%s): it may stall when memory runs out; give "
		"it CAP_IPC_LOCK",
		strerror(errno));
}

static void take_priority(struct broker *b)
{
	int r = b->config.realtime_priority ? priority_take((int)b->config.realtime_priority) : 0;

	if (r < 0)
		warning_set(b, WARNING_PRIORITY,
			    "no real-time priority (%s): a busy CPU delays orders; give the broker "
			    "CAP_SYS_NICE",
			    strerror(-r));
}

/*
 * A group of processes is held by descriptors, by the ladder, the brake and the guard: 2560 if all of
 * them are full. A shell gives 1024, and with that a fork bomb was "nobody that may be ended".
 */
static void take_descriptors(struct broker *b)
{
	struct rlimit limit, want = { DESCRIPTORS, DESCRIPTORS };

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= DESCRIPTORS)
		return;
	want.rlim_max = MAX_OF(limit.rlim_max, DESCRIPTORS);
	if (setrlimit(RLIMIT_NOFILE, &want) == 0)
		return;
	want = (struct rlimit){ limit.rlim_max, limit.rlim_max };
	if (setrlimit(RLIMIT_NOFILE, &want) == 0 && limit.rlim_max >= DESCRIPTORS_LEAST)
		return;
	warning_set(b, WARNING_DESCRIPTORS,
		    "the broker may have %llu open files only: of a large group of processes not "
		    "all can "
		    "be stopped or ended; raise its limit (LimitNOFILE=, ulimit -n) to %u",
		    (unsigned long long)limit.rlim_max, DESCRIPTORS);
}

static void lower_own_score(struct broker *b)
{
	_cleanup_close_ int self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int32_t adj = 0;
	int r = shield_read(self, &adj);

	if (r >= 0 && adj > OWN_OOM_SCORE_ADJ)
		r = shield_write(self, OWN_OOM_SCORE_ADJ);
	if (r >= 0)
		return;
	warning_set(b, WARNING_SHIELD,
		    "the broker's own oom_score_adj cannot be lowered (%s), nor can its clients be "
		    "shielded: give it CAP_SYS_RESOURCE",
		    strerror(-r));
	b->cannot_shield = true;
}

static void look_at_sources(struct broker *b)
{
	struct sense_source sources[SENSE_SOURCES_MAX];
	uint32_t count = sense_sources(b->sense, sources);

	count += outlook_sources(b, sources + count);

	for (uint32_t i = 0; i < count; i++) {
		struct event e = { .kind = EVENT_SOURCE_ABSENT };

		if (sources[i].is_present)
			continue;
		(void)snprintf(e.name, sizeof(e.name), "%s", sources[i].name); /* a name fits */
		core_note(&b->core, &e, clock_now_us());
		log_info("%s is absent: %s", sources[i].name, sources[i].remedy);
	}
}

/* The kernel tells who made System V shared memory to readers of the same namespace only. */
static void look_at_ipc(struct broker *b)
{
	char own[64] = "", first[64] = "";

	if (readlinkat(b->root_fd, "proc/self/ns/ipc", own, sizeof(own) - 1) < 0 ||
	    readlinkat(b->root_fd, "proc/1/ns/ipc", first, sizeof(first) - 1) < 0 || !strcmp(own, first))
		return;
	warning_set(
		b, WARNING_IPC,
		"the broker is in an IPC namespace of its own: who fills System V shared memory is "
		"not seen, and another may be ended for it; leave PrivateIPC= out of its unit");
}

/* Accepted, because somebody may want just the warnings; but not in silence. */
void start_lists(struct broker *b)
{
	static const char *const all[] = { "*", "/*", "cgroup:/" };

	warning_clear(b, WARNING_LISTS);
	for (uint32_t i = 0; i < b->config.protect.count; i++)
		for (unsigned k = 0; k < ARRAY_LEN(all); k++)
			if (!strcmp(b->config.protect.text[i], all[k]))
				warning_add(b, WARNING_LISTS,
					    "\"protect\" contains \"%s\": nobody is ever ended "
					    "here, and the kernel will choose by its own rule",
					    all[k]);
}

void start_protection(struct broker *b)
{
	start_lists(b);
	look_at_ipc(b);
	lock_memory(b);
	take_priority(b);
	take_descriptors(b);
	lower_own_score(b);
	look_at_sources(b);
}

/* ---- domains, the past ---- */

static uint32_t past_domain(struct broker *b, const char *name)
{
	uint32_t d = core_domain_find(&b->core, name);

	if (d < CORE_DOMAINS_MAX)
		return d;
	d = core_domain_add(&b->core, name, false, clock_now_us());
	resort_domain(b, d);
	if (d < CORE_DOMAINS_MAX && sense_domain_add(b->sense, d, name) < 0) {
		core_domain_remove(&b->core, d, clock_now_us());
		return CORE_DOMAINS_MAX;
	}
	b->domains_stale = true; /* only until the episode is over, unless a client comes back */
	return d;
}

void start_take_over(struct broker *b)
{
	for (unsigned i = 0; i < STATE_EPISODES_MAX; i++) {
		const struct state_episode *past = &b->state.past_episodes[i];
		uint32_t d;

		if (!past->number || past->stage == STAGE_NORMAL)
			continue;
		d = past_domain(b, past->domain);
		if (d < CORE_DOMAINS_MAX)
			core_take_over(&b->core, d, past->number, past->stage, past->began_us,
				       clock_now_us());
		else
			log_warning("episode %" PRIu64 " of %s was open when the broker ended; its "
				    "cgroup is gone, so it is closed", past->number, past->domain);
	}
}
