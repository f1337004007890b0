/* SPDX-License-Identifier: MIT */
#include "pages.h"

#include <stdlib.h>
#include <string.h>

#define JSON_TYPE	"application/json; charset=utf-8"

static void take(struct web_answer *ret, char *text, const char *type)
{
	ret->text = text;
	ret->length = text ? strlen(text) : 0;
	ret->type = type;
	ret->status = text ? 200 : 500;
}

static void show_metrics(const struct metrics *metrics, struct web_answer *ret)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (out) {
		metrics_print(metrics, out);
		if (fclose(out)) {
			free(text);
			text = NULL;
		}
	}
	take(ret, text, "text/plain; version=0.0.4; charset=utf-8");
}

/* FLEET/DEVICE */
static void show_device(const struct api *api, const char *name, struct web_answer *ret)
{
	const char *slash = strchr(name, '/');
	size_t length = slash ? (size_t)(slash - name) : 0;
	char fleet[TOPIC_NAME_MAX];
	bool is_there;

	if (length == 0 || length >= sizeof(fleet) || !topic_name_is_valid(slash + 1))
		return;
	memcpy(fleet, name, length);
	fleet[length] = '\0';
	if (!topic_name_is_valid(fleet))
		return;
	take(ret, api_device(api, fleet, slash + 1, &is_there), JSON_TYPE);
	if (ret->status == 200 && !is_there)
		ret->status = 404;
}

void pages_answer(const struct api *api, const struct metrics *metrics, const struct web_request *request,
		  struct web_answer *ret)
{
	static const char device[] = "/api/device/";
	const char *path = request->path;

	if (!strcmp(path, "/metrics")) {
		show_metrics(metrics, ret);
	} else if (!strcmp(path, "/api/devices")) {
		take(ret,
		     api_devices(api, strtoull(request->run, NULL, 10),
				 strtoull(request->since, NULL, 10)),
		     JSON_TYPE);
	} else if (!strcmp(path, "/api/firmware")) {
		take(ret, api_firmware(api), JSON_TYPE);
	} else if (!strncmp(path, device, strlen(device))) {
		show_device(api, path + strlen(device), ret);
	} else if (!strcmp(path, "/")) {
		*ret = (struct web_answer){ .status = 200, .type = "text/html; charset=utf-8",
			.policy = page_policy, .fixed = page_html, .length = page_html_length };
	}
}
