/* SPDX-License-Identifier: MIT */
#include "act/ending.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/watchdog.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "base/file.h"
#include "base/units.h"

/* libc's own data of a thread, and a line. Half: a sanitizer's build overflows it; double: 128 KiB
 * more of locked memory. */
#define STACK_BYTES	(64 * KIB)
/* The kernel's own way down: devices are shut down, seconds at most. Half: the watchdog may cut it off;
 * double: a machine that hangs there does so for longer. */
#define WATCHDOG_MORE_S	30u

static void wake(int fd)
{
	const uint64_t one = 1;

	(void)!write(fd, &one, sizeof(one)); /* one that is full is readable: enough */
}

/* false: the end. */
static bool wait_for(struct ending *e, int fd)
{
	uint64_t count;

	while (read(fd, &count, sizeof(count)) < 0)
		if (errno != EINTR)
			return false;
	return !atomic_load(&e->is_ending);
}

/* ---- in the threads ---- */

static void *sync_work(void *userdata)
{
	struct ending *e = userdata;

	while (wait_for(e, e->sync_fd)) {
		if (e->setup.note_fd >= 0) {
			(void)!pwrite(e->setup.note_fd, e->note, sizeof(e->note), 0); /* it goes anyway */
			(void)fdatasync(e->setup.note_fd);
		}
		if (e->setup.sync)
			e->setup.sync();
		else
			sync();
		wake(e->synced_fd);
	}
	return NULL;
}

/* -1: there is none, or somebody else feeds it. */
static int arm_watchdog(const struct ending *e)
{
	int seconds = (int)(e->setup.sync_us / US_PER_S + WATCHDOG_MORE_S);
	int fd = -1;

	if (e->setup.watchdog[0])
		fd = open(e->setup.watchdog, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0) {
		(void)ioctl(fd, WDIOC_SETTIMEOUT, &seconds); /* else its own timeout */
		(void)!write(fd, "\n", 1);
	}
	return fd;
}

/* Not by accident: 'V' is the word for it, see the kernel's watchdog-api. */
static void disarm_watchdog(int fd)
{
	if (fd < 0)
		return;
	(void)!write(fd, "V", 1);
	(void)file_close(fd);
}

static int go(bool is_poweroff)
{
	return reboot(is_poweroff ? RB_POWER_OFF : RB_AUTOBOOT) < 0 ? -errno : 0;
}

static void say(const struct ending *e)
{
	static const char *const lines[] = {
		"<2>failsoftd: no process helps against the lack of memory: rebooting\n",
		"<2>failsoftd: no process helps against the lack of memory: powering off\n",
	};
	const char *line = lines[e->is_poweroff];

	if (e->kmsg_fd >= 0)
		(void)!write(e->kmsg_fd, line, strlen(line)); /* the console is a courtesy */
}

static void *go_work(void *userdata)
{
	struct ending *e = userdata;
	struct pollfd synced = { .fd = e->synced_fd, .events = POLLIN };
	uint64_t count;

	while (wait_for(e, e->go_fd)) {
		int watchdog_fd = arm_watchdog(e), r;

		(void)!read(e->synced_fd, &count, sizeof(count)); /* of a sync that came too late */
		say(e);
		wake(e->sync_fd);
		(void)poll(&synced, 1, (int)(e->setup.sync_us / US_PER_MS));
		r = e->setup.go ? e->setup.go(e->is_poweroff) : go(e->is_poweroff);
		disarm_watchdog(watchdog_fd);
		atomic_store(&e->error, r < 0 ? -r : 0);
		if (r < 0)
			wake(e->done_fd);
	}
	return NULL;
}

/* ---- for the loop ---- */

static void close_all(struct ending *e)
{
	e->sync_fd = file_close(e->sync_fd);
	e->synced_fd = file_close(e->synced_fd);
	e->go_fd = file_close(e->go_fd);
	e->done_fd = file_close(e->done_fd);
	e->kmsg_fd = file_close(e->kmsg_fd);
}

static int start_threads(struct ending *e)
{
	struct thread_setup setup = { .stack_bytes = STACK_BYTES, .work = sync_work, .userdata = e };
	int r = thread_start(&e->sync_thread, &setup);

	if (r < 0)
		return r;
	setup.work = go_work;
	setup.priority = e->setup.priority;
	r = thread_start(&e->go_thread, &setup);
	if (r == -EPERM) {
		setup.priority = 0;
		r = thread_start(&e->go_thread, &setup);
	}
	return r;
}

static void end_threads(struct ending *e)
{
	atomic_store(&e->is_ending, true);
	wake(e->sync_fd);
	wake(e->go_fd);
	thread_join(&e->sync_thread);
	thread_join(&e->go_thread);
}

int ending_start(struct ending *e, const struct ending_setup *setup)
{
	int r;

	memset(e, 0, sizeof(*e));
	e->setup = *setup;
	e->sync_fd = eventfd(0, EFD_CLOEXEC);
	e->synced_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	e->go_fd = eventfd(0, EFD_CLOEXEC);
	e->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	e->kmsg_fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	r = e->sync_fd < 0 || e->synced_fd < 0 || e->go_fd < 0 || e->done_fd < 0 ? -errno
										 : start_threads(e);
	if (r < 0) {
		end_threads(e);
		close_all(e);
	}
	return r;
}

void ending_stop(struct ending *e)
{
	if (!e->go_thread.stack || atomic_load(&e->is_ordered))
		return; /* the machine goes, and so do its threads */
	end_threads(e);
	close_all(e);
}

bool ending_order(struct ending *e, bool is_poweroff, const char note[ENDING_NOTE_BYTES])
{
	if (!e->go_thread.stack || atomic_exchange(&e->is_ordered, true))
		return false;
	memcpy(e->note, note, sizeof(e->note));
	e->is_poweroff = is_poweroff;
	wake(e->go_fd);
	return true;
}

int ending_failed(struct ending *e)
{
	uint64_t count;
	int error;

	if (!e->go_thread.stack || read(e->done_fd, &count, sizeof(count)) < 0)
		return 0;
	error = atomic_load(&e->error);
	atomic_store(&e->is_ordered, false);
	return error;
}
