/* SPDX-License-Identifier: MIT */
#include "sense/survey.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/scan.h"
#include "base/units.h"
#include "sense/baseline.h"
#include "sense/parse_process.h"
#include "sense/pick.h"
#include "sense/sysv.h"

/* A process that came after the baseline grew by all it has, if it is no older than this. Longer
 * gaps between baseline and survey than that do not occur in an episode. */
#define YOUNG_US	(60 * US_PER_S)

/* status has about 1.5 KiB, plus the lists of CPUs and nodes on very large machines. */
#define FILE_ROOM_BYTES	8192u

/* Names of directory entries and pids are read in pieces of this size, one per depth of cgroups. */
#define PIECE_BYTES	4096u

/* failsoft-responder, as the kernel cuts it. */
#define RESPONDER_NAME	"failsoft-respon"
#define OURS_MAX	65u

/* The kernel allows more, systemd nests about 6 deep. Deeper ones are not seen. */
#define DEPTH_MAX	16

struct survey {
	int proc_fd;			/* stays open */
	int32_t self;
	uint64_t ticks_per_s;
	struct baseline *baseline;
	uint64_t now_us;		/* boot clock, of the survey being taken */
	uint64_t booted_s;		/* seconds since 1970 when that clock was 0 */
	struct sysv sysv;
	char room[FILE_ROOM_BYTES];
};

/* One pass: what is asked and where it goes. ret NULL: a baseline. */
struct pass {
	struct survey *survey;
	const struct survey_request *request;
	struct process *ret;
	uint32_t max, count;
	bool is_full;
	bool is_known_kept;		/* of a baseline: whoever is in it stays as it is */
};

int survey_open(const char *root, uint32_t max_processes, struct survey **ret)
{
	_cleanup_close_ int root_fd = open(root ? root : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct survey *s;

	if (root_fd < 0)
		return -errno;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->proc_fd = openat(root_fd, "proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->proc_fd < 0) {
		int r = -errno;

		survey_close(s);
		return r;
	}
	s->self = getpid();
	s->ticks_per_s = (uint64_t)sysconf(_SC_CLK_TCK);
	s->baseline = baseline_new(max_processes);
	if (!s->baseline) {
		survey_close(s);
		return -ENOMEM;
	}
	*ret = s;
	return 0;
}

struct survey *survey_close(struct survey *s)
{
	if (!s)
		return NULL;
	file_close(s->proc_fd);
	baseline_free(s->baseline);
	free(s);
	return NULL;
}

static bool is_protected(const struct pass *p, const struct process *process)
{
	const struct survey_protect *protect = p->request->protect;

	if (process->pid == 1 || process->pid == p->survey->self)
		return true;
	if (!protect)
		return false;
	for (uint32_t i = 0; i < protect->pids_count; i++)
		if (protect->pids[i] == process->pid)
			return true;
	return false;
}

static bool is_picked(const char *const *picks, uint32_t count, const struct pick_facts *f)
{
	for (uint32_t i = 0; i < count; i++)
		if (pick_match(picks[i], f))
			return true;
	return false;
}

/* Reads proc/PID/FILE. */
static ssize_t read_file(struct survey *s, int32_t pid, const char *file)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "%d/%s", pid, file);
	return file_read_at(s->proc_fd, path, s->room, sizeof(s->room));
}

static ssize_t next_entries(int fd, char *piece, size_t size);

