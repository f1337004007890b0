/* SPDX-License-Identifier: MIT */
/* Check: can what a recording says be true? NULL, or what is wrong with it. Pure. */
#pragma once

#include "core_tape.h"

const char *core_check_domain(const union core_record *record);
const char *core_check_episode(const union core_record *record);
const char *core_check_session(const union core_record *record);
const char *core_check_sample(const union core_record *record);
const char *core_check_victim(const union core_record *record);
const char *core_check_survey(const union core_record *record);
const char *core_check_grower(const union core_record *record);
const char *core_check_guard(const union core_record *record);
const char *core_check_event(const union core_record *record);
const char *core_check_core(const union core_record *record);
const char *core_check_call(const union core_record *record);
