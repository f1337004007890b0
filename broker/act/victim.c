/* SPDX-License-Identifier: MIT */
/*
 * The rule. First who is preferred by the configuration, the largest, if it holds 1 MiB or more.
 * Then: who caused it is who grew; where growth is unknown (everything is older than the baseline
 * and nothing grew since), who is largest, with its oom_score_adj as the kernel weighs it: a
 * thousandth of all memory for each point. Where more grew in memory that no process shows
 * (tmpfs, pipes, sockets) than in all processes, it is who wrote most since then, if that is a
 * quarter of it or more; else nobody: ending bystanders would give nothing back. That was looked at
 * once: from then on what has grown since counts, and where nothing did, nobody is ended by size.
 * Candidates are
 *   1. each single process,
 *   2. each tree: a process and all its descendants,
 *   3. all processes of one name and user that are new or grew (a fork tree whose parents have
 *      exited),
 *   4. several that grew alike: the largest and those that grew by a quarter of it or more, as many
 *      as give back what is missing.
 * If one process explains half of the growth, it is the victim. Otherwise the group that explains
 * most is, provided it explains a quarter more than the largest single process; of trees that
 * explain nearly as much (9/10) the smallest is taken, so that the shell that started the culprit
 * is spared. Several are taken only where the largest of them explains less than a quarter, and they
 * explain a quarter more than tree and namesakes: one at a time, the rest grow on for as long as each
 * takes to end. Protected processes are never in a candidate; a client of failsoft only as a single
 * process, and only if it may be ended: it is a group of its own. It is also the last: only if it
 * explains half of the growth, or twice as much as those that would be ended for it, or nobody else
 * gives back 1 MiB.
 * And nobody is ended in vain: other programs only for 1 MiB or more, a client only if it grew by half
 * of what all grew by, also those that may not be ended, or gives back half of what is missing; and
 * after a writer only if it grew by a quarter of what that one left behind.
 * Where one that may not be ended explains half of the growth, it is no other than who explains a
 * quarter, or, where nobody else grew, gives back all that is missing.
 * A process that was born since the baseline costs the kernel memory as well, its threads and open
 * files too: that counts as its growth and not as the pools'. What one program takes to start is no
 * growth: of those born a moment ago the largest has 2 MiB less.
 */
#include "act/victim.h"

#include <stdlib.h>
#include <string.h>

#include "act/kin.h"
#include "base/units.h"

/* Growth below this is noise: then size decides. Source: resting programs moved by < 1 MiB. */
#define GROWTH_MIN_BYTES	(2 * MIB)
/* What a program takes to start: libfailsoft's logger has 2.1 MiB when it has registered. Half: who is
 * started again in the crisis is ended for it; double: so much of a new leak is not seen. */
#define START_BYTES		(2 * MIB)
/* Half: who writes its log while something fills a tmpfs is ended; double: two writers share it and
 * none is. */
#define WRITTEN_SHARE		4u
/* Half: shells are ended before a client that only fills its buffers; double: so is nobody whose
 * ending helps on a machine of 64 MiB. */
#define WORTH_BYTES		MIB
/* Beside one who may not be ended and explains half. Half: a neighbour that grew an eighth is ended for
 * seconds; double: nobody is but who explains the other half. */
#define UNTOUCHED_SHARE		4u
/* Of several, each grew by this share of the largest. Half: bystanders; double: one of two alike. */
#define ALIKE_SHARE		4u
/* So much an older process must have grown to be one of a group by its name. Half: a shell that reads a
 * script; double: workers that grew by little live on. */
#define NAMESAKE_BYTES		(128 * KIB)
#define ADJ_MAX			1000u	/* of oom_score_adj, proc(5) */
#define PARENTS_MAX		64	/* deeper trees are cut, a loop in a torn survey ends */
#define SEVERAL_INDEX		((1u << 20) - 1) /* of a process, below its weight */
#define TAINTED			(UINT64_C(1) << 63)

