/* SPDX-License-Identifier: MIT */
#include "sense/sense.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "base/units.h"
#include "sense/kills.h"
#include "sense/kmsg.h"
#include "sense/psi.h"
#include "sense/watch.h"

/*
 * How often what is read. Costs on a 1000 MIPS core: meminfo 20 us, vmstat 54 us, zoneinfo 121 us
 * (kernel-facts, section 4). The watermarks move with the boost (2-5 MiB), so that near the cliff
 * they are read every time. Halved: more CPU; doubled: the cliff's position is older.
 */
#define ZONEINFO_EVERY		8u
#define VMSTAT_PERIOD_US	(100 * US_PER_MS)
#define NEAR_BYTES		(16 * MIB)
#define NEAR_SHARE		8u

/* PSI must never be read faster than 500 ms: that falsifies it for everybody. It is updated by the
 * kernel every 2 s, and the load average every 5 s. */
#define LOAD_PERIOD_US		(2 * US_PER_S)
#define PRESSURE_PERIOD_US	(US_PER_S)

/* The smallest and largest room that is tried: zoneinfo grows with nodes and CPUs. */
#define ROOM_MIN_BYTES		(16 * KIB)
#define ROOM_MAX_BYTES		(16 * MIB)

struct sense_domain {
	bool is_used;
	char name[PARSE_PATH_MAX];
	struct cgroup cgroup;
	struct watch watch;
};

struct sense {
	struct sense_options options;	/* root NULL: not kept */
	int root_fd;
	struct source_room room;
	struct source meminfo, pools, zoneinfo, vmstat, loadavg, cpu_pressure, memory_pressure, zram,
		arc;
	struct kmsg kmsg;
	struct cgroup_tree tree;
	struct watch watch;		/* of the system */
	struct sample system;		/* newest readings of each source */
	uint64_t calls, vmstat_due_us, load_due_us, pressure_due_us;
	struct kills kills;
	uint32_t kmsg_distress;		/* since the last sample of the system */
	sd_event *event;
	sd_event_source *kmsg_event;
	struct sense_handler handler;
	struct sense_domain *domain;	/* options.max_domains */
};

/* Does the room hold twice what the file needs now? It may grow with hotplug. */
static bool room_is_ample(const struct source_room *room, int root_fd, const char *path)
{
	return file_read_at(root_fd, path, room->buffer, room->size / 2) != -EFBIG;
}

static int room_open(struct source_room *room, int root_fd)
{
	for (room->size = ROOM_MIN_BYTES;; room->size *= 2) {
		room->buffer = malloc(room->size);
		if (!room->buffer)
			return -ENOMEM;
		if (room->size >= ROOM_MAX_BYTES ||
		    (room_is_ample(room, root_fd, "proc/zoneinfo") &&
		     room_is_ample(room, root_fd, "proc/vmstat") &&
		     room_is_ample(room, root_fd, "proc/mounts")))
			return 0;
		free(room->buffer);
	}
}

static void probe_all(struct sense *s)
{
	source_probe(&s->meminfo, &meminfo_ops, s->root_fd, &s->room);
	source_probe(&s->pools, &pools_ops, s->root_fd, &s->room);
	source_probe(&s->zoneinfo, &zoneinfo_ops, s->root_fd, &s->room);
	source_probe(&s->vmstat, &vmstat_ops, s->root_fd, &s->room);
	source_probe(&s->loadavg, &loadavg_ops, s->root_fd, &s->room);
	source_probe(&s->cpu_pressure, &cpu_pressure_ops, s->root_fd, &s->room);
	source_probe(&s->memory_pressure, &memory_pressure_ops, s->root_fd, &s->room);
	source_probe(&s->zram, &zram_ops, s->root_fd, &s->room);
	source_probe(&s->arc, &arc_ops, s->root_fd, &s->room);
	kmsg_open(&s->kmsg, s->root_fd);
	cgroup_tree_open(&s->tree, s->root_fd, &s->room);
	watch_open_system(&s->watch, s->root_fd, &s->options);
}

static struct sense *sense_new(const struct sense_options *o)
{
	struct sense *s = calloc(1, sizeof(*s));
	uint32_t domains = MAX_OF(o->max_domains, 1u);

