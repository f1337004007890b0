/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>
#include <math.h>
#include <string.h>

#include "base/units.h"
#include "config_table.h"
#include "sense/pick.h"

#define SHOWN_MAX 60 /* bytes of a wrong value that an error repeats */

static const char *const type_unit[] = {
	[CONFIG_MS] = "ms",	[CONFIG_BYTES] = "bytes", [CONFIG_RATE] = "bytes/s",
	[CONFIG_PERCENT] = "%", [CONFIG_COUNT] = "",	  [CONFIG_SIGNED] = "",
	[CONFIG_BOOL] = "",	[CONFIG_PATH] = "",	  [CONFIG_NAMES] = "",
	[CONFIG_CGROUP] = "",	[CONFIG_CGROUPS] = "",	[CONFIG_PROCEDURES] = "",
	[CONFIG_POLICY] = "",	[CONFIG_POLICIES] = "",	[CONFIG_FILES] = "",	[CONFIG_COMMS] = "",
};

static const char *const type_wanted[] = {
	[CONFIG_MS] = "a whole number of milliseconds",
	[CONFIG_BYTES] =
		"a whole number of bytes, or text like \"64M\" (K, M, G, T are powers of 1024)",
	[CONFIG_RATE] = "a whole number of bytes per second, or text like \"64M\" "
			"(K, M, G, T are powers of 1024)",
	[CONFIG_PERCENT] = "a number with at most two decimals",
	[CONFIG_COUNT] = "a whole number",
	[CONFIG_SIGNED] = "a whole number",
	[CONFIG_BOOL] = "true or false",
	[CONFIG_PATH] = "text: an absolute path, or \"\" for none",
	[CONFIG_CGROUP] = "text: a cgroup path like \"/programs\", or \"\" for none",
	[CONFIG_NAMES] = "a list of texts like [\"sshd\", \"my-*\", \"unit:logger.service\"]",
	[CONFIG_CGROUPS] = "a list of texts like [\"/system.slice/logger.service\"]",
	[CONFIG_PROCEDURES] = "a list of procedures",
	[CONFIG_POLICY] = "text: relieve, barebone, reboot, poweroff or program",
	[CONFIG_POLICIES] = "a list of texts like [\"/system.slice/logger.service=reboot\"]",
	[CONFIG_FILES] = "a list of texts like [\"/run/cache/*.tmp\"]",
	[CONFIG_COMMS] = "a list of texts like [\"pump-control\", \"watchdog*\"]",
};

bool config_type_is_number(enum config_type type)
{
	return type <= CONFIG_SIGNED;
}

bool config_type_is_list(enum config_type type)
{
	return type == CONFIG_NAMES || type == CONFIG_CGROUPS || type == CONFIG_POLICIES ||
	       type == CONFIG_FILES || type == CONFIG_COMMS;
}

bool config_type_is_text(enum config_type type)
{
	return type == CONFIG_PATH || type == CONFIG_CGROUP || type == CONFIG_POLICY;
}

const char *config_type_unit(enum config_type type)
{
	return type_unit[type];
}

void config_number_text(enum config_type type, int64_t number, char buffer[CONFIG_NUMBER_MAX])
{
	const char *suffix = "\0KMGT";

	if (type == CONFIG_PERCENT) {
		snprintf(buffer, CONFIG_NUMBER_MAX, "%.10g", (double)number / 100.0);
		return;
	}
	if (type == CONFIG_MS)
		number /= (int64_t)US_PER_MS;
	if (type == CONFIG_BYTES || type == CONFIG_RATE)
		for (; number != 0 && number % 1024 == 0 && *suffix != 'T'; suffix++)
			number /= 1024;
	snprintf(buffer, CONFIG_NUMBER_MAX, "%lld%.1s", (long long)number, suffix);
}

/* "64M", "64 MiB" and "64MB" all mean the same: nobody has bought 1000-based RAM. */
static int parse_size(const char *text, int64_t *ret)
{
	static const char suffixes[] = "KMGT";
	char *end;
	const char *suffix;
	long long number;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	number = strtoll(text, &end, 10);
	if (errno != 0)
		return -EINVAL;
	end += strspn(end, " ");
	suffix = *end == '\0' ? NULL : strchr(suffixes, toupper((unsigned char)*end));
	if (*end != '\0' && !suffix && strcmp(end, "B"))
		return -EINVAL;
	if (suffix && end[1] != '\0' && strcmp(end + 1, "iB") && strcmp(end + 1, "B"))
		return -EINVAL;
	for (ptrdiff_t i = suffix ? suffix - suffixes : -1; i >= 0; i--)
		if (__builtin_mul_overflow(number, 1024ll, &number))
			return -EINVAL;
	*ret = number;
	return 0;
}

