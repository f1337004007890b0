/* SPDX-License-Identifier: MIT */
/* Who grows and what others would do. A broker of before these methods has none of it; then there is
 * nothing to show, and nothing to complain about. */
#include <string.h>

#include "ctl.h"

#define CALL_US		5000000u

static int call(struct ctl *c, const char *method, const char *domain, sd_bus_message **ret_reply)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *m = NULL;
	int r = sd_bus_message_new_method_call(c->bus, &m, CTL_NAME, CTL_PATH, CTL_NAME, method);

	if (r >= 0)
		r = sd_bus_message_set_auto_start(m, false);
	if (r >= 0 && domain)
		r = sd_bus_message_append(m, "s", domain);
	if (r >= 0)
		r = sd_bus_call(c->bus, m, CALL_US, &error, ret_reply);
	if (r < 0 && !sd_bus_error_has_name(&error, SD_BUS_ERROR_UNKNOWN_METHOD))
		call_complain(method, &error, r);
	else if (r < 0)
		r = 0;
	else
		r = 1;
	sd_bus_error_free(&error);
	sd_bus_message_unref(m);
	return r;
}

static int read_grower(sd_bus_message *m, struct grower_row *g)
{
	const char *kind, *name;
	int r = sd_bus_message_read(m, "(ssuutttu)", &kind, &name, &g->pid, &g->processes, &g->bytes,
				    &g->since_bytes, &g->bytes_per_s, &g->share_permyriad);

	if (r <= 0)
		return r;
	print_clean(g->kind, sizeof(g->kind), kind);
	print_clean(g->name, sizeof(g->name), name);
	return r;
}

int call_growers(struct ctl *c, const char *domain, struct grower_row *ret, uint32_t max,
		 uint32_t *ret_count)
{
	sd_bus_message *reply = NULL;
	int r = call(c, "ListGrowers", domain, &reply);

	*ret_count = 0;
	if (r > 0)
		r = sd_bus_message_enter_container(reply, 'a', "(ssuutttu)");
	while (r > 0 && *ret_count < max && (r = read_grower(reply, &ret[*ret_count])) > 0)
		++*ret_count;
	sd_bus_message_unref(reply);
	return r < 0 ? r : 0;
}

static int read_rival(sd_bus_message *m, struct rival_row *rival)
{
	const char *name, *word, *rule;
	int r = sd_bus_message_read(m, "(sss)", &name, &word, &rule);

	if (r <= 0)
		return r;
	print_clean(rival->name, sizeof(rival->name), name);
	print_clean(rival->word, sizeof(rival->word), word);
	print_clean(rival->rule, sizeof(rival->rule), rule);
	return r;
}

int call_outlook(struct ctl *c, struct outlook_row *ret)
{
	sd_bus_message *reply = NULL;
	const char *name;
	int r = call(c, "Outlook", NULL, &reply);

	memset(ret, 0, sizeof(*ret));
	if (r > 0)
		r = sd_bus_message_read(reply, "usu", &ret->pid, &name, &ret->score);
	if (r > 0)
		print_clean(ret->name, sizeof(ret->name), name);
	if (r > 0)
		r = sd_bus_message_enter_container(reply, 'a', "(sss)");
	while (r > 0 && ret->rivals < RIVALS_MAX &&
	       (r = read_rival(reply, &ret->rival[ret->rivals])) > 0)
		ret->rivals++;
	sd_bus_message_unref(reply);
	return r < 0 ? r : 0;
}