struct rule {
	const struct process *p;
	uint32_t count;
	uint64_t *by_pid;		/* pid << 32 | index, sorted */
	uint64_t *tree_weight;		/* of the subtree; TAINTED: may not be ended as a whole */
	uint64_t *tree_size;
	uint64_t *may;			/* KIN_MAY_* */
	uint64_t *by_name;		/* hash of name and user << 32 | index, sorted; then used again */
	struct session_table *clients;
	uint64_t newest_ticks;
	const struct process *starting;	/* the largest newborn; NULL: none */
	enum { BY_GROWTH, BY_SIZE, BY_WRITING, BY_NOTHING } by;
	uint64_t pools_bytes, pools_done_bytes, wanted_bytes, machine_bytes;
	uint64_t total;
};

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Who is spared by its adjustment comes last, not never. */
static uint64_t size_weight(const struct rule *r, const struct process *p)
{
	uint64_t share = r->machine_bytes / ADJ_MAX, least = MIN_OF(p->memory_bytes, 1);

	if (p->oom_score_adj >= 0)
		return p->memory_bytes ? p->memory_bytes + share * (uint64_t)p->oom_score_adj : 0;
	share *= (uint64_t)-(int64_t)p->oom_score_adj;
	return p->memory_bytes > share ? p->memory_bytes - share : least;
}

static uint64_t growth_weight(const struct rule *r, const struct process *p)
{
	return p == r->starting ? p->growth_bytes - MIN_OF(p->growth_bytes, START_BYTES) : p->growth_bytes;
}

static uint64_t weight(const struct rule *r, const struct process *p)
{
	return r->by == BY_SIZE ? size_weight(r, p) : r->by == BY_WRITING ? p->written_bytes
									  : growth_weight(r, p);
}

/* May it be ended as a part of a group? */
static bool may_end_in_group(const struct rule *r, uint32_t i)
{
	return r->may[i] & KIN_MAY_IN_GROUP;
}

static uint32_t find_pid(const struct rule *r, int32_t pid)
{
	uint32_t low = 0, high = r->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if ((int32_t)(r->by_pid[middle] >> 32) < pid)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < r->count && (int32_t)(r->by_pid[low] >> 32) == pid)
		return (uint32_t)(r->by_pid[low] & UINT32_MAX);
	return r->count;
}

/* Adds every process to itself and all its ancestors. */
static void weigh_trees(struct rule *r)
{
	for (uint32_t i = 0; i < r->count; i++) {
		r->by_pid[i] = (uint64_t)(uint32_t)r->p[i].pid << 32 | i;
		r->tree_weight[i] = r->tree_size[i] = 0;
	}
	qsort(r->by_pid, r->count, sizeof(*r->by_pid), compare_u64);
	for (uint32_t i = 0; i < r->count; i++) {
		bool is_tainted = !may_end_in_group(r, i);
		uint32_t at = i;

		for (int depth = 0; at < r->count && depth < PARENTS_MAX; depth++) {
			if (is_tainted)
				r->tree_weight[at] |= TAINTED;
			else
				r->tree_weight[at] += weight(r, &r->p[i]);
			r->tree_size[at]++;
			at = find_pid(r, r->p[at].parent);
		}
	}
}

static uint32_t best_of(const struct rule *r, uint64_t may)
{
	uint32_t best = r->count;

	for (uint32_t i = 0; i < r->count; i++)
		if (r->may[i] == may && weight(r, &r->p[i]) &&
		    (best == r->count || weight(r, &r->p[i]) > weight(r, &r->p[best])))
			best = i;
	return best;
}

static uint32_t best_tree(const struct rule *r)
{
	uint64_t most = 0;
	uint32_t best = r->count;

	for (uint32_t i = 0; i < r->count; i++)
		if (!(r->tree_weight[i] & TAINTED))
			most = MAX_OF(most, r->tree_weight[i]);
	for (uint32_t i = 0; i < r->count && most; i++) {
		if (r->tree_weight[i] & TAINTED || r->tree_weight[i] < most / 10 * 9)
			continue;
		if (best == r->count || r->tree_size[i] < r->tree_size[best])
			best = i;
	}
	return best;
}

static bool are_namesakes(const struct process *a, const struct process *b)
{
	return a->uid == b->uid && !strncmp(a->name, b->name, sizeof(a->name));
}

/* A name as common as a shell's is no crime: old ones that do not grow are others'. */
static bool is_namesake(const struct rule *r, uint32_t i, uint32_t of)
{
	return are_namesakes(&r->p[i], &r->p[of]) &&
	       (r->by != BY_GROWTH || r->p[i].is_new || r->p[i].growth_bytes >= NAMESAKE_BYTES);
}

