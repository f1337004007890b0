/* SPDX-License-Identifier: MIT */
/*
 * Service: org.failsoft.Broker1 on the bus, as interfaces/org.failsoft.Broker1.xml says. Edge: each
 * handler reads, authorises, calls the core, replies. What a caller may do is asked of the bus
 * daemon without waiting: the method answers when the credentials are there.
 */
#pragma once

#include "broker.h"

/* For bus_open(). */
struct bus_handler service_handler(struct broker *b);

/* Broadcasts and unicasts what broker_drain() left to be said; drops it when the bus is clogged. */
void service_publish(struct broker *b);

/* ---- among the files of the service ---- */

extern const sd_bus_vtable service_vtable[];

/* An error of ours: org.failsoft.Broker1.Error.NAME and a sentence. Returns a negative errno. */
__attribute__((format(printf, 3, 4))) int service_error(sd_bus_error *error, const char *name,
							const char *format, ...);

/* The newest stage change of the domain in words; "" when there was none or it is forgotten. */
void service_reason(const struct core *c, uint32_t domain, char *buffer, size_t size);

/* service_client.c */
int service_register(sd_bus_message *m, void *userdata, sd_bus_error *error);
int service_unregister(sd_bus_message *m, void *userdata, sd_bus_error *error);
int service_acknowledge(sd_bus_message *m, void *userdata, sd_bus_error *error);
int service_report(sd_bus_message *m, void *userdata, sd_bus_error *error);
int service_record(sd_bus_message *m, void *userdata, sd_bus_error *error);
int service_reload(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* service_list.c */
int service_list_clients(sd_bus_message *m, void *userdata, sd_bus_error *error);
int service_list_domains(sd_bus_message *m, void *userdata, sd_bus_error *error);
int service_list_growers(sd_bus_message *m, void *userdata, sd_bus_error *error);
int service_list_victims(sd_bus_message *m, void *userdata, sd_bus_error *error);
int service_outlook(sd_bus_message *m, void *userdata, sd_bus_error *error);
int service_list_sources(sd_bus_message *m, void *userdata, sd_bus_error *error);
int service_list_episodes(sd_bus_message *m, void *userdata, sd_bus_error *error);
int service_explain(sd_bus_message *m, void *userdata, sd_bus_error *error);
int service_monitor(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* service_procedure.c */
int service_add_procedure(sd_bus_message *m, void *userdata, sd_bus_error *error);
int service_remove_procedure(sd_bus_message *m, void *userdata, sd_bus_error *error);
int service_drill(sd_bus_message *m, void *userdata, sd_bus_error *error);
int service_list_procedures(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* service_option.c: a{sv} read strictly against a table. */
enum service_option_type { OPTION_U64, OPTION_U32, OPTION_TEXT, OPTION_BOOL, OPTION_WORDS };

struct service_option {
	const char *key;
	enum service_option_type type;
	uint64_t min, max;		/* OPTION_U64, OPTION_U32 */
	void *to;			/* uint64_t, uint32_t, const char * (borrowed of m), int,
					 * struct procedure_words */
};

/* Reads the a{sv} that comes next in m. Unknown key, wrong type, out of range: an error of ours. */
int service_read_options(sd_bus_message *m, const struct service_option *options, uint32_t count,
			 sd_bus_error *error);
