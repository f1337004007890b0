/* SPDX-License-Identifier: MIT */
/*
 * Tree: a recorded /proc and cgroup tree (tests/data/root-...) as a copy that a test may change.
 * Include after cmocka.h.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct tree {
	char root[64];
};

static inline void tree_run(const char *format, const char *a, const char *b)
{
	char command[1024];

	assert_true(snprintf(command, sizeof(command), format, a, b) < (int)sizeof(command));
	assert_int_equal(system(command), 0);
}

static inline void tree_open(struct tree *t, const char *name)
{
	const char *source = getenv("FAILSOFT_SOURCE");
	char from[512];

	assert_non_null(source); /* set by tests/meson.build: the top of the source tree */
	strcpy(t->root, "/tmp/failsoft-tree-XXXXXX");
	assert_non_null(mkdtemp(t->root));
	assert_true(snprintf(from, sizeof(from), "%s/tests/data/%s", source, name) <
		    (int)sizeof(from));
	tree_run("cp -R '%s/.' '%s/'", from, t->root);
}

static inline void tree_close(struct tree *t)
{
	tree_run("rm -r '%s'%s", t->root, "");
}

/* Replaces a file's content in place, as a kernel file does. */
static inline void tree_write(const struct tree *t, const char *path, const char *content)
{
	char whole[256];
	FILE *f;

	assert_true(snprintf(whole, sizeof(whole), "%s/%s", t->root, path) < (int)sizeof(whole));
	f = fopen(whole, "w");
	assert_non_null(f);
	assert_true(fputs(content, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static inline void tree_remove(const struct tree *t, const char *path)
{
	tree_run("rm -r '%s/%s'", t->root, path);
}
