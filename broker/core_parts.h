/* SPDX-License-Identifier: MIT */
/*
 * What the files of the core share among themselves: core.c (samples, stages, time), core_domain.c
 * (which domains there are, which is worst), core_ask.c (clients and requests), core_act.c (the
 * ladder), core_procedure.c (one rung of it), core_hold.c (the brake), core_last.c (when no process
 * helps), core_guard.c (what the guard did), core_tripwire.c, core_keep.c (events and effects).
 * Pure; nobody else includes this.
 */
#pragma once

#include "core.h"

/* core_keep.c */
void core_add_event(struct core *c, struct event *e, uint64_t now_us);
struct core_effect *core_push(struct core *c, enum core_effect_kind kind, uint32_t domain);
void core_note_client(struct core *c, enum event_kind kind, const struct session *s, uint64_t now_us);
void core_note_victim(struct core *c, enum event_kind kind, uint32_t domain, struct event e,
		      uint64_t now_us);
struct event core_request_event(enum event_kind kind, const struct session *s);
/* The open episode of the domain; NULL: none. */
struct core_episode *core_episode_of(struct core *c, uint32_t domain);

/* core.c */
/* What follows from another stage: the record, the episode, who is asked. */
void core_take_change(struct core *c, const struct stage_change *change);
/* A stage is entered: told and on record, nothing is asked or done yet. */
void core_enter(struct core *c, const struct stage_change *change);
/* ... and the bus is to hear of it. */
void core_announce(struct core *c, uint32_t domain, uint64_t episode);
/* The kernel cried out; the next sample of the domain is due now. */
void core_distress(struct core *c, uint32_t domain, uint32_t distress, uint64_t now_us);
void core_note_grower(struct core *c, uint32_t domain, uint64_t now_us);

/* core_ask.c */
/* What the domain's stage asks of whom, and who is waited for. */
struct plan_question core_question(const struct core *c, uint32_t domain, uint64_t now_us);
void core_ask_stage(struct core *c, uint32_t domain, uint64_t now_us);
void core_ask_resume(struct core *c, uint32_t domain, uint64_t now_us);
void core_ask_final(struct core *c, uint32_t domain, uint64_t now_us);
/* ... every client of the machine, for it is about to go. */
void core_ask_everybody(struct core *c, uint32_t domain, uint64_t now_us);
/* It is meant now: what is being rehearsed ends. */
void core_end_drills(struct core *c, uint64_t now_us);
void core_end_overdue(struct core *c, uint64_t now_us);

/* core_act.c: one rung at most; true: something was done, look again. */
bool core_climb(struct core *c, uint32_t domain, struct escalate_view view);
/* Also in another domain's ladder; a reused pid is another one. */
bool core_is_same(const struct victim *a, const struct victim *b);
/* It was a stranger when it was chosen. */
bool core_has_joined(struct core *c, const struct victim *v);
struct escalate_view core_view(struct core *c, uint32_t domain, uint64_t now_us);

/* core_procedure.c: tells that it was started; that the ladder went on without its end. */
void core_start_procedure(struct core *c, uint32_t domain, uint64_t now_us);
void core_cut_procedure(struct core *c, uint32_t domain, uint64_t now_us);

/* growth_bytes: known in addition to what the domain knows of who grows. */
struct evidence core_evidence(const struct core *c, uint32_t domain, enum stage_word stage,
			      uint64_t growth_bytes);

/* Headroom is back above the floor of imminent, and nothing asks for an end any more. */
bool core_is_back(const struct core *c, uint32_t domain);
bool core_is_ending_wanted(struct core *c, uint32_t domain, uint64_t now_us);

/* core_hold.c: puts the brake on, or takes it off. */
void core_hold(struct core *c, uint32_t domain, uint64_t now_us);

/* core_last.c: the next step of the domain's last policy. */
void core_last(struct core *c, uint32_t domain, uint64_t now_us);
/* It is about to go, or goes already, whichever domain's policy it was. */
bool core_is_machine_going(const struct core *c);
/* false: nothing runs as the last policy of the domain. */
bool core_last_ran(struct core *c, uint32_t domain, const struct core_procedure_end *end,
		   uint64_t now_us);
/* Adds the event with what holds most of the memory: b pool, c bytes. */
void core_note_cause(struct core *c, struct event *e, uint32_t domain, uint64_t now_us);

/* core.c: asks and acts as far as it goes at the moment. */
void core_advance(struct core *c, uint32_t domain, uint64_t now_us);
void core_advance_all(struct core *c, uint64_t now_us);