/* Its open files, at least; 0: few, or hidden from us (CAP_SYS_PTRACE). */
static uint64_t count_files(const struct survey *s, int32_t pid, uint64_t room)
{
	_cleanup_close_ int fd = -1;
	char path[64], piece[PIECE_BYTES] __attribute__((aligned(8)));
	uint64_t count = 0;
	ssize_t size;

	if (room / 2 < SURVEY_FILES_LEAST)
		return 0;
	(void)snprintf(path, sizeof(path), "%d/fd", pid);
	fd = openat(s->proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while (fd >= 0 && count < SURVEY_FILES_MOST &&
	       (size = next_entries(fd, piece, sizeof(piece))) > 0)
		for (ssize_t at = 0; at < size;) {
			const struct dirent64 *entry = (const void *)(piece + at);

			count += entry->d_name[0] != '.';
			at += entry->d_reclen;
		}
	return count < SURVEY_FILES_MOST ? count : MAX_OF(count, room / 2);
}

/* What it costs in the kernel beside its page tables. Neither count is above 2^31. */
static uint64_t kernel_cost(const struct survey *s, int32_t pid, const struct parse_process_status *status)
{
	if (!status->has_memory)
		return 0;
	return SURVEY_KERNEL_BYTES + (MAX_OF(status->threads, 1) - 1) * SURVEY_THREAD_BYTES +
	       count_files(s, pid, status->files_room) * SURVEY_FILE_BYTES;
}

/* Name, parent, user and memory. *ret_user: has memory of its own, is no kernel thread. */
static int read_status(struct survey *s, struct process *ret, bool *ret_user)
{
	ssize_t size = read_file(s, ret->pid, "status");
	struct parse_process_status status;
	uint64_t kernel_bytes;
	int r;

	if (size < 0)
		return (int)size;
	r = parse_process_status(s->room, (size_t)size, &status);
	if (r < 0)
		return r;
	/* file pages that are locked cannot be dropped: nobody's account shows them otherwise */
	if (__builtin_add_overflow(status.shmem_bytes, MIN_OF(status.file_bytes, status.locked_bytes),
				   &status.shmem_bytes))
		return -EINVAL;
	if (__builtin_add_overflow(status.anon_bytes, status.shmem_bytes, &ret->memory_bytes) ||
	    __builtin_add_overflow(ret->memory_bytes, status.swap_bytes, &ret->memory_bytes) ||
	    __builtin_add_overflow(kernel_cost(s, ret->pid, &status), status.page_table_bytes,
				   &kernel_bytes) ||
	    __builtin_add_overflow(ret->memory_bytes, kernel_bytes, &ret->memory_bytes))
		return -EINVAL;
	ret->kernel_bytes = kernel_bytes;
	ret->resident_bytes = status.resident_bytes;
	ret->swap_bytes = status.swap_bytes;
	ret->page_table_bytes = status.page_table_bytes;
	ret->parent = status.parent;
	ret->uid = status.uid;
	memcpy(ret->name, status.name, sizeof(ret->name));
	*ret_user = status.has_memory;
	return 0;
}

/* 0: the kernel counts none, or hides it from us (CAP_SYS_PTRACE). */
static uint64_t read_written(struct survey *s, int32_t pid)
{
	ssize_t size = read_file(s, pid, "io");
	uint64_t written_bytes;

	return size < 0 || parse_process_io(s->room, (size_t)size, &written_bytes) < 0 ? 0 : written_bytes;
}

static int read_process(struct survey *s, struct process *ret, bool *ret_user)
{
	ssize_t size;
	int r = read_status(s, ret, ret_user);

	if (r < 0 || !*ret_user)
		return r;
	size = read_file(s, ret->pid, "stat");
	r = size < 0 ? (int)size : parse_process_start(s->room, (size_t)size, &ret->start_ticks);
	if (r < 0)
		return r;
	ret->written_bytes = read_written(s, ret->pid) +
			     sysv_bytes(&s->sysv, ret->pid, s->booted_s + ret->start_ticks / s->ticks_per_s);
	size = read_file(s, ret->pid, "oom_score_adj");
	return size < 0 ? (int)size : parse_process_adj(s->room, (size_t)size, &ret->oom_score_adj);
}

static uint64_t more_than(uint64_t now, uint64_t then)
{
	return now > then ? now - then : 0;
}

/* From figures since its birth to figures since the baseline. */
static void subtract_baseline(struct survey *s, struct process *p)
{
	uint64_t start_us = p->start_ticks / s->ticks_per_s * US_PER_S +
			    p->start_ticks % s->ticks_per_s * US_PER_S / s->ticks_per_s;
	struct baseline_figures then;

	if (!baseline_get(s->baseline, p->pid, p->start_ticks, &then)) {
		bool is_young = s->now_us < start_us + YOUNG_US;

		p->growth_bytes = is_young ? p->memory_bytes : 0;
		p->is_new = is_young;
		p->is_newborn = is_young && s->now_us < start_us + SURVEY_NEWBORN_US;
		p->kernel_growth_bytes = is_young ? p->kernel_bytes : 0;
		p->written_bytes = is_young ? p->written_bytes : 0;
		return;
	}
	p->growth_bytes = more_than(p->memory_bytes, then.memory_bytes);
	p->kernel_growth_bytes = MIN_OF(more_than(p->kernel_bytes, then.kernel_bytes), p->growth_bytes);
	p->written_bytes = more_than(p->written_bytes, then.written_bytes);
}

static unsigned needs_of(const struct survey_protect *protect)
{
	unsigned needs = 0;

	for (uint32_t i = 0; i < protect->picks_count; i++)
		needs |= pick_needs(protect->picks[i]);
	for (uint32_t i = 0; i < protect->preferred_count; i++)
		needs |= pick_needs(protect->preferred[i]);
	return needs;
}

static void read_path(const struct survey *s, int32_t pid, char *ret, size_t size)
{
	char link[40];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "%d/exe", pid);
	n = readlinkat(s->proc_fd, link, ret, size - 1);
	ret[n > 0 ? n : 0] = 0;
}

