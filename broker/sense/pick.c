/* SPDX-License-Identifier: MIT */
#include "sense/pick.h"

#include <fnmatch.h>
#include <string.h>

#include "base/units.h"
#include "sense/place.h"

#define COMM_MAX	15u		/* bytes that the kernel keeps of a name */
#define UNIT_MAX	256u		/* systemd allows names of 255 bytes */

enum pick_kind { PICK_NAME, PICK_PATH, PICK_UNIT, PICK_CGROUP, PICK_UID };

/* What kind, and where its pattern begins. */
static enum pick_kind split(const char *text, const char **ret_pattern)
{
	static const struct {
		const char *word;
		enum pick_kind kind;
	} kinds[] = {
		{ "unit:", PICK_UNIT }, { "cgroup:", PICK_CGROUP }, { "uid:", PICK_UID },
	};

	for (unsigned i = 0; i < ARRAY_LEN(kinds); i++) {
		size_t length = strlen(kinds[i].word);

		if (!strncmp(text, kinds[i].word, length)) {
			*ret_pattern = text + length;
			return kinds[i].kind;
		}
	}
	*ret_pattern = text;
	return strchr(text, '/') ? PICK_PATH : PICK_NAME;
}

/* Digits alone, below the value that means "no user". */
static bool read_uid(const char *text, uint32_t *ret)
{
	uint64_t uid = 0;

	if (!*text || strlen(text) > 10)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		uid = uid * 10 + (uint64_t)(*text - '0');
	}
	*ret = (uint32_t)uid;
	return uid < UINT32_MAX;
}

static bool is_pattern(const char *text)
{
	return strpbrk(text, "*?[");
}

const char *pick_problem(const char *text)
{
	const char *pattern;
	enum pick_kind kind = split(text, &pattern);
	uint32_t uid;

	if (!*pattern)
		return "is empty: leave it out, or write a name, a path, unit:, cgroup: or uid:";
	switch (kind) {
	case PICK_NAME:
		if (strlen(pattern) > COMM_MAX && !is_pattern(pattern))
			return "is longer than the 15 bytes that the kernel keeps of a name: write the "
			       "first 15";
		break;
	case PICK_PATH:
		if (pattern[0] != '/' && pattern[0] != '*')
			return "is not an absolute path: begin it with a slash, or write the name as in "
			       "/proc/PID/comm";
		break;
	case PICK_UNIT:
		if (strchr(pattern, '/'))
			return "is no unit's name: write unit:logger.service, or cgroup: and a path";
		break;
	case PICK_CGROUP:
		if (pattern[0] != '/')
			return "does not begin with a slash: write the path below the cgroup root";
		break;
	case PICK_UID:
		if (!read_uid(pattern, &uid))
			return "is no user's number: write uid: and 0 to 4294967294";
		break;
	}
	return NULL;
}

unsigned pick_needs(const char *text)
{
	const char *pattern;

	switch (split(text, &pattern)) {
	case PICK_PATH:
		return PICK_NEEDS_PATH;
	case PICK_UNIT:
	case PICK_CGROUP:
		return PICK_NEEDS_CGROUP;
	case PICK_NAME:
	case PICK_UID:
		break;
	}
	return 0;
}

bool pick_match(const char *text, const struct pick_facts *f)
{
	char unit[UNIT_MAX];
	const char *pattern;
	uint32_t uid;

	switch (split(text, &pattern)) {
	case PICK_NAME:
		return fnmatch(pattern, f->name, 0) == 0;
	case PICK_PATH:
		return f->path[0] && fnmatch(pattern, f->path, 0) == 0;
	case PICK_UNIT:
		return place_unit(f->cgroup, unit, sizeof(unit)) && fnmatch(pattern, unit, 0) == 0;
	case PICK_CGROUP:
		return f->cgroup[0] && place_is_below(f->cgroup, pattern);
	case PICK_UID:
		return read_uid(pattern, &uid) && uid == f->uid;
	}
	return false;
}
