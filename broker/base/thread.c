/* SPDX-License-Identifier: MIT */
#include "base/thread.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "base/units.h"

#define GUARD_BYTES	(4 * KIB)	/* only a guard against our mistakes */

static int make_stack(struct thread *t, size_t bytes)
{
	char *at = mmap(NULL, GUARD_BYTES + bytes, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

	if (at == MAP_FAILED)
		return -errno;
	(void)mprotect(at, GUARD_BYTES, PROT_NONE);
	(void)mlock(at + GUARD_BYTES, bytes); /* without the right: touched at least */
	memset(at + GUARD_BYTES, 0, bytes);
	t->stack = at;
	t->bytes = GUARD_BYTES + bytes;
	return 0;
}

static void free_stack(struct thread *t)
{
	(void)munmap(t->stack, t->bytes); /* our own mapping */
	t->stack = NULL;
}

static int set_class(pthread_attr_t *attributes, int priority)
{
	const struct sched_param p = { .sched_priority = priority };
	int r = pthread_attr_setinheritsched(attributes, PTHREAD_EXPLICIT_SCHED);

	if (r == 0 && priority)
		r = pthread_attr_setschedpolicy(attributes, SCHED_FIFO);
	if (r == 0 && priority)
		r = pthread_attr_setschedparam(attributes, &p);
	return r;
}

int thread_start(struct thread *t, const struct thread_setup *setup)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	int r = make_stack(t, setup->stack_bytes);

	if (r < 0)
		return r;
	r = pthread_attr_init(&attributes);
	if (r) {
		free_stack(t);
		return -r;
	}
	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before); /* cannot fail with these */
	r = pthread_attr_setstack(&attributes, (char *)t->stack + GUARD_BYTES, setup->stack_bytes);
	if (r == 0)
		r = set_class(&attributes, setup->priority);
	if (r == 0)
		r = pthread_create(&t->id, &attributes, setup->work, setup->userdata);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&attributes); /* frees nothing that is still used */
	if (r)
		free_stack(t);
	return -r;
}

void thread_join(struct thread *t)
{
	if (!t->stack)
		return;
	(void)pthread_join(t->id, NULL); /* only fails for a thread that is not ours */
	free_stack(t);
}
