/* SPDX-License-Identifier: MIT */
#include "herd_packet.h"

#include <errno.h>
#include <string.h>

#define CONNECT		0x10
#define PUBLISH		0x30
#define PINGREQ		0xc0
#define LEVEL_311	4
#define CLEAN		0x02
#define WILL_KEPT	0x2c		/* there is a will, QoS 1, retained */
#define HEAD_MAX	5		/* kind, then a length of up to four bytes */

static uint8_t *put_number(uint8_t *at, size_t value)
{
	*at++ = (uint8_t)(value >> 8);
	*at++ = (uint8_t)value;
	return at;
}

static uint8_t *put_text(uint8_t *at, const char *text)
{
	const size_t length = strlen(text);

	at = put_number(at, length);
	memcpy(at, text, length);
	return at + length;
}

static uint8_t *put_head(uint8_t *at, uint8_t first, size_t left)
{
	*at++ = first;
	do {
		*at++ = (uint8_t)((left & 127) | (left > 127 ? 128 : 0));
		left >>= 7;
	} while (left);
	return at;
}

size_t packet_connect(const char *client_id, uint16_t keepalive_s, const struct packet_will *will,
		      uint8_t *ret, size_t size)
{
	const size_t left = 10 + 2 + strlen(client_id) + 2 + strlen(will->topic) + 2 + strlen(will->payload);
	uint8_t *at = ret;

	if (left + HEAD_MAX > size)
		return 0;
	at = put_head(at, CONNECT, left);
	at = put_text(at, "MQTT");
	*at++ = LEVEL_311;
	*at++ = CLEAN | WILL_KEPT;
	at = put_number(at, keepalive_s);
	at = put_text(at, client_id);
	at = put_text(at, will->topic);
	at = put_text(at, will->payload);
	return (size_t)(at - ret);
}

size_t packet_publish(const struct packet_publish *p, uint8_t *ret, size_t size)
{
	const size_t length = strlen(p->payload);
	const size_t left = 2 + strlen(p->topic) + (p->number ? 2 : 0) + length;
	uint8_t *at = ret;

	if (left + HEAD_MAX > size)
		return 0;
	at = put_head(at, (uint8_t)(PUBLISH | (p->number ? 2 : 0) | p->is_retained), left);
	at = put_text(at, p->topic);
	if (p->number)
		at = put_number(at, p->number);
	memcpy(at, p->payload, length);
	return (size_t)(at + length - ret);
}

size_t packet_ping(uint8_t *ret, size_t size)
{
	if (size < 2)
		return 0;
	ret[0] = PINGREQ;
	ret[1] = 0;
	return 2;
}

int packet_take(const uint8_t *bytes, size_t length, struct packet *ret)
{
	/* What a server sends to a client that has subscribed to nothing is short. */
	if (length < 2)
		return 0;
	if (bytes[1] > 2)
		return -EPROTO;
	if (length < 2u + bytes[1])
		return 0;
	*ret = (struct packet){ .kind = bytes[0] >> 4 };
	if (bytes[1] == 2) {
		ret->number = (uint16_t)(bytes[2] << 8 | bytes[3]);
		ret->code = bytes[3];
	}
	return 2 + bytes[1];
}
