/* SPDX-License-Identifier: MIT */
#include "act/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/units.h"

/* proc/mounts of a machine with many containers; the tree is opened at start only. */
#define MOUNTS_ROOM_BYTES	(64 * KIB)
/* How long the end waits for a write that is under way: reclaim of some MiB takes 0.1 s. */
#define CLOSE_WAIT_MS		500

void wire_init(struct wire *w, const struct wire_setup *setup)
{
	memset(w, 0, sizeof(*w));
	w->setup = *setup;
	w->cgroup.dir_fd = w->limit_fd = w->event_fd = w->left_fd = -1;
}

bool wire_is_open(const struct wire *w)
{
	return w->cgroup.dir_fd >= 0;
}

bool wire_is_busy(const struct wire *w)
{
	return w->is_busy;
}

static struct source_room room_of(struct wire *w)
{
	return (struct source_room){ .buffer = w->room, .size = sizeof(w->room) };
}

static void tree_open(struct cgroup_tree *t, int root_fd)
{
	char mounts[MOUNTS_ROOM_BYTES];
	const struct source_room room = { .buffer = mounts, .size = sizeof(mounts) };

	cgroup_tree_open(t, root_fd, &room);
}

static const char *limit_name(bool is_v2)
{
	return is_v2 ? "memory.high" : "memory.oom_control";
}

static void value_text(bool is_v2, uint64_t value, char text[WIRE_TEXT_MAX])
{
	if (is_v2 && value == TRIPWIRE_NONE)
		(void)snprintf(text, WIRE_TEXT_MAX, "max\n"); /* fits */
	else
		(void)snprintf(text, WIRE_TEXT_MAX, "%" PRIu64 "\n", value); /* fits */
}

/* ---- open ---- */

/* "/a/b": the controller for the children of "/a", then "/a/b". Only the last part is made. */
static int make_cgroup(const struct cgroup_tree *t, const char *path, bool *ret_made)
{
	const char *end = strrchr(path, '/');
	char parent[LEDGER_PATH_MAX + 32];
	_cleanup_close_ int fd = -1;

	if (mkdirat(t->source.fd, path + 1, 0755) < 0 && errno != EEXIST)
		return -errno;
	*ret_made = errno != EEXIST;
	(void)snprintf(parent, sizeof(parent), "./%.*s/cgroup.subtree_control", (int)(end - path),
		       path); /* there is room */
	fd = openat(t->source.fd, parent, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "+memory", 7) < 0)
		return -errno;
	return 0;
}

static int open_tree(struct wire *w, const struct cgroup_tree *t, const char *path, bool may_make)
{
	bool was_made = false;
	int r;

	if (strlen(path) >= sizeof(w->place.path))
		return -ENAMETOOLONG;
	r = cgroup_open(&w->cgroup, t, path);
	if (r == -ENOENT && may_make && t->is_v2) {
		errno = 0;
		r = make_cgroup(t, path, &was_made);
		r = r < 0 ? r : cgroup_open(&w->cgroup, t, path);
	}
	w->place = (struct ledger_limit){ .is_v2 = t->is_v2, .was_made = was_made };
	memcpy(w->place.path, path, strlen(path) + 1); /* see above */
	return r;
}

/* v1: "eventfd fd" into cgroup.event_control, which holds on to both by itself. */
static int open_event_v1(struct wire *w)
{
	_cleanup_close_ int control = openat(w->cgroup.dir_fd, "cgroup.event_control", O_WRONLY | O_CLOEXEC);
	char line[32];
	int length;

	w->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (control < 0 || w->event_fd < 0)
		return -errno;
	length = snprintf(line, sizeof(line), "%d %d", w->event_fd, w->cgroup.fd[CGROUP_EVENTS]);
	return write(control, line, (size_t)length) < 0 ? -errno : 0;
}

static int read_key(struct wire *w, const char *key, uint64_t *ret)
{
	ssize_t size = file_reread(w->cgroup.fd[CGROUP_EVENTS], w->room, sizeof(w->room));
	struct scan text = scan_of(w->room, size < 0 ? 0 : (size_t)size);

	return size < 0 ? (int)size : parse_key(&text, key, ret);
}

