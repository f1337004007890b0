/* SPDX-License-Identifier: MIT */
/*
 * Device check: --check: one connection, one state, and what the server said of both, for a person. Edge.
 */
#pragma once

struct device;

int device_check(struct device *d);		/* exit status */
void device_check_connected(struct device *d);
void device_check_lost(struct device *d, const char *why);
void device_check_acknowledged(struct device *d, int message);
