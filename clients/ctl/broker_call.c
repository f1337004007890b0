/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"

/* A bus that thrashes answers late (measured: half of the signals after 5.8 s) or never. Together
 * below the 10 s that monitoring systems wait; halved, a crisis looks like a missing broker. */
#define CONNECT_US	4000000u
#define CALL_US		5000000u

/* A bus whose daemon stands still accepts the connection and says nothing; sd_bus_call would wait
 * for its greeting beyond its own timeout. */
static int wait_for_greeting(sd_bus *bus)
{
	uint64_t end_us = print_now_us() + CONNECT_US, now_us;
	int r;

	while ((r = sd_bus_is_ready(bus)) == 0) {
		r = sd_bus_process(bus, NULL);
		now_us = print_now_us();
		if (r == 0 && now_us >= end_us)
			return -ETIMEDOUT;
		if (r == 0)
			r = sd_bus_wait(bus, end_us - now_us);
		if (r < 0 && r != -EINTR)
			return r;
	}
	return r;
}

static const char *address_or_default(const char *address)
{
	if (!address)
		address = secure_getenv("FAILSOFT_BUS_ADDRESS");
	if (!address)
		address = secure_getenv("DBUS_SYSTEM_BUS_ADDRESS");
	return address ? address : "unix:path=/run/dbus/system_bus_socket";
}

int call_connect_quietly(struct ctl *c, const char *address)
{
	int r = sd_bus_new(&c->bus);

	address = address_or_default(address);
	if (r >= 0)
		r = sd_bus_set_address(c->bus, address);
	if (r >= 0)
		r = sd_bus_set_bus_client(c->bus, true);
	if (r >= 0)
		r = sd_bus_negotiate_fds(c->bus, true);
	if (r >= 0)
		r = sd_bus_start(c->bus);
	if (r >= 0)
		r = wait_for_greeting(c->bus);
	if (r < 0)
		c->bus = sd_bus_close_unref(c->bus);
	return r < 0 ? r : 0;
}

int call_connect(struct ctl *c, const char *address)
{
	int r = call_connect_quietly(c, address);

	if (r < 0 && !strchr(address_or_default(address), ':'))
		fprintf(stderr, "failsoftctl: \"%s\" is no address of a bus: give --bus one such as "
			"unix:path=/run/dbus/system_bus_socket\n", address_or_default(address));
	else if (r < 0)
		fprintf(stderr, "failsoftctl: no bus at %s: %s; is it running, is --bus right?\n",
			address_or_default(address), strerror(-r));
	return r;
}

/* The broker speaks to programs; who typed a verb never heard of the bus' methods. */
static const struct {
	const char *member, *here;
} words[] = {
	{ "ListClients", "failsoftctl clients" }, { "ListDomains", "failsoftctl domains" },
	{ "ListEpisodes", "failsoftctl episodes" }, { "ListProcedures", "failsoftctl procedure" },
	{ "AddProcedure", "procedure add" }, { "RemoveProcedure", "procedure remove" },
	{ "Monitor tells", "failsoftctl monitor tells" }, { "MemoryBytes", "--memory" },
};

/* Not within quotes: there it is a name that was given. */
static void put_own_words(char *to, size_t size, const char *from)
{
	bool is_quoted = false;
	size_t used = 0;

	while (*from && used + 1 < size) {
		size_t i = 0;

		is_quoted ^= *from == '"';
		while (i < sizeof(words) / sizeof(words[0]) &&
		       (is_quoted || strncmp(from, words[i].member, strlen(words[i].member)) != 0))
			i++;
		if (i == sizeof(words) / sizeof(words[0])) {
			to[used++] = *from++;
			continue;
		}
		from += strlen(words[i].member);
		used += (size_t)snprintf(to + used, size - used, "%s", words[i].here);
		used = used < size ? used : size - 1;
	}
	to[used] = 0;
}

