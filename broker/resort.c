/* SPDX-License-Identifier: MIT */
#include "resort.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "respond.h"
#include "warning.h"

/* ---- how the last boot ended ---- */

static void tell_past(struct broker *b)
{
	const struct reboots_note *past = &b->resort.reboots.past;
	struct event e = {
		.kind = EVENT_REBOOTED, .a = past->policy, .b = past->count, .c = past->episode,
	};
	char sentence[256];

	if (!reboots_tell(&b->resort.reboots))
		return;
	text_copy_tail(e.name, sizeof(e.name), past->domain);
	core_note(&b->core, &e, clock_now_us());
	(void)event_sentence(&e, sentence, sizeof(sentence));
	warning_set(b, WARNING_PAST, "%s", sentence);
}

/* ---- what is ready ---- */

/* Of this very thread, and so of those that it starts. */
static bool may_reboot(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data) < 0)
		return true; /* not known: then it is tried */
	return data[CAP_SYS_BOOT / 32].effective & (1u << CAP_SYS_BOOT % 32);
}

static int on_not_gone(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct broker *b = userdata;
	int error = ending_failed(&b->resort.ending);

	(void)source, (void)fd, (void)revents;
	if (error) {
		core_end_failed(&b->core, b->resort.domain, (uint32_t)error, clock_now_us());
		broker_drain(b);
	}
	return 0;
}

static int start_ending(struct broker *b)
{
	struct ending_setup setup = {
		.priority = (int)b->config.realtime_priority, .note_fd = b->resort.reboots.fd,
		.sync_us = b->config.sync_us,
	};
	int r;

	strcpy(setup.watchdog, b->config.watchdog_device); /* the same size, see the assertion */
	r = ending_start(&b->resort.ending, &setup);
	if (r >= 0)
		r = sd_event_add_io(b->event, &b->resort.source, b->resort.ending.done_fd, EPOLLIN,
				    on_not_gone, b);
	return r;
}
_Static_assert(ENDING_PATH_MAX == CONFIG_TEXT_MAX, "a path fits");
_Static_assert(ENDING_NOTE_BYTES == REBOOTS_LINE_BYTES, "a note is a line");

static void stop_ending(struct broker *b)
{
	b->resort.source = sd_event_source_disable_unref(b->resort.source);
	ending_stop(&b->resort.ending);
}

static void look_at_rights(struct broker *b)
{
	if (!may_reboot())
		warning_add(
			b, WARNING_ENDING,
			"a last policy ends the machine, but the broker has no right to it: give "
			"it CAP_SYS_BOOT, see WHEN NO PROCESS HELPS in failsoftd(8); without it "
			"barebone follows");
	if (b->config.watchdog_device[0] && access(b->config.watchdog_device, W_OK) < 0)
		warning_add(b, WARNING_ENDING, "watchdog_device %s: %s", b->config.watchdog_device,
			    strerror(errno));
	if (b->resort.reboots.fd < 0)
		warning_add(b, WARNING_ENDING,
			    "reboots cannot be counted, so that a machine that runs out of memory "
			    "at its start does so for ever: %s must be writable",
			    b->options.episode_directory);
}

/* Patterns are lent to the worker: not while it may still read them. */
static void take_files(struct broker *b)
{
	if (b->resort.freeing)
		return;
	b->resort.files = b->config.last_files;
	b->resort.is_stale = false;
}

void resort_domain(struct broker *b, uint32_t domain)
{
	if (domain == CORE_DOMAINS_MAX)
		return;
	core_set_last(&b->core, domain, config_last_policy(&b->config, b->core.domain[domain].name),
		      b->resort.reboots.past.count);
}

void resort_reload(struct broker *b)
{
	bool is_wanted = config_ends_machine(&b->config), is_ready = b->resort.ending.go_thread.stack;
	int r = 0;

	warning_clear(b, WARNING_ENDING);
	b->resort.is_stale = true;
	take_files(b);
	for (uint32_t d = 0; d < CORE_DOMAINS_MAX; d++)
		if (b->core.domain[d].used)
			resort_domain(b, d);
	if (is_ready) /* with the new settings, if it is still wanted */
		stop_ending(b);
	if (is_wanted && !b->resort.ending.go_thread.stack)
		r = start_ending(b);
	if (r < 0)
		warning_add(b, WARNING_ENDING, "the machine cannot be ended as a last policy: %s",
			    strerror(-r));
	if (is_wanted)
		look_at_rights(b);
}

void resort_open(struct broker *b)
{
	(void)reboots_open(&b->resort.reboots, b->root_fd, b->options.episode_directory); /* logged */
	tell_past(b);
	resort_reload(b);
}

void resort_close(struct broker *b)
{
	stop_ending(b);
	reboots_close(&b->resort.reboots);
}

/* ---- in the crisis ---- */

static void free_files(struct broker *b, const struct core_effect *e)
{
	if (b->resort.is_stale)
		take_files(b);
	for (uint32_t i = 0; !b->resort.is_stale && i < b->resort.files.count; i++)
		b->resort.freeing += worker_free(&b->worker, b->root_fd, b->resort.files.text[i],
						 e->dry_run, i | (e->dry_run ? RESORT_DRY : 0));
}

void resort_freed(struct broker *b, const struct worker_result *result)
{
	struct event e = {
		.kind = EVENT_FREED, .a = result->relief.files, .b = result->relief.bytes,
		.c = (uint64_t)-result->relief.error, .d = (result->token & RESORT_DRY) != 0,
	};

	b->resort.freeing--;
	text_copy_tail(e.name, sizeof(e.name), b->resort.files.text[result->token & ~RESORT_DRY]);
	core_note(&b->core, &e, clock_now_us());
}

static void end_machine(struct broker *b, const struct core_effect *e)
{
	char line[REBOOTS_LINE_BYTES + 1];
	struct timespec now = { 0 };
	struct reboots_note note = {
		.policy = e->last, .episode = b->core.domain[e->domain].episode,
		.count = 1,
	};

	(void)clock_gettime(CLOCK_REALTIME, &now);
	note.real_s = (uint64_t)now.tv_sec;
	if (clock_now_us() < b->config.reboots_within_us)
		note.count += b->resort.reboots.past.count;
	memcpy(note.boot, b->resort.reboots.boot, sizeof(note.boot));
	text_copy_tail(note.domain, sizeof(note.domain), b->core.domain[e->domain].name);
	b->resort.domain = e->domain;
	reboots_line(&note, line);
	if (!ending_order(&b->resort.ending, e->last == LAST_POWEROFF, line))
		core_end_failed(&b->core, e->domain, ENOSYS, clock_now_us());
}

void resort_do(struct broker *b, const struct core_effect *e)
{
	if (e->kind == EFFECT_FREE_FILES)
		free_files(b, e);
	else if (e->kind == EFFECT_LAST_RUN)
		respond_run_last(b, e->domain, e->last);
	else
		end_machine(b, e);
}
