/* SPDX-License-Identifier: MIT */
/* Who made System V shared memory, as the survey reads it. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "sense/parse_sysv.h"

/* Where the text is cut into pieces must not matter; a cut last line is none. */
static struct sysv table_of(const char *text, size_t size)
{
	struct scan s = scan_of(text, size), line;
	struct sysv t = { 0 };

	while (scan_line(&s, &line))
		parse_sysv_line(&t, line);
	return t;
}

void fuzz_shm(const uint8_t *bytes, size_t size)
{
	char *text = fuzz_exact(bytes, size);
	struct sysv t = table_of(text, size);
	const char *newline = size ? memrchr(text, '\n', size) : NULL;
	struct sysv whole = table_of(text, newline ? (size_t)(newline + 1 - text) : 0);

	MUST(t.count <= SYSV_MAKERS_MAX);
	MUST(t.count == whole.count);
	for (uint32_t i = 0; i < t.count; i++) {
		const struct sysv_maker *m = &t.maker[i];

		MUST(m->pid > 0);
		MUST(m->bytes == whole.maker[i].bytes && m->made_s == whole.maker[i].made_s);
		MUST(sysv_bytes(&t, m->pid, 0) == m->bytes);
		MUST(sysv_bytes(&t, m->pid, UINT64_MAX) == (m->made_s >= UINT64_MAX - 2 ? m->bytes : 0));
		for (uint32_t k = 0; k < i; k++)
			MUST(t.maker[k].pid != m->pid);
	}
	free(text);
}
