/* SPDX-License-Identifier: MIT */
/* failsoftctl top: how near the end is, how fast it comes, who is behind it and who would be hit. */
#include "live.h"

int top_verb(struct ctl *c)
{
	static const struct live_view view = { true, picture_draw, picture_line };

	return live_run(c, &view);
}
