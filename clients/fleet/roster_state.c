/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "../ctl/ctl.h"
#include "roster_part.h"

static void set_online(struct roster_step *s, struct roster_device *d, bool is_online)
{
	bool is_news = !d->has_state ? is_online : d->is_online != is_online;

	d->has_state = true;
	if (d->is_online != is_online || !d->since_s)
		d->since_s = s->now->real_s;
	d->is_online = is_online;
	d->was_online |= is_online;
	if (is_news)
		roster_note(s, is_online ? ROSTER_ONLINE : ROSTER_GONE, d);
	roster_touch(s->roster, d);
}

/* The will's own number is older than what its session said, but it came after all of that. Alarms of
 * the state file may be of a later session, if none was heard since. */
static uint64_t covered_by_will(const struct roster_device *d, const struct ingest_message *m)
{
	uint64_t covers = m->sequence;

	for (unsigned k = 0; k < TOPIC_ALARM_COUNT && d->was_online; k++)
		if (d->alarm[k].sequence > covers)
			covers = d->alarm[k].sequence;
	return covers;
}

/* The last will: said by the server, of the session that it was left with. */
static void take_will(struct roster_step *s, struct roster_device *d)
{
	if (s->m->data.session < d->session) {
		s->roster->totals.late_wills++;
		return;
	}
	d->session = s->m->data.session;
	d->state_us = roster_intake_us(s->roster, s->now);
	d->covers = covered_by_will(d, s->m);
	set_online(s, d, false);
}

static void take_figures(struct roster_device *d, const struct ingest_data *data)
{
	if (data->has_stage)
		d->stage = data->stage;
	if (data->has_broker)
		d->is_broker_there = data->is_broker_there;
	print_clean(d->domain, sizeof(d->domain), data->domain);
	memcpy(d->expect, data->expect, sizeof(d->expect) - 1);
	d->headroom_bytes = data->headroom_bytes;
	d->limit_bytes = data->limit_bytes;
	d->tte_us = data->tte_us;
	d->spool = data->spool;
}

/* A boot id that comes back after another one was there. A heartbeat may, it waits in the spool
 * over a boot; and so may what a server of a cluster has kept. */
static bool is_copy(struct roster_step *s, struct roster_device *d)
{
	const struct ingest_message *m = s->m;
	struct roster_boot *b;

	if (m->topic.place != TOPIC_AT_STATE || m->is_retained || !strcmp(d->boot, m->boot))
		return false;
	b = roster_boot(d, m->boot, m->instance, s->now->now_us);
	if (b->is_past) {
		roster_conflict(s, d, ROSTER_COPIED_SPOOL);
		return true;
	}
	return false;
}

static void follow_boot(struct roster_step *s, struct roster_device *d)
{
	if (!strcmp(d->boot, s->m->boot))
		return;
	if (d->boot[0])
		roster_boot(d, d->boot, d->instance, s->now->now_us)->is_past = true;
	memcpy(d->boot, s->m->boot, sizeof(d->boot));
	/* has a place from now on */
	roster_boot(d, d->boot, d->instance, s->now->now_us)->is_live = true;
}

void roster_state(struct roster_step *s, struct roster_device *d)
{
	const struct ingest_message *m = s->m;
	const struct ingest_data *data = &m->data;

	if (!data->is_online) {
		take_will(s, d);
		return;
	}
	if (is_copy(s, d))
		return;
	if (m->topic.place == TOPIC_AT_STATE) {
		d->state_us = roster_intake_us(s->roster, s->now);
		d->covers = m->sequence;
	}
	if (data->session == d->session && m->sequence == d->state_sequence)
		return; /* kept by the server, and told again */
	if (data->session < d->session ||
	    (data->session == d->session && m->sequence < d->state_sequence)) {
		s->roster->totals.out_of_order++;
		return;
	}
	follow_boot(s, d);
	/* joins its neighbours */
	(void)window_add(&roster_boot(d, m->boot, m->instance, s->now->now_us)->window, m->sequence);
	d->session = data->session;
	d->state_sequence = m->sequence;
	if (data->has_counts)
		roster_counts(s, d);
	roster_firmware(s, d);
	take_figures(d, data);
	set_online(s, d, true);
}
