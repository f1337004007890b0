/* SPDX-License-Identifier: MIT */
/* What the broker says, as events: Monitor's lines, and which episodes are open. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "feed_parts.h"

#define TAIL_BYTES	(FAILSOFT_DOMAIN_MAX - 4u) /* of a name that is too long, behind "..." */
#define READS_AT_ONCE	8u	/* then the loop looks for orders */

/* ---- lines ---- */

/* Of the first stream, what was before us: that the last boot was ended by failsoft is news, the rest is
 * not ours. */
static bool is_past(struct feed *f, const struct feed_event *e)
{
	if (f->is_live)
		return false;
	if (e->kind != FEED_LOST_EVENTS && e->time_us >= f->since_us) {
		f->is_live = true;
		return false;
	}
	return e->kind != FEED_REBOOTED;
}

static void take_line(struct feed *f)
{
	struct feed_event e;

	if (f->is_overlong || !feed_parse(f->line, &e))
		e = (struct feed_event){ .kind = FEED_LOST_EVENTS, .word = "lost", .count = 1 };
	if (is_past(f, &e))
		return;
	e.is_dry_run |= f->is_dry_run;
	if (e.kind == FEED_CONFIG_RELOADED)
		feed_read_dry_run(f);
	f->handlers.event(f->handlers.userdata, &e);
}

static void take_bytes(struct feed *f, const char *bytes, size_t size)
{
	for (size_t i = 0; i < size && f->fd >= 0; i++) {
		if (bytes[i] != '\n') {
			f->is_overlong |= f->used + 1 == sizeof(f->line);
			f->used = f->is_overlong ? 0 : f->used;
			f->line[f->used++] = bytes[i];
			continue;
		}
		f->line[f->used] = '\0';
		f->used = 0;
		take_line(f);
		f->is_overlong = false;
	}
}

bool feed_read(struct feed *f)
{
	char bytes[4096];

	for (unsigned i = 0; i < READS_AT_ONCE; i++) {
		ssize_t n = read(f->fd, bytes, sizeof(bytes));

		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		if (n == 0)
			return false;
		take_bytes(f, bytes, (size_t)n);
	}
	return true;
}

/* ---- what is open ---- */

/* Behind "(ssttttt": the two that say how sure the forecast is. */
static int read_detail(sd_bus_message *m, struct feed_event *e)
{
	const char *key;
	int r = sd_bus_message_enter_container(m, 'a', "{sv}");

	while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
		uint64_t *figure = NULL;

		r = sd_bus_message_read(m, "s", &key);
		if (r >= 0 && !strcmp(key, "ExhaustionEarlyUSec"))
			figure = &e->tte_early_us;
		if (r >= 0 && !strcmp(key, "ExhaustionLateUSec"))
			figure = &e->tte_late_us;
		if (r >= 0)
			r = figure ? sd_bus_message_read(m, "v", "t", figure) : sd_bus_message_skip(m, "v");
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
	}
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

static uint32_t stage_of(const char *word)
{
	return !strcmp(word, "warning") ? FAILSOFT_STAGE_WARNING :
	       !strcmp(word, "imminent") ? FAILSOFT_STAGE_IMMINENT :
	       !strcmp(word, "shutdown") ? FAILSOFT_STAGE_SHUTDOWN : FAILSOFT_STAGE_NORMAL;
}

int feed_read_domain(struct feed *f, sd_bus_message *m)
{
	struct feed_event e = {
		.kind = FEED_EPISODE_TAKEN_OVER, .word = "open", .time_us = f->asked_us,
		.tte_early_us = UINT64_MAX, .tte_late_us = UINT64_MAX, .is_dry_run = f->is_dry_run,
	};
	const char *name, *stage;
	int r = sd_bus_message_read(m, "ssttttt", &name, &stage, &e.headroom_bytes, &e.total_bytes,
				    &e.tte_us, &e.tte_low_us, &e.episode);

	if (r < 0)
		return r;
	/* as Monitor and the lifeline name it: cut at the front */
	(void)snprintf(e.domain, FAILSOFT_DOMAIN_MAX, "%s%s", strlen(name) < FAILSOFT_DOMAIN_MAX ? "" : "...",
		       strlen(name) < FAILSOFT_DOMAIN_MAX ? name : name + strlen(name) - TAIL_BYTES);
	e.to = stage_of(stage);
	r = read_detail(m, &e);
	if (r >= 0 && e.episode)
		f->handlers.event(f->handlers.userdata, &e);
	return r;
}
