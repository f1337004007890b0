/* SPDX-License-Identifier: MIT */
/*
 * The rule, as in act/victim.c, applied again to what is left until nobody grows. Candidates are
 *   1. each single process,
 *   2. each tree: a process and all its descendants,
 *   3. all processes of one name and user (a fork tree whose parents have exited),
 * and beside them the pools. If one process explains half of what the processes grew, it is the
 * grower. Otherwise the group that explains most is, provided it explains a quarter more than the
 * largest single process; of trees that explain nearly as much (9/10) the smallest is taken. Pid 1
 * and processes that are apart are growers only alone, and no tree holds one. Whom the victim rule
 * leaves out altogether (the protected) is named here all the same: it may well be what grows.
 */
#include "judge/growth.h"

#include <string.h>

#include "base/units.h"

/* As in victim.c: growth below it is noise. */
#define GROWTH_MIN_BYTES	(2 * MIB)
#define PARENTS_MAX		64u	/* deeper trees are cut, a loop in a torn table ends */

/* The longest round of readings, and how fast the gone leave the list. Half: the growers of slow
 * rounds fade between two readings; double: the gone are shown some seconds more. */
#define FADE_AFTER_US	(3 * US_PER_S)
#define FADE_HALF_US	US_PER_S

/* 16 TiB: keeps sums over a whole table in 63 bit. */
#define WEIGHT_MAX	(UINT64_C(1) << 44)

struct rule {
	struct growth *t;
	uint64_t now_us;
	bool by_since;
	uint32_t used, live;		/* places listed in node[].used and .live */
	uint64_t all;			/* growth of all processes and pools */
	uint64_t left;			/* of the processes that belong to no grower yet */
	bool pool_taken[GROWTH_POOL_COUNT];
};

static const char *const pool_names[GROWTH_POOL_COUNT] = {
	[GROWTH_POOL_SHMEM] = "tmpfs and shared memory",
	[GROWTH_POOL_KERNEL] = "kernel memory (slab)",
	[GROWTH_POOL_UNSEEN] = "pipes, sockets, drivers",
};

const char *growth_pool_name(enum growth_pool pool)
{
	return (unsigned)pool < GROWTH_POOL_COUNT ? pool_names[pool] : "";
}

/* Who was not seen for long is perhaps no more. */
static uint64_t faded(const struct growth_level *l, int64_t figure, uint64_t now_us)
{
	uint64_t age_us = now_us > l->last_us ? now_us - l->last_us : 0;
	uint64_t halves = age_us > FADE_AFTER_US ? (age_us - FADE_AFTER_US) / FADE_HALF_US : 0;

	return figure > 0 && halves < 63 ? (uint64_t)figure >> halves : 0;
}

static uint64_t since_of(const struct growth_level *l)
{
	return l->bytes > l->base_bytes ? l->bytes - l->base_bytes : 0;
}

static uint64_t weight_of(const struct rule *r, const struct growth_level *l)
{
	uint64_t since = MIN_OF(since_of(l), WEIGHT_MAX);

	return faded(l, r->by_since ? (int64_t)since : l->rate.slow_bytes_per_s, r->now_us);
}

static bool may_be_in_group(const struct growth_entry *e)
{
	return !e->is_apart && e->pid > 1;
}

/* A parent that is younger than its child is another process of the same pid. */
static uint32_t parent_of(const struct growth *t, uint32_t i)
{
	const struct growth_entry *e = &t->entry[i];
	uint32_t at = growth_find(t, e->parent);

	if (at == GROWTH_NOWHERE || at == i ||
	    (e->start_ticks && t->entry[at].start_ticks > e->start_ticks))
		return GROWTH_NOWHERE;
	return at;
}

static bool are_namesakes(const struct growth_entry *a, const struct growth_entry *b)
{
	return a->uid == b->uid && !strncmp(a->name, b->name, sizeof(a->name));
}

/* The first place of this name: FNV-1a into the nodes' own hash, which is at most 3/4 full. */
static uint32_t namesake_of(struct growth *t, uint32_t i)
{
	const struct growth_entry *e = &t->entry[i];
	uint32_t hash = 2166136261u ^ e->uid;

	for (size_t k = 0; k < sizeof(e->name) && e->name[k]; k++)
		hash = (hash ^ (unsigned char)e->name[k]) * 16777619u;
	for (hash &= t->mask;; hash = (hash + 1) & t->mask) {
		uint32_t first = t->node[hash].named;

		if (first == GROWTH_NOWHERE)
			return t->node[hash].named = i;
		if (are_namesakes(&t->entry[first], e))
			return first;
	}
}