/* FNV-1a; two names that collide are told apart by are_namesakes(). */
static uint32_t name_hash(const struct process *p)
{
	uint32_t hash = 2166136261u ^ p->uid;

	for (size_t i = 0; i < sizeof(p->name) && p->name[i]; i++)
		hash = (hash ^ (unsigned char)p->name[i]) * 16777619u;
	return hash;
}

/* Sorted by hash, namesakes stand side by side. */
static uint32_t best_namesakes(const struct rule *r, uint64_t *ret_weight)
{
	uint32_t best = r->count;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < r->count; i++)
		r->by_name[i] = (uint64_t)name_hash(&r->p[i]) << 32 | i;
	qsort(r->by_name, r->count, sizeof(*r->by_name), compare_u64);
	*ret_weight = 0;
	for (uint32_t i = 0, of = 0; i < r->count; i++) {
		uint32_t at = (uint32_t)(r->by_name[i] & UINT32_MAX);

		if (!i || !are_namesakes(&r->p[at], &r->p[of])) {
			of = at;
			sum = 0;
		}
		if (may_end_in_group(r, at))
			sum += weight(r, &r->p[at]);
		if (sum > *ret_weight) {
			*ret_weight = sum;
			best = at;
		}
	}
	return best;
}

static bool is_below(const struct rule *r, uint32_t i, int32_t root)
{
	for (int depth = 0; i < r->count && depth < PARENTS_MAX; depth++) {
		if (r->p[i].pid == root)
			return true;
		i = find_pid(r, r->p[i].parent);
	}
	return false;
}

static bool belongs(const struct rule *r, const struct victim *v, uint32_t chosen, uint32_t i)
{
	switch (v->kind) {
	case VICTIM_PROCESS:
		return i == chosen;
	case VICTIM_TREE:
		return may_end_in_group(r, i) && is_below(r, i, v->pid);
	case VICTIM_NAMESAKES:
		return may_end_in_group(r, i) && is_namesake(r, i, chosen);
	case VICTIM_SEVERAL: /* listed by several() */
	case VICTIM_NONE:
	case VICTIM_KIND_COUNT:
		break;
	}
	return false;
}

/* Those that grew alike, heaviest first, until enough comes back; 0: one alone explains enough. */
static uint32_t several(const struct rule *r, uint32_t largest, uint64_t *ret_weight)
{
	uint64_t least = weight(r, &r->p[largest]) / ALIKE_SHARE, back_bytes = 0;
	uint32_t count = 0, taken = 0;

	*ret_weight = 0;
	if (weight(r, &r->p[largest]) >= r->total / 4)
		return 0;
	for (uint32_t i = 0; i < r->count; i++)
		if (may_end_in_group(r, i) && weight(r, &r->p[i]) > least)
			r->by_name[count++] = ~(weight(r, &r->p[i]) / KIB) << 20 | i;
	qsort(r->by_name, count, sizeof(*r->by_name), compare_u64);
	while (taken < count && taken < VICTIM_PIDS_MAX && back_bytes < r->wanted_bytes) {
		const struct process *p = &r->p[r->by_name[taken++] & SEVERAL_INDEX];

		back_bytes += p->memory_bytes;
		*ret_weight += weight(r, p);
	}
	return taken;
}

/* One more of the victim's processes. */
static void add_process(const struct rule *r, uint32_t i, struct victim *ret)
{
	ret->memory_bytes += r->p[i].memory_bytes;
	ret->growth_bytes += r->by == BY_WRITING ? r->p[i].written_bytes : r->p[i].growth_bytes;
	if (ret->pids_count < VICTIM_PIDS_MAX) {
		ret->pids[ret->pids_count] = r->p[i].pid;
		ret->start_ticks[ret->pids_count++] = r->p[i].start_ticks;
	}
}

