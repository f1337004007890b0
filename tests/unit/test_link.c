/* SPDX-License-Identifier: MIT */
/* One link and a server of a few bytes in the same loop; with real servers and TLS:
 * tests/fleet/test_link.py. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "link_part.h"

static const uint8_t welcome[] = {0x20, 2, 0, 0};

/* What the server answers to whatever comes first, and then closes. */
struct scene {
	sd_event *event;
	struct link *link;
	int listener, taken;
	uint16_t port;
	const uint8_t *answer;
	size_t length;
	bool is_staying, is_over;
	unsigned taken_count, connected, lost, published;
	unsigned stop_after; /* losses or connections */
	char why[512];
};

static int on_request(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct scene *s = userdata;
	uint8_t request[512];

	(void)source, (void)events;
	if (read(fd, request, sizeof(request)) <= 0 || (request[0] & 0xf0) != 0x10) {
		sd_event_source_set_enabled(source, SD_EVENT_OFF);
		return 0;
	}
	assert_int_equal(write(fd, s->answer, s->length), (ssize_t)s->length);
	if (!s->is_staying)
		shutdown(fd, SHUT_RDWR);
	return 0;
}

static int on_accept(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct scene *s = userdata;
	sd_event_source *request;

	(void)source, (void)events;
	s->taken = accept(fd, NULL, NULL);
	assert_true(s->taken >= 0);
	s->taken_count++;
	assert_true(sd_event_add_io(s->event, &request, s->taken, EPOLLIN, on_request, s) >= 0);
	sd_event_source_set_io_fd_own(request, 1);
	sd_event_source_set_floating(request, 1);
	sd_event_source_unref(request);
	return 0;
}

static void on_connected(void *userdata)
{
	struct scene *s = userdata;

	s->connected++;
	assert_true(link_is_connected(s->link));
	if (s->is_staying)
		s->is_over = true;
}

static void on_lost(void *userdata, const char *why)
{
	struct scene *s = userdata;

	snprintf(s->why, sizeof(s->why), "%s", why);
	assert_false(link_is_connected(s->link));
	if (++s->lost == s->stop_after)
		s->is_over = true;
}

static struct link_options options_of(const char *server)
{
	return (struct link_options){.server = {server},
				     .servers = 1,
				     .client_id = "unit",
				     .is_clean = true,
				     .keepalive_s = 60,
				     .pause_first_us = 1000,
				     .pause_last_us = 100000000,
				     .connect_us = 200000};
}

static void open_scene(struct scene *s, struct link_options *options, char text[32])
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const struct link_events events = {
		.connected = on_connected, .lost = on_lost, .userdata = s};
	socklen_t size = sizeof(address);
	char complaint[256];

	assert_true(sd_event_new(&s->event) >= 0);
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->listener, (struct sockaddr *)&address, size), 0);
	assert_int_equal(getsockname(s->listener, (struct sockaddr *)&address, &size), 0);
	assert_int_equal(listen(s->listener, 8), 0);
	snprintf(text, 32, "127.0.0.1:%u", ntohs(address.sin_port));
	*options = options_of(text);
	assert_true(sd_event_add_io(s->event, NULL, s->listener, EPOLLIN, on_accept, s) >= 0);
	assert_int_equal(link_new(&s->link, s->event, options, &events, complaint), 0);
}

static void run(struct scene *s)
{
	s->is_over = false;
	while (!s->is_over)
		assert_true(sd_event_run(s->event, 10000000) > 0);
}

static void close_scene(struct scene *s)
{
	assert_null(link_free(s->link));
	sd_event_unref(s->event);
	close(s->listener);
}

static void answers(void **state)
{
	static const struct {
		const char *name;
		uint8_t answer[8];
		size_t length;
		bool is_staying;
		const char *why;
	} rows[] = {
		{"protocol", {0x20, 2, 0, 1}, 4, true, "it does not speak MQTT 3.1.1"},
		{"client id", {0x20, 2, 0, 2}, 4, true, "it rejects the client id"},
		{"not available", {0x20, 2, 0, 3}, 4, true, "it is not available now"},
		{"password", {0x20, 2, 0, 4}, 4, true, "user name or password is wrong"},
		{"authorised", {0x20, 2, 0, 5}, 4, true, "not authorised"},
		{"unheard of", {0x20, 2, 0, 77}, 4, true, "MQTT 3.1.1 does not know"},
		{"closed at once", {0}, 0, false, "ended the connection before it answered"},
		{"no word",
		 {0},
		 0,
		 true,
		 "the server took the connection, but did not answer in time"},
		{"half a word", {0x20, 2}, 2, true, "did not answer in time"},
		{"another protocol", "HTTP/1.1", 8, false, "is this an MQTT port"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct scene s = {.answer = rows[i].answer,
				  .length = rows[i].length,
				  .is_staying = rows[i].is_staying,
				  .stop_after = 1};
		struct link_options options;
		char text[32];

		open_scene(&s, &options, text);
		run(&s);
		print_message("# %s: %s\n", rows[i].name, s.why);
		assert_non_null(strstr(s.why, rows[i].why));
		assert_int_equal(s.connected, 0);
		assert_int_equal(link_publish(s.link, "a", "b", 1, 1, false), -ENOTCONN);
		close_scene(&s);
	}
}

/* Let in and thrown out at once, six times: each pause comes from a window twice as wide. */
static void short_success_resets_nothing(void **state)
{
	struct scene s = {.answer = welcome, .length = sizeof(welcome), .stop_after = 6};
	struct link_options options;
	char text[32];

	(void)state;
	open_scene(&s, &options, text);
	run(&s);
	assert_int_equal(s.connected, 6);
	assert_int_equal(s.link->backoff.attempts, 6);
	close_scene(&s);
}

static void success_that_stood_resets(void **state)
{
	struct scene s = {.answer = welcome, .length = sizeof(welcome), .is_staying = true};
	struct link_options options;
	char text[32];

	(void)state;
	open_scene(&s, &options, text);
	s.link->backoff.attempts = 9;
	run(&s);
	s.link->options.pause_last_us = 1; /* it has stood longer */
	s.stop_after = 1;
	assert_int_equal(shutdown(s.taken, SHUT_RDWR), 0);
	run(&s);
	assert_int_equal(s.link->backoff.attempts, 1);
	close_scene(&s);
}

/* The name server is gone; what it said last is not. */
static void known_numbers(void **state)
{
	struct scene s = {.answer = welcome, .length = sizeof(welcome), .is_staying = true};
	struct link_options options;
	char text[32];

	(void)state;
	open_scene(&s, &options, text);
	strcpy(s.link->server[0].host, "no such name");
	s.link->known[0].count = 1;
	strcpy(s.link->known[0].number[0], "127.0.0.1");
	run(&s);
	assert_int_equal(s.connected, 1);
	close_scene(&s);
}

static void sizes(void **state)
{
	struct scene s = {.answer = welcome, .length = sizeof(welcome), .is_staying = true};
	struct link_options options;
	char text[32];

	(void)state;
	open_scene(&s, &options, text);
	run(&s);
	assert_int_equal(link_publish(s.link, "a", "b", (size_t)300 << 20, 1, false), -EMSGSIZE);
	assert_int_equal(link_publish(s.link, "a/#", "b", 1, 1, false), -EINVAL);
	assert_true(link_is_connected(s.link));
	assert_true(link_publish(s.link, "a", "b", 1, 1, false) > 0);
	close_scene(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers),
		cmocka_unit_test(short_success_resets_nothing),
		cmocka_unit_test(success_that_stood_resets),
		cmocka_unit_test(sizes),
		cmocka_unit_test(known_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
