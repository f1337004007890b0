/* SPDX-License-Identifier: MIT */
/*
 * Identity: who this device is and what runs on it. Edge. Files are read below a root directory handle,
 * for tests; the machine id alone is the one of the system that the process lives in. It never leaves
 * this file: what is sent is a hash of it under an application id of ours.
 */
#pragma once

#include <stdbool.h>

#include "topic.h"

struct identity {
	char device[TOPIC_NAME_MAX];
	char firmware[TOPIC_NAME_MAX];	/* printable ASCII; "unknown" where nothing says it */
	char boot[TOPIC_BOOT_MAX];
};

#define IDENTITY_COMPLAINT_MAX	256

/*
 * device: 1..64 of [A-Za-z0-9_-], NULL or "": derived from the machine id. firmware: printable ASCII, up
 * to 64, NULL or "": the first of IMAGE_VERSION, BUILD_ID, VERSION_ID in os-release. Returns 0, or -errno
 * after a sentence in `complaint` that says what to do: -EINVAL a name that cannot be used; -ENOENT,
 * -ENOMEDIUM and others there is no machine id, no boot id.
 */
int identity_read(int root_fd, const char *device, const char *firmware, struct identity *ret,
		  char complaint[IDENTITY_COMPLAINT_MAX]);

/* "", too: os-release says it then. */
bool identity_firmware_is_valid(const char *text);

/* Is the wall clock synchronised, as the kernel was told? */
bool identity_clock_is_synchronised(void);
