/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "ask/shield.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "peer.h"
#include "resort.h"
#include "service.h"
#include "service_caller.h"

#define BUDGET_MIN_US	(1 * US_PER_MS)
#define BUDGET_MAX_US	(60 * US_PER_S)
#define GROUP_MAX	99u
#define GROUP_DEFAULT	50u

/* ---- Register ---- */

static bool is_name(const char *name)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._@-";
	size_t length = strlen(name);

	return length && length < SESSION_NAME_MAX && strspn(name, allowed) == length;
}

static int read_register(sd_bus_message *m, struct service_call *p, sd_bus_error *error)
{
	uint64_t *budget = p->offer.budget_us;
	const char *name, *domain = NULL;
	int may_be_ended = true;
	const struct service_option options[] = {
		{ "FlushUSec", OPTION_U64, BUDGET_MIN_US, BUDGET_MAX_US, &budget[STEP_FLUSH] },
		{ "DegradeUSec", OPTION_U64, BUDGET_MIN_US, BUDGET_MAX_US, &budget[STEP_DEGRADE] },
		{ "ShutdownUSec", OPTION_U64, BUDGET_MIN_US, BUDGET_MAX_US, &budget[STEP_SHUTDOWN] },
		{ "ResumeUSec", OPTION_U64, BUDGET_MIN_US, BUDGET_MAX_US, &budget[STEP_RESUME] },
		{ "OrderGroup", OPTION_U32, 0, GROUP_MAX, &p->offer.order_group },
		{ "Domain", OPTION_TEXT, 0, 0, &domain },
		{ "MayBeEnded", OPTION_BOOL, 0, 0, &may_be_ended },
	};
	int r = sd_bus_message_read(m, "s", &name);

	if (r < 0)
		return r;
	if (!is_name(name))
		return service_error(error, "InvalidName",
				     "a client's name has 1 to %d bytes of A-Z a-z 0-9 . _ @ -",
				     SESSION_NAME_MAX - 1);
	strcpy(p->offer.name, name);
	p->offer.order_group = GROUP_DEFAULT;
	r = service_read_options(m, options, ARRAY_LEN(options), error);
	if (r < 0)
		return r;
	if (domain && (!domain[0] || strlen(domain) >= sizeof(p->domain)))
		return service_error(error, "UnknownDomain", "a domain's name has 1 to %zu bytes",
				     sizeof(p->domain) - 1);
	if (domain)
		strcpy(p->domain, domain);
	p->offer.may_be_ended = may_be_ended;
	return 0;
}

/* The index of a domain that may have to be added first; CORE_DOMAINS_MAX: it cannot. */
static uint32_t domain_of(struct broker *b, const char *name)
{
	uint32_t d = core_domain_find(&b->core, name);
	uint64_t now_us = clock_now_us();
	int r;

	if (d < CORE_DOMAINS_MAX || name[0] != '/')
		return d;
	d = core_domain_add(&b->core, name, false, now_us);
	resort_domain(b, d);
	if (d == CORE_DOMAINS_MAX)
		return d;
	r = sense_domain_add(b->sense, d, name);
	if (r >= 0)
		return d;
	log_warning("domain %s: %s; it is not watched", name, strerror(-r));
	core_domain_remove(&b->core, d, now_us);
	return CORE_DOMAINS_MAX;
}

/* System and every limited cgroup that the process lives in. */
static uint32_t own_domains(struct broker *b, int32_t pid)
{
	uint32_t bits = 1u << CORE_DOMAIN_SYSTEM;
	struct cgroup_paths paths;
	int r = sense_cgroup_paths(b->sense, pid, &paths);

	for (uint32_t i = 0; r >= 0 && i < paths.count; i++) {
		uint32_t d = domain_of(b, paths.name[i]);

		if (d < CORE_DOMAINS_MAX)
			bits |= 1u << d;
	}
	return bits;
}

/* There are 32 domains for all: nobody takes one for a cgroup that is not limited, and only root one
 * for a cgroup of others. */
