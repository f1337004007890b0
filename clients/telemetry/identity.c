/* SPDX-License-Identifier: MIT */
#include "identity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timex.h>
#include <systemd/sd-id128.h>
#include <unistd.h>

/* Of failsoft's telemetry, for ever: another one gives every device another name. Made with
 * "systemd-id128 new". */
static const sd_id128_t app_id = SD_ID128_MAKE(a6, 05, b5, 9a, 41, 8b, 4a, bd, 8b, 23, 24, dc, 39, e7,
					       1c, 7e);

#define FILE_BYTES_MAX	8192	/* os-release of Debian: 267 bytes */

/* Returns bytes, NUL added; what is beyond `size` is not read. */
static ssize_t read_file(int root_fd, const char *path, char *ret, size_t size)
{
	int fd = openat(root_fd, path, O_RDONLY | O_CLOEXEC);
	ssize_t n;
	int error;

	if (fd < 0)
		return -errno;
	n = read(fd, ret, size - 1);
	error = errno;
	close(fd);
	if (n < 0)
		return -error;
	ret[n] = '\0';
	return n;
}

/* ---- device ---- */

static int read_device(const char *configured, char ret[TOPIC_NAME_MAX], char *complaint)
{
	sd_id128_t id;
	int r;

	if (configured && *configured) {
		if (!topic_name_is_valid(configured)) {
			snprintf(complaint, IDENTITY_COMPLAINT_MAX, "\"%.80s\" is no name for a device: give "
				 "1 to 64 of the letters A-Z a-z, digits, _ and -", configured);
			return -EINVAL;
		}
		snprintf(ret, TOPIC_NAME_MAX, "%s", configured);
		return 0;
	}
	r = sd_id128_get_machine_app_specific(app_id, &id);
	if (r < 0) {
		snprintf(complaint, IDENTITY_COMPLAINT_MAX, "no machine id to derive the device's name from "
			 "(/etc/machine-id: %s): run systemd-machine-id-setup, or configure \"device\"",
			 strerror(-r));
		return r;
	}
	(void)sd_id128_to_string(id, ret); /* 33 bytes fit */
	return 0;
}

/* ---- firmware ---- */

static bool is_printable(const char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			return false;
	return true;
}

bool identity_firmware_is_valid(const char *text)
{
	return strlen(text) < TOPIC_NAME_MAX && is_printable(text);
}

/* KEY=value, KEY="value", KEY='value' with \ before what the shell minds: os-release(5). */
static void unquote(const char *from, size_t length, char ret[TOPIC_NAME_MAX])
{
	const char quote = length >= 2 && strchr("\"'", from[0]) && from[length - 1] == from[0] ? from[0] : 0;
	size_t used = 0;

	for (size_t i = quote ? 1 : 0; i < length - (quote ? 1 : 0) && used + 1 < TOPIC_NAME_MAX; i++) {
		if (from[i] == '\\' && quote != '\'' && i + 1 < length - (quote ? 1 : 0))
			i++;
		ret[used++] = from[i] >= ' ' && from[i] <= '~' ? from[i] : '?';
	}
	ret[used] = '\0';
}

static bool find_value(const char *text, const char *key, char ret[TOPIC_NAME_MAX])
{
	const size_t length = strlen(key);

	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		if (strncmp(line, key, length) || line[length] != '=')
			continue;
		unquote(line + length + 1, strcspn(line + length + 1, "\r\n"), ret);
		if (*ret)
			return true;
	}
	return false;
}

static bool find_firmware(const char *text, char ret[TOPIC_NAME_MAX])
{
	return find_value(text, "IMAGE_VERSION", ret) || find_value(text, "BUILD_ID", ret) ||
	       find_value(text, "VERSION_ID", ret);
}

static int read_firmware(int root_fd, const char *configured, char ret[TOPIC_NAME_MAX], char *complaint)
{
	char text[FILE_BYTES_MAX];

	if (configured && *configured) {
		if (!identity_firmware_is_valid(configured)) {
			snprintf(complaint, IDENTITY_COMPLAINT_MAX,
				 "the configured \"firmware\" is no version: "
				 "give 1 to 64 printable ASCII characters");
			return -EINVAL;
		}
		snprintf(ret, TOPIC_NAME_MAX, "%s", configured);
		return 0;
	}
	/* /usr/lib's stands in only where the other is not there: os-release(5) */
	if ((read_file(root_fd, "etc/os-release", text, sizeof(text)) < 0 &&
	     read_file(root_fd, "usr/lib/os-release", text, sizeof(text)) < 0) || !find_firmware(text, ret))
		strcpy(ret, "unknown");
	return 0;
}

/* ---- boot ---- */

static int read_boot(int root_fd, char ret[TOPIC_BOOT_MAX], char *complaint)
{
	char text[64] = "";
	sd_id128_t id;
	ssize_t n = read_file(root_fd, "proc/sys/kernel/random/boot_id", text, sizeof(text));
	int r = n < 0 ? (int)n : 0;

	text[strcspn(text, "\n")] = '\0';
	if (r >= 0)
		r = sd_id128_from_string(text, &id);
	if (r < 0) {
		snprintf(complaint, IDENTITY_COMPLAINT_MAX,
			 "/proc/sys/kernel/random/boot_id: %s: messages could "
			 "not be told apart over a reboot; mount /proc for this service", strerror(-r));
		return r;
	}
	(void)sd_id128_to_string(id, ret);
	return 0;
}

int identity_read(int root_fd, const char *device, const char *firmware, struct identity *ret,
		  char complaint[IDENTITY_COMPLAINT_MAX])
{
	struct identity i = { 0 };
	int r = read_device(device, i.device, complaint);

	if (r >= 0)
		r = read_firmware(root_fd, firmware, i.firmware, complaint);
	if (r >= 0)
		r = read_boot(root_fd, i.boot, complaint);
	if (r < 0)
		return r;
	*ret = i;
	return 0;
}

bool identity_clock_is_synchronised(void)
{
	struct timex t = { 0 };

	return adjtimex(&t) >= 0 && !(t.status & STA_UNSYNC);
}
