/* SPDX-License-Identifier: MIT */
/* Reads the settings' file with json-c; every problem is said, with what to do about it. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <mosquitto.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "identity.h"
#include "lookup.h"
#include "settings.h"

#define FILE_MAX_BYTES (64 * 1024) /* the sample has 1 KiB: more is another file */

struct reader {
	const char *path;
	struct settings next;
	char *complaint;
	size_t size, used;
	int result; /* the first problem's */
};

__attribute__((format(printf, 3, 4))) static int complain(struct reader *r, int result,
							  const char *format, ...)
{
	char line[512];
	va_list list;
	int n;

	va_start(list, format);
	(void)vsnprintf(line, sizeof(line), format, list);
	va_end(list);
	r->result = r->result ? r->result : result;
	n = snprintf(r->complaint + r->used, r->size - r->used, "%s%s: %s", r->used ? "\n" : "",
		     r->path, line);
	r->used = n < 0 || r->used + (size_t)n >= r->size ? r->size - 1 : r->used + (size_t)n;
	return result;
}

/* How many letters differ, at most: for the name that was meant. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[64], up, left;
	const size_t n = strlen(b) < 63 ? strlen(b) : 63;

	for (size_t j = 0; j <= n; j++)
		row[j] = (unsigned)j;
	for (size_t i = 0; a[i] && i < 63; i++) {
		left = row[0];
		row[0] = (unsigned)i + 1;
		for (size_t j = 0; j < n; j++) {
			up = row[j + 1];
			left += a[i] != b[j];
			left = left < up + 1 ? left : up + 1;
			row[j + 1] = left < row[j] + 1 ? left : row[j] + 1;
			left = up;
		}
	}
	return row[n];
}

static void unknown_key(struct reader *r, const char *key)
{
	const struct settings_option *nearest = NULL;
	unsigned best = (unsigned)strlen(key) / 2 + 1; /* farther off it is another word */

	for (size_t i = 0; i < settings_options_count; i++) {
		unsigned d = distance(key, settings_options[i].key);

		if (d < best) {
			best = d;
			nearest = &settings_options[i];
		}
	}
	if (nearest)
		(void)complain(r, -EINVAL, "unknown key \"%.60s\"; did you mean \"%s\"?", key,
			       nearest->key);
	else
		(void)complain(r, -EINVAL,
			       "unknown key \"%.60s\"; failsoft-telemetry.json(5) lists all keys",
			       key);
}

static void take_number(struct reader *r, const struct settings_option *o,
			struct json_object *value)
{
	const int64_t number = json_object_get_int64(value);

	if (!json_object_is_type(value, json_type_int) || number < 0 || (uint64_t)number < o->min ||
	    (uint64_t)number > o->max) {
		(void)complain(r, -EINVAL,
			       "\"%s\" must be a whole number from %" PRIu64 " to %" PRIu64
			       ", not %.60s",
			       o->key, o->min, o->max, json_object_to_json_string(value));
		return;
	}
	*(uint64_t *)((char *)&r->next + o->at) =
		o->type == SETTINGS_MS ? (uint64_t)number * 1000 : (uint64_t)number;
}

static void take_word(struct reader *r, const struct settings_option *o, struct json_object *value)
{
	const char *text =
		json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
	char word[32];

	for (uint64_t i = o->min; i <= o->max; i++) {
		settings_word(o, i, word);
		if (!strcmp(text, word)) {
			*(uint64_t *)((char *)&r->next + o->at) = i;
			return;
		}
	}
	(void)complain(r, -EINVAL, "\"%s\" must be one of %s, not %.60s", o->key, o->words,
		       json_object_to_json_string(value));
}

static bool take_text_of(struct reader *r, const struct settings_option *o,
			 struct json_object *value, char *at)
{
	const char *text = json_object_get_string(value);

	if (!json_object_is_type(value, json_type_string) || strlen(text) >= SETTINGS_TEXT_MAX ||
	    (size_t)json_object_get_string_len(value) != strlen(text)) {
		(void)complain(r, -EINVAL, "\"%s\" must be a text of at most %u bytes, not %.60s",
			       o->key, SETTINGS_TEXT_MAX - 1, json_object_to_json_string(value));
		return false;
	}
	strcpy(at, text);
	return true;
}

static void take_servers(struct reader *r, const struct settings_option *o,
			 struct json_object *value)
{
	const bool is_list = json_object_is_type(value, json_type_array);
	const size_t count = is_list ? json_object_array_length(value) : 0;

	if (count < o->min || count > o->max) {
		(void)complain(r, -EINVAL,
			       "\"%s\" must be a list of %" PRIu64 " to %" PRIu64
			       " texts like [\"mqtt.example:8883\"]",
			       o->key, o->min, o->max);
		return;
	}
	for (size_t i = 0; i < count; i++)
		if (!take_text_of(r, o, json_object_array_get_idx(value, i), r->next.server[i]))
			return;
	r->next.servers = count;
}

static void take(struct reader *r, const char *key, struct json_object *value)
{
	const struct settings_option *o = NULL;

	for (size_t i = 0; i < settings_options_count && !o; i++)
		if (!strcmp(settings_options[i].key, key))
			o = &settings_options[i];
	if (!o)
		unknown_key(r, key);
	else if (o->type == SETTINGS_TEXT)
		(void)take_text_of(r, o, value, (char *)&r->next + o->at);
	else if (o->type == SETTINGS_SERVERS)
		take_servers(r, o, value);
	else if (o->type == SETTINGS_WORD)
		take_word(r, o, value);
	else
		take_number(r, o, value);
}