	if (!s)
		return NULL;
	s->options = *o;
	s->options.root = NULL;
	s->options.max_domains = domains;
	s->root_fd = s->kmsg.source.fd = s->tree.source.fd = -1;
	s->meminfo = s->pools = s->zoneinfo = s->vmstat = s->loadavg = s->cpu_pressure =
		s->memory_pressure = s->zram = s->arc = (struct source){ .fd = -1 };
	s->watch = (struct watch){ .some.source.fd = -1, .full.source.fd = -1,
				   .level_fd = -1, .usage_fd = -1 };
	s->domain = calloc(domains, sizeof(*s->domain));
	return s->domain ? s : sense_close(s);
}

int sense_open(const struct sense_options *o, struct sense **ret)
{
	const char *root = o->root ? o->root : "/";
	struct sense *s = sense_new(o);
	int r;

	if (!s)
		return -ENOMEM;
	s->root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = s->root_fd < 0 ? -errno : room_open(&s->room, s->root_fd);
	if (r == 0) {
		s->room.page_bytes =
			o->page_bytes ? o->page_bytes : (uint32_t)sysconf(_SC_PAGESIZE);
		s->room.cpus = o->cpus ? o->cpus : (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
		probe_all(s);
		r = s->meminfo.error;
		r = r ? r : s->meminfo.ops->read(&s->meminfo, &s->room, &s->system);
	}
	if (r < 0) {
		errno = -r;
		log_error("cannot read proc/meminfo below %s: %m; mount proc there", root);
		sense_close(s);
		return r;
	}
	*ret = s;
	return 0;
}

struct sense *sense_close(struct sense *s)
{
	if (!s)
		return NULL;
	for (uint32_t d = 1; s->domain && d < s->options.max_domains; d++)
		sense_domain_remove(s, d);
	watch_close(&s->watch);
	sd_event_source_disable_unref(s->kmsg_event);
	sd_event_unref(s->event);
	kmsg_close(&s->kmsg);
	cgroup_tree_close(&s->tree);
	source_close(&s->meminfo);
	source_close(&s->pools);
	source_close(&s->zoneinfo);
	source_close(&s->vmstat);
	source_close(&s->loadavg);
	source_close(&s->cpu_pressure);
	source_close(&s->memory_pressure);
	source_close(&s->zram);
	source_close(&s->arc);
	file_close(s->root_fd);
	free(s->room.buffer);
	free(s->domain);
	free(s);
	return NULL;
}

/* Reads a source that is there; its bits go away when it cannot be read any more. */
static void refresh(struct sense *s, struct source *source, uint32_t bits)
{
	if (source->fd >= 0 && source->ops->read(source, &s->room, &s->system) < 0)
		s->system.has &= ~bits;
}

static struct sense_domain *domain_by_name(struct sense *s, const char *name, uint32_t *ret)
{
	for (uint32_t d = 1; d < s->options.max_domains; d++)
		if (s->domain[d].is_used && strcmp(s->domain[d].name, name) == 0) {
			*ret = d;
			return &s->domain[d];
		}
	return NULL;
}

static void take_kill(struct sense *s, const struct kmsg_kill *kill)
{
	struct sense_domain *in = NULL;
	uint32_t domain = 0;

	if (kill->is_global) {
		s->kills.global++;
		s->kmsg_distress |= DISTRESS_OOM;
	} else {
		s->kills.in_cgroups++;
		in = domain_by_name(s, kill->cgroup, &domain);
		if (in)
			in->watch.distress |= DISTRESS_OOM;
	}
	if (!kill->is_global && !in)
		log_info("the kernel killed %s (%d) for the limit of %s, which is no domain",
			 kill->name, kill->pid, kill->cgroup[0] ? kill->cgroup : "some cgroup");
	else if (s->handler.kernel_oom)
		s->handler.kernel_oom(s->handler.userdata, domain, kill->pid, kill->name);
}

static void drain_kmsg(struct sense *s)
{
	struct kmsg_kill kill;

	while (s->kmsg.source.fd >= 0 && kmsg_next(&s->kmsg, &s->room, &kill) == 0)
		take_kill(s, &kill);
}

void sense_hear(struct sense *s)
{
	drain_kmsg(s);
}

static void settle_kills(struct sense *s)
{
	if (!kills_are_explained(&s->kills, s->system.oom_kills))
		drain_kmsg(s);
	s->system.oom_kills = kills_settle(&s->kills, s->system.oom_kills,
					   s->kmsg.source.fd >= 0);
}

static void refresh_slow(struct sense *s, uint64_t now_us)
{
	uint64_t have = s->system.free_bytes + s->system.file_bytes;
	uint64_t near_bytes = MAX_OF(NEAR_BYTES, s->system.total_bytes / NEAR_SHARE);
	bool is_near = have < near_bytes + s->system.reserve_bytes;

	if (s->calls % ZONEINFO_EVERY == 0) {
		refresh(s, &s->pools, SAMPLE_HAS_POOLS);
		refresh(s, &s->zram, SAMPLE_HAS_ZRAM);
		refresh(s, &s->arc, SAMPLE_HAS_ARC);
	}
	if (is_near || s->calls % ZONEINFO_EVERY == 0)
		refresh(s, &s->zoneinfo, SAMPLE_HAS_RESERVE);
	if (is_near || now_us >= s->vmstat_due_us) {
		refresh(s, &s->vmstat, SAMPLE_HAS_VMSTAT);
		s->vmstat_due_us = now_us + VMSTAT_PERIOD_US;
		if (s->system.has & SAMPLE_HAS_VMSTAT)
			settle_kills(s);
	}
	if (now_us >= s->load_due_us) {
		refresh(s, &s->loadavg, SAMPLE_HAS_LOAD);
		refresh(s, &s->cpu_pressure, SAMPLE_HAS_CPU_PRESSURE);
		s->load_due_us = now_us + LOAD_PERIOD_US;
	}
	if (now_us >= s->pressure_due_us) {
		refresh(s, &s->memory_pressure, SAMPLE_HAS_PRESSURE);
		s->pressure_due_us = now_us + PRESSURE_PERIOD_US;
	}
	s->calls++;
}

static int read_system(struct sense *s, uint64_t now_us, struct sample *ret)
{
	int r = s->meminfo.ops->read(&s->meminfo, &s->room, &s->system);

	if (r < 0)
		return r;
	refresh_slow(s, now_us);
	*ret = s->system;
	ret->time_us = now_us;
	ret->distress = watch_take(&s->watch) | s->kmsg_distress;
	s->kmsg_distress = 0;
	return 0;
}

static struct sense_domain *domain_get(const struct sense *s, uint32_t domain)
{
	if (domain == 0 || domain >= s->options.max_domains || !s->domain[domain].is_used)
		return NULL;
	return &s->domain[domain];
}

int sense_read(struct sense *s, uint32_t domain, uint64_t now_us, struct sample *ret)
{
	struct sense_domain *d = domain_get(s, domain);
	struct sample sample = {
		.time_us = now_us,
		.domain = domain,
		.total_bytes = s->system.total_bytes,
		.swap_total_bytes = s->system.swap_total_bytes,
		.swap_free_bytes = s->system.swap_free_bytes,
	};
	int r;

	if (domain == 0)
		return read_system(s, now_us, ret);
	if (!d)
		return -EINVAL;
	r = cgroup_read(&d->cgroup, &s->room, &sample);
	if (r < 0)
		return r;
	watch_limit(&d->watch, &d->cgroup);
	sample.distress |= watch_take(&d->watch);
	*ret = sample;
	return 0;
}

static int on_kmsg(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct sense *s = userdata;

	drain_kmsg(s);
	if (revents & (EPOLLERR | EPOLLHUP) && !(revents & EPOLLIN))
		(void)sd_event_source_set_enabled(source,
						  SD_EVENT_OFF); /* nothing comes any more */
	(void)fd; /* the source holds it */
	return 0;
}

static int attach_kmsg(struct sense *s)
{
	int fd = s->kmsg.source.fd;
	int r = fd < 0 ? -EPERM
		       : sd_event_add_io(s->event, &s->kmsg_event, fd, EPOLLIN, on_kmsg, s);

	if (r == -EPERM) /* absent, or an ordinary file of a recorded tree */
		return 0;
	return r < 0 ? r : sd_event_source_set_priority(s->kmsg_event, SD_EVENT_PRIORITY_IMPORTANT);
}

int sense_attach(struct sense *s, sd_event *event, const struct sense_handler *h)
{
	const struct watch_loop loop = { event, &s->handler, &s->room };
	int r;

	if (s->event)
		return -EBUSY;
	s->event = sd_event_ref(event);
	s->handler = *h;
	r = watch_attach(&s->watch, &loop, NULL);
	r = r < 0 ? r : attach_kmsg(s);
	for (uint32_t d = 1; d < s->options.max_domains && r >= 0; d++)
		if (s->domain[d].is_used)
			r = watch_attach(&s->domain[d].watch, &loop, &s->domain[d].cgroup);
	return MIN_OF(r, 0);
}

int sense_cgroup_paths(struct sense *s, int32_t pid, struct cgroup_paths *ret)
{
	const struct cgroup_question q = { s->root_fd, pid, s->system.total_bytes };

	return cgroup_find(&s->tree, &q, &s->room, ret);
}

int sense_domain_add(struct sense *s, uint32_t domain, const char *name)
{
	const struct watch_loop loop = { s->event, &s->handler, &s->room };
	struct sample first = { .total_bytes = s->system.total_bytes };
	struct sense_domain *d;
	int r;

	if (domain == 0 || domain >= s->options.max_domains)
		return -EINVAL;
	d = &s->domain[domain];
	if (d->is_used)
		return -EEXIST;
	r = cgroup_open(&d->cgroup, &s->tree, name);
	if (r < 0)
		return r;
	memcpy(d->name, name, strlen(name) + 1); /* cgroup_open refuses longer ones */
	r = cgroup_read(&d->cgroup, &s->room, &first);
	watch_open_cgroup(&d->watch, &d->cgroup, &s->options);
	d->watch.domain = domain;
	d->is_used = true;
	if (r == 0 && s->event)
		r = watch_attach(&d->watch, &loop, &d->cgroup);
	if (r < 0)
		sense_domain_remove(s, domain);
	return r;
}

bool sense_domain_exists(const struct sense *s, const char *name)
{
	struct sample sample = { .total_bytes = s->system.total_bytes };
	struct cgroup c;
	int r = cgroup_open(&c, &s->tree, name);

	if (r < 0)
		return false;
	r = cgroup_read(&c, &s->room, &sample);
	cgroup_close(&c);
	return r == 0;
}

bool sense_cgroup_exists(const struct sense *s, const char *name)
{
	struct cgroup c;

	if (cgroup_open(&c, &s->tree, name) < 0)
		return false;
	cgroup_close(&c);
	return true;
}

void sense_domain_remove(struct sense *s, uint32_t domain)
{
	struct sense_domain *d = domain_get(s, domain);

	if (!d)
		return;
	watch_close(&d->watch);
	cgroup_close(&d->cgroup);
	d->is_used = false;
}

void sense_set_tripwire(struct sense *s, const char *name)
{
	text_copy_tail(s->tree.tripwire, sizeof(s->tree.tripwire), name);
}

void sense_cry(struct sense *s, uint32_t domain, uint32_t distress)
{
	struct sense_domain *d = domain_get(s, domain);

	if (d)
		d->watch.distress |= distress;
}

bool sense_domain_is_limited(const struct sense *s, uint32_t domain)
{
	const struct sense_domain *d = domain_get(s, domain);

	return d && d->cgroup.limit_bytes < s->system.total_bytes;
}

int sense_domain_directory(const struct sense *s, uint32_t domain)
{
	const struct sense_domain *d = domain_get(s, domain);

	return d ? d->cgroup.dir_fd : -1;
}

uint32_t sense_sources(const struct sense *s, struct sense_source *ret)
{
	const struct source *const all[] = {
		&s->meminfo, &s->pools, &s->zoneinfo, &s->vmstat, &s->loadavg, &s->cpu_pressure,
		&s->memory_pressure, &s->zram, &s->arc,
		&s->watch.some.source, &s->watch.full.source, &s->tree.source, &s->kmsg.source,
	};
	uint32_t count = 0;
	_Static_assert(ARRAY_LEN(all) <= SENSE_SOURCES_MAX, "room for every source");
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		const struct source *source = all[i];

		if ((source == &s->zram || source == &s->arc) && source->error)
			continue; /* nothing that should be added */
		ret[count++] = (struct sense_source){
			.name = source->ops->name,
			.is_present = source->error == 0,
			.gives = source->ops->gives,
			.remedy = source->ops->remedy,
			.note = source->error ? strerrordesc_np(-source->error) : source->note,
		};
	}
	return count;
}
