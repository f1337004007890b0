/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>

#include "ask/shield.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "peer.h"
#include "recorder.h"
#include "service.h"

#define BUDGET_MIN_US	(1 * US_PER_MS)
#define BUDGET_MAX_US	(60 * US_PER_S)
#define GROUP_MAX	99u
#define GROUP_DEFAULT	50u
#define JOINING_MAX	256u	/* registrations that wait for credentials, all callers */
#define GROUPS_MAX	64u

static const char *sender_of(sd_bus_message *m)
{
	const char *sender = sd_bus_message_get_sender(m);

	return sender ? sender : ":direct"; /* a peer-to-peer connection has one other end */
}

/* ---- credentials, without waiting ---- */

struct caller {
	uint32_t uid;
	int32_t pid;
	uint32_t groups[GROUPS_MAX];
	uint32_t groups_count;
};

/* A call that goes on when the bus daemon has said who the caller is. */
struct pending {
	struct broker *broker;
	sd_bus_message *call;
	int (*go_on)(struct pending *p, const struct caller *caller, sd_bus_error *error);
	struct session_offer offer;
	char domain[CORE_DOMAIN_NAME_MAX];
};

static void pending_free(void *userdata)
{
	struct pending *p = userdata;

	p->broker->joining--;
	sd_bus_message_unref(p->call);
	free(p);
}

static int read_groups(sd_bus_message *m, struct caller *ret)
{
	const void *groups;
	size_t bytes;
	int r = sd_bus_message_enter_container(m, 'v', "au");

	if (r >= 0)
		r = sd_bus_message_read_array(m, 'u', &groups, &bytes);
	if (r < 0)
		return r;
	ret->groups_count = (uint32_t)MIN_OF(bytes / sizeof(uint32_t), GROUPS_MAX);
	memcpy(ret->groups, groups, ret->groups_count * sizeof(uint32_t));
	return sd_bus_message_exit_container(m);
}

static int read_credential(sd_bus_message *m, struct caller *ret)
{
	const char *key;
	uint32_t value = 0;
	int r = sd_bus_message_read_basic(m, 's', &key);

	if (r < 0)
		return r;
	if (!strcmp(key, "UnixUserID"))
		return sd_bus_message_read(m, "v", "u", &ret->uid);
	if (!strcmp(key, "UnixGroupIDs"))
		return read_groups(m, ret);
	if (strcmp(key, "ProcessID"))
		return sd_bus_message_skip(m, "v");
	r = sd_bus_message_read(m, "v", "u", &value);
	ret->pid = (int32_t)value;
	return r;
}

/* The reply of GetConnectionCredentials: a{sv}. */
static int read_caller(sd_bus_message *m, struct caller *ret)
{
	int r = sd_bus_message_enter_container(m, 'a', "{sv}");

	*ret = (struct caller){ .uid = UINT32_MAX };
	while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
		r = read_credential(m, ret);
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
	}
	if (r >= 0 && (ret->uid == UINT32_MAX || ret->pid <= 0))
		return -ENODATA;
	return r;
}

static int on_caller(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
	struct pending *p = userdata;
	sd_bus_error error = SD_BUS_ERROR_NULL;
	struct caller caller;
	int r;

	(void)ret_error;
	if (sd_bus_message_is_method_error(m, NULL))
		return 0; /* the caller has left the bus meanwhile: nobody to answer */
	r = read_caller(m, &caller);
	if (r >= 0)
		r = p->go_on(p, &caller, &error);
	if (r < 0)
		r = sd_bus_error_is_set(&error) ? sd_bus_reply_method_error(p->call, &error)
						: sd_bus_reply_method_errno(p->call, r, NULL);
	if (r < 0)
		log_warning("bus: a reply cannot be sent: %s", strerror(-r));
	sd_bus_error_free(&error);
	broker_step(p->broker);
	return 0;
}

