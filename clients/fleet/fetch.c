/* SPDX-License-Identifier: MIT */
#include "fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <systemd/sd-event.h>

/* Alertmanager answers in milliseconds; a machine that is gone must not hold the queue for long. */
#define CONNECT_MS	5000L
#define TOTAL_MS	20000L

struct fetch {
	sd_event *event;
	sd_event_source *timer;
	CURLM *multi;
	CURL *easy;
	struct curl_slist *headers;
	char *body;			/* not NULL: busy */
	char error[CURL_ERROR_SIZE];
	fetch_done *done;
	void *userdata;
};

static void finish(struct fetch *f, CURLcode code)
{
	struct fetch_result result = { 0 };
	char why[64];

	curl_multi_remove_handle(f->multi, f->easy);
	free(f->body);
	f->body = NULL;
	if (code == CURLE_OK)
		curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &result.status);
	snprintf(why, sizeof(why), "it answers with HTTP status %ld", result.status);
	result.why = code == CURLE_OK ? why : f->error[0] ? f->error : curl_easy_strerror(code);
	f->done(f->userdata, &result);
}

static void look(struct fetch *f)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(f->multi, &left)))
		if (message->msg == CURLMSG_DONE) {
			finish(f, message->data.result);
			return; /* there is one at a time */
		}
}

static int on_socket(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct fetch *f = userdata;
	int running, what = (events & EPOLLIN ? CURL_CSELECT_IN : 0) |
			    (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
			    (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);

	(void)source;
	curl_multi_socket_action(f->multi, fd, what, &running);
	look(f);
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t us, void *userdata)
{
	struct fetch *f = userdata;
	int running;

	(void)source;
	(void)us;
	curl_multi_socket_action(f->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	look(f);
	return 0;
}

/* ---- what libcurl wants of the loop ---- */

static int want_socket(CURL *easy, curl_socket_t fd, int what, void *userdata, void *socket)
{
	struct fetch *f = userdata;
	sd_event_source *source = socket;
	uint32_t events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
	int r = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		curl_multi_assign(f->multi, fd, NULL);
		sd_event_source_disable_unref(source);
	} else if (source) {
		r = sd_event_source_set_io_events(source, events);
	} else {
		r = sd_event_add_io(f->event, &source, fd, events, on_socket, f);
		if (r >= 0)
			curl_multi_assign(f->multi, fd, source);
	}
	return r < 0 ? -1 : 0;
}

static int want_timer(CURLM *multi, long ms, void *userdata)
{
	struct fetch *f = userdata;

	(void)multi;
	if (ms < 0)
		return sd_event_source_set_enabled(f->timer, SD_EVENT_OFF) < 0 ? -1 : 0;
	if (sd_event_source_set_time_relative(f->timer, (uint64_t)ms * 1000) < 0)
		return -1;
	return sd_event_source_set_enabled(f->timer, SD_EVENT_ONESHOT) < 0 ? -1 : 0;
}

/* The answer is not read: its status says all. */
static size_t ignore(char *bytes, size_t size, size_t count, void *userdata)
{
	(void)bytes;
	(void)userdata;
	return size * count;
}

static bool set_up(struct fetch *f, const char *url)
{
	f->headers = curl_slist_append(NULL, "Content-Type: application/json");
	f->easy = curl_easy_init();
	f->multi = curl_multi_init();
	return f->headers && f->easy && f->multi &&
	       !curl_multi_setopt(f->multi, CURLMOPT_SOCKETFUNCTION, want_socket) &&
	       !curl_multi_setopt(f->multi, CURLMOPT_SOCKETDATA, f) &&
	       !curl_multi_setopt(f->multi, CURLMOPT_TIMERFUNCTION, want_timer) &&
	       !curl_multi_setopt(f->multi, CURLMOPT_TIMERDATA, f) &&
	       !curl_easy_setopt(f->easy, CURLOPT_URL, url) &&
	       !curl_easy_setopt(f->easy, CURLOPT_PROTOCOLS_STR, "http,https") &&
	       !curl_easy_setopt(f->easy, CURLOPT_HTTPHEADER, f->headers) &&
	       !curl_easy_setopt(f->easy, CURLOPT_ERRORBUFFER, f->error) &&
	       !curl_easy_setopt(f->easy, CURLOPT_WRITEFUNCTION, ignore) &&
	       !curl_easy_setopt(f->easy, CURLOPT_NOSIGNAL, 1L) &&
	       !curl_easy_setopt(f->easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS) &&
	       !curl_easy_setopt(f->easy, CURLOPT_TIMEOUT_MS, TOTAL_MS);
}

int fetch_new(struct fetch **ret, struct sd_event *event, const char *url, fetch_done *done, void *userdata)
{
	struct fetch *f;
	int r = -ENOMEM;

	if (strncmp(url, "http://", 7) && strncmp(url, "https://", 8))
		return -EINVAL;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->event = sd_event_ref(event);
	f->done = done;
	f->userdata = userdata;
	if (set_up(f, url))
		r = sd_event_add_time_relative(event, &f->timer, CLOCK_MONOTONIC, UINT64_MAX / 4, 0,
					       on_timer, f);
	if (r < 0) {
		fetch_free(f);
		return r;
	}
	(void)sd_event_source_set_enabled(f->timer, SD_EVENT_OFF); /* cannot fail: it was just made */
	*ret = f;
	return 0;
}

struct fetch *fetch_free(struct fetch *f)
{
	if (!f)
		return NULL;
	if (f->body)
		curl_multi_remove_handle(f->multi, f->easy);
	curl_easy_cleanup(f->easy);
	curl_multi_cleanup(f->multi); /* closes kept connections: still calls want_socket */
	curl_slist_free_all(f->headers);
	sd_event_source_disable_unref(f->timer);
	sd_event_unref(f->event);
	free(f->body);
	free(f);
	return NULL;
}

bool fetch_is_busy(const struct fetch *f)
{
	return f->body;
}

int fetch_post(struct fetch *f, char *body)
{
	if (f->body) {
		free(body);
		return -EBUSY;
	}
	f->body = body;
	f->error[0] = '\0';
	curl_easy_setopt(f->easy, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
	curl_easy_setopt(f->easy, CURLOPT_POSTFIELDS, body);
	if (curl_multi_add_handle(f->multi, f->easy) == CURLM_OK)
		return 0;
	f->body = NULL;
	free(body);
	return -EIO;
}