/* What the lists say of it. Only what they need is read. */
static void look_up(struct pass *p, struct process *process)
{
	const struct survey_protect *protect = p->request->protect;
	unsigned needs = protect ? needs_of(protect) : 0;
	struct parse_process_cgroups cgroups;
	char path[PATH_MAX] = "";
	struct pick_facts facts = { process->name, path, "", process->uid };
	ssize_t size;

	process->is_protected = is_protected(p, process);
	if (!protect)
		return;
	if (needs & PICK_NEEDS_PATH)
		read_path(p->survey, process->pid, path, sizeof(path));
	size = needs & PICK_NEEDS_CGROUP ? read_file(p->survey, process->pid, "cgroup") : 0;
	if (size > 0 && parse_process_cgroups(p->survey->room, (size_t)size, "memory", &cgroups) == 0)
		facts.cgroup = cgroups.v2[0] ? cgroups.v2 : cgroups.v1;
	process->is_protected |= is_picked(protect->picks, protect->picks_count, &facts);
	process->is_preferred = is_picked(protect->preferred, protect->preferred_count, &facts);
}

static void remember(const struct pass *p, const struct process *process)
{
	struct baseline *baseline = p->survey->baseline;
	struct baseline_figures then;

	if (p->is_known_kept && baseline_get(baseline, process->pid, process->start_ticks, &then))
		return;
	baseline_set(baseline, process->pid, process->start_ticks, (struct baseline_figures){
		process->memory_bytes, process->written_bytes, process->kernel_bytes });
}

/* One process. What cannot be read has ended meanwhile: it is left out. */
static void visit(struct pass *p, int32_t pid)
{
	struct survey *s = p->survey;
	struct process process = { .pid = pid };
	bool is_user = false;

	if (read_process(s, &process, &is_user) < 0)
		return;
	if (!p->ret) {
		if (is_user)
			remember(p, &process);
		return;
	}
	if (p->count == p->max) {
		p->is_full = true;
		return;
	}
	if (is_user) {
		subtract_baseline(s, &process);
		look_up(p, &process);
	} else {
		process.is_protected = true;
	}
	process.in_domain = true;
	p->ret[p->count++] = process;
}

/* The next piece of a directory: getdents64, because readdir needs an allocation. */
static ssize_t next_entries(int fd, char *piece, size_t size)
{
	long n = syscall(SYS_getdents64, fd, piece, size);

	return n < 0 ? -errno : n;
}

static int visit_proc(struct pass *p)
{
	char piece[PIECE_BYTES] __attribute__((aligned(8)));
	ssize_t size;

	if (lseek(p->survey->proc_fd, 0, SEEK_SET) < 0)
		return -errno;
	while ((size = next_entries(p->survey->proc_fd, piece, sizeof(piece))) > 0)
		for (ssize_t at = 0; at < size;) {
			const struct dirent64 *entry = (const void *)(piece + at);
			int32_t pid;

			if (scan_pid(entry->d_name, &pid))
				visit(p, pid);
			at += entry->d_reclen;
		}
	return (int)size;
}

