/* SPDX-License-Identifier: MIT */
#include "lookup.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <systemd/sd-event.h>

/* glibc's resolver and its NSS modules keep answers of up to 64 KiB on the stack; half of this
 * crashed no module that was tried, double costs address space only. */
#define STACK_BYTES (256u * 1024u)

/* Shared with the thread; the last of the two that lets go frees it. */
struct question {
	atomic_uint holders;
	int done_fd;
	char host[LOOKUP_HOST_MAX];
	struct lookup_answer answer;
};

struct lookup {
	struct question *question;
	sd_event_source *source;
	lookup_done done;
	void *userdata;
};

static void question_release(struct question *q)
{
	if (atomic_fetch_sub(&q->holders, 1) != 1)
		return;
	if (q->done_fd >= 0)
		close(q->done_fd);
	free(q);
}

bool lookup_server_parse(const char *text, struct lookup_server *ret)
{
	const char *colon = strrchr(text, ':'), *host = text;
	char *end;
	size_t length;
	unsigned long port;

	if (!colon)
		return false;
	length = (size_t)(colon - text);
	if (*text == '[') {
		if (length < 3 || text[length - 1] != ']')
			return false;
		host++;
		length -= 2;
	} else if (memchr(text, ':', length)) {
		return false; /* an IPv6 number without brackets: which colon is the port's? */
	}
	if (length == 0 || length >= LOOKUP_HOST_MAX || strcspn(host, " \t/@") < length)
		return false;
	if (colon[1] < '0' || colon[1] > '9')
		return false;
	port = strtoul(colon + 1, &end, 10);
	if (*end || port == 0 || port > UINT16_MAX)
		return false;
	memcpy(ret->host, host, length);
	ret->host[length] = '\0';
	ret->port = (uint16_t)port;
	return true;
}

bool lookup_is_number(const char *host)
{
	const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
	struct addrinfo *list;

	if (getaddrinfo(host, NULL, &hints, &list))
		return false;
	freeaddrinfo(list);
	return true;
}

static void *ask(void *arg)
{
	const struct addrinfo hints = {.ai_flags = AI_ADDRCONFIG, .ai_socktype = SOCK_STREAM};
	struct question *q = arg;
	struct addrinfo *list = NULL;

	q->answer.error = getaddrinfo(q->host, NULL, &hints, &list);
	q->answer.system_errno = errno;
	for (const struct addrinfo *a = list; a && q->answer.count < LOOKUP_NUMBERS_MAX;
	     a = a->ai_next)
		if (!getnameinfo(a->ai_addr, a->ai_addrlen, q->answer.number[q->answer.count],
				 LOOKUP_NUMBER_MAX, NULL, 0, NI_NUMERICHOST))
			q->answer.count++;
	if (list)
		freeaddrinfo(list);
	if (!q->answer.error && q->answer.count == 0)
		q->answer.error = EAI_NONAME;
	(void)eventfd_write(q->done_fd, 1); /* cannot block: it is the only one */
	question_release(q);
	return NULL;
}

static int on_done(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct lookup *l = userdata;
	const struct lookup_answer answer = l->question->answer;

	(void)fd, (void)events;
	(void)sd_event_source_set_enabled(source, SD_EVENT_OFF); /* once */
	l->done(l->userdata, &answer);
	return 0;
}

static int start_thread(struct question *q)
{
	pthread_attr_t attributes;
	pthread_t thread;
	sigset_t all, old;
	int r;

	if (pthread_attr_init(&attributes))
		return -ENOMEM;
	(void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	(void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
	sigfillset(&all); /* signals are the loop's */
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = -pthread_create(&thread, &attributes, ask, q);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attributes);
	return r;
}

int lookup_new(struct lookup **ret, struct sd_event *event, const char *host, lookup_done done,
	       void *userdata)
{
	struct lookup *l = calloc(1, sizeof(*l));
	struct question *q = calloc(1, sizeof(*q));
	int r = -ENOMEM;

	if (!l || !q) {
		free(q);
		free(l);
		return r;
	}
	*l = (struct lookup){.question = q, .done = done, .userdata = userdata};
	atomic_init(&q->holders, 1);
	strncpy(q->host, host, sizeof(q->host) - 1);
	q->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (q->done_fd < 0) {
		r = -errno;
		goto fail;
	}
	r = sd_event_add_io(event, &l->source, q->done_fd, EPOLLIN, on_done, l);
	if (r < 0)
		goto fail;
	atomic_store(&q->holders, 2);
	r = start_thread(q);
	if (r < 0) {
		atomic_store(&q->holders, 1);
		goto fail;
	}
	*ret = l;
	return 0;
fail:
	lookup_free(l);
	return r;
}

struct lookup *lookup_free(struct lookup *l)
{
	if (!l)
		return NULL;
	sd_event_source_disable_unref(l->source);
	question_release(l->question);
	free(l);
	return NULL;
}
