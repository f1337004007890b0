/* SPDX-License-Identifier: MIT */
/*
 * Log: lines for people, on stderr. Edge. One line per call, cut at 1 KiB, never allocates, never
 * blocks: a line that stderr cannot take at once, or that comes too fast, is dropped and counted,
 * and the count is the next line, or one of its own: log_tell_dropped(). Under the journal lines carry
 * its "<6>" level prefix, elsewhere the program's name. From any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* The least urgent level that is written; LOG_LEVEL_INFO at start. */
void log_set_level(enum log_level level);

__attribute__((format(printf, 2, 3))) void log_write(enum log_level level, const char *format, ...);

/* Lines were dropped, and no line has told it yet. */
bool log_owes(void);
/* Tells it now, for the next line may be hours away; nothing where stderr does not take it. */
void log_tell_dropped(void);

/* Lines dropped since start. */
uint64_t log_dropped(void);

#define log_error(...)		log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...)	log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)		log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)		log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)
