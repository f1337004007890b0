/* SPDX-License-Identifier: MIT */
/*
 * Netlink bytes: datagrams as the kernel would send them, for tests that then damage them. Include
 * after cmocka.h.
 */
#pragma once

#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>

#define FAMILY 0x1c
#define SEQUENCE 321

/* A datagram in the making. */
struct bytes {
	char at[4096];
	size_t size;
};

static inline void put(struct bytes *b, const void *what, size_t size)
{
	assert_true(b->size + size <= sizeof(b->at));
	memcpy(b->at + b->size, what, size);
	b->size += size;
}

static inline void put_message(struct bytes *b, uint16_t type, const void *body, size_t size)
{
	static const char padding[NLMSG_ALIGNTO];
	const struct nlmsghdr h = { .nlmsg_len = (uint32_t)(sizeof(h) + size), .nlmsg_type = type,
				    .nlmsg_seq = SEQUENCE };

	put(b, &h, sizeof(h));
	put(b, body, size);
	put(b, padding, NLMSG_ALIGN(size) - size);
}

static inline void put_attribute(struct bytes *b, uint16_t type, const void *value, size_t size)
{
	static const char padding[NLA_ALIGNTO];
	const struct nlattr a = { .nla_len = (uint16_t)(sizeof(a) + size), .nla_type = type };

	put(b, &a, sizeof(a));
	put(b, value, size);
	put(b, padding, NLA_ALIGN(size) - size);
}

/* The same in exactly as much memory as there is, for sanitizers and valgrind. free() it. */
static inline char *exact_of(const struct bytes *b)
{
	char *exact = malloc(b->size + !b->size);

	assert_non_null(exact);
	memcpy(exact, b->at, b->size);
	return exact;
}

static inline uint32_t next_random(uint32_t *random)
{
	*random = *random * 1664525u + 1013904223u;
	return *random >> 8;
}
