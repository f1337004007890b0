/* SPDX-License-Identifier: MIT */
#include "service.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/log.h"
#include "peer.h"
#include "trip.h"
#include "start.h"

int service_error(sd_bus_error *error, const char *name, const char *format, ...)
{
	char full[128], message[CONFIG_ERROR_MAX + 128];
	va_list args;

	(void)snprintf(full, sizeof(full), BUS_INTERFACE ".Error.%s", name); /* names are short */
	va_start(args, format);
	(void)vsnprintf(message, sizeof(message), format, args); /* a cut sentence is still one */
	va_end(args);
	return sd_bus_error_set(error, full, message);
}

/* ---- properties ---- */

static int get_text(sd_bus *bus, const char *path, const char *interface, const char *property,
		    sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	const struct broker *b = userdata;
	const char *text = "";

	(void)bus, (void)path, (void)interface, (void)error;
	if (!strcmp(property, "Version"))
		text = FAILSOFT_VERSION;
	else if (!strcmp(property, "Stage"))
		text = stage_name(core_stage(&b->core));
	else
		text = b->core.domain[core_worst_domain(&b->core)].name;
	return sd_bus_message_append(reply, "s", text);
}

static int get_tripwire(sd_bus *bus, const char *path, const char *interface, const char *property,
			sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	char sentence[CONFIG_TEXT_MAX + 512];

	(void)bus, (void)path, (void)interface, (void)property, (void)error;
	trip_sentence(userdata, sentence, sizeof(sentence));
	return sd_bus_message_append(reply, "s", sentence);
}

static int get_figure(sd_bus *bus, const char *path, const char *interface, const char *property,
		      sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	const struct broker *b = userdata;
	const struct estimate *e = &b->core.domain[core_worst_domain(&b->core)].estimate;
	uint64_t value;

	(void)bus, (void)path, (void)interface, (void)error;
	if (!strcmp(property, "HeadroomBytes"))
		value = e->headroom_bytes;
	else if (!strcmp(property, "TimeToExhaustionUSec"))
		value = e->tte_us;
	else if (!strcmp(property, "TimeToExhaustionLowUSec"))
		value = e->tte_low_us;
	else
		value = e->guaranteed_us;
	return sd_bus_message_append(reply, "t", value);
}

static int get_dry_run(sd_bus *bus, const char *path, const char *interface, const char *property,
		       sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	const struct broker *b = userdata;

	(void)bus, (void)path, (void)interface, (void)property, (void)error;
	return sd_bus_message_append(reply, "b", b->core.policy.escalate.dry_run);
}

