/* SPDX-License-Identifier: MIT */
/* Board: the fleet as one screen of text. Pure but for the brush's stream. */
#pragma once

#include "../ctl/brush.h"
#include "roster.h"

struct board {
	const struct roster *roster;
	bool is_connected;
	const char *server;		/* NULL: a file is read */
	const char *why;		/* it is not connected */
	const struct roster_now *now;
};

void board_draw(const struct board *board, struct brush *b);
