/* SPDX-License-Identifier: MIT */
/*
 * redecide IN OUT: the recording IN decided anew, by the rules of today and with a client, as a new
 * recording. Replayed it must give the same to the byte, whoever made IN and when.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../clients/tape/player.h"
#include "config.h"
#include "config_policy.h"
#include "recorder.h"

#define RING_BYTES	(1u << 20)

static struct player player;
static struct tape tape;
static uint8_t ring[RING_BYTES];

static bool write_out(int fd)
{
	static uint8_t room[RING_BYTES];
	size_t size = tape_take(&tape, room, sizeof(room));

	return write(fd, room, size) == (ssize_t)size && !tape.is_broken;
}

static void begin(void)
{
	struct core_tape_machine machine = recorder_machine();

	machine.now_us = player.replay.now_us;
	tape_init(&tape, core_tape_shapes, CORE_TAPE_KIND_COUNT);
	tape_begin(&tape, ring, sizeof(ring), "redecide");
	core_tape_start(&player.core, &tape, &machine);
}

int main(int argc, char **argv)
{
	struct core_policy policy;
	struct config config;
	int fd;

	config_default(&config);
	policy = config_policy(&config);
	fd = argc == 3 ? open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
	if (fd < 0 || player_open(&player, argv[1], &policy) < 0)
		return 2;
	player.has_notional_client = true;
	while (player_next(&player)) {
		if (player.kind == CORE_TAPE_READY)
			begin();
		if (player.core.tape && !write_out(fd))
			return 1;
	}
	core_tape_stop(&player.core, player.replay.now_us, "it was decided anew");
	return write_out(fd) && close(fd) == 0 ? 0 : 1;
}
