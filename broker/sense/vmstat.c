/* SPDX-License-Identifier: MIT */
#include "base/file.h"
#include "sense/parse.h"
#include "sense/source.h"

static int vmstat_read(struct source *s, const struct source_room *room, struct sample *ret)
{
	ssize_t size = file_reread(s->fd, room->buffer, room->size);
	struct parse_vmstat v;
	int r = size < 0 ? (int)size : parse_vmstat(room->buffer, (size_t)size, &v);

	if (r < 0)
		return r;
	ret->direct_reclaims = v.allocstall;
	ret->oom_kills = v.oom_kill;
	ret->has |= SAMPLE_HAS_VMSTAT;
	return 0;
}

const struct source_ops vmstat_ops = {
	.name = "vmstat",
	.path = "proc/vmstat",
	.gives = "direct reclaim and OOM kills: the kernel's own distress",
	.remedy = "CONFIG_VM_EVENT_COUNTERS=y",
	.open = source_open_file,
	.read = vmstat_read,
	.close = source_close,
};