static int get_warnings(sd_bus *bus, const char *path, const char *interface, const char *property,
			sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	const struct broker *b = userdata;
	int r = sd_bus_message_open_container(reply, 'a', "s");

	(void)bus, (void)path, (void)interface, (void)property, (void)error;
	for (uint32_t i = 0; r >= 0 && i < b->warnings_count; i++)
		r = sd_bus_message_append(reply, "s", b->warnings[i].text);
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

#define STAGE_SIGNAL(name) \
	SD_BUS_SIGNAL_WITH_ARGS(name, SD_BUS_ARGS("t", episode, "t", sequence, "s", domain, \
				"t", issued_usec, "s", reason, "a{sv}", detail), 0)

/* The flag at the start of the table does not reach the methods. Who may do what is asked of the
 * caller's credentials where it matters: Register with MayBeEnded, Reload. */
#define ANYBODY SD_BUS_VTABLE_UNPRIVILEGED

const sd_bus_vtable service_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD_WITH_ARGS("Register", SD_BUS_ARGS("s", name, "a{sv}", options),
				SD_BUS_RESULT("t", id, "a{st}", granted_usec, "h", lifeline),
				service_register, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("Unregister", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, service_unregister, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("Acknowledge",
				SD_BUS_ARGS("t", sequence, "s", result, "a{sv}", detail),
				SD_BUS_NO_RESULT, service_acknowledge, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("Report", SD_BUS_ARGS("a{sv}", values), SD_BUS_NO_RESULT,
				service_report, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("ListClients", SD_BUS_NO_ARGS,
				SD_BUS_RESULT("a(tsuuuassta{sv})", clients), service_list_clients, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("ListDomains", SD_BUS_NO_ARGS,
				SD_BUS_RESULT("a(ssttttta{sv})", domains), service_list_domains, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("ListGrowers", SD_BUS_ARGS("s", domain),
				SD_BUS_RESULT("a(ssuutttu)", growers), service_list_growers, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("Outlook", SD_BUS_NO_ARGS,
				SD_BUS_RESULT("u", kernel_pid, "s", kernel_name, "u", kernel_score,
					      "a(sss)", others), service_outlook, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("ListVictims", SD_BUS_ARGS("s", domain),
				SD_BUS_RESULT("a(suustt)", victims), service_list_victims, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("ListSources", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(ssss)", sources),
				service_list_sources, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("ListEpisodes", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(tsstts)", episodes),
				service_list_episodes, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("Explain", SD_BUS_ARGS("t", episode), SD_BUS_RESULT("as", sentences),
				service_explain, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("Monitor", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("h", stream),
				service_monitor, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("Record", SD_BUS_NO_ARGS, SD_BUS_RESULT("h", stream), service_record,
				ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("AddProcedure",
				SD_BUS_ARGS("s", kind, "s", match, "s", program, "as", arguments,
					    "a{sv}", options),
				SD_BUS_RESULT("u", procedure), service_add_procedure, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("RemoveProcedure", SD_BUS_ARGS("u", procedure), SD_BUS_NO_RESULT,
				service_remove_procedure, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("ListProcedures", SD_BUS_NO_ARGS,
				SD_BUS_RESULT("a(ussssasa{sv})", procedures), service_list_procedures,
				ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("Drill", SD_BUS_ARGS("s", stage, "as", clients), SD_BUS_RESULT("u", asked),
				service_drill, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("Reload", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, service_reload, ANYBODY),
	STAGE_SIGNAL("PressureWarning"),
	STAGE_SIGNAL("PressureImminent"),
	STAGE_SIGNAL("PressureShutdown"),
	STAGE_SIGNAL("PressureCleared"),
	SD_BUS_SIGNAL_WITH_ARGS("StepRequested",
				SD_BUS_ARGS("t", client, "t", sequence, "s", domain, "s", step,
					    "t", deadline_usec, "a{sv}", detail), 0),
	SD_BUS_PROPERTY("Version", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("Stage", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Domain", "s", get_text, 0, 0),
	SD_BUS_PROPERTY("HeadroomBytes", "t", get_figure, 0, 0),
	SD_BUS_PROPERTY("TimeToExhaustionUSec", "t", get_figure, 0, 0),
	SD_BUS_PROPERTY("TimeToExhaustionLowUSec", "t", get_figure, 0, 0),
	SD_BUS_PROPERTY("GuaranteedUSec", "t", get_figure, 0, 0),
	SD_BUS_PROPERTY("DryRun", "b", get_dry_run, 0, 0),
	SD_BUS_PROPERTY("Tripwire", "s", get_tripwire, 0, 0),
	SD_BUS_PROPERTY("Warnings", "as", get_warnings, 0, 0),
	SD_BUS_VTABLE_END,
};

/* ---- connection ---- */

static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct broker *b = userdata;
	const char *name, *before, *now, *sender = sd_bus_message_get_sender(m);
	struct peer *p;

	(void)error;
	/* sd-bus takes any unique name for a match on a well-known one; anybody may send this to us */
	if (!sender || strcmp(sender, "org.freedesktop.DBus"))
		return 0;
	if (sd_bus_message_read(m, "sss", &name, &before, &now) < 0 || now[0] || name[0] != ':')
		return 0;
	p = peer_by_sender(b, name);
	if (p) {
		peer_leave(p);
		broker_step(b);
	}
	return 0;
}

static int connected(void *userdata, sd_bus *bus)
{
	struct broker *b = userdata;
	int r = sd_bus_add_object_vtable(bus, NULL, BUS_PATH, BUS_INTERFACE, service_vtable, b);

	if (r < 0)
		return r;
	return sd_bus_match_signal_async(bus, NULL, "org.freedesktop.DBus", "/org/freedesktop/DBus",
					 "org.freedesktop.DBus", "NameOwnerChanged", on_owner_changed,
					 NULL, b);
}

static void named(void *userdata)
{
	struct broker *b = userdata;

	start_bus(b);
	log_info("serving %s", BUS_NAME);
	(void)sd_notify(0, "READY=1"); /* without a supervisor there is nobody to tell */
}

/* Registrations live on by their lifelines; their bus names belong to a bus that is no more. */
static void lost(void *userdata)
{
	struct broker *b = userdata;

	for (uint32_t i = 0; i < b->core.sessions.max; i++)
		b->peers[i].sender[0] = 0;
}

static void refused(void *userdata, const char *why)
{
	struct broker *b = userdata;

	log_error("the bus does not give us the name %s: %s; is another failsoftd running, does the "
		  "bus policy allow it?", BUS_NAME, why);
	(void)sd_event_exit(b->event, 1); /* only fails when the loop has ended already */
}

struct bus_handler service_handler(struct broker *b)
{
	return (struct bus_handler){ b, connected, named, lost, refused };
}

/* ---- signals ---- */

static int put_times(sd_bus_message *m, const struct estimate *e)
{
	return sd_bus_message_append(m, "{sv}{sv}{sv}", "HeadroomBytes", "t", e->headroom_bytes,
				     "ExhaustionUSec", "t", e->tte_us, "ExhaustionLowUSec", "t",
				     e->tte_low_us);
}

/* To one client only; nobody else on the bus is woken. */
static int request_step(struct broker *b, struct peer *p)
{
	const struct core_domain *d = &b->core.domain[p->order.domain];
	sd_bus_message *m = NULL;
	int r = sd_bus_message_new_signal(b->bus.connection, &m, BUS_PATH, BUS_INTERFACE, "StepRequested");

	if (r >= 0)
		r = sd_bus_message_set_destination(m, p->sender);
	if (r >= 0)
		r = sd_bus_message_append(m, "ttsst", p->id, p->order.sequence, d->name,
					  session_step_name(p->order.step), p->order.deadline_us);
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'a', "{sv}");
	if (r >= 0)
		r = sd_bus_message_append(m, "{sv}{sv}{sv}", "Final", "b", p->order.is_final, "Drill",
					  "b", p->order.is_drill, "Stage", "s",
					  stage_name(p->order_stage));
	if (r >= 0)
		r = put_times(m, &d->estimate);
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	if (r >= 0)
		r = sd_bus_send(NULL, m, NULL);
	sd_bus_message_unref(m);
	return r;
}

void service_reason(const struct core *c, uint32_t domain, char *buffer, size_t size)
{
	uint64_t number = c->domain[domain].change_event, lost = 0;
	const struct event *e = NULL;

	buffer[0] = 0;
	if (number--)
		e = record_next(&c->record, &number, &lost);
	if (e && !lost)
		event_sentence(e, buffer, size);
}

static int announce(struct broker *b, uint32_t domain)
{
	static const char *const members[] = {
		[STAGE_NORMAL] = "PressureCleared", [STAGE_WARNING] = "PressureWarning",
		[STAGE_IMMINENT] = "PressureImminent", [STAGE_SHUTDOWN] = "PressureShutdown",
	};
	const struct core_domain *d = &b->core.domain[domain];
	const struct stage_change *change = &d->change;
	sd_bus_message *m = NULL;
	char reason[512];
	int r = sd_bus_message_new_signal(b->bus.connection, &m, BUS_PATH, BUS_INTERFACE,
					  members[change->to]);

	service_reason(&b->core, domain, reason, sizeof(reason));
	if (r >= 0)
		r = sd_bus_message_append(m, "ttsts", b->announce_episode[domain],
					  b->announce_sequence[domain], d->name, change->time_us, reason);
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'a', "{sv}");
	if (r >= 0)
		r = put_times(m, &change->estimate);
	if (r >= 0)
		r = sd_bus_message_append(m, "{sv}{sv}{sv}", "LimitBytes", "t",
					  change->estimate.total_bytes, "LeadUSec", "t", change->lead_us,
					  "DryRun", "b", b->core.policy.escalate.dry_run);
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	if (r >= 0)
		r = sd_bus_send(NULL, m, NULL);
	sd_bus_message_unref(m);
	return r;
}

static void count_drop(struct broker *b, int r)
{
	if (r < 0)
		b->bus_dropped++;
}

void service_publish(struct broker *b)
{
	bool takes = bus_takes_signals(&b->bus);
	enum stage_word stage = core_stage(&b->core);

	for (uint32_t i = 0; i < b->core.sessions.max; i++) {
		struct peer *p = &b->peers[i];

		if (p->id && p->order.sequence && p->sender[0])
			count_drop(b, takes ? request_step(b, p) : -ENOTCONN);
		p->order.sequence = 0;
	}
	for (uint32_t d = 0; d < CORE_DOMAINS_MAX; d++)
		if (b->announce & (1u << d))
			count_drop(b, takes ? announce(b, d) : -ENOTCONN);
	b->announce = 0;
	if (stage == b->stage_shown || !takes)
		return;
	b->stage_shown = stage;
	count_drop(b, sd_bus_emit_properties_changed(b->bus.connection, BUS_PATH, BUS_INTERFACE,
						     "Stage", NULL));
	(void)sd_notifyf(0, "STATUS=stage %s", stage_name(stage)); /* see named() */
}
