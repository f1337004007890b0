/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../telemetry/lookup.h"
#include "../telemetry/topic.h"
#include "roster.h"

enum choice {
	OPT_SERVER = 256,
	OPT_CLIENT_ID,
	OPT_USER,
	OPT_PASSWORD,
	OPT_CA,
	OPT_CERT,
	OPT_KEY,
	OPT_KEEPALIVE,
	OPT_FLEET,
	OPT_SHARE,
	OPT_PARTITION,
	OPT_DEVICES,
	OPT_SILENT,
	OPT_JSON,
	OPT_QUIET,
	OPT_PLAIN,
	OPT_LISTEN,
	OPT_HOST,
	OPT_ALERTMANAGER,
	OPT_READ,
	OPT_STATE_FILE,
	OPT_HELP,
	OPT_VERSION
};

static const struct row {
	const char *name, *value, *help; /* value NULL: takes none */
	enum choice option;
} rows[] = {
	{"server", "HOST:PORT", "the MQTT server; may be repeated: tried in turn (127.0.0.1:1883)",
	 OPT_SERVER},
	{"client-id", "NAME",
	 "the server keeps what comes while NAME is away; one for each instance", OPT_CLIENT_ID},
	{"user", "NAME", "at the MQTT server", OPT_USER},
	{"password-file", "FILE", "its first line is the password", OPT_PASSWORD},
	{"ca", "FILE", "TLS: the server's certificate must be signed by one of these", OPT_CA},
	{"cert", "FILE", "TLS: our own certificate, with --key", OPT_CERT},
	{"key", "FILE", "TLS: its key", OPT_KEY},
	{"keepalive", "SECONDS", "5 to 3600 (60)", OPT_KEEPALIVE},
	{"fleet", "NAME", "only that fleet", OPT_FLEET},
	{"share", "GROUP",
	 "the instances of GROUP share the log: each message goes to one; sent again, perhaps to another",
	 OPT_SHARE},
	{"partition", "I/N",
	 "the same without the server's help, and exact: count the log of the Ith of N parts",
	 OPT_PARTITION},
	{"devices", "N", "at most so many, 1 to 1000000 (20000)", OPT_DEVICES},
	{"silent-after", "SECONDS",
	 "a device that is online and was not heard for so long is silent (2700)", OPT_SILENT},
	{"json", NULL, "JSON Lines on the standard output", OPT_JSON},
	{"quiet", NULL, "nothing on the standard output", OPT_QUIET},
	{"no-color", NULL, "no colours on the screen (also: NO_COLOR set)", OPT_PLAIN},
	{"listen", "NUMBER:PORT", "the web page, /metrics and /api there, such as 127.0.0.1:9464",
	 OPT_LISTEN},
	{"allow-host", "NAME",
	 "a name by which browsers may reach it, behind a proxy; may be repeated", OPT_HOST},
	{"alertmanager", "URL", "raise and clear alerts there, such as http://127.0.0.1:9093",
	 OPT_ALERTMANAGER},
	{"state-file", "FILE",
	 "remembers there what was shown: it is not shown again after a restart", OPT_STATE_FILE},
	{"read", "FILE",
	 "no server: lines TOPIC PAYLOAD, as mosquitto_sub -F '%t %p' writes them; - is standard "
	 "input",
	 OPT_READ},
	{"help", NULL, "this text", OPT_HELP},
	{"version", NULL, "the version", OPT_VERSION},
};
#define ROWS	(sizeof(rows) / sizeof(rows[0]))

static void help(void)
{
	puts("Usage: failsoft-fleet [OPTION]...\n"
	     "Shows a fleet of devices that run failsoft-telemetry: live on a terminal, else one "
	     "line for each\n"
	     "thing that is new.\n");
	for (size_t i = 0; i < ROWS; i++) {
		char head[64];

		snprintf(head, sizeof(head), "--%s%s%s", rows[i].name, rows[i].value ? "=" : "",
			 rows[i].value ? rows[i].value : "");
		printf("  %-24s %s\n", head, rows[i].help);
	}
	puts("\nExit status: 0 it was told to end, or the file is read; 1 something failed; 2 "
	     "wrong usage.");
}

