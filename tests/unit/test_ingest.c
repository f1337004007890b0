/* SPDX-License-Identifier: MIT */
/* One message: what each member becomes, and why it is refused. tests/fleet/test_fleet_ingest.py
 * holds all of it against the schemas. */
#include "fleet_rig.h"
#include "ingest.h"

#define BOOT	"0123456789abcdef0123456789abcdef"
#define HEAD                                                                                       \
	"{\"specversion\":\"1.0\",\"id\":\"" BOOT                                                  \
	"-42\",\"source\":\"/failsoft/f/d\",\"type\":\"org.failsoft."
#define TAIL	".v1\",\"datacontenttype\":\"application/json\",\"bootid\":\"" BOOT "\"," \
		"\"sequence\":\"00000000000000000042\",\"boottimeusec\":\"77\",\"firmware\":\"1.0\"," \
		"\"instance\":\"0000002a\","
#define CLOCK	"\"clock\":\"unsynced\","
#define ALARM	HEAD "alarm" TAIL CLOCK
#define RAISED	"\"data\":{\"kind\":\"imminent\",\"raised\":true,\"text\":\"soon\"}}"
#define EVENT	"failsoft/v1/f/d/event"

static enum ingest_refusal give(const char *topic, const char *payload, struct ingest_message *ret,
				char *why)
{
	struct ingest_raw raw = { topic, payload, strlen(payload), false };
	size_t length = raw.length;
	/* exactly as many bytes as there are, without a NUL: a parser that reads on is found by the
	 * sanitizer */
	char *exact = malloc(length ? length : 1);
	enum ingest_refusal refusal;

	memcpy(exact, payload, length);
	raw.payload = exact;
	refusal = ingest_message(&raw, ret, why);
	free(exact);
	return refusal;
}

static void refusals(void **state)
{
	static const struct {
		const char *topic, *payload;
		enum ingest_refusal expect;
		const char *why;	/* is in the sentence */
	} rows[] = {
		{EVENT, ALARM RAISED, INGEST_OK, ""},
		{"failsoft/v1/f/d/alarm/imminent", ALARM RAISED, INGEST_OK, ""},
		{"failsoft/v1/f/d/alarm/imminent", "", INGEST_OK, ""},
		{"failsoft/v1/f/d/state", "", INGEST_OK, ""},
		{"failsoft/v1/f/d/alarm/shutdown", ALARM RAISED, INGEST_KIND, "shutdown"},
		{"failsoft/v1/f/x/event", ALARM RAISED, INGEST_SOURCE, "/failsoft/f/x"},
		{"failsoft/v1/f/d/state", ALARM RAISED, INGEST_TYPE, "alarm"},
		{"failsoft/v1/f/d/cmd", ALARM RAISED, INGEST_TOPIC, "cmd"},
		{"failsoft/v2/f/d/event", ALARM RAISED, INGEST_VERSION, "failsoft/v1"},
		{"failsoft/v1/f/d/event/more", ALARM RAISED, INGEST_TOPIC, "more"},
		{"failsoft/v1/f/d/\x1b[31m", "{}", INGEST_TOPIC, "?[31m"},
		{"", "{}", INGEST_TOPIC, ""},
		{EVENT, "", INGEST_EMPTY, "empty"},
		{EVENT, "{", INGEST_JSON, "too early"},
		{EVENT, "17", INGEST_JSON, ""},
		{EVENT, "{} {}", INGEST_JSON, ""},
		{EVENT, "{}", INGEST_VERSION, "1.0"},
		{EVENT, "{\"a\":\"\xff\"}", INGEST_UTF8, "byte 6"},
		{EVENT, "{\"a\":\"\xed\xa0\x80\"}", INGEST_UTF8, "byte 6"},
		{EVENT, "{\"a\":\"\xc3", INGEST_UTF8, "byte 6"},
		{EVENT, HEAD "alarm" TAIL RAISED, INGEST_ENVELOPE, "\"clock\" is missing"},
		{EVENT, HEAD "alarm" TAIL "\"clock\":\"maybe\"," RAISED, INGEST_ENVELOPE, "clock"},
		{EVENT, ALARM "\"x\x7f\":1," RAISED, INGEST_ENVELOPE, "\"x?\" is unknown"},
		{EVENT, ALARM "\"time\":\"2026-01-01T00:00:00Z\"," RAISED, INGEST_CLOCK,
		 "not synchronised"},
		{EVENT, HEAD "alarm" TAIL "\"clock\":\"synced\",\"time\":\"today\"," RAISED,
		 INGEST_CLOCK, "today"},
		{EVENT, ALARM "\"data\":{\"kind\":\"imminent\"}}", INGEST_DATA,
		 "\"raised\" is missing"},
		{EVENT, ALARM "\"data\":{\"kind\":\"imminent\",\"raised\":1}}", INGEST_DATA,
		 "raised"},
		{EVENT, ALARM "\"data\":{\"kind\":\"imminent\",\"raised\":true,\"pid\":-1}}",
		 INGEST_DATA, "pid"},
		{EVENT,
		 ALARM
		 "\"data\":{\"kind\":\"imminent\",\"raised\":true,\"pid\":9223372036854775808}}",
		 INGEST_DATA, "pid"},
		{EVENT,
		 ALARM "\"data\":{\"kind\":\"imminent\",\"raised\":true,\"text\":\"a\\u0000b\"}}",
		 INGEST_DATA, "text"},
		{EVENT, ALARM "\"data\":[]}", INGEST_DATA, "no object"},
		{EVENT, HEAD "alarm.v2\",\"x\":\"" TAIL CLOCK RAISED, INGEST_VERSION, "version 1"},
		{EVENT, HEAD "joke" TAIL CLOCK RAISED, INGEST_TYPE, "joke"},
	};
	struct ingest_message m;
	char why[INGEST_WHY_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum ingest_refusal refusal = give(rows[i].topic, rows[i].payload, &m, why);

		if (refusal != rows[i].expect || !strstr(why, rows[i].why))
			fail_msg("row %zu, %s %s: %s: %s", i, rows[i].topic, rows[i].payload,
				 ingest_refusal_name(refusal), why);
	}
}

