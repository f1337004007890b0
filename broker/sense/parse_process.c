/* SPDX-License-Identifier: MIT */
#include "sense/parse_process.h"

#include <errno.h>
#include <string.h>

#include "base/units.h"

/* Never fails: what is too long is cut, and what is no ASCII (a name may be any bytes, also half a
 * character) is no text for JSON and D-Bus. */
static void copy_name(struct scan s, char *ret, size_t size)
{
	size_t used = 0;

	for (; s.at < s.end && used + 1 < size; s.at++)
		ret[used++] = (unsigned char)*s.at < ' ' || (unsigned char)*s.at > '~' ? '?' : *s.at;
	ret[used] = '\0';
}

/* The whole word, so that a cut or foreign figure is none. */
static bool take_u64(struct scan *line, uint64_t *ret)
{
	struct scan word;

	return scan_word(line, &word) && scan_u64(&word, ret) && !scan_left(&word);
}

static bool take_pid(struct scan *line, int32_t *ret)
{
	uint64_t value;

	if (!take_u64(line, &value) || value > INT32_MAX)
		return false;
	*ret = (int32_t)value;
	return true;
}

static bool take_kib(struct scan *line, uint64_t *ret)
{
	struct scan unit;
	uint64_t value;

	if (!take_u64(line, &value) || !scan_word(line, &unit) || !scan_is(&unit, "kB") ||
	    __builtin_mul_overflow(value, KIB, &value))
		return false;
	*ret = value;
	return true;
}

/* "4:cpu,memory:/path"; the path may hold colons. */
static bool has_controller(struct scan controllers, const char *controller)
{
	struct scan one;

	while (scan_until(&controllers, ',', &one))
		if (scan_is(&one, controller))
			return true;
	return scan_is(&controllers, controller);
}

int parse_process_cgroups(const char *text, size_t size, const char *controller,
			  struct parse_process_cgroups *ret)
{
	struct scan s = scan_of(text, size), line, number, controllers;
	struct parse_process_cgroups c = { 0 };
	bool any = false;

	while (scan_line(&s, &line)) {
		char *to = NULL;

		if (!scan_until(&line, ':', &number) || !scan_until(&line, ':', &controllers))
			return -EINVAL;
		if (scan_is(&number, "0") && !scan_left(&controllers))
			to = c.v2;
		else if (has_controller(controllers, controller))
			to = c.v1;
		if (to && !scan_copy(&line, to, PARSE_PATH_MAX))
			return -ENAMETOOLONG;
		any = true;
	}
	if (!any)
		return -ENODATA;
	*ret = c;
	return 0;
}

/* The kernel writes newline and backslash of a name as "\\n" and "\\\\" (proc_task_name). */
static void copy_status_name(struct scan s, char *ret, size_t size)
{
	char plain[64];
	size_t used = 0;

	(void)scan_skip(&s, "\t");
	while (s.at < s.end && used < sizeof(plain)) {
		char c = *s.at++;

		if (c == '\\' && s.at < s.end)
			c = *s.at++ == 'n' ? '\n' : '\\';
		plain[used++] = c;
	}
	copy_name(scan_of(plain, used), ret, size);
}

static bool take_uid(struct scan *line, uint32_t *ret)
{
	uint64_t value;

	if (!take_u64(line, &value) || value > UINT32_MAX)
		return false;
	*ret = (uint32_t)value;
	return true;
}

enum status_seen { SEEN_NAME = 1, SEEN_PARENT = 2, SEEN_UID = 4, SEEN_ALL = 7 };

/* The figures of memory; false: known, but not a figure. */
static bool take_status_memory(struct scan line, struct parse_process_status *p)
{
	struct scan key = { 0 };
	uint64_t *to = NULL;

	if (!scan_word(&line, &key))
		return true;
	if (scan_is(&key, "VmRSS:"))
		to = &p->resident_bytes;
	else if (scan_is(&key, "RssAnon:"))
		to = &p->anon_bytes;
	else if (scan_is(&key, "RssShmem:"))
		to = &p->shmem_bytes;
	else if (scan_is(&key, "VmSwap:"))
		to = &p->swap_bytes;
	else if (scan_is(&key, "VmPTE:"))
		to = &p->page_table_bytes;
	else if (scan_is(&key, "RssFile:"))
		to = &p->file_bytes;
	else if (scan_is(&key, "VmLck:"))
		to = &p->locked_bytes;
	if (!to)
		return true;
	p->has_memory |= to == &p->resident_bytes || to == &p->anon_bytes;
	return take_kib(&line, to);
}

int parse_process_status(const char *text, size_t size, struct parse_process_status *ret)
{
	const uint64_t unknown = UINT64_MAX;
	struct scan s = scan_of(text, size), line;
	struct parse_process_status p = { .anon_bytes = unknown };
	unsigned seen = 0;

	while (scan_line(&s, &line)) {
		if (scan_skip(&line, "Name:")) {
			copy_status_name(line, p.name, sizeof(p.name));
			seen |= SEEN_NAME;
		} else if (scan_skip(&line, "PPid:")) {
			if (!take_pid(&line, &p.parent))
				return -EINVAL;
			seen |= SEEN_PARENT;
		} else if (scan_skip(&line, "Uid:")) {
			if (!take_uid(&line, &p.uid))
				return -EINVAL;
			seen |= SEEN_UID;
		} else if (scan_skip(&line, "Threads:")) {
			if (!take_u64(&line, &p.threads) || p.threads > INT32_MAX)
				return -EINVAL;
		} else if (scan_skip(&line, "FDSize:")) {
			if (!take_u64(&line, &p.files_room) || p.files_room > INT32_MAX)
				return -EINVAL;
		} else if (!take_status_memory(line, &p)) {
			return -EINVAL;
		}
	}
	if (seen != SEEN_ALL)
		return -ENODATA;
	if (p.anon_bytes == unknown)
		p.anon_bytes = p.resident_bytes;
	*ret = p;
	return 0;
}

