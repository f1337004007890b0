/* SPDX-License-Identifier: MIT */
/*
 * The part of MQTT 3.1.1 that a simulated device speaks, written a second time on purpose: the herd
 * costs a few hundred bytes a device where the library costs kilobytes. Pure: bytes in, bytes out.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum packet_kind {
	PACKET_CONNACK = 2, PACKET_PUBLISH = 3, PACKET_PUBACK = 4, PACKET_PINGRESP = 13
};

struct packet {
	enum packet_kind kind;
	uint16_t number;		/* of a PUBACK */
	uint8_t code;			/* of a CONNACK: 0 welcome */
};

struct packet_will {
	const char *topic, *payload;
};

struct packet_publish {
	const char *topic, *payload;
	uint16_t number;		/* 0: QoS 0 */
	bool is_retained;
};

/* Each returns the bytes written to `ret`, or 0: it has not `size` bytes. */
size_t packet_connect(const char *client_id, uint16_t keepalive_s, const struct packet_will *will,
		      uint8_t *ret, size_t size);
size_t packet_publish(const struct packet_publish *p, uint8_t *ret, size_t size);
size_t packet_ping(uint8_t *ret, size_t size);

/* Takes one packet from the beginning of `bytes`: its length, 0: not all there, or -EPROTO. */
int packet_take(const uint8_t *bytes, size_t length, struct packet *ret);