static void describe(const struct rule *r, enum victim_kind kind, uint32_t chosen, struct victim *ret)
{
	const struct session *client = kin_client(r->clients, r->p[chosen].pid);

	memset(ret, 0, sizeof(*ret));
	ret->kind = kind;
	ret->pid = r->p[chosen].pid;
	ret->uid = r->p[chosen].uid;
	ret->newest_ticks = r->newest_ticks;
	ret->client = client ? client->id : 0;
	memcpy(ret->name, r->p[chosen].name, sizeof(ret->name));
	ret->name[sizeof(ret->name) - 1] = 0;
	ret->is_writer = r->by == BY_WRITING;
	ret->is_by_size = r->by == BY_SIZE;
	if (ret->is_writer)
		ret->all_growth_bytes = r->pools_bytes;
	for (uint32_t i = 0; i < r->count; i++) {
		if (!ret->is_writer)
			ret->all_growth_bytes += r->p[i].growth_bytes;
		if (belongs(r, ret, chosen, i))
			add_process(r, i, ret);
	}
}

static void rule_init(struct rule *r, uint64_t *scratch)
{
	uint64_t growth = 0, memory = 0, written = 0, kernel = 0;
	bool is_done;

	r->by_pid = scratch;
	r->tree_weight = scratch + r->count;
	r->tree_size = scratch + 2 * (size_t)r->count;
	r->may = scratch + 3 * (size_t)r->count;
	r->by_name = scratch + 4 * (size_t)r->count;
	for (uint32_t i = 0; i < r->count; i++) {
		r->may[i] = kin_may(&r->p[i], r->clients);
		r->newest_ticks = MAX_OF(r->newest_ticks, r->p[i].start_ticks);
		if (r->may[i] && r->p[i].is_newborn &&
		    (!r->starting || r->p[i].growth_bytes > r->starting->growth_bytes))
			r->starting = &r->p[i];
		kernel += r->p[i].kernel_growth_bytes;
		if (!r->may[i])
			continue;
		growth += r->p[i].growth_bytes;
		memory += size_weight(r, &r->p[i]);
		written += r->p[i].written_bytes;
	}
	if (r->starting)
		growth -= MIN_OF(r->starting->growth_bytes, START_BYTES);
	r->pools_bytes -= MIN_OF(r->pools_bytes, kernel);
	is_done = r->pools_done_bytes >= GROWTH_MIN_BYTES && r->pools_bytes >= GROWTH_MIN_BYTES;
	r->pools_bytes -= MIN_OF(r->pools_bytes, r->pools_done_bytes);
	r->by = r->pools_bytes >= GROWTH_MIN_BYTES && r->pools_bytes > growth ? BY_WRITING
		: growth >= GROWTH_MIN_BYTES				       ? BY_GROWTH
		: is_done						       ? BY_NOTHING : BY_SIZE;
	r->total = r->by == BY_SIZE ? memory : r->by == BY_WRITING ? written : growth;
	weigh_trees(r);
}

/* Who of those that never heard of failsoft; NONE: nobody grew. */
static void choose_stranger(const struct rule *r, uint32_t single, struct victim *ret)
{
	uint32_t tree = best_tree(r), names, alike;
	uint64_t names_weight, alike_weight, single_weight = weight(r, &r->p[single]);
	uint64_t tree_weight = tree < r->count ? r->tree_weight[tree] : 0;

	names = best_namesakes(r, &names_weight);
	alike = several(r, single, &alike_weight);
	if (alike > 1 && alike_weight / 5 * 4 > MAX_OF(tree_weight, names_weight)) {
		describe(r, VICTIM_SEVERAL, single, ret);
		for (uint32_t i = 0; i < alike; i++)
			add_process(r, (uint32_t)(r->by_name[i] & SEVERAL_INDEX), ret);
	} else if (single_weight >= r->total / 2 ||
		   MAX_OF(tree_weight, names_weight) < single_weight / 4 * 5) {
		describe(r, VICTIM_PROCESS, single, ret);
	} else if (tree_weight >= names_weight / 10 * 9) {
		describe(r, VICTIM_TREE, tree, ret);
	} else {
		describe(r, VICTIM_NAMESAKES, names, ret);
	}
}

static uint32_t preferred(const struct rule *r)
{
	uint32_t best = r->count;

	for (uint32_t i = 0; i < r->count; i++)
		if (r->p[i].is_preferred && (r->may[i] & KIN_MAY_ALONE) &&
		    r->p[i].memory_bytes >= WORTH_BYTES &&
		    (best == r->count || r->p[i].memory_bytes > r->p[best].memory_bytes))
			best = i;
	return best;
}

