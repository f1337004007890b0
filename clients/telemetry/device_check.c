/* SPDX-License-Identifier: MIT */
#include "device_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"

int device_check(struct device *d)
{
	printf("device %s of fleet %s, firmware %s; topics failsoft/v1/%s/%s/...\n",
	       d->envelope.device, d->envelope.fleet, d->envelope.firmware, d->envelope.fleet,
	       d->envelope.device);
	for (uint64_t i = 0; i < d->settings.servers; i++)
		printf("server %s, %s\n", d->settings.server[i],
		       !d->settings.ca_file[0]	  ? "without TLS"
		       : d->settings.cert_file[0] ? "TLS, our certificate"
						  : "TLS, no certificate of ours");
	fflush(stdout);
	return device_run(d);
}

void device_check_connected(struct device *d)
{
	printf("%s: connected\n", link_server(d->link));
	d->check_message = device_state(d, true);
}

void device_check_lost(struct device *d, const char *why)
{
	printf("%s\n", why);
	if (d->goodbye > 0 || ++d->check_lost == d->settings.servers)
		(void)sd_event_exit(d->event, EXIT_FAILURE);
}

void device_check_acknowledged(struct device *d, int message)
{
	/* Not yet "took": Mosquitto acknowledges also what its ACL denies, and ends the connection
	 * then. If it stands until the goodbye is acknowledged, it did not. */
	if (message == d->goodbye)
		printf("%s: took the state\n", link_server(d->link));
	if (message != d->check_message)
		return;
	d->goodbye = device_state(d, false);
	if (d->goodbye < 0)
		(void)sd_event_exit(d->event, EXIT_FAILURE);
}
