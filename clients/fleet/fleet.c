/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "fleet_part.h"
#include "pages.h"

#define TICK_US		UINT64_C(1000000)	/* the screen; who is silent */
/* An operator waits for this screen: tried again sooner than devices do, of which there are thousands. */
#define PAUSE_FIRST_US	UINT64_C(500000)
#define PAUSE_LAST_US	UINT64_C(15000000)
#define DRAIN_MS		2000	/* that a reader may take for what is left when we are told to end */

struct roster_now fleet_now(void)
{
	struct timespec mono, real;

	clock_gettime(CLOCK_MONOTONIC, &mono);
	clock_gettime(CLOCK_REALTIME, &real);
	return (struct roster_now){(uint64_t)mono.tv_sec * 1000000 + (uint64_t)mono.tv_nsec / 1000,
				   real.tv_sec};
}

/* ---- the connection ---- */

static void on_connected(void *userdata)
{
	struct fleet *f = userdata;
	struct roster_now now = fleet_now();

	if (!link_is_resumed(f->link)) /* else no alarm was cleared without our being told */
		roster_connected(f->roster, &now);
	f->why[0] = '\0';
	if (!f->has_terminal)
		fprintf(stderr, "failsoft-fleet: connected to %s\n", link_server(f->link));
}

static void on_lost(void *userdata, const char *why)
{
	struct fleet *f = userdata;

	if (f->has_ended_output)
		return; /* it is we who go */
	/* said once for each reason, not at each attempt */
	if (!f->has_terminal && strncmp(f->why, why, sizeof(f->why) - 1))
		fprintf(stderr, "failsoft-fleet: not connected: %s\n", why); /* it names the server */
	snprintf(f->why, sizeof(f->why), "%s", why);
}

static void on_received(void *userdata, const struct link_message *m)
{
	struct ingest_raw raw = { m->topic, m->payload, m->length, m->is_retained };

	intake_message(userdata, &raw);
}

/* We publish nothing. */
static void on_acknowledged(void *userdata, int message)
{
	(void)userdata;
	(void)message;
}

static void make_patterns(struct fleet *f)
{
	static const char *const places[FLEET_SUBSCRIPTIONS] = {"event", "report", "state",
								"heartbeat", "alarm/+"};
	const struct options *o = f->options;

	for (unsigned i = 0; i < FLEET_SUBSCRIPTIONS; i++) {
		const bool is_shared = o->share && i < 2; /* the log; each needs the whole state */

		snprintf(f->pattern[i], sizeof(f->pattern[i]), "%s%s%s" TOPIC_ROOT "/%s/+/%s",
			 is_shared ? "$share/" : "", is_shared ? o->share : "", is_shared ? "/" : "",
			 o->fleet ? o->fleet : "+", places[i]);
	}
}

static int open_link(struct fleet *f)
{
	const struct options *o = f->options;
	struct link_events events = {.connected = on_connected,
				     .lost = on_lost,
				     .acknowledged = on_acknowledged,
				     .received = on_received,
				     .userdata = f};
	struct link_options l = {.servers = o->servers,
				 .client_id = o->client_id,
				 .user = o->user,
				 .password = o->password,
				 .ca_file = o->ca_file,
				 .cert_file = o->cert_file,
				 .key_file = o->key_file,
				 .is_clean = !o->client_id,
				 .acknowledges_late = true,
				 .keepalive_s = o->keepalive_s,
				 .pause_first_us = PAUSE_FIRST_US,
				 .pause_last_us = PAUSE_LAST_US,
				 .subscriptions = FLEET_SUBSCRIPTIONS};
	char complaint[256] = "";
	int r;

	memcpy(l.server, o->server, sizeof(l.server));
	make_patterns(f);
	for (unsigned i = 0; i < FLEET_SUBSCRIPTIONS; i++)
		l.subscription[i] = f->pattern[i];
	if (!l.client_id) {
		snprintf(f->client_id, sizeof(f->client_id), "failsoft-fleet-%08x",
			 (unsigned)(f->run & 0xffffffffu));
		l.client_id = f->client_id;
	}
	r = link_new(&f->link, f->event, &l, &events, complaint);
	if (r < 0)
		fprintf(stderr, "failsoft-fleet: %s\n", complaint[0] ? complaint : strerror(-r));
	return r;
}

/* ---- what shows it ---- */

static void on_page(void *userdata, const struct web_request *request, struct web_answer *ret)
{
	struct fleet *f = userdata;
	bool is_connected = f->link && link_is_connected(f->link);
	struct pager_counts counts = f->pager ? pager_counts(f->pager) : (struct pager_counts){ 0 };
	struct api api = {f->roster, f->run, is_connected, f->link ? link_server(f->link) : NULL,
			  fleet_now()};
	struct metrics metrics = { f->roster, is_connected, f->pager ? &counts : NULL };

	pages_answer(&api, &metrics, request, ret);
}

static int open_web(struct fleet *f)
{
	const struct options *o = f->options;
	struct web_options w = {
		.listen = o->listen, .hosts = o->hosts, .handler = on_page, .userdata = f};
	char complaint[256] = "";
	int r;

	if (!o->listen)
		return 0;
	memcpy(w.host, o->host, sizeof(w.host));
	r = web_new(&f->web, f->event, &w, complaint);
	if (r < 0)
		fprintf(stderr, "failsoft-fleet: %s\n", complaint[0] ? complaint : strerror(-r));
	else if (!web_listen_is_local(o->listen))
		fprintf(stderr,
			"failsoft-fleet: --listen=%s: everybody who reaches this address can read the fleet; "
			"see SECURITY in failsoft-fleet(1)\n", o->listen);
	return r;
}

