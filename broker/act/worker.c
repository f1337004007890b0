/* SPDX-License-Identifier: MIT */
#include "act/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/units.h"

/*
 * libc's own data of a thread and two system calls: 4 KiB seen. Half: a sanitizer's build
 * overflows it; double: 64 KiB more of locked memory.
 */
#define STACK_BYTES	(64 * KIB)

/* The number on every architecture but Alpha; headers before Linux 5.15 do not have its name. */
#define CALL_PROCESS_MRELEASE	448

/* ---- in the thread ---- */

static bool take_job(struct worker_ring *ring, struct worker_job *ret)
{
	uint32_t taken = atomic_load(&ring->taken);

	if (atomic_load(&ring->put) == taken)
		return false;
	*ret = ring->job[taken % WORKER_ROOM];
	atomic_store(&ring->taken, taken + 1);
	return true;
}

static int do_job(enum worker_kind kind, const struct worker_job *job, struct relief_result *relief)
{
	size_t size;

	switch (kind) {
	case WORKER_WRITE:
	case WORKER_LIMIT:
		size = strlen(job->text);
		return pwrite(job->fd, job->text, size, 0) == (ssize_t)size ? 0 : -errno;
	case WORKER_MRELEASE:
		return syscall(CALL_PROCESS_MRELEASE, job->fd, 0) < 0 ? -errno : 0;
	case WORKER_FREE:
		relief_run(job->fd, job->text, job->is_dry, relief);
		return relief->error;
	case WORKER_KIND_COUNT:
		break;
	}
	return -EINVAL;
}

static void wake(int fd)
{
	const uint64_t one = 1;

	(void)!write(fd, &one, sizeof(one)); /* one that is full is readable: enough */
}

/* Room is kept for each result: see hand_over(). */
static void put_result(struct worker *w, const struct worker_result *result)
{
	uint32_t put = atomic_load(&w->results_put);

	w->results[put % ARRAY_LEN(w->results)] = *result;
	atomic_store(&w->results_put, put + 1);
	wake(w->done_fd);
}

/* The urgent kind first, after each job anew. */
static bool do_one(struct worker *w)
{
	for (enum worker_kind kind = 0; kind < WORKER_KIND_COUNT; kind++) {
		struct worker_result result = { .kind = kind };
		struct worker_job job;

		if (!take_job(&w->ring[kind], &job))
			continue;
		result.token = job.token;
		result.error = do_job(kind, &job, &result.relief);
		(void)file_close(job.fd);
		put_result(w, &result);
		return true;
	}
	return false;
}

static void *work(void *userdata)
{
	struct worker *w = userdata;
	uint64_t count;

	for (;;) {
		while (do_one(w))
			;
		if (atomic_load(&w->is_ending))
			return NULL;
		if (read(w->wake_fd, &count, sizeof(count)) < 0 && errno != EINTR)
			return NULL;
	}
}

/* ---- in the loop ---- */

static void close_all(struct worker *w)
{
	w->wake_fd = file_close(w->wake_fd);
	w->done_fd = file_close(w->done_fd);
}

int worker_start(struct worker *w)
{
	const struct thread_setup setup = { .stack_bytes = STACK_BYTES, .work = work, .userdata = w };
	int r;

	memset(w, 0, sizeof(*w));
	w->wake_fd = eventfd(0, EFD_CLOEXEC);
	w->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = w->wake_fd < 0 || w->done_fd < 0 ? -errno : thread_start(&w->thread, &setup);
	if (r < 0)
		close_all(w);
	return r;
}

void worker_stop(struct worker *w)
{
	if (w->wake_fd < 0 || !w->thread.stack)
		return;
	atomic_store(&w->is_ending, true);
	wake(w->wake_fd);
	thread_join(&w->thread);
	close_all(w);
}

static bool hand_over(struct worker *w, enum worker_kind kind, const struct worker_job *job)
{
	struct worker_ring *ring = &w->ring[kind];
	uint32_t put = atomic_load(&ring->put);
	struct worker_job copy = *job;

	if (w->wake_fd < 0 || w->pending[kind] == WORKER_ROOM)
		return false;
	copy.fd = fcntl(job->fd, F_DUPFD_CLOEXEC, 0);
	if (copy.fd < 0)
		return false;
	ring->job[put % WORKER_ROOM] = copy;
	atomic_store(&ring->put, put + 1);
	w->pending[kind]++;
	wake(w->wake_fd);
	return true;
}

bool worker_write(struct worker *w, int fd, const char *text, uint32_t token)
{
	const struct worker_job job = { .fd = fd, .text = text, .token = token };

	return hand_over(w, WORKER_WRITE, &job);
}

bool worker_limit(struct worker *w, int fd, const char *text, uint32_t token)
{
	const struct worker_job job = { .fd = fd, .text = text, .token = token };

	return hand_over(w, WORKER_LIMIT, &job);
}

bool worker_mrelease(struct worker *w, int pidfd, uint32_t token)
{
	const struct worker_job job = { .fd = pidfd, .token = token };

	return hand_over(w, WORKER_MRELEASE, &job);
}

bool worker_free(struct worker *w, int root_fd, const char *pattern, bool is_dry, uint32_t token)
{
	const struct worker_job job = { .fd = root_fd, .text = pattern, .token = token, .is_dry = is_dry };

	return hand_over(w, WORKER_FREE, &job);
}

/* The descriptor first: a result that comes after that makes it readable again. */
bool worker_result(struct worker *w, struct worker_result *ret)
{
	uint32_t taken = atomic_load(&w->results_taken);
	uint64_t count;

	(void)!read(w->done_fd, &count, sizeof(count)); /* not readable: look all the same */
	if (atomic_load(&w->results_put) == taken)
		return false;
	*ret = w->results[taken % ARRAY_LEN(w->results)];
	atomic_store(&w->results_taken, taken + 1);
	w->pending[ret->kind]--;
	return true;
}

bool worker_wait(struct worker *w, int wait_ms)
{
	struct pollfd p = { .fd = w->done_fd, .events = POLLIN };

	return poll(&p, 1, wait_ms) > 0;
}
