/* SPDX-License-Identifier: MIT */
/*
 * Envelope: a message as CloudEvents 1.0 JSON, with json-c. Edge for its memory alone: after
 * reserve_memory() it comes from what the process already has, see reserve.h. What does not fit into
 * TOPIC_PAYLOAD_MAX loses the end of its sentence, never a figure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "feed.h"
#include "outcome.h"
#include "spool.h"
#include "tally.h"
#include "topic.h"

/* What every message of a device says of its origin. */
struct envelope {
	char fleet[TOPIC_NAME_MAX], device[TOPIC_NAME_MAX], firmware[TOPIC_NAME_MAX];
	char boot[TOPIC_BOOT_MAX];
	uint32_t instance;
	uint64_t session;
};

/* When it is said. */
struct envelope_moment {
	uint64_t sequence;
	uint64_t boottime_us;
	int64_t real_s;			/* used only if is_synchronised */
	bool is_synchronised;
};

struct envelope_state {
	bool is_online, has_broker;
	uint32_t stage;			/* enum failsoft_stage */
	char domain[FEED_DOMAIN_MAX];	/* "" : of none */
	uint64_t headroom_bytes, total_bytes, tte_us; /* UINT64_MAX: not falling */
	const char *expect;		/* "", "reboot", "poweroff": what an end that follows means */
	struct tally_counts counts;
	struct spool_counts spool;
};

/*
 * Each returns the bytes written, without the NUL behind them, or -errno: -ENOMEM, -EINVAL (a name, boot or
 * sequence that no message may have). `ret` has TOPIC_PAYLOAD_MAX bytes. Texts may be any bytes: what is no
 * UTF-8 and what controls a terminal becomes '?'. Figures above 2^63-1 are told as that. A synchronised
 * clock beyond the years 1970 to 9999 is told as unsynchronised.
 */
int envelope_state(const struct envelope *v, const struct envelope_moment *m,
		   const struct envelope_state *state, bool is_heartbeat, char *ret);
int envelope_alarm(const struct envelope *v, const struct envelope_moment *m, enum topic_alarm alarm,
		   bool is_raised, const struct tally_episode *episode, uint64_t deadline_us,
		   const char *text, char *ret);	/* episode NULL: outside of one; deadline 0: none */
int envelope_event(const struct envelope *v, const struct envelope_moment *m, const struct feed_event *e,
		   char *ret);
/* outcome: of a boot that is over, `past`: its crumb; both NULL: of an episode that ended now. */
int envelope_report(const struct envelope *v, const struct envelope_moment *m,
		    const struct tally_episode *episode, const struct outcome *outcome,
		    const struct crumb_note *past, char *ret);
