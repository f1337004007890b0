/* SPDX-License-Identifier: MIT */
#include "herd.h"

#include <inttypes.h>
#include <string.h>

#define LIMIT_BYTES	1073741824u
#define NEAR_BYTES	20971520u	/* of headroom, while the alarm is raised */

void message_name(const struct herd *h, const struct device *d, struct topic *ret)
{
	memset(ret, 0, sizeof(*ret));
	snprintf(ret->fleet, sizeof(ret->fleet), "%s", h->options.fleet);
	snprintf(ret->device, sizeof(ret->device), "sim-%05u", d->index);
}

/* 32 hexadecimal digits that differ from device to device and from fleet to fleet. */
static void boot_id(const struct herd *h, const struct device *d, char ret[TOPIC_BOOT_MAX])
{
	uint64_t hash = 14695981039346656037u;

	for (const char *c = h->options.fleet; *c; c++)
		hash = (hash ^ (uint8_t)*c) * 1099511628211u;
	snprintf(ret, TOPIC_BOOT_MAX, "%016" PRIx64 "%016" PRIx64, hash ^ h->started_us,
		 (uint64_t)d->index * 0x9e3779b97f4a7c15u);
}

void message_id(const struct herd *h, const struct device *d, uint64_t sequence, char ret[TOPIC_ID_MAX])
{
	char boot[TOPIC_BOOT_MAX];

	boot_id(h, d, boot);
	topic_id_format(boot, sequence, ret);
}

/* All that stands before "data"; the bytes it took. */
static size_t envelope(const struct herd *h, const struct device *d, enum topic_type type,
		       uint64_t sequence, char ret[TOPIC_PAYLOAD_MAX])
{
	char boot[TOPIC_BOOT_MAX], id[TOPIC_ID_MAX];
	struct topic name;

	message_name(h, d, &name);
	boot_id(h, d, boot);
	topic_id_format(boot, sequence, id);
	return (size_t)snprintf(ret, TOPIC_PAYLOAD_MAX,
		"{\"specversion\":\"1.0\",\"id\":\"%s\",\"source\":\"/failsoft/%s/%s\",\"type\":\"%s\","
		"\"datacontenttype\":\"application/json\",\"bootid\":\"%s\",\"sequence\":\"%020" PRIu64 "\","
		"\"boottimeusec\":\"%" PRIu64 "\",\"clock\":\"unsynced\",\"firmware\":\"%s\","
		"\"instance\":\"%08x\",\"data\":",
		id, name.fleet, name.device, topic_type_name(type), boot, sequence, herd_now_us(),
		h->options.firmware, d->index + 1);
}

void message_will(const struct herd *h, const struct device *d, uint64_t sequence, struct message *ret)
{
	const size_t head = envelope(h, d, TOPIC_STATE, sequence, ret->payload);
	struct topic topic;

	message_name(h, d, &topic);
	topic.place = TOPIC_AT_STATE;
	topic_format(&topic, ret->topic);
	snprintf(ret->payload + head, sizeof(ret->payload) - head,
		 "{\"online\":false,\"session\":%" PRIu64 "}}", d->session);
}

void message_birth(const struct herd *h, const struct device *d, uint64_t sequence, bool is_heartbeat,
		   struct message *ret)
{
	const enum topic_type type = is_heartbeat ? TOPIC_HEARTBEAT : TOPIC_STATE;
	const size_t head = envelope(h, d, type, sequence, ret->payload);
	const bool is_raised = d->alarm_count && d->alarms[d->alarm_count - 1].is_raised;
	struct topic topic;

	message_name(h, d, &topic);
	topic.place = is_heartbeat ? TOPIC_AT_HEARTBEAT : TOPIC_AT_STATE;
	topic_format(&topic, ret->topic);
	snprintf(ret->payload + head, sizeof(ret->payload) - head,
		 "{\"online\":true,\"session\":%" PRIu64 ",\"stage\":\"%s\",\"broker\":true,"
		 "\"domain\":\"system\",\"headroom_bytes\":%u,\"limit_bytes\":%u,\"expect\":\"\","
		 "\"counts\":{\"episodes\":%u,\"near_misses\":%u,\"missed_deadlines\":0,"
		 "\"false_alarms\":0,\"oom_kills\":0,\"victims\":0,\"lost_events\":0,\"resets\":0,"
		 "\"observed_s\":%" PRIu64 "},"
		 "\"spool\":{\"slots\":%u,\"waiting\":0,\"sent\":%u,\"evicted_heartbeats\":0,"
		 "\"evicted_events\":0,\"evicted_alarms\":0,\"damaged\":0}}}",
		 d->session, is_raised ? "imminent" : "normal", is_raised ? NEAR_BYTES : LIMIT_BYTES / 2,
		 LIMIT_BYTES, d->alarm_count / 2, d->alarm_count / 2,
		 (herd_now_us() - h->started_us) / 1000000, HERD_ALARMS_MAX, d->alarm_count);
}

void message_alarm(const struct herd *h, const struct device *d, const struct herd_alarm *a,
		   struct message *ret)
{
	const size_t head = envelope(h, d, TOPIC_ALARM, a->sequence, ret->payload);
	struct topic topic;

	message_name(h, d, &topic);
	topic.place = TOPIC_AT_EVENT;
	topic_format(&topic, ret->topic);
	snprintf(ret->payload + head, sizeof(ret->payload) - head,
		 "{\"kind\":\"imminent\",\"raised\":%s,\"episode\":%" PRIu64 ",\"domain\":\"system\","
		 "\"stage\":\"%s\",\"headroom_bytes\":%u,\"limit_bytes\":%u,\"tte_usec\":4200000,"
		 "\"text\":\"system: %s, simulated\"}}",
		 a->is_raised ? "true" : "false", a->sequence, a->is_raised ? "imminent" : "normal",
		 a->is_raised ? NEAR_BYTES : LIMIT_BYTES / 2, LIMIT_BYTES,
		 a->is_raised ? "memory is running out" : "there is room again");
}
