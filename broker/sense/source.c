/* SPDX-License-Identifier: MIT */
#include "sense/source.h"

#include "base/file.h"

int source_open_file(struct source *s, int root_fd)
{
	int fd = file_open_at(root_fd, s->ops->path);

	if (fd < 0)
		return fd;
	s->fd = fd;
	return 0;
}

void source_close(struct source *s)
{
	s->fd = file_close(s->fd);
}

void source_probe(struct source *s, const struct source_ops *ops, int root_fd,
		  const struct source_room *room)
{
	struct sample discarded = { 0 };

	*s = (struct source){ .ops = ops, .fd = -1 };
	s->error = ops->open(s, root_fd);
	if (s->error == 0 && ops->read)
		s->error = ops->read(s, room, &discarded);
	if (s->error)
		ops->close(s);
}