static void members(void **state)
{
	struct ingest_message m;
	char why[INGEST_WHY_MAX];

	(void)state;
	assert_int_equal(give(EVENT,
			      ALARM "\"data\":{\"kind\":\"oom-kill\",\"raised\":true,\"name\":"
				    "\"h\\u001bog\",\"pid\":12,"
				    "\"stage\":\"imminent\",\"tte_usec\":5,\"headroom_bytes\":"
				    "9223372036854775807}}",
			      &m, why),
			 INGEST_OK);
	assert_string_equal(m.topic.device, "d");
	assert_string_equal(m.id, BOOT "-42");
	assert_true(m.type == TOPIC_ALARM && m.sequence == 42 && m.boottime_us == 77 && m.instance == 42);
	assert_true(!m.is_synchronised && m.time_s == 0);
	assert_true(m.data.kind == TOPIC_ALARM_OOM_KILL && m.data.is_raised && m.data.pid == 12 &&
		    m.data.stage == 2);
	assert_string_equal(m.data.name, "h?og");
	assert_true(m.data.headroom_bytes == INT64_MAX && m.data.tte_us == 5 &&
		    m.data.tte_late_us == INGEST_NEVER_US);
}

static void times(void **state)
{
	static const struct {
		const char *text;
		int64_t expect;		/* 0: refused */
	} rows[] = {
		{"2026-03-01T08:15:02Z", 1772352902},
		{"2026-03-01T08:15:02.123456Z", 1772352902},
		{"2026-03-01T09:15:02+01:00", 1772352902},
		{"2026-03-01T06:45:02-01:30", 1772352902},
		{"2026-03-01 08:15:02Z", 0},
		{"2026-03-01T08:15:02", 0},
		{"2026-3-01T08:15:02Z", 0},
		{"2026-03-01T08:15:02+0100", 0},
		{"2026-03-01T24:00:00Z", 0},
		{"2026-03-01T08:15:02Zx", 0},
		{"2026-03-01T08:15:02+1:000", 0},
		{"", 0},
		{"2026", 0},
	};
	struct ingest_message m;
	char why[INGEST_WHY_MAX], text[1000];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(text, sizeof(text),
			 HEAD "alarm" TAIL "\"clock\":\"synced\",\"time\":\"%s\"," RAISED,
			 rows[i].text);
		if (give(EVENT, text, &m, why) != (rows[i].expect ? INGEST_OK : INGEST_CLOCK) ||
		    (rows[i].expect && m.time_s != rows[i].expect))
			fail_msg("%s: %s, %lld", rows[i].text, why, (long long)m.time_s);
	}
}

/* Cut at every byte: refused, and nothing else. */
static void beginnings(void **state)
{
	static const char whole[] = ALARM RAISED;
	struct ingest_message m;
	char why[INGEST_WHY_MAX], text[sizeof(whole)];

	(void)state;
	for (size_t i = 0; i + 1 < sizeof(whole); i++) {
		snprintf(text, sizeof(text), "%.*s", (int)i, whole);
		assert_int_not_equal(give(EVENT, text, &m, why), INGEST_OK);
		assert_true(why[0]);
	}
}

static void too_long(void **state)
{
	/* length without memory: it must not be read */
	struct ingest_raw raw = { EVENT, NULL, TOPIC_PAYLOAD_MAX + 1, false };
	struct ingest_message m;
	char why[INGEST_WHY_MAX];

	(void)state;
	assert_int_equal(ingest_message(&raw, &m, why), INGEST_TOO_LONG);
	assert_string_equal(m.topic.device, "d");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refusals), cmocka_unit_test(members), cmocka_unit_test(times),
		cmocka_unit_test(beginnings), cmocka_unit_test(too_long),
	};

	return cmocka_run_group_tests_name("ingest", tests, NULL, NULL);
}
