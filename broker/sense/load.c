/* SPDX-License-Identifier: MIT */
/* Load: how much longer a step takes because others want the CPU, or memory, too. */
#include "base/file.h"
#include "base/units.h"
#include "sense/parse.h"
#include "sense/source.h"

static int loadavg_read(struct source *s, const struct source_room *room, struct sample *ret)
{
	ssize_t size = file_reread(s->fd, room->buffer, room->size);
	uint64_t load;
	int r = size < 0 ? (int)size : parse_loadavg(room->buffer, (size_t)size, &load);

	if (r < 0)
		return r;
	ret->load_permyriad = (uint32_t)MIN_OF(load / MAX_OF(room->cpus, 1u), UINT32_MAX);
	ret->has |= SAMPLE_HAS_LOAD;
	return 0;
}

static int cpu_pressure_read(struct source *s, const struct source_room *room, struct sample *ret)
{
	ssize_t size = file_reread(s->fd, room->buffer, room->size);
	struct parse_pressure p;
	int r = size < 0 ? (int)size : parse_pressure(room->buffer, (size_t)size, &p);

	if (r < 0)
		return r;
	ret->cpu_some_permyriad = (uint32_t)MIN_OF(p.some_avg10_permyriad, PERMYRIAD);
	ret->has |= SAMPLE_HAS_CPU_PRESSURE;
	return 0;
}

static int memory_pressure_read(struct source *s, const struct source_room *room, struct sample *ret)
{
	ssize_t size = file_reread(s->fd, room->buffer, room->size);
	struct parse_pressure p;
	int r = size < 0 ? (int)size : parse_pressure(room->buffer, (size_t)size, &p);

	if (r < 0)
		return r;
	ret->memory_some_permyriad = (uint32_t)MIN_OF(p.some_avg10_permyriad, PERMYRIAD);
	ret->memory_full_permyriad = (uint32_t)MIN_OF(p.full_avg10_permyriad, PERMYRIAD);
	ret->memory_some_us = p.some_total_us;
	ret->memory_full_us = p.full_total_us;
	ret->has |= SAMPLE_HAS_PRESSURE;
	return 0;
}

const struct source_ops loadavg_ops = {
	.name = "loadavg",
	.path = "proc/loadavg",
	.gives = "runnable tasks per CPU: stretches the clients' budgets",
	.remedy = "CONFIG_PROC_FS=y, and proc mounted at /proc without subset=pid",
	.open = source_open_file,
	.read = loadavg_read,
	.close = source_close,
};

const struct source_ops cpu_pressure_ops = {
	.name = "cpu-pressure",
	.path = "proc/pressure/cpu",
	.gives = "time spent waiting for a CPU: stretches the clients' budgets",
	.remedy = "CONFIG_PSI=y; boot word psi=1 where CONFIG_PSI_DEFAULT_DISABLED=y",
	.open = source_open_file,
	.read = cpu_pressure_read,
	.close = source_close,
};

const struct source_ops memory_pressure_ops = {
	.name = "memory-pressure",
	.path = "proc/pressure/memory",
	.gives = "time lost waiting for memory, averaged: shown and recorded",
	.remedy = "CONFIG_PSI=y; boot word psi=1 where CONFIG_PSI_DEFAULT_DISABLED=y",
	.open = source_open_file,
	.read = memory_pressure_read,
	.close = source_close,
};
