/* SPDX-License-Identifier: MIT */
#include "ctl_broker.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define NAME	"org.failsoft.Broker1"
#define PATH	"/org/failsoft/Broker1"

struct child {
	const struct ctl_script *script;
	struct ctl_seen *seen;
};

static uint64_t now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail with this clock */
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static unsigned times(unsigned given)
{
	return given ? given : 1;
}

/* ---- replies ---- */

static int begin(sd_bus_message *m, const char *contents, sd_bus_message **ret)
{
	int r = sd_bus_message_new_method_return(m, ret);

	return r < 0 ? r : sd_bus_message_open_container(*ret, 'a', contents);
}

static int finish(int r, sd_bus_message *reply)
{
	if (r >= 0)
		r = sd_bus_message_close_container(reply);
	if (r >= 0)
		r = sd_bus_send(NULL, reply, NULL);
	sd_bus_message_unref(reply);
	return r < 0 ? r : 1;
}

static int put_forecast(sd_bus_message *reply, const struct ctl_forecast *f)
{
	int r = sd_bus_message_append(reply, "{sv}{sv}{sv}{sv}",
		"ExhaustionEarlyUSec", "t", f->early_us, "ExhaustionLateUSec", "t", f->late_us,
		"LimitedBy", "s", f->limited_by, "RateBytesPerSecond", "x", f->rate_bytes_per_s);

	if (r >= 0 && !f->is_without_psi)
		r = sd_bus_message_append(reply, "{sv}{sv}",
			"PressureSomePermyriad", "u", f->some_permyriad,
			"PressureFullPermyriad", "u", f->full_permyriad);
	return r;
}

