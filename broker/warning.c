/* SPDX-License-Identifier: MIT */
#include "warning.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"

void warning_add(struct broker *b, enum warning_kind kind, const char *format, ...)
{
	struct warning *room = &b->warnings[MIN_OF(b->warnings_count, BROKER_WARNINGS_MAX - 1)];
	va_list args;

	room->kind = kind;
	va_start(args, format);
	(void)vsnprintf(room->text, sizeof(room->text), format, args); /* cut is still a sentence */
	va_end(args);
	log_warning("%s", room->text);
	if (b->warnings_count < BROKER_WARNINGS_MAX)
		b->warnings_count++;
}

void warning_clear(struct broker *b, enum warning_kind kind)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < b->warnings_count; i++)
		if (b->warnings[i].kind != kind)
			b->warnings[kept++] = b->warnings[i];
	b->warnings_count = kept;
}
