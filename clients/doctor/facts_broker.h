/* SPDX-License-Identifier: MIT */
/* Facts that the bus and the broker tell. Edge. Says nothing on a terminal. */
#pragma once

#include "../ctl/ctl.h"
#include "facts.h"

/* Connects c->bus. 0; -ENXIO: no broker on it; another negative errno: no bus. */
int facts_ask_bus(struct ctl *c, struct facts_hint *ret);

/* answer: what facts_ask_bus() said. After facts_read(). */
void facts_ask_broker(struct facts *f, struct ctl *c, int answer);