static enum options_outcome wrong(const char *name, const char *value, const char *want)
{
	fprintf(stderr, "failsoft-fleet: --%s=%s: %s\n", name, value, want);
	return OPTIONS_WRONG;
}

static bool parse_count(const char *text, unsigned min, unsigned max, unsigned *ret)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || value < min || value > max)
		return false;
	*ret = (unsigned)value;
	return true;
}

/* "2/3": the second of three. */
static bool parse_partition(const char *text, struct options *o)
{
	char head[8] = "";
	const char *slash = strchr(text, '/');
	unsigned part, parts;

	if (!slash || (size_t)(slash - text) >= sizeof(head))
		return false;
	memcpy(head, text, (size_t)(slash - text));
	if (!parse_count(slash + 1, 1, 1024, &parts) || !parse_count(head, 1, parts, &part))
		return false;
	o->partition = part - 1;
	o->partitions = parts;
	return true;
}

static enum options_outcome read_password(struct options *o, const char *path)
{
	FILE *file = fopen(path, "re");
	size_t size = 0;
	ssize_t length = -1;

	free(o->password);
	o->password = NULL;
	if (file) {
		length = getline(&o->password, &size, file);
		fclose(file);
	}
	if (length < 0)
		return wrong("password-file", path, file ? "is empty" : strerror(errno));
	o->password[strcspn(o->password, "\r\n")] = '\0';
	return OPTIONS_RUN;
}

static enum options_outcome take_number(struct options *o, const struct row *row, const char *value)
{
	switch (row->option) {
	case OPT_KEEPALIVE:
		if (!parse_count(value, 5, 3600, &o->keepalive_s))
			return wrong(row->name, value, "5 to 3600 seconds");
		break;
	case OPT_DEVICES:
		if (!parse_count(value, 1, 1000000, &o->devices))
			return wrong(row->name, value, "1 to 1000000 devices");
		break;
	case OPT_SILENT:
		if (!parse_count(value, 1, 31536000, &o->silent_s))
			return wrong(row->name, value, "1 to 31536000 seconds");
		break;
	default:
		break;
	}
	return OPTIONS_RUN;
}

static enum options_outcome take_name(struct options *o, const struct row *row, const char *value)
{
	if (!topic_name_is_valid(value))
		return wrong(row->name, value, "1 to 64 of A-Z a-z 0-9 _ -");
	if (row->option == OPT_FLEET)
		o->fleet = value;
	else
		o->share = value;
	return OPTIONS_RUN;
}

static enum options_outcome take_list(struct options *o, const struct row *row, const char *value)
{
	const bool is_server = row->option == OPT_SERVER;
	struct lookup_server server;

	if (is_server && !lookup_server_parse(value, &server))
		return wrong(row->name, value, "is no HOST:PORT, such as mqtt.example:8883 or [::1]:1883");
	if (is_server ? o->servers == LINK_SERVERS_MAX : o->hosts == WEB_HOSTS_MAX)
		return wrong(row->name, value, "there are eight already");
	if (is_server)
		o->server[o->servers++] = value;
	else
		o->host[o->hosts++] = value;
	return OPTIONS_RUN;
}

/* Texts that have a form. NULL: it is well. */
static const char *problem_of(enum choice option, const char *value)
{
	char host[64], port[8];

	if (option == OPT_LISTEN && !web_listen_parse(value, host, port))
		return "is not NUMBER:PORT, such as 127.0.0.1:9464 or [::1]:9464";
	if (option == OPT_ALERTMANAGER && strncmp(value, "http://", 7) && strncmp(value, "https://", 8))
		return "begins with http:// or https://";
	if (option == OPT_CLIENT_ID && !*value)
		return "is empty: a name that no other client of the server has";
	return NULL;
}

static enum options_outcome take_text(struct options *o, const struct row *row, const char *value)
{
	const char *problem = problem_of(row->option, value);

