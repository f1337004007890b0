/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/units.h"

/* With NUL. Below PIPE_BUF (4096), so that POLLOUT on a pipe promises room. Halved: long cgroup
 * paths are cut; doubled: nothing gained. */
#define LINE_MAX_BYTES	1024

/* A burst of so many lines, then one line per period on average. Source: an episode of 30 clients through
 * all stages: each is asked four times, shielded, answers and is visible again, 480 lines; a start with
 * every source absent, 12. Halved: where there is no journal the end of such an episode is cut; doubled:
 * twice as much during a storm. */
#define BURST_LINES	512u
#define PERIOD_US	(200 * US_PER_MS)

/* The loop and the writer both log: two at once may pay for one line, or tell a loss twice. */
static struct {
	_Atomic enum log_level level;
	_Atomic bool is_known, is_journal;
	_Atomic uint64_t credit_us;	/* time up to which lines have been paid for */
	_Atomic uint64_t dropped, told;	/* since start; of them already mentioned */
} log_state = { .level = LOG_LEVEL_INFO };

/* JOURNAL_STREAM names the device and inode of the journal's socket: ours only if they agree. */
static bool is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

static bool has_credit(uint64_t now_us)
{
	uint64_t oldest_us =
		now_us > BURST_LINES * PERIOD_US ? now_us - BURST_LINES * PERIOD_US : 0;
	uint64_t credit_us = log_state.credit_us;

	credit_us = MAX_OF(credit_us, oldest_us);

	if (credit_us + PERIOD_US > now_us)
		return false;
	log_state.credit_us = credit_us + PERIOD_US;
	return true;
}

static bool write_line(const char *line, size_t length)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) &&
	       write(STDERR_FILENO, line, length) == (ssize_t)length;
}

static int add_prefix(char *line, enum log_level level)
{
	static const char word[] = { '3', '4', '6', '7' }; /* syslog(3) */
	static const char *const name[] = { "error: ", "warning: ", "", "" };

	if (!log_state.is_known) {
		log_state.is_journal = is_journal();
		log_state.is_known = true;
	}
	if (log_state.is_journal)
		return snprintf(line, LINE_MAX_BYTES, "<%c>", word[level]);
	return snprintf(line, LINE_MAX_BYTES, "%.64s: %s", program_invocation_short_name,
			name[level]);
}

static void tell_dropped(void)
{
	const uint64_t dropped = log_state.dropped; /* it may grow meanwhile */
	uint64_t count = dropped - log_state.told;
	char line[LINE_MAX_BYTES];
	int length;

	if (!count)
		return;
	length = add_prefix(line, LOG_LEVEL_WARNING);
	length += snprintf(line + length, sizeof(line) - (size_t)length,
			   "%llu lines before this one were not written\n", (unsigned long long)count);
	if (write_line(line, (size_t)length))
		log_state.told = dropped;
}

void log_set_level(enum log_level level)
{
	log_state.level = level;
}

bool log_owes(void)
{
	return log_state.dropped != log_state.told;
}

void log_tell_dropped(void)
{
	if (log_owes() && has_credit(clock_now_us()))
		tell_dropped();
}

uint64_t log_dropped(void)
{
	return log_state.dropped;
}

void log_write(enum log_level level, const char *format, ...)
{
	int saved = errno, prefix, length;
	char line[LINE_MAX_BYTES];
	va_list args;

	if (level > log_state.level)
		return;
	if (!has_credit(clock_now_us())) {
		log_state.dropped++;
		return;
	}
	tell_dropped();
	prefix = add_prefix(line, level);
	errno = saved; /* for %m */
	va_start(args, format);
	length = vsnprintf(line + prefix, sizeof(line) - 1 - (size_t)prefix, format, args);
	va_end(args);
	length = length < 0 ? prefix : MIN_OF(prefix + length, LINE_MAX_BYTES - 2);
	/* Process and client names come from strangers: they must not forge lines. */
	for (int i = prefix; i < length; i++)
		line[i] = (unsigned char)line[i] < ' ' || line[i] == 0x7f ? '?' : line[i];
	line[length++] = '\n';
	if (!write_line(line, (size_t)length))
		log_state.dropped++;
	errno = saved;
}
