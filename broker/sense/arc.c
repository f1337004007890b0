/* SPDX-License-Identifier: MIT */
/*
 * ZFS keeps its cache (ARC) outside the page cache: no figure of meminfo has it, MemAvailable
 * neither (module/zfs/arc_os.c of OpenZFS: it is given back by a shrinker), so that a machine with
 * ZFS looks fuller than it is. What is above its least size counts as file pages do.
 */
#include "base/file.h"
#include "sense/parse.h"
#include "sense/source.h"

static int arc_read(struct source *s, const struct source_room *room, struct sample *ret)
{
	ssize_t size = file_reread(s->fd, room->buffer, room->size);
	struct parse_arc a;
	int r = size < 0 ? (int)size : parse_arc(room->buffer, (size_t)size, &a);

	if (r < 0)
		return r;
	ret->arc_bytes = a.droppable_bytes;
	ret->has |= SAMPLE_HAS_ARC;
	return 0;
}

const struct source_ops arc_ops = {
	.name = "zfs-arc",
	.path = "proc/spl/kstat/zfs/arcstats",
	.gives = "what ZFS can give back of its cache",
	.remedy = "nothing to add where there is no ZFS",
	.open = source_open_file,
	.read = arc_read,
	.close = source_close,
};