static int read_before(struct wire *w)
{
	const struct source_room room = room_of(w);
	struct cgroup_figures f;
	struct sample limit = { .total_bytes = TRIPWIRE_NONE };
	int r;

	if (w->cgroup.is_v2) {
		w->event_fd = w->cgroup.fd[CGROUP_EVENTS];
		r = cgroup_figures(&w->cgroup, &room, &f);
		w->place.before = r < 0 ? 0 : f.high_bytes;
		return r;
	}
	r = cgroup_read(&w->cgroup, &room, &limit);
	if (r == 0 && limit.total_bytes > INT64_MAX - MIB) /* what v1 writes for "none" */
		return -ERANGE;
	r = r < 0 ? r : open_event_v1(w);
	return r < 0 ? r : read_key(w, "oom_kill_disable", &w->place.before);
}

static void forget(struct wire *w)
{
	if (!w->cgroup.is_v2)
		w->event_fd = file_close(w->event_fd);
	w->event_fd = -1;
	w->limit_fd = file_close(w->limit_fd);
	if (w->cgroup.dir_fd >= 0)
		cgroup_close(&w->cgroup);
}

/* One was left while the worker wrote to it, so that our own limit stands there. */
static void take_left(struct wire *w)
{
	const struct ledger_limit *left = ledger_limit_get(w->setup.ledger);

	if (!left)
		return;
	if (left->inode != w->place.inode || left->is_v2 != w->place.is_v2) {
		(void)wire_past(w->setup.root_fd, w->setup.ledger, NULL); /* gone, most likely */
		return;
	}
	w->place.before = left->before;
	w->place.was_made |= left->was_made;
}

int wire_open(struct wire *w, const char *path, bool may_make)
{
	struct cgroup_tree tree;
	struct stat st;
	int r;

	if (w->left_fd >= 0)
		return -EBUSY;
	tree_open(&tree, w->setup.root_fd);
	r = tree.source.error ? -ENODEV : open_tree(w, &tree, path, may_make);
	cgroup_tree_close(&tree);
	if (r < 0)
		return r;
	w->limit_fd = openat(w->cgroup.dir_fd, limit_name(w->cgroup.is_v2), O_WRONLY | O_CLOEXEC);
	if (w->limit_fd < 0 || fstat(w->cgroup.dir_fd, &st) < 0)
		r = -errno;
	else
		r = read_before(w);
	if (r < 0) {
		forget(w);
		return r;
	}
	w->place.inode = st.st_ino;
	w->wanted = w->written = w->asked = w->place.before;
	take_left(w);
	w->error = 0;
	return 0;
}

/* ---- read ---- */

int wire_read(struct wire *w, struct tripwire_reading *ret)
{
	const struct source_room room = room_of(w);
	struct cgroup_figures f;
	int r = cgroup_figures(&w->cgroup, &room, &f);

	if (r < 0)
		return r;
	if (!w->is_busy && f.high_bytes != w->written) { /* not by us: that is what shall stand later */
		w->place.before = w->wanted = w->written = f.high_bytes;
		if (ledger_limit_get(w->setup.ledger))
			ledger_limit_set(w->setup.ledger, &w->place);
	}
	ret->usage_bytes = f.usage_bytes;
	ret->file_bytes = f.file_bytes;
	ret->before_bytes = w->place.before;
	ret->trips = f.high_events;
	return 0;
}

int wire_is_stuck(struct wire *w, bool *ret)
{
	uint64_t value = 0;
	int r = read_key(w, "under_oom", &value);

	if (r == 0)
		*ret = value != 0;
	return r;
}

void wire_heard(struct wire *w)
{
	uint64_t count;

	if (w->cgroup.is_v2) /* reading it is what ends the event */
		(void)file_reread(w->cgroup.fd[CGROUP_EVENTS], w->room, sizeof(w->room));
	else if (read(w->event_fd, &count, sizeof(count)) == (ssize_t)sizeof(count))
		w->trips++;
}

/* ---- write ---- */

