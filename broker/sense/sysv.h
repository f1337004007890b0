/* SPDX-License-Identifier: MIT */
/* Sysv: the reading of parse_sysv.h. Edge. */
#pragma once

#include "sense/parse_sysv.h"

/* Reads "sysvipc/shm" below proc_fd; without such a file there are none. Allocates nothing. */
void sysv_read(struct sysv *t, int proc_fd);