/* Every pid of a cgroup.procs, which may be longer than the piece. */
static int visit_procs(struct pass *p, int dir_fd)
{
	_cleanup_close_ int fd = file_open_at(dir_fd, "cgroup.procs");
	char piece[PIECE_BYTES];
	uint64_t pid = 0;
	ssize_t size;

	if (fd < 0)
		return fd;
	while ((size = read(fd, piece, sizeof(piece))) > 0)
		for (ssize_t i = 0; i < size; i++) {
			if (piece[i] >= '0' && piece[i] <= '9') {
				pid = MIN_OF(pid * 10 + (uint64_t)(piece[i] - '0'),
					     (uint64_t)INT32_MAX + 1);
				continue;
			}
			if (pid && pid <= INT32_MAX)
				visit(p, (int32_t)pid);
			pid = 0;
		}
	return size < 0 ? -errno : 0;
}

static int visit_cgroup(struct pass *p, int parent_fd, const char *name, int depth)
{
	_cleanup_close_ int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char piece[PIECE_BYTES] __attribute__((aligned(8)));
	ssize_t size;
	int r;

	if (fd < 0)
		return -errno;
	/* A threaded cgroup has no processes of its own (EOPNOTSUPP): they are those of its root.
	 */
	r = visit_procs(p, fd);
	if (r < 0 && r != -EOPNOTSUPP)
		return r;
	while (depth < DEPTH_MAX && (size = next_entries(fd, piece, sizeof(piece))) > 0)
		for (ssize_t at = 0; at < size;) {
			const struct dirent64 *entry = (const void *)(piece + at);

			if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
				(void)visit_cgroup(p, fd, entry->d_name,
						   depth + 1); /* gone: none */
			at += entry->d_reclen;
		}
	return 0;
}

static int pass_run(struct pass *p)
{
	struct survey *s = p->survey;
	ssize_t size = file_read_at(s->proc_fd, "uptime", s->room, sizeof(s->room));
	int r = size < 0 ? (int)size : parse_uptime(s->room, (size_t)size, &s->now_us);

	if (r < 0)
		return r;
	s->booted_s = (uint64_t)time(NULL) - s->now_us / US_PER_S;
	sysv_read(&s->sysv, s->proc_fd);
	if (p->request->cgroup_fd < 0)
		return visit_proc(p);
	return visit_cgroup(p, p->request->cgroup_fd, ".", 0);
}

/*
 * Responders stand ready to run what a victim is given: they and their programs are ours, started by this
 * process or, by the socket, by systemd. Fewer than procedures can be given.
 */
static void protect_responders(struct pass *p)
{
	int32_t ours[OURS_MAX];
	uint32_t count = 0;

	ours[count++] = p->survey->self;
	for (uint32_t i = 0; i < p->count && count < OURS_MAX; i++) {
		struct process *process = &p->ret[i];

		if (process->parent == p->survey->self ||
		    (!process->uid && !strcmp(process->name, RESPONDER_NAME)))
			ours[count++] = process->pid;
	}
	for (uint32_t i = 0; i < p->count; i++)
		for (uint32_t k = 0; k < count; k++)
			p->ret[i].is_protected |= p->ret[i].pid == ours[k] || p->ret[i].parent == ours[k];
}

int survey_baseline_reset(struct survey *s)
{
	const struct survey_request whole = { .cgroup_fd = -1 };
	struct pass p = { .survey = s, .request = &whole };

	baseline_renew(s->baseline);
	return pass_run(&p);
}

int survey_baseline_extend(struct survey *s)
{
	const struct survey_request whole = { .cgroup_fd = -1 };
	struct pass p = { .survey = s, .request = &whole, .is_known_kept = true };

	return pass_run(&p);
}

int survey_take(struct survey *s, const struct survey_request *q, struct process *ret, uint32_t max,
		uint32_t *ret_count)
{
	struct pass p = { .survey = s, .request = q, .ret = ret, .max = max };
	int r = pass_run(&p);

	if (r < 0)
		return r;
	protect_responders(&p);
	*ret_count = p.count;
	return p.is_full ? -ENOBUFS : 0;
}