/* Takes p. */
static int ask_caller(struct pending *p, sd_bus_message *m, sd_bus_error *error)
{
	struct broker *b = p->broker;
	sd_bus_slot *slot = NULL;
	int r;

	if (b->joining >= JOINING_MAX) {
		free(p);
		return service_error(error, "TooManyClients",
				     "%u calls wait for the bus already; try again", JOINING_MAX);
	}
	b->joining++;
	p->call = sd_bus_message_ref(m);
	r = sd_bus_call_method_async(b->bus.connection, &slot, "org.freedesktop.DBus",
				     "/org/freedesktop/DBus", "org.freedesktop.DBus",
				     "GetConnectionCredentials", on_caller, p, "s", sender_of(m));
	if (r < 0) {
		pending_free(p);
		return r;
	}
	(void)sd_bus_slot_set_destroy_callback(slot, pending_free); /* only fails for other slots */
	(void)sd_bus_slot_set_floating(slot, true);		     /* same */
	sd_bus_slot_unref(slot);
	return 1;
}

/* ---- Register ---- */

static bool is_name(const char *name)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._@-";
	size_t length = strlen(name);

	return length && length < SESSION_NAME_MAX && strspn(name, allowed) == length;
}

static int read_register(sd_bus_message *m, struct pending *p, sd_bus_error *error)
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

static int choose_domains(struct pending *p, sd_bus_error *error)
{
	uint32_t d;

	if (!p->domain[0]) {
		p->offer.domains = own_domains(p->broker, p->offer.pid);
		return 0;
	}
	d = domain_of(p->broker, p->domain);
	if (d == CORE_DOMAINS_MAX)
		return service_error(error, "UnknownDomain",
				     "there is no domain \"%s\": give \"system\" or the path of a "
				     "cgroup with a memory limit", p->domain);
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
			     "user %u has as many clients as max_per_uid in failsoft.json allows",
			     offer->uid);
}

static int join(struct pending *p, int proc_fd, uint64_t start_ticks, sd_bus_error *error)
{
	struct broker *b = p->broker;
	struct peer_offer peer = { sender_of(p->call), proc_fd, start_ticks };
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

static int go_on_register(struct pending *p, const struct caller *caller, sd_bus_error *error)
{
	struct broker *b = p->broker;
	uint64_t start_ticks = 0;
	int proc_fd, r;

	p->offer.pid = caller->pid;
	p->offer.uid = caller->uid;
	if (peer_by_sender(b, sender_of(p->call)))
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
	struct pending *p = calloc(1, sizeof(*p));
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
	return ask_caller(p, m, error);
}

/* ---- the other calls of a client ---- */

static struct peer *caller_peer(struct broker *b, sd_bus_message *m, sd_bus_error *error)
{
	struct peer *p = peer_by_sender(b, sender_of(m));

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

/* ---- Record, Reload ---- */

static bool is_privileged(const struct caller *caller)
{
	struct group room, *group = NULL;
	char buffer[4096];

	if (caller->uid == 0)
		return true;
	if (getgrnam_r("failsoft", &room, buffer, sizeof(buffer), &group) || !group)
		return false;
	for (uint32_t i = 0; i < caller->groups_count; i++)
		if (caller->groups[i] == group->gr_gid)
			return true;
	return false;
}

static int go_on_record(struct pending *p, const struct caller *caller, sd_bus_error *error)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (!is_privileged(caller))
		return service_error(error, "NotAllowed",
				     "Record is for root and for members of the group failsoft");
	r = recorder_start(p->broker, &fd);
	if (r == -EBUSY)
		return service_error(error, "Busy", "a recording is running already; end that one first");
	if (r < 0)
		return r;
	r = sd_bus_reply_method_return(p->call, "h", fd);
	recorder_pump(p->broker);
	return r;
}

int service_record(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct pending *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->broker = userdata;
	p->go_on = go_on_record;
	return ask_caller(p, m, error);
}

static int go_on_reload(struct pending *p, const struct caller *caller, sd_bus_error *error)
{
	char text[CONFIG_ERROR_MAX];

	if (!is_privileged(caller))
		return service_error(error, "NotAllowed",
				     "Reload is for root and for members of the group failsoft");
	if (broker_reload(p->broker, text, sizeof(text)) < 0)
		return service_error(error, "ConfigInvalid", "nothing was changed: %s", text);
	return sd_bus_reply_method_return(p->call, NULL);
}

int service_reload(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct pending *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->broker = userdata;
	p->go_on = go_on_reload;
	return ask_caller(p, m, error);
}
