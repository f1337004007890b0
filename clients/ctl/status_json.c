/* SPDX-License-Identifier: MIT */
#include "status.h"

static void put_time(struct json_object *o, const char *key, uint64_t us)
{
	/* null: not falling; early and late: or an older broker */
	json_object_object_add(o, key, us == NEVER_US ? NULL : json_object_new_uint64(us));
}

static void put_permyriad(struct json_object *o, const char *key, uint32_t share)
{
	/* null: the kernel does not tell, or an older broker */
	json_object_object_add(o, key, share == UINT32_MAX ? NULL : json_object_new_uint64(share));
}

struct json_object *status_domain_json(const struct domain_row *d)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "name", json_object_new_string(d->name));
	json_object_object_add(o, "stage", json_object_new_string(d->stage));
	json_object_object_add(o, "headroom_bytes", json_object_new_uint64(d->headroom_bytes));
	json_object_object_add(o, "limit_bytes", json_object_new_uint64(d->limit_bytes));
	put_time(o, "exhaustion_us", d->tte_us);
	put_time(o, "exhaustion_low_us", d->tte_low_us);
	put_time(o, "exhaustion_early_us", d->tte_early_us);
	put_time(o, "exhaustion_late_us", d->tte_late_us);
	put_time(o, "guaranteed_us", d->guaranteed_us);
	json_object_object_add(o, "limited_by",
			       d->limited_by[0] ? json_object_new_string(d->limited_by) : NULL);
	json_object_object_add(o, "rate_bytes_per_s", json_object_new_int64(d->rate));
	put_permyriad(o, "pressure_some_permyriad", d->some_permyriad);
	put_permyriad(o, "pressure_full_permyriad", d->full_permyriad);
	put_permyriad(o, "stalled_permyriad", d->stalled_permyriad);
	json_object_object_add(o, "lead_warning_us", json_object_new_uint64(d->lead_us[0]));
	json_object_object_add(o, "lead_imminent_us", json_object_new_uint64(d->lead_us[1]));
	json_object_object_add(o, "lead_shutdown_us", json_object_new_uint64(d->lead_us[2]));
	json_object_object_add(o, "episode", json_object_new_uint64(d->episode));
	json_object_object_add(o, "clients", json_object_new_uint64(d->clients));
	json_object_object_add(o, "reason", json_object_new_string(d->reason));
	return o;
}

static struct json_object *last_episode_json(const struct episode_row *e)
{
	struct json_object *o = e->number ? json_object_new_object() : NULL;

	if (!o)
		return NULL;
	json_object_object_add(o, "episode", json_object_new_uint64(e->number));
	json_object_object_add(o, "domain", json_object_new_string(e->domain));
	json_object_object_add(o, "highest_stage", json_object_new_string(e->stage));
	json_object_object_add(o, "outcome", json_object_new_string(e->outcome));
	return o;
}

static struct json_object *absent_json(const struct status_view *v)
{
	struct json_object *list = json_object_new_array();

	for (uint32_t i = 0; i < v->absents; i++) {
		struct json_object *o = json_object_new_object();

		json_object_object_add(o, "name", json_object_new_string(v->absent[i].name));
		json_object_object_add(o, "remedy", json_object_new_string(v->absent[i].remedy));
		json_object_array_add(list, o);
	}
	return list;
}

static struct json_object *growers_json(const struct status_view *v)
{
	struct json_object *list = json_object_new_array();

	for (uint32_t i = 0; i < v->growers; i++) {
		const struct grower_row *g = &v->grower[i];
		struct json_object *o = json_object_new_object();

		json_object_object_add(o, "kind", json_object_new_string(g->kind));
		json_object_object_add(o, "name", json_object_new_string(g->name));
		json_object_object_add(o, "pid", g->pid ? json_object_new_uint64(g->pid) : NULL);
		json_object_object_add(o, "processes", json_object_new_uint64(g->processes));
		json_object_object_add(o, "bytes", json_object_new_uint64(g->bytes));
		json_object_object_add(o, "grown_bytes", json_object_new_uint64(g->since_bytes));
		json_object_object_add(o, "bytes_per_s", json_object_new_uint64(g->bytes_per_s));
		json_object_object_add(o, "share_permyriad", json_object_new_uint64(g->share_permyriad));
		json_object_array_add(list, o);
	}
	return list;
}

static struct json_object *kernel_choice_json(const struct outlook_row *outlook)
{
	struct json_object *o = outlook->pid ? json_object_new_object() : NULL;

	if (!o)
		return NULL;
	json_object_object_add(o, "name", json_object_new_string(outlook->name));
	json_object_object_add(o, "pid", json_object_new_uint64(outlook->pid));
	json_object_object_add(o, "oom_score", json_object_new_uint64(outlook->score));
	return o;
}

static struct json_object *others_json(const struct outlook_row *outlook)
{
	struct json_object *list = json_object_new_array();

	for (uint32_t i = 0; i < outlook->rivals; i++) {
		struct json_object *o = json_object_new_object();

		json_object_object_add(o, "name", json_object_new_string(outlook->rival[i].name));
		json_object_object_add(o, "would", json_object_new_string(outlook->rival[i].word));
		json_object_object_add(o, "rule", json_object_new_string(outlook->rival[i].rule));
		json_object_array_add(list, o);
	}
	return list;
}

void status_print_json(const struct status_view *v)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();
	struct json_object *warnings = json_object_new_array();

	json_object_object_add(o, "stage", json_object_new_string(v->stage));
	json_object_object_add(o, "nearest", json_object_new_string(v->nearest));
	json_object_object_add(o, "version", json_object_new_string(v->version));
	json_object_object_add(o, "clients", json_object_new_uint64(v->clients));
	for (uint32_t i = 0; i < v->domains; i++)
		json_object_array_add(list, status_domain_json(&v->domain[i]));
	json_object_object_add(o, "domains", list);
	for (uint32_t i = 0; i < v->warnings; i++)
		json_object_array_add(warnings, json_object_new_string(v->warning[i]));
	json_object_object_add(o, "growers", growers_json(v));
	json_object_object_add(o, "kernel_choice", kernel_choice_json(&v->outlook));
	json_object_object_add(o, "others", others_json(&v->outlook));
	json_object_object_add(o, "warnings", warnings);
	json_object_object_add(o, "tripwire", v->tripwire[0] ? json_object_new_string(v->tripwire) : NULL);
	json_object_object_add(o, "absent_sources", absent_json(v));
	json_object_object_add(o, "last_episode", last_episode_json(&v->last));
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

