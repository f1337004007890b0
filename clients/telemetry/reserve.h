/* SPDX-License-Identifier: MIT */
/*
 * Reserve: the memory that an alarm needs is there before the crisis: one malloc arena that never gives
 * anything back and never maps, its heap touched and locked, so that json-c and libmosquitto ask the kernel
 * for nothing new. Edge; once, at start, after all libraries are loaded and before other threads.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct reserve {
	size_t heap_bytes;		/* touched and free; malloc gives it out first */
	/* Data, heap, stack and our own code are; the libraries' code when it is first used. */
	bool is_all_locked;
	bool is_heap_locked;
	char text[256]; /* one sentence: what is locked, what is not, and what to do about it */
};

/*
 * heap_bytes: 64 KiB to 1 GiB; the longest alarm takes 12 KiB while it is made (measured, x86-64, glibc
 * 2.36, json-c 0.16), what the libraries take for a connection comes on top. Returns 0 also where locking
 * is refused: *ret says it. -EINVAL, -ENOMEM (also RLIMIT_DATA): nothing is reserved, the arena's settings
 * stay.
 *
 * What may ask the kernel all the same, and is not here: a heap that grows beyond heap_bytes; stack below
 * the 128 KiB that are touched; what is mapped later (the spool and the crumb lock their own files); the
 * kernel's own buffers for sockets and for writing a page back.
 */
int reserve_memory(size_t heap_bytes, struct reserve *ret);

/*
 * From now on the process has what it has and margin_bytes (RLIMIT_DATA, soft): what asks for more gets
 * ENOMEM, and nobody else pays for it. A lower limit stays. 0, -ENOENT without /proc, or -errno. Nothing is
 * done where a sanitizer has the heap.
 */
int reserve_no_more(size_t margin_bytes);