/* Before the strangers that were chosen? */
static bool is_clients_turn(const struct rule *r, uint32_t client, const struct victim *strangers)
{
	uint64_t grown = weight(r, &r->p[client]);

	/* what a writer has written is not its own memory */
	if (strangers->kind == VICTIM_NONE || (r->by != BY_WRITING && strangers->memory_bytes < WORTH_BYTES))
		return true;
	if (r->by == BY_SIZE)
		return false;
	return grown >= r->total / 2 || grown / 2 >= strangers->growth_bytes;
}

/* Where one who may not be ended explains half of the growth: whoever grew by less than this buys a
 * moment. 0: nobody does. */
static uint64_t least_growth(const struct rule *r)
{
	uint64_t all = 0, most = 0;

	for (uint32_t i = 0; i < r->count; i++) {
		if (!r->p[i].in_domain)
			continue;
		all += r->p[i].growth_bytes;
		if (!r->may[i])
			most = MAX_OF(most, r->p[i].growth_bytes);
	}
	return most && most >= all / 2 ? all / UNTOUCHED_SHARE : 0;
}

/* Whose end would bring back hardly anything is not ended: the cause is elsewhere. */
static bool is_worth(const struct rule *r, const struct victim *v)
{
	if (r->by == BY_WRITING)
		return v->growth_bytes >= r->pools_bytes / WRITTEN_SHARE;
	if (r->by == BY_GROWTH && v->growth_bytes < least_growth(r))
		return false;
	if (r->by == BY_SIZE && v->memory_bytes < r->wanted_bytes &&
	    least_growth(r) >= GROWTH_MIN_BYTES / UNTOUCHED_SHARE)
		return false;
	if (!v->client)
		return v->memory_bytes >= WORTH_BYTES;
	/* what it took to start and for its buffers did not fill the tmpfs */
	if (r->by == BY_GROWTH && v->growth_bytes < r->pools_done_bytes / WRITTEN_SHARE)
		return false;
	return v->memory_bytes >= r->wanted_bytes / 2 ||
	       (r->by == BY_GROWTH && v->growth_bytes >= v->all_growth_bytes / 2);
}

static bool lists(const int32_t *pids, uint32_t count, int32_t pid)
{
	for (uint32_t i = 0; i < count; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

bool victim_has(const struct victim *v, int32_t pid)
{
	return lists(v->pids, v->pids_count, pid);
}

static void note_parents(const struct rule *r, struct victim *v)
{
	for (uint32_t i = 0; i < v->pids_count && v->parents_count < VICTIM_PARENTS_MAX; i++) {
		uint32_t at = find_pid(r, v->pids[i]);
		int32_t parent = at < r->count ? r->p[at].parent : 0;

		if (parent > 1 && !lists(v->pids, v->pids_count, parent) &&
		    !lists(v->parents, v->parents_count, parent))
			v->parents[v->parents_count++] = parent;
	}
}

bool victim_choose(const struct victim_view *view, struct victim *ret)
{
	struct rule r = {
		.p = view->processes, .count = view->count, .clients = view->clients,
		.pools_bytes = view->pools_bytes, .wanted_bytes = view->wanted_bytes,
		.machine_bytes = view->total_bytes,
		.pools_done_bytes = view->pools_done_bytes,
	};
	uint32_t stranger, client, wished;

	memset(ret, 0, sizeof(*ret));
	if (!view->count)
		return false;
	rule_init(&r, view->scratch);
	wished = preferred(&r);
	if (wished < r.count) {
		describe(&r, VICTIM_PROCESS, wished, ret);
		ret->is_preferred = true;
		return true;
	}
	if (r.by == BY_NOTHING)
		return false;
	stranger = best_of(&r, KIN_MAY_ALONE | KIN_MAY_IN_GROUP);
	client = best_of(&r, KIN_MAY_ALONE);
	if (stranger < r.count)
		choose_stranger(&r, stranger, ret);
	if (client < r.count && is_clients_turn(&r, client, ret)) {
		describe(&r, VICTIM_PROCESS, client, ret);
		if (!is_worth(&r, ret) && stranger < r.count)
			choose_stranger(&r, stranger, ret);
	}
	if (!is_worth(&r, ret))
		ret->kind = VICTIM_NONE;
	note_parents(&r, ret);
	return ret->kind != VICTIM_NONE;
}