static uint32_t named_domain(struct broker *b, const struct service_call *p)
{
	uint32_t d = core_domain_find(&b->core, p->domain);
	uint32_t own = d < CORE_DOMAINS_MAX ? 0 : own_domains(b, p->offer.pid);

	if (d == CORE_DOMAINS_MAX)
		d = core_domain_find(&b->core, p->domain);
	if (d == CORE_DOMAINS_MAX && p->offer.uid == 0)
		d = domain_of(b, p->domain);
	b->domains_stale |= own != 0;
	if (d == CORE_DOMAINS_MAX || d == CORE_DOMAIN_SYSTEM || b->core.domain[d].is_configured)
		return d;
	return sense_domain_is_limited(b->sense, d) ? d : CORE_DOMAINS_MAX;
}

static int choose_domains(struct service_call *p, sd_bus_error *error)
{
	uint32_t d;

	if (!p->domain[0]) {
		p->offer.domains = own_domains(p->broker, p->offer.pid);
		return 0;
	}
	d = named_domain(p->broker, p);
	if (d == CORE_DOMAINS_MAX)
		return service_error(error, "UnknownDomain",
				     "there is no domain \"%s\": give \"system\" or the path of a "
				     "cgroup with a memory limit; one that the caller does not live in "
				     "only root may name first", p->domain);
	p->offer.domains = 1u << d;
	return 0;
}

static int reply_registered(sd_bus_message *call, const struct session *s, int lifeline)
{
	sd_bus_message *reply = NULL;
	int r = sd_bus_message_new_method_return(call, &reply);

	if (r >= 0)
		r = sd_bus_message_append(reply, "t", s->id);
	if (r >= 0)
		r = sd_bus_message_open_container(reply, 'a', "{st}");
	for (int step = 0; r >= 0 && step < STEP_COUNT; step++)
		r = sd_bus_message_append(reply, "{st}", session_step_name(step),
					  s->offer.budget_us[step]);
	if (r >= 0)
		r = sd_bus_message_close_container(reply);
	if (r >= 0)
		r = sd_bus_message_append(reply, "h", lifeline);
	if (r >= 0)
		r = sd_bus_send(NULL, reply, NULL);
	sd_bus_message_unref(reply);
	return r;
}

static int refuse(struct broker *b, enum session_outcome outcome, const struct session_offer *offer,
		  sd_bus_error *error)
{
	if (outcome == SESSION_E_FULL)
		return service_error(error, "TooManyClients",
				     "%u clients are registered; raise max_clients in failsoft.json",
				     b->core.sessions.count);
	return service_error(error, "TooManyForUser",
			     "user %u has as many clients as max_clients_per_uid in failsoft.json allows",
			     offer->uid);
}

static int join(struct service_call *p, int proc_fd, uint64_t start_ticks, sd_bus_error *error)
{
	struct broker *b = p->broker;
	struct peer_offer peer = { service_sender(p->call), proc_fd, start_ticks };
	_cleanup_close_ int lifeline = -1;
	struct session *s = NULL;
	enum session_outcome outcome = core_join(&b->core, &p->offer, clock_now_us(), &s);
	int r;

	if (outcome != SESSION_OK)
		return refuse(b, outcome, &p->offer, error);
	r = peer_add(b, s->id, &peer, &lifeline);
	if (r < 0) {
		core_leave(&b->core, s->id, clock_now_us());
		broker_drain(b);
		return r;
	}
	r = reply_registered(p->call, s, lifeline);
	if (r < 0)
		peer_leave(peer_get(b, s->id)); /* it will never know that it is a client */
	broker_drain(b); /* a late joiner is asked at once: after its reply, before anything else */
	return 0;
}

