/* SPDX-License-Identifier: MIT */
#include "base/text.h"
#include "service.h"
#include "victims.h"

static const char *const whys[VICTIMS_WHY_COUNT] = {
	[VICTIMS_GREW] = "grew", [VICTIMS_WROTE] = "wrote", [VICTIMS_SIZE] = "size",
	[VICTIMS_PREFERRED] = "preferred", [VICTIMS_CLIENT] = "client",
	[VICTIMS_NEVER_CLIENT] = "never-client", [VICTIMS_PROTECTED] = "protected",
};

static int put_row(sd_bus_message *m, const struct victims_row *row)
{
	return sd_bus_message_append(m, "(suustt)", text_is_utf8(row->name) ? row->name : "?",
				     (uint32_t)row->pid, row->processes, whys[row->why],
				     row->memory_bytes, row->growth_bytes);
}

int service_list_victims(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct broker *b = userdata;
	const struct victims_order *order;
	sd_bus_message *reply = NULL;
	const char *name;
	uint32_t domain;
	int r = sd_bus_message_read(m, "s", &name);

	if (r < 0)
		return r;
	domain = *name ? core_domain_find(&b->core, name) : core_worst_domain(&b->core);
	if (domain == CORE_DOMAINS_MAX)
		return service_error(error, "UnknownDomain", "%s is no domain here; ListDomains names "
				     "those that are, \"\" is the one nearest to exhaustion", name);
	order = victims_order(b, domain);
	if (!order)
		return service_error(error, "InCrisis", "the broker is busy with a crisis; Monitor tells "
				     "whom it ends, ask again when the stage is normal");
	r = sd_bus_message_new_method_return(m, &reply);
	if (r >= 0)
		r = sd_bus_message_open_container(reply, 'a', "(suustt)");
	for (uint32_t i = 0; r >= 0 && i < order->count; i++)
		r = put_row(reply, &order->row[i]);
	if (r >= 0)
		r = sd_bus_message_close_container(reply);
	if (r >= 0)
		r = sd_bus_send(NULL, reply, NULL);
	sd_bus_message_unref(reply);
	return r < 0 ? r : 1;
}
