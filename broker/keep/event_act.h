/* SPDX-License-Identifier: MIT */
/* Event act: the sentences of procedures and last policies. Pure; for event.c. */
#pragma once

#include "keep/event.h"

struct text;

void event_say_no_victim(struct text *t, const struct event *e);
void event_say_last(struct text *t, const struct event *e);
void event_say_last_ended(struct text *t, const struct event *e);
void event_say_freed(struct text *t, const struct event *e);
void event_say_rebooted(struct text *t, const struct event *e);
void event_say_procedure(struct text *t, const struct event *e);
void event_say_procedure_ended(struct text *t, const struct event *e);
void event_say_procedure_output(struct text *t, const struct event *e);
void event_say_responder(struct text *t, const struct event *e);
