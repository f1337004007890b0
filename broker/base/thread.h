/* SPDX-License-Identifier: MIT */
/*
 * Thread: one whose stack is there, and locked, before the crisis needs it. Edge. It takes no
 * signals: every one is the loop's.
 */
#pragma once

#include <pthread.h>
#include <stddef.h>

struct thread {
	pthread_t id;
	void *stack;			/* NULL: there is none */
	size_t bytes;			/* of the mapping */
};

struct thread_setup {
	size_t stack_bytes;		/* below it a page that nobody may touch */
	int priority;			/* SCHED_FIFO; 0: the normal class, whatever the caller's is */
	void *(*work)(void *userdata);
	void *userdata;
};

/* 0, or -errno with nothing left behind: -EPERM without the right to that priority. */
int thread_start(struct thread *t, const struct thread_setup *setup);

/* Waits for its end, which the caller has asked for. Also of one that was not started. */
void thread_join(struct thread *t);