static int open_pager(struct fleet *f)
{
	const char *url = f->options->alertmanager;
	int r = url ? pager_new(&f->pager, f->event, url, f->options->devices) : 0;

	if (r < 0)
		fprintf(stderr, "failsoft-fleet: --alertmanager=%s: %s\n", url,
			r == -EINVAL ? "begins with http:// or https://" : strerror(-r));
	return r;
}

static int on_end(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	(void)info;
	(void)userdata;
	return sd_event_exit(sd_event_source_get_event(source), 0);
}

static int watch_ends(struct fleet *f)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP };
	int r = 0;

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]) && r >= 0; i++) {
		sigset_t set;

		sigemptyset(&set);
		sigaddset(&set, ends[i]);
		sigprocmask(SIG_BLOCK, &set, NULL);
		r = sd_event_add_signal(f->event, NULL, ends[i], on_end, NULL);
	}
	return r;
}

static int open_seen(struct fleet *f)
{
	const char *path = f->options->state_file;
	char complaint[512] = "";
	int r = path ? seen_open(&f->seen, path, f->roster, complaint) : 0;

	if (complaint[0])
		fprintf(stderr, "failsoft-fleet: %s\n", complaint);
	return r;
}

static void on_output_lost(void *userdata)
{
	intake_lost(userdata);
}

static int on_tick(sd_event_source *source, uint64_t us, void *userdata)
{
	struct fleet *f = userdata;
	struct roster_now now = fleet_now();

	(void)us;
	roster_tick(f->roster, &now);
	intake_expired(f);
	halt_tick(f);
	if (f->seen)
		seen_tick(f->seen, f->roster, now.now_us);
	if (f->has_terminal)
		show_draw(f);
	(void)sd_event_source_set_time_relative(source, TICK_US); /* fails for overflow only */
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int open_lines(struct fleet *f)
{
	struct outlet_events events = { halt_full, on_output_lost, f };
	/* what the server would keep, or is known as shown when it is taken, must not wait here */
	const bool may_wait = !f->options->client_id && !f->options->state_file;
	int r = outlet_new(&f->outlet, f->event, STDOUT_FILENO, may_wait ? OUTLET_BYTES_MAX : 1, &events);

	if (r < 0)
		fprintf(stderr, "failsoft-fleet: standard output: %s\n", strerror(-r));
	else
		f->lines = (struct lines){ outlet_stream(f->outlet), f->options->is_json };
	return r;
}

/* Of a file that was read to its end all lines leave, however slow their reader is. false: not all could. */
static bool close_lines(struct fleet *f)
{
	halt_end(f);
	if (!f->outlet || f->has_ended_output)
		return !f->has_ended_output;
	if (outlet_drain(f->outlet, 0, f->has_read ? -1 : DRAIN_MS))
		return true;
	if (outlet_error(f->outlet))
		intake_lost(f);
	else
		fprintf(stderr, "failsoft-fleet: standard output: %zu bytes were not read\n",
			outlet_waiting(f->outlet));
	f->has_ended_output = true;
	return false;
}

static int open_output(struct fleet *f)
{
	const struct options *o = f->options;
	const bool is_person = isatty(STDOUT_FILENO) && isatty(STDIN_FILENO) && !o->is_json && !o->is_quiet;

	signal(SIGPIPE, SIG_IGN); /* a reader that has gone is an error of the write */
	if (is_person && !o->read)
		return show_open(f);
	if (!o->is_quiet) {
		int r = open_lines(f);

		if (r < 0)
			return r;
	}
	return watch_ends(f);
}

/* ---- life ---- */

static int start(struct fleet *f)
{
	const struct options *o = f->options;
	struct roster_limits limits = {o->devices, o->partition, o->partitions,
				       (uint64_t)o->silent_s * 1000000, o->share != NULL};
	int r;

	(void)!getrandom(&f->run, sizeof(f->run), 0); /* 0 is a name, too */
	f->run &= INT64_MAX >> 10; /* a number that JavaScript can hold */
	f->roster = roster_new(&limits);
	r = f->roster ? sd_event_new(&f->event) : -ENOMEM;
	if (r >= 0)
		r = open_seen(f);
	if (r >= 0)
		r = open_web(f);
	if (r >= 0)
		r = open_pager(f);
	if (r >= 0)
		r = open_output(f);
	if (r >= 0)
		r = sd_event_add_time_relative(f->event, &f->tick, CLOCK_MONOTONIC, TICK_US, 100000,
					       on_tick, f);
	if (r >= 0)
		r = o->read ? intake_file(f, o->read) : open_link(f);
	return r;
}

static void stop(struct fleet *f)
{
	show_close(f);
	link_free(f->link);
	reader_free(f->reader);
	/* a line that could not leave was not shown, though the roster has it */
	seen_close(f->seen, f->has_ended_output ? NULL : f->roster);
	web_free(f->web);
	pager_free(f->pager);
	outlet_free(f->outlet);
	sd_event_source_disable_unref(f->tick);
	sd_event_unref(f->event);
	roster_free(f->roster);
	free(f);
}

int fleet_run(const struct options *options)
{
	struct fleet *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return 1;
	f->options = options;
	r = start(f);
	if (r >= 0)
		r = sd_event_loop(f->event);
	if (r == 0 && !close_lines(f))
		r = 1;
	stop(f);
	return r != 0;
}
