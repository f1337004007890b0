/* SPDX-License-Identifier: MIT */
/*
 * Outlook: what the figures of headroom do not say. Edge. Who grows, in slices near the cliff only;
 * whom the kernel would end; what other daemons here would do; how long clients and growers wait
 * for memory and CPU; births and ends of processes as the kernel tells them.
 */
#pragma once

#include "broker.h"

/* 0 or -ENOMEM; whatever the kernel lacks is absent, with a reason in outlook_sources(). */
int outlook_open(struct broker *b);
void outlook_close(struct broker *b);

/* From now on process events come from the loop. */
int outlook_attach(struct broker *b);

/* The next slice, if one is due; in broker_step(), after the samples. */
void outlook_step(struct broker *b, uint64_t now_us);

/* When outlook_step() wants to be called; NEVER_US: not before the next sample. */
uint64_t outlook_due_us(const struct broker *b);

/* Adds what taskstats said to a sample of the system, and lets the rivals look at it. */
void outlook_sample(struct broker *b, struct sample *s);

/* What grows beside programs, in the domain whose growers are looked for; of every sample. */
void outlook_pools(struct broker *b, const struct sample *s);

/* Takes what all processes hold as what growth is measured from, if a fall has just begun. */
void outlook_baseline(struct broker *b, uint64_t now_us);

/* The kernel has killed: was it a client whose end was just told? */
void outlook_kernel_oom(struct broker *b, int32_t pid);
/* This client leaves: if a signal ended it, that is told a moment later. */
void outlook_client_left(struct broker *b, const struct session *s);

/* For outlook.c: near the cliff all births and ends are listened to, else only ends by a signal; whose
 * end nobody explains in time was somebody else's doing. */
void outlook_listen(struct broker *b, bool to_all);
void outlook_settle_ends(struct broker *b, uint64_t now_us);
uint64_t outlook_ends_due_us(const struct broker *b);

/* Whom the kernel would end now, and which rivals run; looked up anew when older than 2 s. */
const struct outlook_choice *outlook_choose(struct broker *b, uint64_t now_us);

/* Sources of its own, for status. Returns how many. */
uint32_t outlook_sources(const struct broker *b, struct sense_source *ret);
