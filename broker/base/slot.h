/* SPDX-License-Identifier: MIT */
/*
 * Slot: a record in a mapped file that its writer's end by SIGKILL may leave torn. Pure. Its first
 * member is `uint32_t check`, over all behind it; one that does not match is no record.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* FNV-1a; never 0, so that zeroes are no record. */
static inline uint32_t slot_check(const void *slot, size_t bytes)
{
	const unsigned char *p = slot;
	uint32_t hash = 2166136261u;

	for (size_t i = sizeof(uint32_t); i < bytes; i++)
		hash = (hash ^ p[i]) * 16777619u;
	return hash ? hash : 1;
}

static inline bool slot_is_whole(const void *slot, size_t bytes)
{
	return *(const uint32_t *)slot == slot_check(slot, bytes);
}
