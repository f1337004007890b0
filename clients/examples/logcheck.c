/* SPDX-License-Identifier: MIT */
/* Counts what a log of failsoft-logger holds, after the logger is gone: by the file, not by words. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "logfile.h"
#include "options.h"

struct count {
	uint64_t on_disk, last, gaps, broken;
};

static bool is_whole(const struct record *r)
{
	return r->magic == RECORD_MAGIC && r->check == record_check(r);
}

/* A record that the end tore is not on disk. */
static int read_log(const char *path, struct count *c)
{
	FILE *file = fopen(path, "rb");
	struct record r;

	if (!file) {
		perror(path);
		return -1;
	}
	while (fread(&r, sizeof(r), 1, file) == 1) {
		if (!is_whole(&r)) {
			c->broken++;
			continue;
		}
		c->gaps += r.sequence != c->last + 1;
		if (r.sequence <= c->last)
			continue; /* there already: not counted twice */
		c->last = r.sequence;
		c->on_disk++;
	}
	fclose(file);
	return 0;
}

static int read_status(const char *path, double *ret_produced)
{
	struct status s;
	FILE *file = fopen(path, "rb");
	int r = file && fread(&s, sizeof(s), 1, file) == 1 && s.magic == STATUS_MAGIC ? 0 : -1;

	if (r < 0)
		fprintf(stderr, "%s is no status file of failsoft-logger\n", path);
	else
		*ret_produced = (double)s.produced;
	if (file)
		fclose(file);
	return r;
}

int main(int argc, char **argv)
{
	const char *file = NULL, *status = NULL;
	double produced = 0;
	struct count c = { 0 };
	uint64_t total, lost;
	const struct example_option options[] = {
		{ "file", "the log (required)", &file, NULL, NULL },
		{ "status-file", "the logger's counters", &status, NULL, NULL },
		{ "produced", "how many there were, where there is no status file", NULL, &produced, NULL },
		{ NULL, NULL, NULL, NULL, NULL },
	};

	options_read(options, "counts the records of a log; exit status 0: none is lost", argc, argv);
	if (!file) {
		fprintf(stderr, "%s: give --file=PATH; see --help\n", argv[0]);
		return 2;
	}
	if (read_log(file, &c) < 0 || (status && read_status(status, &produced) < 0))
		return 2;
	total = (uint64_t)produced > c.last ? (uint64_t)produced : c.last;
	lost = total - c.on_disk;
	printf("produced %" PRIu64 " on_disk %" PRIu64 " lost %" PRIu64 " gaps %" PRIu64 "\n", total,
	       c.on_disk, lost, c.gaps + c.broken);
	return lost || c.gaps || c.broken;
}
