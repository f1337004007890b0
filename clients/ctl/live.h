/* SPDX-License-Identifier: MIT */
/*
 * Live: looks at the broker five times a second, keeps what it says in a picture and shows it until
 * the user has had enough. Edge. What `top` and `watch` are made of.
 */
#pragma once

#include "picture.h"

struct live_view {
	bool wants_outlook;		/* asks who grows and what others would do, too */
	void (*draw)(const struct picture *p, struct brush *b);	/* on a terminal */
	void (*line)(const struct picture *p, struct brush *b);	/* anywhere else */
};

/* The exit code. */
int live_run(struct ctl *c, const struct live_view *view);
