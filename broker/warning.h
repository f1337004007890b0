/* SPDX-License-Identifier: MIT */
/*
 * Warning: what this broker cannot do on this machine or with this configuration, one sentence each,
 * for the property Warnings and the log. Edge. A sentence stands as long as it is true: who finds out
 * anew clears its own kind first.
 */
#pragma once

#include "broker.h"

/* One more sentence of this kind. When all places are taken it replaces the last one; it is logged. */
__attribute__((format(printf, 3, 4))) void warning_add(struct broker *b, enum warning_kind kind,
						       const char *format, ...);

/* None of this kind is true any more. */
void warning_clear(struct broker *b, enum warning_kind kind);

/* The only one of its kind. */
#define warning_set(b, kind, ...) (warning_clear(b, kind), warning_add(b, kind, __VA_ARGS__))
