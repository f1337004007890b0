/* SPDX-License-Identifier: MIT */
/*
 * Device: the running failsoft-telemetry. Here is its whole state, in the order in which a message goes
 * through it; device.c has the loop. Edge. Times: CLOCK_MONOTONIC, microseconds. One thread.
 */
#pragma once

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "command.h"
#include "crumb.h"
#include "envelope.h"
#include "feed.h"
#include "identity.h"
#include "link.h"
#include "outcome.h"
#include "settings.h"
#include "spool.h"
#include "tally.h"
#include "topic.h"

#define DEVICE_FLIGHTS_MAX	64u	/* messages of the spool on their way: `window` events, else alarms */
#define DEVICE_SYNCS_MAX	8u

struct device_options {
	const char *bus_address;	/* NULL: the system bus */
	const char *state_directory;
	const char *root;		/* where proc, sys and etc are; for tests */
	bool is_check;			/* connect once and say what happens */
};

struct device_flight {
	int message;			/* of link_publish() */
	uint64_t sequence;
};

/* What the broker ordered and has no answer yet. */
struct device_order {
	uint64_t sequence;		/* 0: none */
	uint64_t record;		/* the alarm that must be acknowledged; 0: the message */
	int message;
	uint64_t taken_us, deadline_us;	/* the broker's decision; its deadline */
	bool is_synced;
};

struct device {
	struct settings settings;
	struct device_options options;
	sd_event *event;
	int root_fd, exit_code;

	/* who it is */
	struct identity identity;
	struct envelope envelope;
	char client_id[2 * TOPIC_NAME_MAX + 32], password[SETTINGS_TEXT_MAX];
	char topic[TOPIC_PLACE_COUNT][TOPIC_MAX]; /* [TOPIC_AT_ALARM] unused */

	/* what comes in */
	struct feed *feed;
	struct feed_event newest;	/* with figures */
	struct device_order order;

	/* what it means */
	struct tally tally;
	const char *expect;		/* "", "reboot", ...: what an end that follows means */

	/* what is kept */
	struct spool *spool;
	struct crumb *crumb;
	struct crumb_note past;
	struct outcome_facts facts;	/* of the boot before */
	bool is_past_open;		/* its report is not made yet */
	uint64_t sync[DEVICE_SYNCS_MAX]; /* records that are not surely on the disk */
	uint32_t syncs;
	uint64_t last_alarm;		/* the last alarm's sequence; 0: acknowledged */
	bool is_alarm_lost;		/* the last one found no place in the spool */

	/* what goes out */
	struct link *link;
	char will[TOPIC_PAYLOAD_MAX];
	struct spool_record record;	/* in the making */
	struct device_flight flight[DEVICE_FLIGHTS_MAX];
	uint32_t flights;
	uint64_t met_s;			/* connected last, or the start; CLOCK_BOOTTIME */
	uint64_t alarm_after, event_after; /* sent in this connection, up to this sequence */
	bool is_retained_sent;		/* the alarms' present state, in this connection */
	uint64_t tokens_permille, tokens_us;
	int goodbye;			/* the last message; its acknowledgement ends the loop; -1: unsaid */
	bool is_asking;			/* systemd, before the goodbye: is the machine going down? */
	sd_bus *systemd;

	/* what it took */
	uint64_t slowest_us, left_us;	/* order to PUBACK, and what was left of the time, in this episode */
	uint32_t met, missed;

	sd_event_source *tick, *heartbeat, *rebirth, *drain, *answer, *stop;
	struct command_gate gate;
	sd_bus *bus;			/* of a drill that was asked for */
	bool is_drill_over;
	int check_message;		/* of --check */
	uint64_t check_lost;
};

/* ---- device.c ---- */
int device_start(struct device *d, const struct device_options *options, const struct settings *settings);
int device_run(struct device *d);		/* exit status */
void device_stop(struct device *d);
uint64_t device_now_us(void);
uint64_t device_boot_us(void);			/* CLOCK_BOOTTIME */
void device_arm(sd_event_source *source, uint64_t in_us, uint64_t accuracy_us);

/* ---- device_say.c: makes messages of what happened ---- */
void device_tell(struct device *d, const struct tally_note *note, uint32_t notes,
		 const struct feed_event *e);
void device_alarm(struct device *d, enum topic_alarm alarm, bool is_raised,
		  const struct tally_episode *episode, const char *text);
int device_report(struct device *d, const struct tally_episode *episode, const struct outcome *outcome,
		  const struct crumb_note *past);
int device_state(struct device *d, bool is_online); /* the message's number; -errno: not connected, ... */
void device_beat(struct device *d);
void device_rehearse(struct device *d);
void device_sync(struct device *d);		/* what is kept is on the disk */
void device_keep(struct device *d, bool is_urgent); /* the crumb */

/* ---- device_send.c ---- */
int device_connect(struct device *d, char complaint[256]);
void device_send(struct device *d);		/* what waits and may go */
void device_meet(struct device *d);		/* the server is there */
void device_send_retained(struct device *d, enum topic_alarm alarm);

/* ---- device_order.c ---- */
void device_ordered(struct device *d, const struct failsoft_order *order);
void device_order_sent(struct device *d, uint64_t record, int message);	/* PUBACK */
void device_order_lost(struct device *d);	/* the connection is */
int device_order_due(sd_event_source *source, uint64_t usec, void *userdata);

/* ---- device_past.c ---- */
int device_past_open(struct device *d, char complaint[256]);
void device_past_event(struct device *d, const struct feed_event *e);
void device_past_conclude(struct device *d);

/* ---- device_stop.c ---- */
int device_on_signal(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata);
int device_stop_due(sd_event_source *source, uint64_t usec, void *userdata);

/* ---- device_command.c ---- */
void device_command(struct device *d, const struct link_message *m);
void device_command_tick(struct device *d);