static int put_domain(sd_bus_message *reply, const struct ctl_domain *d)
{
	int r = sd_bus_message_open_container(reply, 'r', "ssttttta{sv}");

	if (r >= 0)
		r = sd_bus_message_append(reply, "ssttttt", d->name, d->stage, d->headroom_bytes,
					  d->limit_bytes, d->tte_us, d->tte_low_us, d->episode);
	if (r >= 0)
		r = sd_bus_message_open_container(reply, 'a', "{sv}");
	if (r >= 0)
		r = sd_bus_message_append(reply, "{sv}{sv}{sv}{sv}{sv}{sv}",
			"LeadWarningUSec", "t", (uint64_t)3100000,
			"LeadImminentUSec", "t", (uint64_t)2100000,
			"LeadShutdownUSec", "t", (uint64_t)1100000,
			"GuaranteedUSec", "t", d->guaranteed_us,
			"OfANewerBroker", "s", "to be skipped",
			"Reason", "s", d->reason ? d->reason : "");
	if (r >= 0 && d->forecast)
		r = put_forecast(reply, d->forecast);
	if (r >= 0)
		r = sd_bus_message_close_container(reply);
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int on_domains(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const struct ctl_script *s = ((struct child *)userdata)->script;
	sd_bus_message *reply = NULL;
	int r = begin(m, "(ssttttta{sv})", &reply);

	(void)error;
	for (unsigned t = 0; t < times(s->domains_times); t++)
		for (const struct ctl_domain *d = s->domain; r >= 0 && d && d->name; d++)
			r = put_domain(reply, d);
	return finish(r, reply);
}

static int on_growers(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct child *c = userdata;
	const struct ctl_outlook *o = c->script->outlook;
	sd_bus_message *reply = NULL;
	const char *domain;
	int r = sd_bus_message_read(m, "s", &domain);

	(void)error;
	c->seen->outlooks++;
	if (r < 0 || *domain) /* "": the nearest, which is all that is scripted */
		return -EINVAL;
	r = begin(m, "(ssuutttu)", &reply);
	for (unsigned t = 0; t < times(o->growers_times); t++)
		for (const struct ctl_grower *g = o->grower; r >= 0 && g && g->name; g++)
			r = sd_bus_message_append(reply, "(ssuutttu)", g->kind, g->name, g->pid,
				g->processes, g->bytes, g->since_bytes, g->bytes_per_s, g->share_permyriad);
	return finish(r, reply);
}

static int on_outlook(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct child *c = userdata;
	const struct ctl_outlook *o = c->script->outlook;
	sd_bus_message *reply = NULL;
	int r = sd_bus_message_new_method_return(m, &reply);

	(void)error;
	c->seen->outlooks++;
	if (r >= 0)
		r = sd_bus_message_append(reply, "usu", o->pid, o->name ? o->name : "", o->score);
	if (r >= 0)
		r = sd_bus_message_open_container(reply, 'a', "(sss)");
	for (unsigned t = 0; t < times(o->rivals_times); t++)
		for (const struct ctl_rival *other = o->rival; r >= 0 && other && other->name; other++)
			r = sd_bus_message_append(reply, "(sss)", other->name, other->word, other->rule);
	return finish(r, reply);
}

static int on_clients(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const struct ctl_script *s = ((struct child *)userdata)->script;
	sd_bus_message *reply = NULL;
	uint64_t id = 0;
	int r = begin(m, "(tsuuuassta{sv})", &reply);

	(void)error;
	for (unsigned t = 0; t < times(s->clients_times); t++)
		for (const struct ctl_client *k = s->client; r >= 0 && k && k->name; k++)
			r = sd_bus_message_append(reply, "(tsuuuassta{sv})", ++id, k->name, 4194304u,
				65534u, 99u, 1, k->domain, k->state, k->exposure_bytes, 8,
				"FreeableBytes", "t", k->freeable_bytes,
				"DeadlineUSec", "t", k->deadline_in_us ? now_us() + k->deadline_in_us : 0,
				"FlushUSec", "t", k->granted_us, "DegradeUSec", "t", k->granted_us,
				"ShutdownUSec", "t", k->granted_us, "WorstFlushUSec", "t", (uint64_t)59900000,
				"Shielded", "b", 1, "LastResult", "s", k->result);
	return finish(r, reply);
}

static int on_sources(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const struct ctl_source *row = ((struct child *)userdata)->script->source;
	sd_bus_message *reply = NULL;
	int r = begin(m, "(ssss)", &reply);

	(void)error;
	for (; r >= 0 && row && row->name; row++)
		r = sd_bus_message_append(reply, "(ssss)", row->name, row->state, row->gives, row->remedy);
	return finish(r, reply);
}

static int on_episodes(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const struct ctl_episode *e = ((struct child *)userdata)->script->episode;
	sd_bus_message *reply = NULL;
	int r = begin(m, "(tsstts)", &reply);

	(void)error;
	for (; r >= 0 && e && e->number; e++)
		r = sd_bus_message_append(reply, "(tsstts)", e->number, e->domain, e->highest,
					  e->began_us, e->ended_us, e->outcome);
	return finish(r, reply);
}

static int on_explain(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct child *c = userdata;
	const char *const *sentence = c->script->sentence;
	sd_bus_message *reply = NULL;
	uint64_t episode;
	int r = sd_bus_message_read(m, "t", &episode);

	(void)error;
	if (r < 0)
		return r;
	c->seen->explained = episode;
	r = begin(m, "s", &reply);
	for (; r >= 0 && sentence && *sentence; sentence++)
		r = sd_bus_message_append(reply, "s", *sentence);
	return finish(r, reply);
}

/* The end that is kept open is closed with the process. */
static int on_monitor(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct child *c = userdata;
	const char *text = c->script->stream ? c->script->stream : "";
	int ends[2], r, history = 0;

	(void)error;
	r = sd_bus_message_read(m, "a{sv}", 1, NULL, "b", &history);
	if (r < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return -EINVAL;
	c->seen->history = history;
	c->seen->monitors++;
	if (send(ends[0], text, strlen(text), MSG_NOSIGNAL) != (ssize_t)strlen(text))
		return -EIO;
	if (c->script->stream_ends)
		close(ends[0]);
	r = sd_bus_reply_method_return(m, "h", ends[1]);
	close(ends[1]);
	return r;
}

static int on_reload(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	(void)error;
	((struct child *)userdata)->seen->reloads++;
	return sd_bus_reply_method_return(m, NULL);
}

static int get_text(sd_bus *bus, const char *path, const char *interface, const char *property,
		    sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	const struct ctl_script *s = ((struct child *)userdata)->script;

	(void)bus, (void)path, (void)interface, (void)error;
	if (!strcmp(property, "Version"))
		return sd_bus_message_append(reply, "s", "9.8.7");
	return sd_bus_message_append(reply, "s", strcmp(property, "Stage") ? s->nearest : s->stage);
}

static int get_figure(sd_bus *bus, const char *path, const char *interface, const char *property,
		      sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	const struct ctl_domain *d = ((struct child *)userdata)->script->domain;
	const struct { const char *name; uint64_t value; } figures[] = {
		{ "HeadroomBytes", d ? d->headroom_bytes : 0 },
		{ "TimeToExhaustionUSec", d ? d->tte_us : 0 },
		{ "TimeToExhaustionLowUSec", d ? d->tte_low_us : 0 },
		{ "GuaranteedUSec", d ? d->guaranteed_us : 0 },
	};

	(void)bus, (void)path, (void)interface, (void)error;
	for (unsigned i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
		if (!strcmp(property, figures[i].name))
			return sd_bus_message_append(reply, "t", figures[i].value);
	return -ENOENT;
}

static int get_dry_run(sd_bus *bus, const char *path, const char *interface, const char *property,
		       sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	(void)bus, (void)path, (void)interface, (void)property, (void)userdata, (void)error;
	return sd_bus_message_append(reply, "b", 0);
}

static int get_warnings(sd_bus *bus, const char *path, const char *interface, const char *property,
			sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	const struct ctl_script *s = ((struct child *)userdata)->script;
	int r = sd_bus_message_open_container(reply, 'a', "s");

	(void)bus, (void)path, (void)interface, (void)property, (void)error;
	for (unsigned t = 0; t < times(s->warnings_times); t++)
		for (const char *const *w = s->warning; r >= 0 && w && *w; w++)
			r = sd_bus_message_append(reply, "s", *w);
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

static const sd_bus_vtable vtable[] = {
	SD_BUS_VTABLE_START(SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("ListDomains", NULL, "a(ssttttta{sv})", on_domains, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("ListClients", NULL, "a(tsuuuassta{sv})", on_clients, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("ListGrowers", "s", "a(ssuutttu)", on_growers, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Outlook", NULL, "usua(sss)", on_outlook, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("ListSources", NULL, "a(ssss)", on_sources, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("ListEpisodes", NULL, "a(tsstts)", on_episodes, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Explain", "t", "as", on_explain, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Monitor", "a{sv}", "h", on_monitor, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Reload", NULL, NULL, on_reload, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_PROPERTY("Version", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("Stage", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Domain", "s", get_text, 0, 0),
	SD_BUS_PROPERTY("HeadroomBytes", "t", get_figure, 0, 0),
	SD_BUS_PROPERTY("TimeToExhaustionUSec", "t", get_figure, 0, 0),
	SD_BUS_PROPERTY("TimeToExhaustionLowUSec", "t", get_figure, 0, 0),
	SD_BUS_PROPERTY("GuaranteedUSec", "t", get_figure, 0, 0),
	SD_BUS_PROPERTY("DryRun", "b", get_dry_run, 0, 0),
	SD_BUS_PROPERTY("Warnings", "as", get_warnings, 0, 0),
	SD_BUS_VTABLE_END,
};

static bool is_unknown(const struct ctl_script *s, const char *member)
{
	return !s->outlook && (!strcmp(member, "ListGrowers") || !strcmp(member, "Outlook"));
}

/* Sees every message before the table does: notes who would have started us, refuses on order. */
static int on_any(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct child *c = userdata;
	const char *member = sd_bus_message_get_member(m);

	(void)error;
	if (!sd_bus_message_is_method_call(m, NULL, NULL))
		return 0;
	c->seen->calls++;
	c->seen->may_start += sd_bus_message_get_auto_start(m) > 0;
	if (is_unknown(c->script, member))
		return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_UNKNOWN_METHOD, "no %s here", member);
	if (!c->script->refused_method || strcmp(member, c->script->refused_method))
		return 0;
	return sd_bus_reply_method_errorf(m, c->script->error_name, "%s", c->script->error_text);
}

/* ---- the process ---- */

static int serve(struct child *c, const char *address, int ready)
{
	sd_bus *bus = NULL;
	int r = sd_bus_new(&bus);

	if (r >= 0)
		r = sd_bus_set_address(bus, address);
	if (r >= 0)
		r = sd_bus_set_bus_client(bus, true);
	if (r >= 0)
		r = sd_bus_negotiate_fds(bus, true);
	if (r >= 0)
		r = sd_bus_start(bus);
	if (r >= 0)
		r = sd_bus_add_object_vtable(bus, NULL, PATH, NAME, vtable, c);
	if (r >= 0)
		r = sd_bus_add_filter(bus, NULL, on_any, c);
	if (r >= 0)
		r = sd_bus_request_name(bus, NAME, 0);
	if (r >= 0 && write(ready, "", 1) != 1)
		return -EIO;
	while (r >= 0) {
		r = sd_bus_process(bus, NULL);
		if (r == 0)
			r = sd_bus_wait(bus, UINT64_MAX);
	}
	return r;
}

/* A test that fails leaves its broker running, and the next one would not get the name. */
static pid_t left_over;

static void end_process(pid_t pid)
{
	(void)kill(pid, SIGKILL); /* may be gone; a stopped one ends, too */
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	left_over = 0;
}

void ctl_broker_start(struct ctl_broker *b, const char *address, const struct ctl_script *script)
{
	struct child c = { .script = script };
	int ready[2];
	char byte;

	if (left_over)
		end_process(left_over);
	c.seen = mmap(NULL, sizeof(*c.seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(c.seen, MAP_FAILED);
	assert_int_equal(pipe(ready), 0);
	*b = (struct ctl_broker){ .pid = fork(), .seen = c.seen };
	assert_true(b->pid >= 0);
	left_over = b->pid;
	if (b->pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* or it would outlive a test that failed */
		close(ready[0]);
		_exit(serve(&c, address, ready[1]) < 0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1); /* 0: it has ended: no bus, no name */
	close(ready[0]);
}

void ctl_broker_stop(struct ctl_broker *b)
{
	if (b->pid)
		end_process(b->pid);
	if (b->seen)
		(void)munmap(b->seen, sizeof(*b->seen)); /* what mmap gave */
	*b = (struct ctl_broker){ 0 };
}