/*
 * In the internal unit; -EINVAL: another type. Too large numbers saturate, so that the range
 * refuses them.
 */
static int parse_number(enum config_type type, struct json_object *value, int64_t *ret)
{
	bool is_size = type == CONFIG_BYTES || type == CONFIG_RATE;

	if (is_size && json_object_is_type(value, json_type_string)) {
		if (strlen(json_object_get_string(value)) !=
		    (size_t)json_object_get_string_len(value))
			return -EINVAL;
		return parse_size(json_object_get_string(value), ret);
	}
	if (type == CONFIG_PERCENT && json_object_is_type(value, json_type_double)) {
		double permyriad = json_object_get_double(value) * 100.0;

		/* 1e-6: far below the second decimal, far above what a double rounds away */
		if (!(fabs(permyriad) < 1e12) || fabs(permyriad - nearbyint(permyriad)) > 1e-6)
			return -EINVAL;
		*ret = (int64_t)nearbyint(permyriad);
		return 0;
	}
	if (!json_object_is_type(value, json_type_int))
		return -EINVAL;
	*ret = json_object_get_int64(value);
	if (__builtin_mul_overflow(*ret,
				   type == CONFIG_MS	    ? (int64_t)US_PER_MS
				   : type == CONFIG_PERCENT ? INT64_C(100)
							    : INT64_C(1),
				   ret))
		*ret = json_object_get_int64(value) < 0 ? INT64_MIN : INT64_MAX;
	return 0;
}

static void explain_type(const struct config_option *o, struct json_object *value, char *problem,
			 size_t size)
{
	const char *shown = json_object_to_json_string_ext(value, JSON_C_TO_STRING_NOSLASHESCAPE);
	char low[CONFIG_NUMBER_MAX], high[CONFIG_NUMBER_MAX], range[2 * CONFIG_NUMBER_MAX + 8] = "";

	if (config_type_is_number(o->type)) {
		config_number_text(o->type, o->min, low);
		config_number_text(o->type, o->max, high);
		(void)snprintf(range, sizeof(range), ", %s..%s", low, high); /* it fits */
	}
	snprintf(problem, size, "is %.*s%s, but must be %s%s", SHOWN_MAX, shown,
		 strlen(shown) > SHOWN_MAX ? "..." : "", type_wanted[o->type], range);
}

static int set_number(struct config *c, const struct config_option *o, struct json_object *value,
		      char *problem, size_t size)
{
	char low[CONFIG_NUMBER_MAX], high[CONFIG_NUMBER_MAX];
	const char *unit = type_unit[o->type];
	int64_t number;

	if (parse_number(o->type, value, &number) < 0) {
		explain_type(o, value, problem, size);
		return -EINVAL;
	}
	if (number >= o->min && number <= o->max) {
		memcpy(config_member(c, o), &number, sizeof(number));
		return 0;
	}
	config_number_text(o->type, o->min, low);
	config_number_text(o->type, o->max, high);
	snprintf(problem, size, "is %.*s, but must be %s..%s%s%s", SHOWN_MAX,
		 json_object_to_json_string(value), low, high, *unit ? " " : "", unit);
	return -EINVAL;
}

static const char *refuse_cgroup(const char *text, size_t length)
{
	if (*text != '/' || length == 1 || text[length - 1] == '/' || strstr(text, "//") ||
	    strstr(text, "/../") || (length >= 3 && !strcmp(text + length - 3, "/..")))
		return "is not a cgroup path: write it as in /proc/PID/cgroup, "
		       "like \"/system.slice/logger.service\"";
	return NULL;
}

/* "/a.slice=reboot" */
static const char *refuse_policy_of(const char *text)
{
	const char *equals = strrchr(text, '=');
	char cgroup[CONFIG_TEXT_MAX];

	if (!equals || last_policy_find(equals + 1) == LAST_POLICY_COUNT)
		return "does not end in =relieve, =barebone, =reboot, =poweroff or =program";
	memcpy(cgroup, text, (size_t)(equals - text));
	cgroup[equals - text] = '\0';
	return refuse_cgroup(cgroup, strlen(cgroup));
}

