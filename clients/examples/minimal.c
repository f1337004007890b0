/* SPDX-License-Identifier: MIT */
#include <failsoft/client.h>
#include <poll.h>
#include <stdio.h>

static enum failsoft_result save(const struct failsoft_order *order, void *file)
{
	fflush(file);
	printf("asked for step %u, %s has %llu bytes left\n", order->step, order->domain,
	       (unsigned long long)order->headroom_bytes);
	return FAILSOFT_RESULT_DONE;
}

int main(void)
{
	FILE *file = fopen("data.log", "a");
	struct failsoft_options options = {
		.name = "minimal", .userdata = file,
		.flush = save, .degrade = save, .shutdown = save, .flush_us = 200000,
	};
	struct failsoft *f;

	if (!file || failsoft_new(&options, &f) < 0)
		return 1;
	struct pollfd p = { .fd = failsoft_fd(f), .events = POLLIN };
	while (failsoft_dispatch(f) >= 0 && poll(&p, 1, 1000) >= 0)
		fputs("a record\n", file);
}
