/* SPDX-License-Identifier: MIT */
#include "sense/sysv.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/units.h"

#define HEAD \
	"       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid" \
	"      atime      dtime      ctime                   rss                  swap\n"

static const struct row {
	const char *name, *text;
	uint64_t bytes;			/* of process 123 */
	uint32_t makers;
} rows[] = {
	{ "nothing", HEAD, 0, 0 },
	{ "one", HEAD "0 1 600 4194304 123 123 0 0 0 0 0 5 5 1000 4096 0\n", 4096, 1 },
	{ "swapped", HEAD "0 1 600 4194304 123 123 0 0 0 0 0 5 5 1000 4096 8192\n", 12288, 1 },
	{ "a negative key", "-17 1 600 4194304 123 9 0 0 0 0 0 5 5 1000 4096 0\n", 4096, 1 },
	{ "two of one", "0 1 600 9 123 1 0 0 0 0 0 5 5 1000 4096 0\n"
	  "0 2 600 9 123 1 0 0 0 0 0 5 5 900 4096 0\n", 8192, 1 },
	{ "of another", "0 1 600 9 124 123 0 0 0 0 0 5 5 1000 4096 0\n", 0, 1 },
	{ "a line that is cut", "0 1 600 9 123 1 0 0 0 0 0 5 5 1000 4096 0", 0, 0 },
	{ "too few figures", "0 1 600 9 123 1 0 0 0 0 0 5 5 1000 4096\n", 0, 0 },
	{ "no figure", "0 1 600 9 123 1 0 0 0 0 0 5 5 1000 4096x 0\n", 0, 0 },
	{ "a pid that cannot be", "0 1 600 9 4294967419 1 0 0 0 0 0 5 5 1000 4096 0\n", 0, 0 },
	{ "more than 64 bits", "0 1 600 9 123 1 0 0 0 0 0 5 5 1000 18446744073709551615 1\n", 0, 0 },
};

static void each_row(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		struct scan s = scan_of(rows[i].text, strlen(rows[i].text)), line;
		struct sysv t = { 0 };

		print_message("# %s\n", rows[i].name);
		while (scan_line(&s, &line))
			parse_sysv_line(&t, line);
		assert_int_equal(t.count, rows[i].makers);
		assert_int_equal(sysv_bytes(&t, 123, 1000), rows[i].bytes);
		assert_int_equal(sysv_bytes(&t, 123, 1003), 0); /* somebody else, of the same pid */
	}
}

static void more_makers_than_the_table(void **state)
{
	struct sysv t = { 0 };
	char text[128];

	(void)state;
	for (unsigned pid = 1; pid <= 2 * SYSV_MAKERS_MAX; pid++) {
		int size = snprintf(text, sizeof(text), "0 1 600 9 %u 1 0 0 0 0 0 5 5 9 4096 0", pid);

		parse_sysv_line(&t, scan_of(text, (size_t)size));
	}
	assert_int_equal(t.count, SYSV_MAKERS_MAX);
}

/* The real file, with so many segments that it takes several reads. */
static void of_this_machine(void **state)
{
	int proc = open("/proc", O_PATH | O_DIRECTORY), id[64];
	static struct sysv t;
	unsigned made = 0;

	(void)state;
	for (; made < ARRAY_LEN(id); made++) {
		char *p;

		id[made] = shmget(IPC_PRIVATE, 8192, IPC_CREAT | 0600);
		p = id[made] < 0 ? (char *)-1 : shmat(id[made], NULL, 0);
		if (p == (char *)-1)
			break;
		p[0] = p[4096] = 1;
		(void)shmdt(p);
	}
	sysv_read(&t, proc);
	for (unsigned i = 0; i < made; i++)
		(void)shmctl(id[i], IPC_RMID, NULL);
	close(proc);
	if (!made || access("/proc/sysvipc/shm", R_OK) < 0)
		skip();
	assert_int_equal(sysv_bytes(&t, getpid(), (uint64_t)time(NULL)), made * UINT64_C(8192));
	sysv_read(&t, -1); /* without one */
	assert_int_equal(t.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row), cmocka_unit_test(more_makers_than_the_table),
		cmocka_unit_test(of_this_machine),
	};

	return cmocka_run_group_tests_name("sysv", tests, NULL, NULL);
}
