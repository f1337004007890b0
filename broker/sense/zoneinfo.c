/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "base/file.h"
#include "sense/parse.h"
#include "sense/source.h"

static int zoneinfo_read(struct source *s, const struct source_room *room, struct sample *ret)
{
	ssize_t size = file_reread(s->fd, room->buffer, room->size);
	struct parse_zoneinfo z;
	uint64_t reserve_bytes, low_bytes;
	int r = size < 0 ? (int)size : parse_zoneinfo(room->buffer, (size_t)size, &z);

	if (r < 0)
		return r;
	if (__builtin_mul_overflow(z.reserve, room->page_bytes, &reserve_bytes) ||
	    __builtin_mul_overflow(z.low > z.min ? z.low - z.min : 0, room->page_bytes, &low_bytes))
		return -EINVAL;
	ret->reserve_bytes = reserve_bytes;
	ret->low_bytes = low_bytes;
	ret->has |= SAMPLE_HAS_RESERVE;
	return 0;
}

const struct source_ops zoneinfo_ops = {
	.name = "zoneinfo",
	.path = "proc/zoneinfo",
	.gives = "what the kernel never hands out: where the cliff is",
	.remedy = "CONFIG_PROC_FS=y, and proc mounted at /proc without subset=pid",
	.open = source_open_file,
	.read = zoneinfo_read,
	.close = source_close,
};