/* The sentence of our own errors is meant for people; of the others the name helps. */
int call_complain(const char *what, const sd_bus_error *error, int r)
{
	char given[512], message[640];

	print_clean(given, sizeof(given), error->message ? error->message : strerror(-r));
	put_own_words(message, sizeof(message), given);
	if (error->name && !strncmp(error->name, CTL_NAME, strlen(CTL_NAME)))
		fprintf(stderr, "failsoftctl: %s\n", message);
	else if (sd_bus_error_has_name(error, SD_BUS_ERROR_ACCESS_DENIED))
		fprintf(stderr, "failsoftctl: %s is not allowed to you by the bus: be root or in group "
			"failsoft\n", what);
	else if (r == -ETIMEDOUT || sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY))
		fprintf(stderr,
			"failsoftctl: failsoftd did not answer %s in time: it may be stopped, "
			"or the bus stalls for lack of memory\n", what);
	else if (sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
		 sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
		fprintf(stderr, "failsoftctl: no failsoftd on this bus: start it with "
			"\"systemctl start failsoftd\", or give the right --bus\n");
	else
		fprintf(stderr, "failsoftctl: %s: %s\n", what, message);
	return r;
}

static int call_message(struct ctl *c, sd_bus_message *m, const char *what,
			sd_bus_message **ret_reply)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	int r = sd_bus_message_set_auto_start(m,
		false); /* who looks must not change what is there */

	if (r >= 0)
		r = sd_bus_call(c->bus, m, CALL_US, &error, ret_reply);
	if (r < 0 && what)
		call_complain(what, &error, r);
	sd_bus_error_free(&error);
	return r < 0 ? r : 0;
}

int call_method(struct ctl *c, sd_bus_message **ret_reply, const char *method, const char *types,
	...)
{
	sd_bus_message *m = NULL;
	va_list args;
	int r = sd_bus_message_new_method_call(c->bus, &m, CTL_NAME, CTL_PATH, CTL_NAME, method);

	va_start(args, types);
	if (r >= 0 && types)
		r = sd_bus_message_appendv(m, types, args);
	va_end(args);
	if (r >= 0)
		r = call_message(c, m, method, ret_reply);
	sd_bus_message_unref(m);
	return r;
}

static int get_property(struct ctl *c, const char *property, const char *what,
			sd_bus_message **ret_reply)
{
	sd_bus_message *m = NULL;
	int r = sd_bus_message_new_method_call(c->bus, &m, CTL_NAME, CTL_PATH,
		"org.freedesktop.DBus.Properties",
					       "Get");

	if (r >= 0)
		r = sd_bus_message_append(m, "ss", CTL_NAME, property);
	if (r >= 0)
		r = call_message(c, m, what, ret_reply);
	sd_bus_message_unref(m);
	return r;
}

int call_property(struct ctl *c, const char *property, sd_bus_message **ret_reply)
{
	return get_property(c, property, property, ret_reply);
}

/* What an older broker does not have is "", and no complaint. */
void call_text_if_there(struct ctl *c, const char *property, char *ret, size_t size)
{
	sd_bus_message *reply = NULL;
	const char *text = "";
	int r = get_property(c, property, NULL, &reply);

	if (r >= 0)
		r = sd_bus_message_read(reply, "v", "s", &text);
	print_clean(ret, size, r >= 0 ? text : "");
	sd_bus_message_unref(reply);
}

int call_text(struct ctl *c, const char *property, char *ret, size_t size)
{
	sd_bus_message *reply = NULL;
	const char *text;
	int r = call_property(c, property, &reply);

	if (r >= 0)
		r = sd_bus_message_read(reply, "v", "s", &text);
	if (r >= 0)
		print_clean(ret, size, text);
	sd_bus_message_unref(reply);
	return r < 0 ? r : 0;
}

/* ---- a{sv} into fields ---- */

struct slot {
	const char *key;
	char type;			/* t, x, u, b, s */
	void *to;			/* s: char[size] */
	size_t size;
};

static int read_slot(sd_bus_message *m, const struct slot *s)
{
	const char *text;
	const char signature[] = { s->type, 0 };
	int r;

	if (s->type != 's')
		return sd_bus_message_read(m, "v", signature, s->to);
	r = sd_bus_message_read(m, "v", "s", &text);
	if (r >= 0)
		print_clean(s->to, s->size, text);
	return r;
}