/* Lists a process that grows, with all that are above it. */
static void add_live(struct rule *r, uint32_t i)
{
	struct growth_node *node = r->t->node;

	node[i].namesake = namesake_of(r->t, i);
	for (uint32_t n = 0; i != GROWTH_NOWHERE && n < PARENTS_MAX && !node[i].is_live; n++) {
		node[i].is_live = true;
		node[r->live++].live = i;
		i = node[i].parent;
	}
}

static void plant_tree(struct growth *t, uint32_t i)
{
	bool is_tree = may_be_in_group(&t->entry[i]);

	for (uint32_t n = 0; i != GROWTH_NOWHERE && n < PARENTS_MAX; n++) {
		t->node[i].tree_size++;
		t->node[i].is_tree &= is_tree;
		i = t->node[i].parent;
	}
}

static uint64_t all_since(const struct rule *r)
{
	const struct growth *t = r->t;
	uint64_t sum = 0;

	for (uint32_t k = 0; k < r->used; k++)
		sum += MIN_OF(since_of(&t->entry[t->node[k].used].level), WEIGHT_MAX);
	for (uint32_t i = 0; i < GROWTH_POOL_COUNT; i++)
		sum += MIN_OF(since_of(&t->pool[i]), WEIGHT_MAX);
	return sum;
}

static void rule_init(struct rule *r)
{
	struct growth *t = r->t;

	for (uint32_t i = 0; i <= t->mask; i++) {
		t->node[i] = (struct growth_node){ .named = GROWTH_NOWHERE, .is_tree = true };
		if (t->entry[i].pid)
			t->node[r->used++].used = i;
	}
	r->by_since = !t->is_calm && all_since(r) >= GROWTH_MIN_BYTES;
	for (uint32_t k = 0; k < r->used; k++) {
		uint32_t i = t->node[k].used;

		t->node[i].weight = weight_of(r, &t->entry[i].level);
		t->node[i].parent = parent_of(t, i);
		r->all += t->node[i].weight;
	}
	for (uint32_t k = 0; k < r->used && r->all; k++) {
		plant_tree(t, t->node[k].used);
		if (t->node[t->node[k].used].weight)
			add_live(r, t->node[k].used);
	}
	for (uint32_t i = 0; i < GROWTH_POOL_COUNT; i++)
		r->all += weight_of(r, &t->pool[i]);
}

/* What trees and names weigh without those that were taken. */
static void weigh_groups(struct rule *r)
{
	struct growth_node *node = r->t->node;

	r->left = 0;
	for (uint32_t k = 0; k < r->live; k++)
		node[node[k].live].tree_weight = node[node[k].live].names_weight = 0;
	for (uint32_t k = 0; k < r->live; k++) {
		uint32_t i = node[k].live;
		uint64_t weight = node[i].weight;

		r->left += weight;
		if (weight && may_be_in_group(&r->t->entry[i]))
			node[node[i].namesake].names_weight += weight;
		for (uint32_t n = 0; weight && i != GROWTH_NOWHERE && n < PARENTS_MAX; n++) {
			node[i].tree_weight += weight;
			i = node[i].parent;
		}
	}
}

struct best {
	uint32_t single, tree, names; /* places; GROWTH_NOWHERE: none */
	uint64_t single_weight, tree_weight, names_weight;
};

static void keep_larger(uint64_t weight, uint32_t i, uint64_t *most, uint32_t *ret)
{
	if (weight <= *most)
		return;
	*most = weight;
	*ret = i;
}

/* Of equal ones the older, as in a survey. */
static bool is_smaller_tree(const struct growth *t, uint32_t a, uint32_t b)
{
	if (t->node[a].tree_size != t->node[b].tree_size)
		return t->node[a].tree_size < t->node[b].tree_size;
	return t->entry[a].pid < t->entry[b].pid;
}

static struct best find_best(const struct rule *r)
{
	const struct growth_node *node = r->t->node;
	struct best b = {GROWTH_NOWHERE, GROWTH_NOWHERE, GROWTH_NOWHERE, 0, 0, 0};
	uint64_t most = 0;

	for (uint32_t k = 0; k < r->live; k++) {
		uint32_t i = node[k].live;

		keep_larger(node[i].weight, i, &b.single_weight, &b.single);
		keep_larger(node[i].names_weight, i, &b.names_weight, &b.names);
		if (node[i].is_tree)
			most = MAX_OF(most, node[i].tree_weight);
	}
	for (uint32_t k = 0; k < r->live && most; k++) {
		uint32_t i = node[k].live;

		if (node[i].is_tree && node[i].tree_weight >= most / 10 * 9 &&
		    (b.tree == GROWTH_NOWHERE || is_smaller_tree(r->t, i, b.tree)))
			b.tree = i;
	}
	b.tree_weight = most ? node[b.tree].tree_weight : 0;
	return b;
}

