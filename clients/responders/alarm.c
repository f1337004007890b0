/* SPDX-License-Identifier: MIT */
/*
 * failsoft-alarm: raises an alarm: a line to a file of the kernel (GPIO, LED), to a console, and to
 * another host. A procedure, see failsoftctl(1):
 * failsoft-alarm --write=/sys/class/leds/red/brightness=1 --console=/dev/console --udp=192.0.2.1:5140
 *
 * Everything is opened before, hosts are named by address: nothing is looked up in the crisis.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <failsoft/responder.h>

#define PLACES_MAX	8

enum kind { KIND_WRITE, KIND_CONSOLE, KIND_UDP, KIND_TCP };

struct place {
	enum kind kind;
	const char *name;		/* as it was given */
	const char *text;		/* KIND_WRITE: what is written; else the message */
	struct sockaddr_storage address;
	socklen_t address_size;
	int fd;
};

static struct place places[PLACES_MAX];
static unsigned places_count;
static bool wants_answer;

static void print_usage(FILE *out)
{
	fputs("usage: failsoft-alarm [--write=FILE=TEXT] [--console=FILE] [--udp=ADDRESS:PORT]\n"
	      "                      [--tcp=ADDRESS:PORT] [--answer] [--message=TEXT]\n"
	      "       failsoft-alarm --help\n"
	      "  at most 8 of the first four; ADDRESS in figures, [::1]:5140 for IPv6\n", out);
}

static int usage(void)
{
	print_usage(stderr);
	return 2;
}

/* Asked for: 0, unless nobody could be told. */
static int help(void)
{
	print_usage(stdout);
	return fflush(stdout) ? 1 : 0;
}

/* "192.0.2.1:5140", "[2001:db8::1]:5140" */
static bool parse_address(char *text, struct place *p)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&p->address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&p->address;
	char *colon = strrchr(text, ':'), host[64], *end;
	long port;
	size_t length;

	if (!colon || colon == text)
		return false;
	port = strtol(colon + 1, &end, 10);
	length = (size_t)(colon - text);
	if (*end || end == colon + 1 || port < 1 || port > 65535 || length >= sizeof(host))
		return false;
	memcpy(host, text, length);
	host[length] = 0;
	if (host[0] == '[' && host[length - 1] == ']') {
		host[length - 1] = 0;
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
		p->address_size = sizeof(*v6);
		return inet_pton(AF_INET6, host + 1, &v6->sin6_addr) == 1;
	}
	v4->sin_family = AF_INET;
	v4->sin_port = htons((uint16_t)port);
	p->address_size = sizeof(*v4);
	return inet_pton(AF_INET, host, &v4->sin_addr) == 1;
}

static bool add(enum kind kind, char *text)
{
	struct place *p = &places[places_count];
	char *equals = strrchr(text, '=');

	if (places_count == PLACES_MAX || (kind == KIND_WRITE && (!equals || equals == text)))
		return false;
	*p = (struct place){ .kind = kind, .name = text, .fd = -1 };
	if (kind == KIND_WRITE) {
		*equals = 0;
		p->text = equals + 1;
	}
	places_count++;
	return kind == KIND_WRITE || kind == KIND_CONSOLE || parse_address(text, p);
}

/* A place that cannot be opened now is tried again when it is needed; the others stand. */
static void open_place(struct place *p)
{
	int type = p->kind == KIND_TCP ? SOCK_STREAM : SOCK_DGRAM;

	if (p->kind == KIND_WRITE || p->kind == KIND_CONSOLE) {
		p->fd = open(p->name, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	} else {
		/* not connected: the network may come up after us */
		p->fd = socket(p->address.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	}
	if (p->fd < 0)
		fprintf(stderr, "%s: %s\n", p->name, strerror(errno));
}

static int left_ms(const struct failsoft_responder_run *run)
{
	struct timespec t;
	uint64_t now;

	clock_gettime(CLOCK_MONOTONIC, &t);
	now = (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
	return now >= run->deadline_usec ? 0 : (int)((run->deadline_usec - now) / 1000u);
}

/* Half of the time that is left: a host that does not answer must not silence the next one. */
static bool reach(const struct place *p, const struct failsoft_responder_run *run)
{
	struct pollfd out = { .fd = p->fd, .events = POLLOUT };
	int error = 0;
	socklen_t size = sizeof(error);

	if (p->kind != KIND_TCP)
		return true;
	if (connect(p->fd, (const struct sockaddr *)&p->address, p->address_size) == 0)
		return true;
	if (errno != EINPROGRESS || poll(&out, 1, left_ms(run) / 2) <= 0)
		return false;
	if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 || error) {
		errno = error ? error : errno;
		return false;
	}
	return true;
}

/* What the host says is its own; that it says something is what counts. */
static bool is_answered(const struct place *p, const struct failsoft_responder_run *run)
{
	struct pollfd in = { .fd = p->fd, .events = POLLIN };
	char byte;

	if (p->kind != KIND_TCP || !wants_answer)
		return true;
	errno = ETIMEDOUT;
	return poll(&in, 1, left_ms(run) / 2) > 0 && recv(p->fd, &byte, 1, 0) == 1;
}

static ssize_t put(const struct place *p, const char *text)
{
	const struct sockaddr *to = (const struct sockaddr *)&p->address;

	switch (p->kind) {
	case KIND_WRITE:
	case KIND_CONSOLE:
		return write(p->fd, text, strlen(text));
	case KIND_TCP:
		return send(p->fd, text, strlen(text), MSG_NOSIGNAL);
	case KIND_UDP:
		break;
	}
	return sendto(p->fd, text, strlen(text), MSG_NOSIGNAL, to, p->address_size);
}

static bool say(struct place *p, const char *message, const struct failsoft_responder_run *run)
{
	const char *text = p->kind == KIND_WRITE ? p->text : message;
	ssize_t n = -1;

	if (p->fd < 0)
		open_place(p);
	if (p->fd >= 0 && reach(p, run))
		n = put(p, text);
	if (n >= 0 && !is_answered(p, run))
		n = -1;
	if (n < 0)
		fprintf(stderr, "%s: %s\n", p->name, strerror(errno));
	return n >= 0;
}

static int alarm_all(const char *words, const struct failsoft_responder_run *run)
{
	char message[512];
	unsigned said = 0;

	snprintf(message, sizeof(message),
		 "failsoft: memory runs out, %s (pid %d) is about to be ended, episode %llu%s%s\n", run->name,
		 (int)run->pid, (unsigned long long)run->episode,
		 words ? ": " : "", words ? words : "");
	for (unsigned i = 0; i < places_count; i++)
		said += say(&places[i], message, run);
	printf("%u of %u alarms raised\n", said, places_count);
	return said == places_count ? 0 : 1;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "write", required_argument, NULL, KIND_WRITE },
		{ "console", required_argument, NULL, KIND_CONSOLE },
		{ "udp", required_argument, NULL, KIND_UDP }, { "tcp", required_argument, NULL, KIND_TCP },
		{ "answer", no_argument, NULL, 'a' },
		{ "message", required_argument, NULL, 'm' },
		{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
	};
	struct failsoft_responder_run run;
	const char *words = NULL;
	int option, r;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'm')
			words = optarg;
		else if (option == 'a')
			wants_answer = true;
		else if (option == 'h')
			return help();
		else if (option == '?' || !add((enum kind)option, optarg))
			return usage();
	}
	if (optind < argc || !places_count)
		return usage();
	for (unsigned i = 0; i < places_count; i++)
		open_place(&places[i]);
	r = failsoft_responder_wait(&run);
	return r ? r < 0 : alarm_all(words, &run);
}