/* Keys that we do not know are those of a newer broker. */
static int read_detail(sd_bus_message *m, const struct slot *slots, size_t count)
{
	const char *key;
	int r = sd_bus_message_enter_container(m, 'a', "{sv}");

	while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
		const struct slot *slot = NULL;

		r = sd_bus_message_read_basic(m, 's', &key);
		for (size_t i = 0; r >= 0 && i < count; i++)
			if (!strcmp(key, slots[i].key))
				slot = &slots[i];
		if (r >= 0)
			r = slot ? read_slot(m, slot) : sd_bus_message_skip(m, "v");
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
	}
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

/* ---- rows ---- */

static int read_domain(sd_bus_message *m, struct domain_row *d)
{
	const char *name, *stage;
	const struct slot slots[] = {
		{ "LeadWarningUSec", 't', &d->lead_us[0], 0 },
		{ "LeadImminentUSec", 't', &d->lead_us[1], 0 },
		{ "LeadShutdownUSec", 't', &d->lead_us[2], 0 },
		{ "GuaranteedUSec", 't', &d->guaranteed_us, 0 },
		{ "RateBytesPerSecond", 'x', &d->rate, 0 },
		{ "ExhaustionEarlyUSec", 't', &d->tte_early_us, 0 },
		{ "ExhaustionLateUSec", 't', &d->tte_late_us, 0 },
		{ "PressureSomePermyriad", 'u', &d->some_permyriad, 0 },
		{ "PressureFullPermyriad", 'u', &d->full_permyriad, 0 },
		{ "StalledPermyriad", 'u', &d->stalled_permyriad, 0 },
		{ "LimitedBy", 's', d->limited_by, sizeof(d->limited_by) },
		{ "Clients", 'u', &d->clients, 0 },
		{ "Reason", 's', d->reason, sizeof(d->reason) },
	};
	int r;

	memset(d, 0, sizeof(*d));
	d->tte_early_us = d->tte_late_us = NEVER_US;
	d->some_permyriad = d->full_permyriad = UINT32_MAX;
	r = sd_bus_message_read(m, "ssttttt", &name, &stage, &d->headroom_bytes, &d->limit_bytes,
				&d->tte_us, &d->tte_low_us, &d->episode);
	if (r < 0)
		return r;
	print_clean(d->name, sizeof(d->name), name);
	print_clean(d->stage, sizeof(d->stage), stage);
	return read_detail(m, slots, sizeof(slots) / sizeof(slots[0]));
}

