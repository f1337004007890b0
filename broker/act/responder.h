/* SPDX-License-Identifier: MIT */
/*
 * Responder: the broker's end of a failsoft-responder, the process that stands ready for one
 * procedure. Edge. Starting one waits for fork and exec, so that is done outside a crisis only;
 * waking it is one packet to a socket that never blocks. Descriptors are the caller's.
 */
#pragma once

#include <failsoft/launch.h>

#include "act/procedure.h"

/*
 * Starts it and tells it the procedure; READY or BROKEN comes later. place: failsoft-responder
 * itself, or a socket where systemd starts one for each connection. Returns 0 or -errno.
 */
int responder_open(const char *place, const struct procedure_spec *spec, int *ret_fd);

/* Now, for this victim. Allocates nothing. 0 or -errno. */
int responder_run(int fd, const struct launch_run *run);

/* Kill what runs, and say DONE. 0 or -errno. */
int responder_stop(int fd);

/* What it says: 0, -EAGAIN nothing yet, -ECONNRESET it is gone, -EPROTO it talks nonsense. */
int responder_read(int fd, struct launch_reply *ret);
