/* SPDX-License-Identifier: MIT */
/*
 * clients/fleet/ingest.h: one message of the fleet's network. The first line is the topic, the rest the
 * payload. What is taken has its words within their enums and its texts clean; what is refused says why.
 */
#include <stdlib.h>
#include <string.h>

#include "../../clients/fleet/ingest.h"
#include "base/text.h"
#include "fuzz.h"

#define TOPIC_BYTES 256

/* Nothing that steers a terminal. C1 is 0xc2 0x80 to 0x9f in UTF-8. */
static void must_be_clean(const char *text, size_t size)
{
	MUST(memchr(text, 0, size));
	MUST(text_is_utf8(text));
	for (; *text; text++) {
		MUST((unsigned char)*text >= 0x20 && *text != 0x7f);
		MUST((unsigned char)text[0] != 0xc2 || (unsigned char)text[1] >= 0xa0);
	}
}

#define CLEAN(text) must_be_clean(text, sizeof(text))

static void check_data(const struct ingest_data *d)
{
	MUST(d->kind < TOPIC_ALARM_COUNT && d->end < TALLY_END_COUNT);
	MUST(d->stage < INGEST_STAGES && d->from < INGEST_STAGES);
	MUST(d->to < INGEST_STAGES && d->highest < INGEST_STAGES);
	MUST(d->headroom_bytes <= INT64_MAX && d->session <= INT64_MAX &&
	     d->counts.observed_s <= INT64_MAX);
	MUST(d->tte_us <= INT64_MAX || d->tte_us == INGEST_NEVER_US);
	CLEAN(d->past_boot);
	CLEAN(d->past_firmware);
	CLEAN(d->domain);
	CLEAN(d->name);
	CLEAN(d->expect);
	CLEAN(d->event);
	CLEAN(d->text);
}

static void check(const struct ingest_message *m)
{
	char id[TOPIC_ID_MAX];

	MUST(topic_name_is_valid(m->topic.fleet) && topic_name_is_valid(m->topic.device));
	MUST(m->topic.place < TOPIC_PLACE_COUNT && m->topic.place != TOPIC_AT_COMMAND);
	if (m->is_empty)
		return;
	MUST(m->type < TOPIC_TYPE_COUNT && m->sequence >= 1 && m->sequence <= INT64_MAX);
	topic_id_format(m->boot, m->sequence, id);
	MUST(strcmp(id, m->id) == 0);
	MUST(m->firmware[0] && (m->is_synchronised || !m->time_s));
	CLEAN(m->firmware);
	check_data(&m->data);
}

void fuzz_ingest(const uint8_t *bytes, size_t size)
{
	static struct ingest_message m;
	const uint8_t *end = memchr(bytes, '\n', size);
	size_t length = end ? (size_t)(end - bytes) : 0;
	char topic[TOPIC_BYTES], why[INGEST_WHY_MAX];
	struct ingest_raw raw = {.topic = topic};
	void *exact;

	if (!end || length >= sizeof(topic) || memchr(bytes, 0, length))
		return;
	memcpy(topic, bytes, length);
	topic[length] = 0;
	raw.length = size - length - 1;
	raw.payload = exact = fuzz_exact(end + 1, raw.length);
	if (ingest_message(&raw, &m, why) == INGEST_OK) {
		MUST(!why[0]);
		check(&m);
	} else {
		MUST(why[0]);
		CLEAN(why);
	}
	free(exact);
}
