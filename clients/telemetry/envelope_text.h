/* SPDX-License-Identifier: MIT */
/*
 * Envelope text: what others wrote (names, sentences, perhaps no UTF-8, perhaps with control characters) as
 * text that is valid in JSON, safe on a terminal, and of known length there. Pure.
 */
#pragma once

#include <stddef.h>

/*
 * Copies at most size - 1 bytes and a NUL: a tabulator or a line's end becomes a space; every other control
 * character (C0, DEL, C1) and every byte that is no UTF-8 becomes '?'; so nothing gets longer. No
 * character is cut in two. Returns the bytes written, without the NUL. size >= 1.
 */
size_t envelope_text_clean(const char *from, char *ret, size_t size);

/* The bytes that a clean text takes in JSON, without its quotes. */
size_t envelope_text_json_bytes(const char *clean);

/* Cuts a clean text so that it takes at most `bytes` in JSON: "..." stands for the rest, if there is room. */
void envelope_text_fit(char *clean, size_t bytes);
