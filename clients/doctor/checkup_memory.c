/* SPDX-License-Identifier: MIT */
/* What the kernel was told to do with memory. */
#include <inttypes.h>
#include <math.h>

#include "base/units.h"
#include "checkup.h"

/* mm/page_alloc.c, calculate_min_free_kbytes(): 4 times the root of the memory in KiB, 128 KiB to
 * 256 MiB. It counts low memory only, hence half. Half of that again: a tuned machine of which
 * nobody complained is called wrong; double: one that fails under load is called right. */
#define MIN_FREE_ROOTS	   4
#define MIN_FREE_LEAST_KIB 128
#define MIN_FREE_MOST_KIB  262144
#define MIN_FREE_PART	   2
/* Of all memory. 6.25 % was measured to cost 7 of 128 MiB; the kernel's own is 1.1 % there, 3.2 %
 * of 16 MiB. Half: khugepaged's own raise (1 % of small servers) is named; double: 10 % nobody can
 * use. */
#define MIN_FREE_MOST_PERCENT 5

static int64_t own_min_free_kib(int64_t total_kib)
{
	int64_t own = (int64_t)(MIN_FREE_ROOTS * sqrt((double)total_kib));

	return MIN_OF(MAX_OF(own, MIN_FREE_LEAST_KIB), MIN_FREE_MOST_KIB);
}

enum checkup_state checkup_boost(const struct facts *f, struct checkup_say *say)
{
	if (f->boost.state == FIGURE_ABSENT) {
		text_add(&say->found, "this kernel boosts no watermarks");
		return CHECKUP_OK;
	}
	if (f->boost.state != FIGURE_SEEN)
		return checkup_unseen(&f->boost, say);
	text_add(&say->found, "vm.watermark_boost_factor=%" PRId64, f->boost.value);
	return f->boost.value ? CHECKUP_MISSING : CHECKUP_OK;
}

enum checkup_state checkup_min_free(const struct facts *f, struct checkup_say *say)
{
	int64_t have = f->min_free_kib.value, total = f->total_kib.value, own;

	if (f->min_free_kib.state != FIGURE_SEEN)
		return checkup_unseen(&f->min_free_kib, say);
	if (f->total_kib.state != FIGURE_SEEN || total <= 0)
		return checkup_unseen(&f->total_kib, say);
	own = own_min_free_kib(total);
	text_add(&say->found,
		 "vm.min_free_kbytes=%" PRId64 " of %" PRId64 "; the kernel's own choice is "
		 "about %" PRId64,
		 have, total, own);
	if (have * MIN_FREE_PART >= own && have <= MAX_OF(total / 100 * MIN_FREE_MOST_PERCENT, own))
		return CHECKUP_OK;
	text_add(&say->fix, "sysctl -w vm.min_free_kbytes=%" PRId64, own);
	return have < own ? CHECKUP_MISSING : CHECKUP_WARN;
}

enum checkup_state checkup_overcommit(const struct facts *f, struct checkup_say *say)
{
	int64_t left = f->commit_limit_kib.value - f->committed_kib.value;

	if (f->overcommit.state != FIGURE_SEEN)
		return checkup_unseen(&f->overcommit, say);
	text_add(&say->found, "vm.overcommit_memory=%" PRId64, f->overcommit.value);
	if (f->overcommit.value != 2)
		return CHECKUP_OK;
	if (f->commit_limit_kib.state != FIGURE_SEEN || f->committed_kib.state != FIGURE_SEEN)
		return CHECKUP_WARN;
	text_add(&say->found, ", ");
	text_add_bytes(&say->found, left > 0 ? (uint64_t)left * KIB : 0);
	text_add(&say->found, " are left to CommitLimit");
	return CHECKUP_WARN;
}

static enum checkup_state should_be_0(const struct figure *f, const char *name,
				      struct checkup_say *say)
{
	if (f->state == FIGURE_ABSENT) {
		text_add(&say->found, "this kernel has no %s", name);
		return CHECKUP_OK;
	}
	if (f->state != FIGURE_SEEN)
		return checkup_unseen(f, say);
	text_add(&say->found, "%s=%" PRId64, name, f->value);
	return f->value ? CHECKUP_MISSING : CHECKUP_OK;
}

enum checkup_state checkup_panic(const struct facts *f, struct checkup_say *say)
{
	return should_be_0(&f->panic, "vm.panic_on_oom", say);
}

enum checkup_state checkup_asker(const struct facts *f, struct checkup_say *say)
{
	return should_be_0(&f->kills_asker, "vm.oom_kill_allocating_task", say);
}

enum checkup_state checkup_swap(const struct facts *f, struct checkup_say *say)
{
	if (f->swap_total_kib.state != FIGURE_SEEN)
		return checkup_unseen(&f->swap_total_kib, say);
	if (!f->swap_total_kib.value) {
		text_add(&say->found, "none: memory ends at once, and PSI says little before");
		return CHECKUP_OK;
	}
	text_add_bytes(&say->found, (uint64_t)f->swap_total_kib.value * KIB);
	text_add(&say->found, f->has_disk_swap ? ", on a disk" : " of zram");
	return f->has_disk_swap ? CHECKUP_WARN : CHECKUP_OK;
}
