/* SPDX-License-Identifier: MIT */
/*
 * Recorder: one recording of the running broker, on a socket to who asked for it. Edge. Between
 * start and stop every input of the core goes through a ring; what the reader does not take in time
 * ends the recording, never the broker.
 */
#pragma once

#include "broker.h"
#include "core_tape.h"

/* 16 hex digits: the same in programs whose sources decide alike. Made by meson.build. */
extern const char recorder_rules[CORE_TAPE_RULES_MAX];

/* Where and when this is, and by which rules; without its memory. */
struct core_tape_machine recorder_machine(void);

/* *ret_fd is the reader's end. -EBUSY: there is a recording already; -ENOMEM, or another errno. */
int recorder_start(struct broker *b, int *ret_fd);

/* Sends what is waiting; when nothing else is to be done. */
void recorder_pump(struct broker *b);

/* Ends the recording, if there is one, with the reason as its last record. */
void recorder_stop(struct broker *b, const char *why);