static int go_on_register(struct service_call *p, const struct service_caller *caller, sd_bus_error *error)
{
	struct broker *b = p->broker;
	uint64_t start_ticks = 0;
	int proc_fd, r;

	p->offer.pid = caller->pid;
	p->offer.uid = caller->uid;
	if (peer_by_sender(b, service_sender(p->call)))
		return service_error(error, "AlreadyRegistered",
				     "this connection is a client already: Unregister first, or open "
				     "another connection");
	if (!p->offer.may_be_ended && caller->uid != 0)
		return service_error(error, "NotAllowed",
				     "only root may register with MayBeEnded false");
	r = choose_domains(p, error);
	if (r < 0)
		return r;
	proc_fd = shield_open(b->root_fd, caller->pid, &start_ticks);
	r = join(p, proc_fd < 0 ? -1 : proc_fd, start_ticks, error);
	if (r >= 0)
		return r;
	b->domains_stale = true; /* one may have been added for it alone */
	if (proc_fd >= 0)
		(void)file_close(proc_fd);
	return r;
}

int service_register(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct broker *b = userdata;
	struct service_call *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	p->broker = b;
	p->go_on = go_on_register;
	r = read_register(m, p, error);
	if (r < 0) {
		free(p);
		return r;
	}
	return service_ask_caller(p, m, error);
}

/* ---- the other calls of a client ---- */

static struct peer *caller_peer(struct broker *b, sd_bus_message *m, sd_bus_error *error)
{
	struct peer *p = peer_by_sender(b, service_sender(m));

	if (!p)
		service_error(error, "NotRegistered",
			      "this connection is no client: call Register first");
	return p;
}

int service_unregister(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct broker *b = userdata;
	struct peer *p = caller_peer(b, m, error);

	if (!p)
		return -ENOTCONN;
	peer_leave(p);
	broker_step(b);
	return sd_bus_reply_method_return(m, NULL);
}

static enum session_result result_of(const char *word)
{
	for (int r = RESULT_DONE; r <= RESULT_REFUSED; r++)
		if (!strcmp(word, session_result_name(r)))
			return r;
	return RESULT_NONE;
}

int service_acknowledge(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct broker *b = userdata;
	struct peer *p = caller_peer(b, m, error);
	struct core_answer a = { 0 };
	struct session *s;
	uint64_t exposure, freeable;
	const char *word;
	int r;

	if (!p)
		return -ENOTCONN;
	r = sd_bus_message_read(m, "ts", &a.sequence, &word);
	if (r < 0)
		return r;
	a.result = result_of(word);
	if (a.result == RESULT_NONE)
		return service_error(error, "InvalidResult",
				     "\"%s\" is no result: give done, partial, busy or refused", word);
	s = session_get(&b->core.sessions, p->id);
	exposure = s->exposure_bytes;
	freeable = s->freeable_bytes;
	r = service_read_options(m, (struct service_option[]){
		{ "FreedBytes", OPTION_U64, 0, UINT64_MAX, &a.freed_bytes },
		{ "ExposureBytes", OPTION_U64, 0, UINT64_MAX, &exposure },
		{ "FreeableBytes", OPTION_U64, 0, UINT64_MAX, &freeable },
		{ "MoreTimeUSec", OPTION_U64, 1, BUDGET_MAX_US, &a.more_time_us } }, 4, error);
	if (r < 0)
		return r;
	a.client = p->id;
	core_report(&b->core, p->id, exposure, freeable);
	if (!core_answer(&b->core, &a, clock_now_us()))
		return service_error(error, "StaleSequence",
				     "no request %llu is open for this client; the number is in "
				     "StepRequested", (unsigned long long)a.sequence);
	broker_drain(b);
	broker_step(b);
	return sd_bus_reply_method_return(m, NULL);
}

int service_report(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct broker *b = userdata;
	struct peer *p = caller_peer(b, m, error);
	const struct session *s;
	uint64_t exposure, freeable;
	int r;

	if (!p)
		return -ENOTCONN;
	s = session_get(&b->core.sessions, p->id);
	exposure = s->exposure_bytes;
	freeable = s->freeable_bytes;
	r = service_read_options(m, (struct service_option[]){
		{ "ExposureBytes", OPTION_U64, 0, UINT64_MAX, &exposure },
		{ "FreeableBytes", OPTION_U64, 0, UINT64_MAX, &freeable } }, 2, error);
	if (r < 0)
		return r;
	core_report(&b->core, p->id, exposure, freeable);
	return sd_bus_reply_method_return(m, NULL);
}
