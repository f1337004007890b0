/* SPDX-License-Identifier: MIT */
#include "base/file.h"
#include "sense/parse.h"
#include "sense/source.h"

static int meminfo_read(struct source *s, const struct source_room *room, struct sample *ret)
{
	ssize_t size = file_reread(s->fd, room->buffer, room->size);
	struct parse_meminfo m;
	int r = size < 0 ? (int)size : parse_meminfo(room->buffer, (size_t)size, &m);

	if (r < 0)
		return r;
	ret->total_bytes = m.total_bytes;
	ret->free_bytes = m.free_bytes;
	ret->file_bytes = m.active_file_bytes + m.inactive_file_bytes;
	ret->available_bytes = m.available_bytes;
	ret->has |= SAMPLE_HAS_MEMORY;
	ret->swap_total_bytes = m.swap_total_bytes;
	ret->swap_free_bytes = m.swap_free_bytes;
	if (m.swap_total_bytes)
		ret->has |= SAMPLE_HAS_SWAP;
	else
		ret->has &= ~(uint32_t)SAMPLE_HAS_SWAP;
	return 0;
}

const struct source_ops meminfo_ops = {
	.name = "meminfo",
	.path = "proc/meminfo",
	.gives = "free memory, file pages and swap: headroom",
	.remedy = "CONFIG_PROC_FS=y, and proc mounted at /proc",
	.open = source_open_file,
	.read = meminfo_read,
	.close = source_close,
};

static int pools_read(struct source *s, const struct source_room *room, struct sample *ret)
{
	ssize_t size = file_reread(s->fd, room->buffer, room->size);
	struct parse_pools p;
	int r = size < 0 ? (int)size : parse_pools(room->buffer, (size_t)size, &p);

	if (r < 0)
		return r;
	ret->anon_bytes = p.anon_bytes;
	ret->shmem_bytes = p.shmem_bytes;
	ret->kernel_bytes = p.kernel_bytes;
	ret->unseen_bytes = p.unseen_bytes;
	ret->has |= SAMPLE_HAS_POOLS;
	return 0;
}

/* The same file, read more rarely: all its lines cost twice what headroom's do. */
const struct source_ops pools_ops = {
	.name = "pools",
	.path = "proc/meminfo",
	.gives = "who has the memory: programs, tmpfs, the kernel: what no process shows",
	.remedy = "Linux 2.6.28 or later",
	.open = source_open_file,
	.read = pools_read,
	.close = source_close,
};