/* What a pattern in a directory's name would match is not what somebody who deletes wants to guess. */
static const char *refuse_file(const char *text)
{
	const char *name = strrchr(text, '/');

	if (*text != '/' || !name[1] || !strcmp(name, "/.") || !strcmp(name, "/.."))
		return "is not an absolute path of a file";
	if (strcspn(text, "*?[") < (size_t)(name - text))
		return "has a pattern in a directory's name: only the last part may have one";
	return strstr(text, "/../") ? "contains /../" : NULL;
}

static const char *refuse_comm(const char *text)
{
	if (strchr(text, '/') || *text == '-')
		return "is no name as in /proc/PID/comm";
	return strlen(text) > 15 ? "is longer than the 15 bytes that the kernel keeps of a name" : NULL;
}

/* NULL: the text may stand there. */
static const char *refuse_text(enum config_type type, const char *text, size_t length)
{
	if (length >= CONFIG_TEXT_MAX)
		return "is longer than 255 bytes";
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return "contains a control character";
	if (type == CONFIG_PATH)
		return length == 0 || *text == '/' ? NULL : "is not an absolute path";
	if (length == 0)
		return type == CONFIG_CGROUP ? NULL : "is empty";
	switch (type) {
	case CONFIG_CGROUPS:
	case CONFIG_CGROUP: return refuse_cgroup(text, length);
	case CONFIG_NAMES: return pick_problem(text);
	case CONFIG_POLICY:
		return last_policy_find(text) != LAST_POLICY_COUNT
			? NULL : "is not relieve, barebone, reboot, poweroff or program";
	case CONFIG_POLICIES: return refuse_policy_of(text);
	case CONFIG_FILES: return refuse_file(text);
	case CONFIG_COMMS: return refuse_comm(text);
	default: return NULL; /* no texts */
	}
}

static int set_text(const struct config_option *o, struct json_object *value, char *text,
		    char *problem, size_t size)
{
	const char *from, *refusal;
	size_t length;

	if (!json_object_is_type(value, json_type_string)) {
		explain_type(o, value, problem, size);
		return -EINVAL;
	}
	from = json_object_get_string(value);
	length = (size_t)json_object_get_string_len(value);
	refusal = refuse_text(o->type, from, length);
	if (refusal) {
		snprintf(problem, size, "has the value %.*s, which %s", SHOWN_MAX,
			 json_object_to_json_string_ext(value, JSON_C_TO_STRING_NOSLASHESCAPE),
			 refusal);
		return -EINVAL;
	}
	memset(text, 0, CONFIG_TEXT_MAX);
	memcpy(text, from, length);
	return 0;
}

static int set_list(struct config *c, const struct config_option *o, struct json_object *value,
		    char *problem, size_t size)
{
	struct config_list list = {0};
	size_t count;

	if (!json_object_is_type(value, json_type_array)) {
		explain_type(o, value, problem, size);
		return -EINVAL;
	}
	count = json_object_array_length(value);
	if (count > CONFIG_LIST_MAX) {
		snprintf(problem, size, "has %zu entries, but at most %d are allowed", count,
			 CONFIG_LIST_MAX);
		return -EINVAL;
	}
	for (; list.count < count; list.count++)
		if (set_text(o, json_object_array_get_idx(value, list.count), list.text[list.count],
			     problem, size) < 0)
			return -EINVAL;
	memcpy(config_member(c, o), &list, sizeof(list));
	return 0;
}

int config_value_set(struct config *c, const struct config_option *o, struct json_object *value,
		     char *problem, size_t problem_size)
{
	char text[CONFIG_TEXT_MAX];

	if (config_type_is_number(o->type))
		return set_number(c, o, value, problem, problem_size);
	if (config_type_is_list(o->type))
		return set_list(c, o, value, problem, problem_size);
	if (o->type == CONFIG_PROCEDURES)
		return config_procedures_set(config_member(c, o), value, problem, problem_size);
	if (config_type_is_text(o->type)) {
		if (set_text(o, value, text, problem, problem_size) < 0)
			return -EINVAL;
		memcpy(config_member(c, o), text, sizeof(text));
		return 0;
	}
	if (!json_object_is_type(value, json_type_boolean)) {
		explain_type(o, value, problem, problem_size);
		return -EINVAL;
	}
	*(bool *)config_member(c, o) = json_object_get_boolean(value);
	return 0;
}
