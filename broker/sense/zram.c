/* SPDX-License-Identifier: MIT */
/*
 * Zram: swap that lies in memory. Its free space says little: what is stored there takes memory,
 * too, and how much depends on what the programs keep; and where its memory is limited (mem_limit,
 * Documentation/admin-guide/blockdev/zram.rst), it is full while swap is free. Only the first
 * device is read; more than one is unheard of since it has streams of its own per CPU (Linux 3.15).
 */
#include "base/file.h"
#include "sense/parse.h"
#include "sense/source.h"

static int zram_read(struct source *s, const struct source_room *room, struct sample *ret)
{
	ssize_t size = file_reread(s->fd, room->buffer, room->size);
	struct parse_zram z;
	int r = size < 0 ? (int)size : parse_zram(room->buffer, (size_t)size, &z);

	if (r < 0)
		return r;
	ret->zram_stored_bytes = z.stored_bytes;
	ret->zram_used_bytes = z.used_bytes;
	ret->zram_limit_bytes = z.limit_bytes;
	ret->has |= SAMPLE_HAS_ZRAM;
	return 0;
}

const struct source_ops zram_ops = {
	.name = "zram",
	.path = "sys/block/zram0/mm_stat",
	.gives = "what swap on zram takes of memory: what free swap is worth",
	.remedy = "nothing to add where there is no zram",
	.open = source_open_file,
	.read = zram_read,
	.close = source_close,
};
