/* SPDX-License-Identifier: MIT */
#include "keep/reboots.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"

#define FORMAT "failsoft-reboots 1 count %" PRIu32 " policy %15s episode %" PRIu64 " time %" PRIu64 \
	       " told %u boot %39s domain %63s end"

/* A domain's name with a space would be two words. */
static void put_word(char *to, const char *from, size_t size)
{
	size_t i = 0;

	for (; from[i] && i + 1 < size; i++)
		to[i] = from[i] > ' ' && from[i] < 0x7f ? from[i] : '?';
	if (!i)
		to[i++] = '-';
	to[i] = '\0';
}

void reboots_line(const struct reboots_note *note, char line[REBOOTS_LINE_BYTES + 1])
{
	char boot[sizeof(note->boot)], domain[REBOOTS_NAME_MAX];
	int used;

	put_word(boot, note->boot, sizeof(boot));
	put_word(domain, note->domain, sizeof(domain));
	memset(line, ' ', REBOOTS_LINE_BYTES);
	used = snprintf(line, REBOOTS_LINE_BYTES, "failsoft-reboots 1 count %" PRIu32 " policy %s episode %"
			PRIu64 " time %" PRIu64 " told %u boot %s domain %s end", note->count,
			last_policy_name(note->policy), note->episode, note->real_s, note->is_told, boot,
			domain); /* 270 bytes at most */
	line[used] = ' ';
	line[REBOOTS_LINE_BYTES - 1] = '\n';
	line[REBOOTS_LINE_BYTES] = '\0';
}

/* What it says, or nothing. */
static int read_line(const char *line, struct reboots_note *ret)
{
	char policy[16], again[REBOOTS_LINE_BYTES + 1];
	unsigned told = 0;

	memset(ret, 0, sizeof(*ret));
	if (sscanf(line, FORMAT, &ret->count, policy, &ret->episode, &ret->real_s, &told, ret->boot,
		   ret->domain) != 7)
		return -EINVAL;
	ret->is_told = told;
	ret->policy = last_policy_find(policy);
	if (ret->policy == LAST_POLICY_COUNT)
		return -EINVAL;
	reboots_line(ret, again); /* nothing beside it, nothing cut */
	return strcmp(line, again) ? -EINVAL : 0;
}

static void read_boot(struct reboots *r, int root_fd)
{
	char text[64];
	ssize_t n = file_read_at(root_fd, "proc/sys/kernel/random/boot_id", text, sizeof(text));

	if (n > 0)
		text[strcspn(text, "\n")] = '\0';
	(void)snprintf(r->boot, sizeof(r->boot), "%.36s", n > 0 ? text : "unknown"); /* 36 fit */
}

static int write_note(const struct reboots *r, const struct reboots_note *note)
{
	char line[REBOOTS_LINE_BYTES + 1];

	reboots_line(note, line);
	if (pwrite(r->fd, line, REBOOTS_LINE_BYTES, 0) != REBOOTS_LINE_BYTES || fdatasync(r->fd) < 0)
		return -errno;
	return 0;
}

int reboots_open(struct reboots *r, int root_fd, const char *directory)
{
	char path[PATH_MAX], line[REBOOTS_LINE_BYTES + 2];
	ssize_t n;

	memset(r, 0, sizeof(*r));
	r->fd = -1;
	read_boot(r, root_fd);
	if (snprintf(path, sizeof(path), "%s/reboots", directory) < (int)sizeof(path))
		r->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (r->fd < 0) {
		log_warning("%s/reboots: %s: reboots of this machine cannot be counted", directory,
			    strerror(errno));
		return -errno;
	}
	n = file_reread(r->fd, line, sizeof(line));
	if (n != 0 && (n < 0 || read_line(line, &r->past) < 0)) {
		log_warning("%s holds nothing that failsoft wrote there; it begins anew", path);
		memset(&r->past, 0, sizeof(r->past));
		n = 0;
	}
	if (n == 0) /* the sector is there before it is needed */
		(void)write_note(r, &r->past);
	return 0;
}

bool reboots_tell(struct reboots *r)
{
	if (r->fd < 0 || !r->past.count || r->past.is_told || !strcmp(r->past.boot, r->boot))
		return false;
	r->past.is_told = true;
	(void)write_note(r, &r->past); /* else it is told once more */
	return true;
}

void reboots_close(struct reboots *r)
{
	r->fd = file_close(r->fd);
}