static int read_domains_of(sd_bus_message *m, char *to, size_t size)
{
	const char *name;
	size_t used = 0;
	int r = sd_bus_message_enter_container(m, 'a', "s");

	to[0] = 0;
	while (r >= 0 && (r = sd_bus_message_read(m, "s", &name)) > 0) {
		int n = snprintf(to + used, size - used, "%s%s", used ? " " : "", name);

		used += n > 0 ? (size_t)n : 0;
		used = used < size ? used : size - 1;
	}
	print_clean(to, size, to);
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_client(sd_bus_message *m, struct client_row *k)
{
	const char *name, *state;
	int shielded = 0, may_be_ended = 0, r;
	const struct slot slots[] = {
		{ "FreeableBytes", 't', &k->freeable_bytes, 0 },
		{ "DeadlineUSec", 't', &k->deadline_us, 0 },
		{ "FlushUSec", 't', &k->granted_us[0], 0 },
		{ "DegradeUSec", 't', &k->granted_us[1], 0 },
		{ "ShutdownUSec", 't', &k->granted_us[2], 0 },
		{ "ResumeUSec", 't', &k->granted_us[3], 0 },
		{ "WorstFlushUSec", 't', &k->worst_us[0], 0 },
		{ "WorstDegradeUSec", 't', &k->worst_us[1], 0 },
		{ "WorstShutdownUSec", 't', &k->worst_us[2], 0 },
		{ "WorstResumeUSec", 't', &k->worst_us[3], 0 },
		{ "Shielded", 'b', &shielded, 0 },
		{ "MayBeEnded", 'b', &may_be_ended, 0 },
		{ "LastResult", 's', k->result, sizeof(k->result) },
	};

	memset(k, 0, sizeof(*k));
	r = sd_bus_message_read(m, "tsuuu", &k->id, &name, &k->pid, &k->uid, &k->group);
	if (r < 0)
		return r;
	print_clean(k->name, sizeof(k->name), name);
	r = read_domains_of(m, k->domains, sizeof(k->domains));
	if (r >= 0)
		r = sd_bus_message_read(m, "st", &state, &k->exposure_bytes);
	if (r < 0)
		return r;
	print_clean(k->state, sizeof(k->state), state);
	r = read_detail(m, slots, sizeof(slots) / sizeof(slots[0]));
	k->shielded = shielded;
	k->may_be_ended = may_be_ended;
	return r;
}

int call_domains(struct ctl *c, struct domain_row *ret, uint32_t max, uint32_t *ret_count)
{
	sd_bus_message *reply = NULL;
	int r = call_method(c, &reply, "ListDomains", NULL);

	*ret_count = 0;
	if (r >= 0)
		r = sd_bus_message_enter_container(reply, 'a', "(ssttttta{sv})");
	while (r >= 0 && *ret_count < max &&
	       (r = sd_bus_message_enter_container(reply, 'r', "ssttttta{sv}")) > 0) {
		r = read_domain(reply, &ret[*ret_count]);
		++*ret_count;
		if (r >= 0)
			r = sd_bus_message_exit_container(reply);
	}
	sd_bus_message_unref(reply);
	return r < 0 ? r : 0;
}

int call_clients(struct ctl *c, struct client_row *ret, uint32_t max, uint32_t *ret_count)
{
	sd_bus_message *reply = NULL;
	int r = call_method(c, &reply, "ListClients", NULL);

	*ret_count = 0;
	if (r >= 0)
		r = sd_bus_message_enter_container(reply, 'a', "(tsuuuassta{sv})");
	while (r >= 0 && *ret_count < max &&
	       (r = sd_bus_message_enter_container(reply, 'r', "tsuuuassta{sv}")) > 0) {
		r = read_client(reply, &ret[*ret_count]);
		++*ret_count;
		if (r >= 0)
			r = sd_bus_message_exit_container(reply);
	}
	sd_bus_message_unref(reply);
	return r < 0 ? r : 0;
}

int call_next_episode(sd_bus_message *m, struct episode_row *ret)
{
	const char *domain, *stage, *outcome;
	int r = sd_bus_message_read(m, "(tsstts)", &ret->number, &domain, &stage, &ret->began_us,
				    &ret->ended_us, &outcome);

	if (r <= 0)
		return r;
	print_clean(ret->domain, sizeof(ret->domain), domain);
	print_clean(ret->stage, sizeof(ret->stage), stage);
	print_clean(ret->outcome, sizeof(ret->outcome), outcome);
	return r;
}

int call_next_source(sd_bus_message *m, struct source_row *ret)
{
	const char *name, *state, *gives, *remedy;
	int r = sd_bus_message_read(m, "(ssss)", &name, &state, &gives, &remedy);

	if (r <= 0)
		return r;
	print_clean(ret->name, sizeof(ret->name), name);
	print_clean(ret->state, sizeof(ret->state), state);
	print_clean(ret->gives, sizeof(ret->gives), gives);
	print_clean(ret->remedy, sizeof(ret->remedy), remedy);
	return r;
}

static int take_descriptor(sd_bus_message *reply, int r)
{
	int fd = -1;

	if (r >= 0)
		r = sd_bus_message_read(reply, "h", &fd);
	if (r >= 0)
		fd = fcntl(fd, F_DUPFD_CLOEXEC, 3); /* the reply closes its own */
	sd_bus_message_unref(reply);
	return r < 0 ? r : fd;
}

int call_monitor(struct ctl *c, bool history)
{
	sd_bus_message *reply = NULL;
	int r = call_method(c, &reply, "Monitor", "a{sv}", 1, "History", "b", history);

	return take_descriptor(reply, r);
}

int call_record(struct ctl *c)
{
	sd_bus_message *reply = NULL;
	int r = call_method(c, &reply, "Record", NULL);

	return take_descriptor(reply, r);
}