/* What identity.c and link_words.c would refuse, and what the library does. */
static void check_connection(struct reader *r)
{
	const struct settings *s = &r->next;
	struct lookup_server server;

	for (uint64_t i = 0; i < s->servers; i++)
		if (!lookup_server_parse(s->server[i], &server))
			(void)complain(r, -EINVAL,
				       "\"servers\": \"%.80s\" is no HOST:PORT like "
				       "mqtt.example:8883, port 1 to 65535",
				       s->server[i]);
	if (!s->cert_file[0] != !s->key_file[0])
		(void)complain(r, -EINVAL,
			       "\"cert_file\" and \"key_file\" go together: one of them is missing");
	else if (s->cert_file[0] && !s->ca_file[0])
		(void)complain(r, -EINVAL,
			       "\"cert_file\" is set, but no \"ca_file\" to check the server's with");
	if (s->password_file[0] && !s->user[0])
		(void)complain(r, -EINVAL, "\"password_file\" is set, but no \"user\"");
	if (mosquitto_validate_utf8(s->user, (int)strlen(s->user)) != MOSQ_ERR_SUCCESS)
		(void)complain(r, -EINVAL, "\"user\" has characters that MQTT does not allow");
}

static void check_whole(struct reader *r)
{
	const struct settings *s = &r->next;

	if (!topic_name_is_valid(s->fleet))
		(void)complain(r, -EINVAL,
			       "\"fleet\" must be 1 to 64 of A-Z a-z 0-9 _ -, not \"%.80s\"",
			       s->fleet);
	if (s->device[0] && !topic_name_is_valid(s->device))
		(void)complain(r, -EINVAL,
			       "\"device\" must be 1 to 64 of A-Z a-z 0-9 _ -, not \"%.80s\"",
			       s->device);
	if (s->pause_first_us > s->pause_last_us)
		(void)complain(r, -EINVAL,
			       "\"pause_first_ms\" must not be above \"pause_last_ms\"");
	if (s->margin_us >= s->budget_us)
		(void)complain(r, -EINVAL,
			       "\"margin_ms\" must be below \"budget_ms\": nothing would be left "
			       "to send in");
	if (!identity_firmware_is_valid(s->firmware))
		(void)complain(r, -EINVAL,
			       "\"firmware\" must be at most 64 printable ASCII characters");
	check_connection(r);
}

/* How often that key (NULL: any) stands in the object itself, of a text that json-c took. */
static int count_keys(const char *text, const char *key)
{
	int depth = 0, count = 0;

	for (const char *at = text; *at; at++) {
		const char *begin = at + 1;

		depth += (*at == '{' || *at == '[') - (*at == '}' || *at == ']');
		if (*at != '"')
			continue;
		for (at++; *at && *at != '"'; at++)
			at += *at == '\\' && at[1];
		if (!*at)
			break;
		if (depth != 1 || at[1 + strspn(at + 1, " \t\r\n")] != ':')
			continue;
		count += !key || (strlen(key) == (size_t)(at - begin) &&
				  !strncmp(begin, key, strlen(key)));
	}
	return count;
}

/* json-c takes the last of them without a word. */
static void check_twice(struct reader *r, const char *text, int known)
{
	bool is_said = false;

	if (count_keys(text, NULL) == known)
		return;
	for (size_t i = 0; i < settings_options_count; i++)
		if (count_keys(text, settings_options[i].key) > 1) {
			(void)complain(r, -EINVAL, "\"%s\" is given more than once",
				       settings_options[i].key);
			is_said = true;
		}
	if (!is_said)
		(void)complain(r, -EINVAL, "a key is given more than once");
}

static char *load(struct reader *r, bool is_required)
{
	int fd = open(r->path,
		      O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); /* a FIFO must not stop us */
	struct stat st;
	ssize_t length = 0, got = 1;
	char *text;

	if (fd < 0) {
		if (errno != ENOENT || is_required)
			(void)complain(r, -errno, "cannot be read: %s", strerror(errno));
		return NULL;
	}
	text = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? calloc(1, FILE_MAX_BYTES + 1) : NULL;
	while (text && got > 0 && length < FILE_MAX_BYTES) {
		got = read(fd, text + length, (size_t)(FILE_MAX_BYTES - length));
		length += got > 0 ? got : 0;
	}
	close(fd);
	if (text && got >= 0 && length < FILE_MAX_BYTES)
		return text;
	(void)complain(r, -EINVAL, "is no regular file of less than 64 KiB");
	free(text);
	return NULL;
}

static void parse(struct reader *r, const char *text)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *file = NULL;

	if (!tokener) {
		(void)complain(r, -ENOMEM, "no memory");
		return;
	}
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	file = json_tokener_parse_ex(tokener, text, (int)strlen(text) + 1);
	if (!json_object_is_type(file, json_type_object)) {
		const enum json_tokener_error error = json_tokener_get_error(tokener);
		size_t end = json_tokener_get_parse_end(tokener), line = 1;

		for (size_t i = 0; i < end && text[i]; i++)
			line += text[i] == '\n';
		(void)complain(r, -EINVAL,
			       "line %zu: is no JSON object like {\"servers\": "
			       "[\"mqtt.example:8883\"]}: %s",
			       error == json_tokener_success ? 1 : line,
			       error == json_tokener_success ? "it is a value of another kind"
							     : json_tokener_error_desc(error));
	} else {
		json_object_object_foreach(file, key, value) take(r, key, value);
		check_twice(r, text, json_object_object_length(file));
		check_whole(r);
	}
	json_object_put(file);
	json_tokener_free(tokener);
}

int settings_read(struct settings *s, const char *path, bool is_required, char *complaint,
		  size_t size)
{
	struct reader r = {.path = path, .next = *s, .complaint = complaint, .size = size};
	char *text = load(&r, is_required);

	if (text)
		parse(&r, text);
	free(text);
	if (r.result == 0)
		*s = r.next;
	return r.result;
}