int parse_process_start(const char *text, size_t size, uint64_t *ret_ticks)
{
	const char *close = size ? memrchr(text, ')', size) : NULL;
	struct scan s, word;
	uint64_t ticks;

	/* The name is in parentheses and may hold blanks, parentheses and newlines itself: behind
	 * the last one comes field 3. */
	if (!close)
		return -EINVAL;
	s = scan_of(close + 1, (size_t)(text + size - close - 1));
	for (int field = 3; field <= 21; field++)
		if (!scan_word(&s, &word))
			return -ENODATA;
	if (!scan_word(&s, &word) || !scan_left(&s))
		return -ENODATA; /* nothing behind it: it may have been cut */
	if (!scan_u64(&word, &ticks) || scan_left(&word))
		return -EINVAL;
	*ret_ticks = ticks;
	return 0;
}

int parse_process_io(const char *text, size_t size, uint64_t *ret_written_bytes)
{
	struct scan s = scan_of(text, size), line, key;
	uint64_t written_bytes = 0, to_disk_bytes = 0;
	bool is_there = false;

	while (scan_line(&s, &line)) {
		if (!scan_word(&line, &key))
			continue;
		if (scan_is(&key, "wchar:")) {
			is_there = true;
			if (!take_u64(&line, &written_bytes))
				return -EINVAL;
		} else if (scan_is(&key, "write_bytes:") && !take_u64(&line, &to_disk_bytes)) {
			return -EINVAL;
		}
	}
	if (!is_there)
		return -ENODATA;
	*ret_written_bytes = written_bytes - MIN_OF(written_bytes, to_disk_bytes);
	return 0;
}

int parse_process_adj(const char *text, size_t size, int32_t *ret)
{
	struct scan s = scan_of(text, size), line;
	bool is_negative;
	int32_t value;

	if (!scan_line(&s, &line))
		return -ENODATA;
	is_negative = scan_skip(&line, "-");
	if (!take_pid(&line, &value))
		return -EINVAL;
	*ret = is_negative ? -value : value;
	return 0;
}

/* "oom-kill:constraint=CONSTRAINT_MEMCG,...,oom_memcg=/a,task_memcg=/a/b,task=name,..." */
static int take_limit(struct scan text, struct parse_process_oom *ret)
{
	struct scan rest, path;

	if (!scan_skip(&text, "CONSTRAINT_MEMCG,"))
		return -ENODATA;
	if (!scan_find(&text, ",oom_memcg="))
		return -EINVAL;
	path = rest = text;
	if (!scan_find(&rest, ",task_memcg="))
		return -EINVAL;
	path.end = rest.at - strlen(",task_memcg=");
	ret->kind = PARSE_PROCESS_OOM_LIMIT;
	return scan_copy(&path, ret->cgroup, sizeof(ret->cgroup)) ? 0 : -ENAMETOOLONG;
}

/* "123 (name) total-vm:...": the name may hold parentheses, what follows it does not. */
static int take_killed(struct scan text, struct parse_process_oom *ret)
{
	const char *close = scan_left(&text) ? memrchr(text.at, ')', scan_left(&text)) : NULL;
	uint64_t pid;

	if (!scan_u64(&text, &pid) || pid == 0 || pid > INT32_MAX || !scan_skip(&text, " (") ||
	    !close || close < text.at)
		return -EINVAL;
	ret->pid = (int32_t)pid;
	copy_name((struct scan){ text.at, close }, ret->name, sizeof(ret->name));
	return 0;
}

int parse_process_oom(const char *text, size_t size, struct parse_process_oom *ret)
{
	struct scan s = scan_of(text, size), line, head, field;
	struct parse_process_oom o = { 0 };
	uint64_t priority;
	int r;

	/* "6,339,5140900,-;text". Programs may write here, too, but never with facility 0, which is
	 * the kernel's (kernel/printk/printk.c, devkmsg_write): nobody can forge a kill. */
	if (!scan_line(&s, &line) || !scan_until(&line, ';', &head))
		return -EINVAL;
	if (!scan_u64(&head, &priority) || !scan_skip(&head, ",") ||
	    !scan_until(&head, ',', &field) || !scan_u64(&head, &o.time_us))
		return -EINVAL;
	if (priority > 7)
		return -ENODATA;
	if (scan_skip(&line, "oom-kill:constraint=")) {
		r = take_limit(line, &o);
	} else if (scan_skip(&line, "Memory cgroup out of memory: Killed process ")) {
		o.kind = PARSE_PROCESS_OOM_KILLED_IN_CGROUP;
		r = take_killed(line, &o);
	} else if (scan_skip(&line, "Out of memory: Killed process ") ||
		   scan_skip(&line,
			     "Out of memory (oom_kill_allocating_task): Killed process ")) {
		o.kind = PARSE_PROCESS_OOM_KILLED;
		r = take_killed(line, &o);
	} else {
		return -ENODATA;
	}
	if (r == 0)
		*ret = o;
	return r;
}