	if (problem)
		return wrong(row->name, value, problem);
	switch (row->option) {
	case OPT_CLIENT_ID: o->client_id = value; break;
	case OPT_USER: o->user = value; break;
	case OPT_CA: o->ca_file = value; break;
	case OPT_CERT: o->cert_file = value; break;
	case OPT_KEY: o->key_file = value; break;
	case OPT_LISTEN: o->listen = value; break;
	case OPT_ALERTMANAGER: o->alertmanager = value; break;
	case OPT_READ: o->read = value; break;
	case OPT_STATE_FILE: o->state_file = value; break;
	case OPT_JSON: o->is_json = true; break;
	case OPT_QUIET: o->is_quiet = true; break;
	case OPT_PLAIN: o->is_plain = true; break;
	default: break;
	}
	return OPTIONS_RUN;
}

static enum options_outcome take(struct options *o, const struct row *row, const char *value)
{
	switch (row->option) {
	case OPT_HELP:
		help();
		return OPTIONS_SAID;
	case OPT_VERSION:
		puts("failsoft-fleet " FAILSOFT_VERSION);
		return OPTIONS_SAID;
	case OPT_KEEPALIVE:
	case OPT_DEVICES:
	case OPT_SILENT:
		return take_number(o, row, value);
	case OPT_FLEET:
	case OPT_SHARE:
		return take_name(o, row, value);
	case OPT_SERVER:
	case OPT_HOST:
		return take_list(o, row, value);
	case OPT_PASSWORD:
		return read_password(o, value);
	case OPT_PARTITION:
		return parse_partition(value, o)
			       ? OPTIONS_RUN
			       : wrong(row->name, value, "I/N, such as 1/2: the first of two");
	default:
		return take_text(o, row, value);
	}
}

/* What goes together, and what does not. */
static enum options_outcome check(const struct options *o)
{
	const char *problem = NULL;

	if (o->share && o->partitions > 1)
		problem = "--share and --partition: choose one (--partition counts what is sent again "
			  "once, --share spreads by load)";
	else if (o->read && (o->servers || o->client_id || o->share))
		problem = "--read takes messages from a file: no --server, --client-id or --share with it";
	else if (!o->cert_file != !o->key_file)
		problem = "--cert and --key go together";
	else if (o->cert_file && !o->ca_file)
		problem = "--cert without --ca: say which certificates the server's may be signed by";
	else if (o->password && !o->user)
		problem = "--password-file without --user: whose password is it?";
	else if (o->is_json && o->is_quiet)
		problem = "--json or --quiet: not both";
	if (!problem)
		return OPTIONS_RUN;
	fprintf(stderr, "failsoft-fleet: %s\n", problem);
	return OPTIONS_WRONG;
}

enum options_outcome options_parse(struct options *o, int argc, char **argv)
{
	struct option long_options[ROWS + 1] = { 0 };
	enum options_outcome outcome = OPTIONS_RUN;
	int place;

	*o = (struct options){.keepalive_s = 60,
			      .partitions = 1,
			      .devices = ROSTER_DEVICES_DEFAULT,
			      .silent_s = 2700};
	for (size_t i = 0; i < ROWS; i++)
		long_options[i] = (struct option){
			rows[i].name, rows[i].value ? required_argument : no_argument, NULL, 0};
	optind = 1;
	while (outcome == OPTIONS_RUN) {
		int c = getopt_long(argc, argv, "", long_options, &place);

		if (c == -1)
			break;
		outcome = c == '?' ? OPTIONS_WRONG : take(o, &rows[place], optarg);
	}
	if (outcome != OPTIONS_RUN)
		return outcome;
	if (optind < argc) {
		fprintf(stderr, "failsoft-fleet: \"%s\": takes options only; see --help\n", argv[optind]);
		return OPTIONS_WRONG;
	}
	if (!o->servers && !o->read)
		o->server[o->servers++] = "127.0.0.1:1883";
	return check(o);
}

void options_fini(struct options *o)
{
	free(o->password);
	o->password = NULL;
}