static bool is_below(const struct rule *r, uint32_t i, uint32_t root)
{
	for (uint32_t n = 0; i != GROWTH_NOWHERE && n < PARENTS_MAX; n++) {
		if (i == root)
			return true;
		i = r->t->node[i].parent;
	}
	return false;
}

static bool belongs(const struct rule *r, enum grower_kind kind, uint32_t chosen, uint32_t i)
{
	const struct growth_entry *e = &r->t->entry[i];

	if (r->t->node[i].is_taken)
		return false;
	switch (kind) {
	case GROWER_PROCESS:
		return i == chosen;
	case GROWER_TREE:
		return is_below(r, i, chosen);
	case GROWER_NAMESAKES:
		return may_be_in_group(e) && are_namesakes(e, &r->t->entry[chosen]);
	case GROWER_NONE:
	case GROWER_POOL:
	case GROWER_KIND_COUNT:
		break;
	}
	return false;
}

static uint32_t share_of(uint64_t weight, uint64_t all)
{
	if (all >> 48) { /* all is below 2^63 */
		weight >>= 14;
		all >>= 14;
	}
	return (uint32_t)(weight * PERMYRIAD / all);
}

static void add_level(const struct rule *r, const struct growth_level *l, struct grower *g)
{
	g->bytes += l->bytes;
	g->since_bytes += since_of(l);
	g->bytes_per_s += faded(l, l->rate.slow_bytes_per_s, r->now_us);
	g->recent_bytes_per_s += faded(l, l->rate.fast_bytes_per_s, r->now_us);
}

/* Fills in the grower and takes its processes out of the candidates. */
static void take(struct rule *r, enum grower_kind kind, uint32_t chosen, struct grower *ret)
{
	struct growth *t = r->t;
	uint64_t weight = 0, most = 0;
	uint32_t face = chosen; /* whose pid and name it gets */

	*ret = (struct grower){.kind = kind};
	for (uint32_t k = 0; k < r->used; k++) {
		uint32_t i = t->node[k].used;

		if (!belongs(r, kind, chosen, i))
			continue;
		if (kind == GROWER_NAMESAKES)
			keep_larger(t->node[i].weight, i, &most, &face);
		add_level(r, &t->entry[i].level, ret);
		weight += t->node[i].weight;
		ret->processes++;
		t->node[i].weight = 0;
		t->node[i].is_taken = true;
	}
	ret->pid = t->entry[face].pid;
	ret->uid = t->entry[face].uid;
	memcpy(ret->name, t->entry[face].name, sizeof(t->entry[face].name));
	ret->share_permyriad = share_of(weight, r->all);
}

/* The pool that grows most, if by more than `weight`. */
static bool take_pool(struct rule *r, uint64_t weight, struct grower *ret)
{
	uint32_t most = GROWTH_POOL_COUNT;

	for (uint32_t i = 0; i < GROWTH_POOL_COUNT; i++)
		if (!r->pool_taken[i])
			keep_larger(weight_of(r, &r->t->pool[i]), i, &weight, &most);
	if (most == GROWTH_POOL_COUNT)
		return false;
	r->pool_taken[most] = true;
	*ret = (struct grower){
		.kind = GROWER_POOL,
		.pool = (enum growth_pool)most,
		.share_permyriad = share_of(weight, r->all),
	};
	strcpy(ret->name, pool_names[most]);
	add_level(r, &r->t->pool[most], ret);
	return true;
}

static bool take_next(struct rule *r, struct grower *ret)
{
	struct best b;

	weigh_groups(r);
	b = find_best(r);
	if (b.single_weight >= r->left / 2 ||
	    MAX_OF(b.tree_weight, b.names_weight) < b.single_weight / 4 * 5) {
		if (take_pool(r, b.single_weight, ret))
			return true;
		if (b.single != GROWTH_NOWHERE)
			take(r, GROWER_PROCESS, b.single, ret);
		return b.single != GROWTH_NOWHERE;
	}
	if (take_pool(r, MAX_OF(b.tree_weight, b.names_weight), ret))
		return true;
	if (b.tree != GROWTH_NOWHERE && b.tree_weight >= b.names_weight / 10 * 9)
		take(r, GROWER_TREE, b.tree, ret);
	else
		take(r, GROWER_NAMESAKES, b.names, ret);
	return true;
}

uint32_t growth_top(struct growth *t, uint64_t now_us, struct grower *ret, uint32_t max)
{
	struct rule r = {.t = t, .now_us = now_us};
	uint32_t count = 0;

	rule_init(&r);
	while (count < max && take_next(&r, &ret[count]))
		count++;
	return count;
}
