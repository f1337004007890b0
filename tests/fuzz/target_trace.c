/* SPDX-License-Identifier: MIT */
/* sense/trace.h: recordings as CSV. */
#include "sense/trace.h"

#include <errno.h>
#include <string.h>

#include "fuzz.h"

#define TOTAL_BYTES (128 * MIB)

struct played {
	uint64_t rows, bad, columns, hash;
};

static void add(struct played *p, uint64_t figure)
{
	p->hash = (p->hash ^ figure) * UINT64_C(0x100000001b3);
}

static void check_sample(const struct trace *t, const struct sample *s, struct played *p)
{
	const uint64_t bytes[] = {s->free_bytes,      s->file_bytes,	   s->reserve_bytes,
				  s->available_bytes, s->swap_total_bytes, s->swap_free_bytes};

	MUST(s->time_us < NEVER_US && s->total_bytes == TOTAL_BYTES && s->domain == 0);
	MUST((s->has & (SAMPLE_HAS_MEMORY | SAMPLE_HAS_RESERVE)) ==
	     (SAMPLE_HAS_MEMORY | SAMPLE_HAS_RESERVE));
	MUST(s->swap_free_bytes <= s->swap_total_bytes);
	MUST(!(s->has & SAMPLE_HAS_SWAP) == !s->swap_total_bytes);
	MUST(t->hog_bytes % KIB == 0);
	for (size_t i = 0; i < ARRAY_LEN(bytes); i++) {
		MUST(bytes[i] % KIB == 0);
		add(p, bytes[i]);
	}
	add(p, s->time_us);
	add(p, s->has);
	add(p, s->direct_reclaims);
	add(p, s->oom_kills);
	add(p, t->hog_bytes);
}

static int play(const char *text, size_t size, void *ret)
{
	struct played p = {0};
	struct trace t;
	int r;

	fuzz_stain(&t, sizeof(t));
	r = trace_open(&t, text, size, TOTAL_BYTES);
	if (r != 0) {
		fuzz_must_be_stained(&t, sizeof(t));
		return r;
	}
	p.columns = t.columns;
	for (uint64_t row = 2;; row++) {
		const char *before = t.rest.at;
		struct sample s;

		fuzz_stain(&s, sizeof(s));
		r = trace_next(&t, &s);
		if (r != 0)
			fuzz_must_be_stained(&s, sizeof(s));
		if (r == -ENODATA)
			break;
		MUST(t.row == row && t.rest.at > before && t.rest.at <= t.rest.end);
		MUST(t.rest.end == text + size);
		p.rows++;
		p.bad += r != 0;
		if (r == 0)
			check_sample(&t, &s, &p);
	}
	memcpy(ret, &p, sizeof(p));
	return 0;
}

static void check(const void *ret, struct scan text, struct fuzz_figures *f)
{
	const struct played *p = ret;

	MUST(p->rows < scan_left(&text) && p->bad <= p->rows);
	memcpy(f->n, p, sizeof(*p));
}

void fuzz_trace(const uint8_t *bytes, size_t size)
{
	static const struct fuzz_text t = {play, check, sizeof(struct played), NULL, false};

	fuzz_text(&t, bytes, size);
}
