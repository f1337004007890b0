/* SPDX-License-Identifier: MIT */
/* Whom the survey protects because it is failsoft's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "sense/survey.h"
#include "tree.h"

#define MAX 16

static void write_status(const struct tree *t, int32_t pid, int32_t parent, unsigned uid, const char *name)
{
	char path[64], content[256];

	snprintf(path, sizeof(path), "proc/%d/status", pid);
	snprintf(content, sizeof(content),
		 "Name:\t%s\nPPid:\t%d\nUid:\t%u\t%u\nVmRSS:\t1 kB\nRssAnon:\t1 kB\n",
		 name, parent, uid, uid);
	tree_write(t, path, content);
}

/* What stands ready to run a victim's procedure is no victim, whoever has started it. */
static void responders(void **state)
{
	const struct survey_request whole = { .cgroup_fd = -1 };
	struct process seen[MAX];
	struct survey *s = NULL;
	uint32_t count = 0;
	struct tree t;

	tree_open(&t, "root-v2");
	write_status(&t, 200, getpid(), 0, "started-by-us");
	write_status(&t, 201, 200, 0, "sh");
	write_status(&t, 202, 1, 0, "failsoft-respon");
	write_status(&t, 203, 202, 1000, "save");
	write_status(&t, 204, 1, 1000, "failsoft-respon"); /* anybody may take the name */
	assert_int_equal(survey_open(t.root, 64, &s), 0);
	assert_int_equal(survey_take(s, &whole, seen, MAX, &count), 0);
	for (uint32_t i = 0; i < count; i++)
		if (seen[i].pid >= 200)
			assert_int_equal(seen[i].is_protected, seen[i].pid != 204);
	assert_true(count >= 5);
	survey_close(s);
	tree_close(&t);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(responders),
	};

	return cmocka_run_group_tests_name("survey_ours", tests, NULL, NULL);
}
