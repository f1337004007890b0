/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "outlook.h"
#include "peer.h"
#include "service.h"
#include "service_caller.h"
#include "stream.h"
#include "victims.h"

/* Older ones are not "now" any more; as the core has it for events. */
#define GROWERS_SHOWN_US	(3 * US_PER_S)

/* A reply whose one argument is an array, filled row by row. */
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

static int put_u64(sd_bus_message *m, const char *key, uint64_t value)
{
	return sd_bus_message_append(m, "{sv}", key, "t", value);
}

/* ---- clients ---- */

static int put_client_detail(sd_bus_message *m, const struct session *s, const struct peer *p)
{
	static const struct {
		enum session_step step;
		const char *granted, *worst;
	} steps[] = {
		{ STEP_FLUSH, "FlushUSec", "WorstFlushUSec" },
		{ STEP_DEGRADE, "DegradeUSec", "WorstDegradeUSec" },
		{ STEP_SHUTDOWN, "ShutdownUSec", "WorstShutdownUSec" },
		{ STEP_RESUME, "ResumeUSec", "WorstResumeUSec" },
	};
	int r = sd_bus_message_open_container(m, 'a', "{sv}");

	for (unsigned i = 0; r >= 0 && i < ARRAY_LEN(steps); i++) {
		r = put_u64(m, steps[i].granted, s->offer.budget_us[steps[i].step]);
		if (r >= 0)
			r = put_u64(m, steps[i].worst, s->worst_us[steps[i].step]);
	}
	if (r >= 0)
		r = put_u64(m, "FreeableBytes", s->freeable_bytes);
	if (r >= 0)
		r = put_u64(m, "DeadlineUSec", s->request.deadline_us);
	if (r >= 0)
		r = sd_bus_message_append(m, "{sv}{sv}{sv}", "Shielded", "b", p && p->is_shielded,
					  "MayBeEnded", "b", s->offer.may_be_ended, "LastResult", "s",
					  session_result_name(s->last_result));
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static int put_domains_of(sd_bus_message *m, const struct core *c, const struct session *s)
{
	int r = sd_bus_message_open_container(m, 'a', "s");

	for (uint32_t d = 0; r >= 0 && d < CORE_DOMAINS_MAX; d++)
		if ((s->offer.domains & (1u << d)) && c->domain[d].used)
			r = sd_bus_message_append(m, "s", c->domain[d].name);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static int put_client(sd_bus_message *m, struct broker *b, const struct session *s)
{
	const char *state = s->request.sequence ? session_step_name(s->request.step) : "idle";
	int r = sd_bus_message_open_container(m, 'r', "tsuuuassta{sv}");

	if (r >= 0)
		r = sd_bus_message_append(m, "tsuuu", s->id, s->offer.name, (uint32_t)s->offer.pid,
					  s->offer.uid, s->offer.order_group);
	if (r >= 0)
		r = put_domains_of(m, &b->core, s);
	if (r >= 0)
		r = sd_bus_message_append(m, "st", state, s->exposure_bytes);
	if (r >= 0)
		r = put_client_detail(m, s, peer_get(b, s->id));
	return r < 0 ? r : sd_bus_message_close_container(m);
}

int service_list_clients(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct broker *b = userdata;
	struct session_table *t = &b->core.sessions;
	sd_bus_message *reply = NULL;
	int r = begin(m, "(tsuuuassta{sv})", &reply);

	(void)error;
	for (struct session *s = session_next(t, NULL); r >= 0 && s; s = session_next(t, s))
		r = put_client(reply, b, s);
	return finish(r, reply);
}

/* ---- domains ---- */

static uint32_t clients_of(struct core *c, uint32_t domain)
{
	uint32_t count = 0;

	for (struct session *s = session_next(&c->sessions, NULL); s; s = session_next(&c->sessions, s))
		count += (s->offer.domains >> domain) & 1;
	return count;
}

static int put_domain_detail(sd_bus_message *m, struct core *c, uint32_t domain)
{
	const struct core_domain *d = &c->domain[domain];
	const struct stage_policy *p = &c->policy.stage;
	const struct {
		const char *key;
		uint64_t value;
	} figures[] = {
		{ "LeadWarningUSec", d->lead.us[STAGE_WARNING] },
		{ "LeadImminentUSec", d->lead.us[STAGE_IMMINENT] },
		{ "LeadShutdownUSec", d->lead.us[STAGE_SHUTDOWN] },
		{ "GuaranteedUSec", d->estimate.guaranteed_us },
		{ "ExhaustionEarlyUSec", d->estimate.tte_us == NEVER_US ? NEVER_US
									 : d->estimate.tte_early_us },
		{ "ExhaustionLateUSec", d->estimate.tte_us == NEVER_US ? NEVER_US
									: d->estimate.tte_late_us },
		{ "FloorWarningBytes", stage_floor_bytes(p, STAGE_WARNING, d->estimate.total_bytes) },
		{ "FloorImminentBytes", stage_floor_bytes(p, STAGE_IMMINENT, d->estimate.total_bytes) },
		{ "FloorShutdownBytes", stage_floor_bytes(p, STAGE_SHUTDOWN, d->estimate.total_bytes) },
	};
	char reason[512];
	int r = sd_bus_message_open_container(m, 'a', "{sv}");

	for (unsigned i = 0; r >= 0 && i < ARRAY_LEN(figures); i++)
		r = put_u64(m, figures[i].key, figures[i].value);
	service_reason(c, domain, reason, sizeof(reason));
	if (r >= 0)
		r = sd_bus_message_append(m, "{sv}{sv}{sv}{sv}", "RateBytesPerSecond", "x",
					  d->estimate.fall_bytes_per_s, "Clients", "u",
					  clients_of(c, domain), "Reason", "s", reason, "LimitedBy", "s",
					  estimate_limit_name((enum estimate_limit)d->estimate.limit));
	if (r >= 0)
		r = sd_bus_message_append(m, "{sv}", "StalledPermyriad", "u",
					  stall_permyriad(&d->estimator.stall, &c->policy.estimate.stall));
	if (r >= 0 && d->has_pressure)
		r = sd_bus_message_append(m, "{sv}{sv}", "PressureSomePermyriad", "u",
					  d->memory_some_permyriad, "PressureFullPermyriad", "u",
					  d->memory_full_permyriad);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

int service_list_domains(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct core *c = &((struct broker *)userdata)->core;
	sd_bus_message *reply = NULL;
	int r = begin(m, "(ssttttta{sv})", &reply);

	(void)error;
	for (uint32_t i = 0; r >= 0 && i < CORE_DOMAINS_MAX; i++) {
		const struct core_domain *d = &c->domain[i];

		if (!d->used)
			continue;
		r = sd_bus_message_open_container(reply, 'r', "ssttttta{sv}");
		if (r >= 0)
			r = sd_bus_message_append(reply, "ssttttt", d->name, stage_name(d->stage.now),
						  d->estimate.headroom_bytes, d->estimate.total_bytes,
						  d->estimate.tte_us, d->estimate.tte_low_us, d->episode);
		if (r >= 0)
			r = put_domain_detail(reply, c, i);
		if (r >= 0)
			r = sd_bus_message_close_container(reply);
	}
	return finish(r, reply);
}

/* ---- who grows, who would be ended, what others would do ---- */

static int put_grower(sd_bus_message *m, const struct grower *g)
{
	static const char *const kinds[GROWER_KIND_COUNT] = {
		[GROWER_NONE] = "none", [GROWER_PROCESS] = "process", [GROWER_TREE] = "tree",
		[GROWER_NAMESAKES] = "namesakes", [GROWER_POOL] = "pool",
	};
	const char *name = text_is_utf8(g->name) ? g->name : "?";

	return sd_bus_message_append(m, "(ssuutttu)", kinds[g->kind], name, (uint32_t)g->pid,
				     g->processes, g->bytes, g->since_bytes, g->bytes_per_s,
				     g->share_permyriad);
}

/* The method's one argument: a domain's name, "" for the one nearest to exhaustion. */
static int read_domain(sd_bus_message *m, struct core *c, uint32_t *ret, sd_bus_error *error)
{
	const char *name;
	int r = sd_bus_message_read(m, "s", &name);

	if (r < 0)
		return r;
	*ret = *name ? core_domain_find(c, name) : core_worst_domain(c);
	if (*ret == CORE_DOMAINS_MAX)
		return service_error(error, "UnknownDomain", "%s is no domain here; ListDomains names "
				     "those that are, \"\" is the one nearest to exhaustion", name);
	return 0;
}

int service_list_growers(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct core *c = &((struct broker *)userdata)->core;
	const struct core_domain *d;
	sd_bus_message *reply = NULL;
	uint32_t domain;
	int r = read_domain(m, c, &domain, error);

	if (r < 0)
		return r;
	d = &c->domain[domain];
	r = begin(m, "(ssuutttu)", &reply);
	for (uint32_t i = 0; r >= 0 && i < d->growers_count; i++)
		if (clock_now_us() < d->growers_us + GROWERS_SHOWN_US)
			r = put_grower(reply, &d->growers[i]);
	return finish(r, reply);
}

static int put_victim(sd_bus_message *m, const struct victims_row *row)
{
	static const char *const whys[VICTIMS_WHY_COUNT] = {
		[VICTIMS_GREW] = "grew", [VICTIMS_WROTE] = "wrote", [VICTIMS_SIZE] = "size",
		[VICTIMS_PREFERRED] = "preferred", [VICTIMS_CLIENT] = "client",
		[VICTIMS_NEVER_CLIENT] = "never-client", [VICTIMS_PROTECTED] = "protected",
	};

	return sd_bus_message_append(m, "(suustt)", text_is_utf8(row->name) ? row->name : "?",
				     (uint32_t)row->pid, row->processes, whys[row->why],
				     row->memory_bytes, row->growth_bytes);
}

int service_list_victims(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct broker *b = userdata;
	const struct victims_order *order;
	sd_bus_message *reply = NULL;
	uint32_t domain;
	int r = read_domain(m, &b->core, &domain, error);

	if (r < 0)
		return r;
	order = victims_order(b, domain);
	if (!order)
		return service_error(error, "InCrisis", "the broker is busy with a crisis; Monitor tells "
				     "whom it ends, ask again when the stage is normal");
	r = begin(m, "(suustt)", &reply);
	for (uint32_t i = 0; r >= 0 && i < order->count; i++)
		r = put_victim(reply, &order->row[i]);
	return finish(r, reply);
}

static int put_rivals(sd_bus_message *m, const struct broker *b, const struct outlook_choice *choice)
{
	static const char *const words[] = { [RIVAL_CALM] = "nothing", [RIVAL_WARNS] = "warn",
					     [RIVAL_ACTS] = "end a program" };
	int r = sd_bus_message_open_container(m, 'a', "(sss)");

	for (int i = 0; r >= 0 && i < RIVAL_COUNT; i++)
		if (choice->rivals >> i & 1)
			r = sd_bus_message_append(m, "(sss)", rival_name((enum rival)i),
						  words[b->outlook.rivals[i].word],
						  rival_rule((enum rival)i));
	return r < 0 ? r : sd_bus_message_close_container(m);
}

int service_outlook(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct broker *b = userdata;
	const struct outlook_choice *choice = outlook_choose(b, clock_now_us());
	sd_bus_message *reply = NULL;
	int r = sd_bus_message_new_method_return(m, &reply);

	(void)error;
	if (r >= 0)
		r = sd_bus_message_append(reply, "usu", (uint32_t)choice->pid,
					  text_is_utf8(choice->name) ? choice->name : "?", choice->score);
	if (r >= 0)
		r = put_rivals(reply, b, choice);
	if (r >= 0)
		r = sd_bus_send(NULL, reply, NULL);
	sd_bus_message_unref(reply);
	return r < 0 ? r : 1;
}

/* ---- sources, episodes ---- */

int service_list_sources(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct broker *b = userdata;
	struct sense_source sources[SENSE_SOURCES_MAX];
	uint32_t count = sense_sources(b->sense, sources);
	sd_bus_message *reply = NULL;
	int r = begin(m, "(ssss)", &reply);

	(void)error;
	count += outlook_sources(b, sources + count);
	for (uint32_t i = 0; r >= 0 && i < count; i++)
		r = sd_bus_message_append(reply, "(ssss)", sources[i].name,
					  sources[i].is_present ? "ok" : "absent", sources[i].gives,
					  !sources[i].is_present ? sources[i].remedy :
					  sources[i].note	  ? sources[i].note : "");
	return finish(r, reply);
}

static const char *outcome_of(const struct core_episode *e)
{
	if (!e->ended_us)
		return "open";
	if (e->kernel_killed)
		return "kernel killed";
	return e->victims ? "victim ended" : "cleared";
}

int service_list_episodes(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct core *c = &((struct broker *)userdata)->core;
	sd_bus_message *reply = NULL;
	int r = begin(m, "(tsstts)", &reply);

	(void)error;
	for (uint64_t i = 1; r >= 0 && i <= CORE_EPISODES_MAX; i++) {
		const struct core_episode *e = &c->episode[(c->last_episode + i) % CORE_EPISODES_MAX];

		if (e->number)
			r = sd_bus_message_append(reply, "(tsstts)", e->number, e->domain_name,
						  stage_name(e->highest), e->began_us, e->ended_us,
						  outcome_of(e));
	}
	return finish(r, reply);
}

static bool is_known_episode(const struct core *c, uint64_t number)
{
	return number && c->episode[number % CORE_EPISODES_MAX].number == number;
}

static int put_sentence(sd_bus_message *m, const struct event *e, uint64_t began_us)
{
	uint64_t ms = e->time_us > began_us ? (e->time_us - began_us) / 1000u : 0;
	char sentence[512], line[560];

	event_sentence(e, sentence, sizeof(sentence));
	snprintf(line, sizeof(line), "+%llu.%03llu s  %s", (unsigned long long)(ms / 1000u),
		 (unsigned long long)(ms % 1000u), sentence);
	return sd_bus_message_append(m, "s", line);
}

int service_explain(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct core *c = &((struct broker *)userdata)->core;
	uint64_t episode, lost, number = 0, began_us;
	sd_bus_message *reply = NULL;
	const struct event *e;
	int r = sd_bus_message_read(m, "t", &episode);

	if (r < 0)
		return r;
	if (!is_known_episode(c, episode))
		return service_error(error, "UnknownEpisode",
				     "episode %llu is not remembered; ListEpisodes names those that are",
				     (unsigned long long)episode);
	began_us = c->episode[episode % CORE_EPISODES_MAX].began_us;
	r = begin(m, "s", &reply);
	while (r >= 0 && (e = record_next(&c->record, &number, &lost)))
		if (e->episode == episode)
			r = put_sentence(reply, e, began_us);
	return finish(r, reply);
}

/* ---- monitor ---- */

static int go_on_monitor(struct service_call *p, const struct service_caller *caller, sd_bus_error *error)
{
	struct broker *b = p->broker;
	_cleanup_close_ int fd = -1;
	int r = stream_add(b, caller->uid, p->with_history, &fd);

	if (r == -EMFILE)
		return service_error(error, "TooManyMonitors",
				     "max_monitors readers are connected already; end one or raise it "
				     "in failsoft.json");
	if (r == -EDQUOT)
		return service_error(error, "TooManyForUser",
				     "user %u has %u readers connected, a quarter of max_monitors, and "
				     "only root may have more; end one or raise it in failsoft.json",
				     caller->uid, stream_share(b));
	if (r < 0)
		return r;
	r = sd_bus_reply_method_return(p->call, "h", fd);
	stream_pump(b);
	return r;
}

int service_monitor(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct service_call *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	p->broker = userdata;
	p->go_on = go_on_monitor;
	r = service_read_options(m, (struct service_option[]){
		{ "History", OPTION_BOOL, 0, 0, &p->with_history } }, 1, error);
	if (r >= 0)
		return service_ask_caller(p, m, error);
	free(p);
	return r;
}