static void write_next(struct wire *w)
{
	char *text = w->text[w->turn++ % ARRAY_LEN(w->text)];

	if (w->is_busy || w->wanted == w->written)
		return;
	ledger_limit_set(w->setup.ledger, &w->place);
	value_text(w->cgroup.is_v2, w->wanted, text);
	w->asked = w->wanted;
	w->is_busy = worker_limit(w->setup.worker, w->limit_fd, text, 0);
}

void wire_set(struct wire *w, uint64_t value)
{
	if (!wire_is_open(w))
		return;
	w->wanted = value;
	write_next(w);
}

void wire_done(struct wire *w, const struct worker_result *result)
{
	w->is_busy = false;
	w->left_fd = file_close(w->left_fd);
	w->error = result->error;
	if (!wire_is_open(w))
		return;
	if (result->error == 0)
		w->written = w->asked;
	else
		w->wanted = w->written; /* the next reading asks again */
	write_next(w);
}

/* ---- the end ---- */

/* By a descriptor of its own: one that the worker is stuck with is locked. */
static int put_back(int dir_fd, const struct ledger_limit *place)
{
	_cleanup_close_ int fd = openat(dir_fd, limit_name(place->is_v2), O_WRONLY | O_CLOEXEC);
	char text[WIRE_TEXT_MAX];

	if (fd < 0)
		return errno == ENODEV ? -ENOENT : -errno;
	value_text(place->is_v2, place->before, text);
	if (pwrite(fd, text, strlen(text), 0) < 0)
		return errno == ENODEV ? -ENOENT : -errno;
	return 1;
}

/* Not while somebody lives in it: the kernel refuses that. */
static void remove_made(int tree_fd, const struct ledger_limit *place)
{
	if (place->was_made)
		(void)unlinkat(tree_fd, place->path + 1, AT_REMOVEDIR);
}

static int past(int root_fd, const struct ledger_limit *place)
{
	struct cgroup_tree tree;
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	tree_open(&tree, root_fd);
	if (tree.source.error)
		return -ENOENT;
	fd = openat(tree.source.fd, place->path + 1, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_ino != place->inode ||
	    tree.is_v2 != (place->is_v2 != 0))
		r = -ENOENT;
	else
		r = put_back(fd, place);
	if (r > 0)
		remove_made(tree.source.fd, place);
	cgroup_tree_close(&tree);
	return r;
}

int wire_past(int root_fd, struct ledger *ledger, void (*tell)(const char *sentence))
{
	const struct ledger_limit *place = ledger_limit_get(ledger);
	char sentence[LEDGER_PATH_MAX + 128];
	int r = place ? past(root_fd, place) : 0;

	if (!place)
		return 0;
	(void)snprintf(sentence, sizeof(sentence), "cgroup %s: %s", place->path,
		       r > 0		? "its limit is again what stood before the tripwire"
		       : r == -ENOENT	? "is gone"
					: strerror(-r)); /* there is room */
	if (tell)
		tell(sentence);
	if (r > 0 || r == -ENOENT)
		ledger_limit_clear(ledger);
	return r == -ENOENT ? 0 : r;
}

/* A write that is under way would come after ours. */
static void wait_for_worker(struct wire *w)
{
	struct worker_result result;

	w->wanted = w->written;
	for (int i = 0; i < 2 && w->is_busy; i++) {
		if (!worker_wait(w->setup.worker, CLOSE_WAIT_MS))
			return;
		while (worker_result(w->setup.worker, &result))
			if (result.kind == WORKER_LIMIT)
				w->is_busy = false;
			else
				w->setup.others(w->setup.userdata, &result);
	}
}

static void close_now(struct wire *w)
{
	if (ledger_limit_get(w->setup.ledger) || w->place.was_made) {
		ledger_limit_set(w->setup.ledger, &w->place);
		(void)wire_past(w->setup.root_fd, w->setup.ledger, NULL); /* what fails stays there */
	}
	forget(w);
}

void wire_close(struct wire *w)
{
	if (!wire_is_open(w))
		return;
	wait_for_worker(w);
	close_now(w);
}

void wire_leave(struct wire *w)
{
	if (!wire_is_open(w))
		return;
	if (!w->is_busy) {
		close_now(w);
		return;
	}
	w->left_fd = w->limit_fd; /* the worker's until it has ended */
	w->limit_fd = -1;
	forget(w);
}
