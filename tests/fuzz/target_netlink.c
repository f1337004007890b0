/* SPDX-License-Identifier: MIT */
/* sense/parse_netlink.h: datagrams of the process connector and of taskstats. */
#include "sense/parse_netlink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "fuzz.h"

#define NS_PER_US 1000u
#define ERRNO_MAX 4095

/* Once exactly in its memory, and once at an odd address with other bytes behind it. */
static void run_twice(void (*run)(const uint8_t *bytes, size_t size, uint64_t *figures),
		      const uint8_t *bytes, size_t size)
{
	uint8_t *exact = fuzz_exact(bytes, size), *odd = malloc(size + 5);
	uint64_t first[24] = {0}, again[24] = {0};

	MUST(odd);
	memset(odd, 4, size + 5);
	if (size)
		memcpy(odd + 1, bytes, size);
	run(exact, size, first);
	run(odd + 1, size, again);
	MUST(memcmp(first, again, sizeof(first)) == 0);
	free(exact);
	free(odd);
}

/* ---- what happened to processes ---- */

static void check_event(const struct parse_netlink_event *e)
{
	MUST(e->time_us <= UINT64_MAX / NS_PER_US);
	switch (e->kind) {
	case PARSE_NETLINK_ACK:
		MUST(e->error <= 0 && e->error >= -ERRNO_MAX && !e->pid && !e->parent);
		break;
	case PARSE_NETLINK_FORK:
		MUST(e->pid > 0 && e->parent >= 0 && !e->exit_code && !e->exit_signal);
		break;
	case PARSE_NETLINK_EXEC:
		MUST(e->pid > 0 && !e->parent && !e->exit_code && !e->exit_signal);
		break;
	case PARSE_NETLINK_EXIT:
		MUST(e->pid > 0 && e->parent >= 0);
		break;
	}
	MUST(e->kind == PARSE_NETLINK_ACK || !e->error);
}

static void add(uint64_t *hash, uint64_t figure)
{
	*hash = (*hash ^ figure) * UINT64_C(0x100000001b3);
}

static void run_events(const uint8_t *bytes, size_t size, uint64_t *figures)
{
	struct parse_netlink_event e;
	struct parse_netlink p;
	const char *end;
	int r;

	parse_netlink_init(&p, bytes, size);
	end = p.left.end;
	for (;;) {
		const char *before = p.left.at;
		uint32_t ignored = p.ignored;

		fuzz_stain(&e, sizeof(e));
		r = parse_netlink_next(&p, &e);
		MUST(p.left.end == end && p.left.at >= before && p.left.at <= end);
		MUST(p.ignored >= ignored);
		if (r != 0)
			break;
		MUST(p.left.at > before);
		check_event(&e);
		figures[0]++;
		add(&figures[1], e.time_us ^ (uint64_t)e.kind << 56);
		add(&figures[1], (uint64_t)(uint32_t)e.pid << 32 | (uint32_t)e.parent);
		add(&figures[1], (uint64_t)e.exit_code << 32 | (uint32_t)(e.exit_signal ^ e.error));
	}
	fuzz_must_be_stained(&e, sizeof(e));
	MUST(r == -ENODATA || r == -EINVAL);
	MUST(p.left.at == end && parse_netlink_next(&p, &e) == -ENODATA);
	MUST(p.ignored <= size / 16); /* a message has 16 bytes at least */
	figures[2] = (uint64_t)r, figures[3] = p.ignored;
}

void fuzz_process_events(const uint8_t *bytes, size_t size)
{
	run_twice(run_events, bytes, size);
}

/* ---- what a process has waited for ---- */

static void check_delays(const struct parse_netlink_delays *d, uint64_t *figures)
{
	const uint64_t cpu[] = {d->cpu_run_us, d->cpu_delay_us, d->cpu_count, d->swapin_delay_us,
				d->swapin_count};
	const uint64_t reclaim[] = {d->reclaim_delay_us, d->reclaim_count};
	const uint64_t thrashing[] = {d->thrashing_delay_us, d->thrashing_count};
	uint64_t *to = figures;

	MUST(d->pid > 0 && d->has < 2 * PARSE_NETLINK_HAS_THRASHING);
	for (size_t i = 0; i < ARRAY_LEN(cpu); i++)
		MUST(d->has & PARSE_NETLINK_HAS_CPU || !cpu[i]), *to++ = cpu[i];
	for (size_t i = 0; i < ARRAY_LEN(reclaim); i++)
		MUST(d->has & PARSE_NETLINK_HAS_RECLAIM || !reclaim[i]), *to++ = reclaim[i];
	for (size_t i = 0; i < ARRAY_LEN(thrashing); i++)
		MUST(d->has & PARSE_NETLINK_HAS_THRASHING || !thrashing[i]), *to++ = thrashing[i];
	MUST(d->cpu_run_us <= UINT64_MAX / NS_PER_US && d->cpu_delay_us <= UINT64_MAX / NS_PER_US);
	*to++ = (uint64_t)d->pid, *to++ = d->has, *to++ = d->version, *to++ = d->ignored;
}

static void run_delays(const uint8_t *bytes, size_t size, uint64_t *figures)
{
	struct parse_netlink_message m;
	struct parse_netlink_delays d;
	int r;

	fuzz_stain(&m, sizeof(m));
	fuzz_stain(&d, sizeof(d));
	r = parse_netlink_message(bytes, size, &m);
	figures[0] = (uint64_t)r;
	if (r != 0) {
		MUST(r == -EINVAL || (r == -ENODATA && size == 0));
		fuzz_must_be_stained(&m, sizeof(m));
		return;
	}
	MUST(m.error <= 0 && m.error >= -ERRNO_MAX && (m.error == 0 || m.type == 0));
	MUST(m.attributes.at >= (const char *)bytes && m.attributes.at <= m.attributes.end &&
	     m.attributes.end <= (const char *)bytes + size);
	MUST(m.type >= 16 || !scan_left(&m.attributes));
	figures[1] = m.type, figures[2] = m.sequence, figures[3] = (uint64_t)m.error;
	r = parse_netlink_delays(m.attributes, &d);
	MUST(r == 0 || r == -ENODATA || r == -EINVAL);
	figures[4] = (uint64_t)r;
	if (r == 0)
		check_delays(&d, figures + 5);
	else
		fuzz_must_be_stained(&d, sizeof(d));
}

void fuzz_delays(const uint8_t *bytes, size_t size)
{
	run_twice(run_delays, bytes, size);
}
