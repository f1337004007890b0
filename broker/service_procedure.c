/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "respond.h"
#include "service.h"
#include "service_caller.h"

/* What members of the group may have kept for one procedure; root: PROCEDURE_MEMORY_MOST_BYTES. */
#define USER_MEMORY_MOST_BYTES	(8 * MIB)

static int refuse(sd_bus_error *error, const char *what)
{
	return service_error(error, "InvalidArgument", "%s", what);
}

static int copy_text(char *to, size_t size, const char *from)
{
	if (strlen(from) >= size)
		return -ENAMETOOLONG;
	strcpy(to, from);
	return 0;
}

static int read_words(sd_bus_message *m, struct procedure_words *ret, sd_bus_error *error)
{
	const char *word;
	int r = sd_bus_message_enter_container(m, 'a', "s");

	while (r >= 0 && (r = sd_bus_message_read_basic(m, 's', &word)) > 0)
		if (!procedure_words_add(ret, word))
			return refuse(error, "at most 16 arguments, 1023 bytes in all");
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

/* Of the a{sv}; Keep is a list of its own kind. */
static int read_detail(sd_bus_message *m, struct procedure_spec *s, sd_bus_error *error)
{
	int responder = s->is_responder, hold = s->holds;
	struct service_option options[] = {
		{ "DeadlineUSec", OPTION_U64, PROCEDURE_DEADLINE_LEAST_US, PROCEDURE_DEADLINE_MOST_US,
		  &s->deadline_us },
		{ "MemoryBytes", OPTION_U64, 0, PROCEDURE_MEMORY_MOST_BYTES, &s->memory_bytes },
		{ "Responder", OPTION_BOOL, 0, 0, &responder },
		{ "Hold", OPTION_BOOL, 0, 0, &hold },
		{ "Keep", OPTION_WORDS, 0, 0, &s->keep },
	};
	int r = service_read_options(m, options, ARRAY_LEN(options), error);

	s->is_responder = responder;
	s->holds = hold;
	return r;
}

static int read_spec(sd_bus_message *m, struct procedure_spec *ret, sd_bus_error *error)
{
	const char *kind, *match, *program, *wrong;
	int r = sd_bus_message_read(m, "sss", &kind, &match, &program);

	*ret = procedure_default();
	if (r < 0)
		return r;
	ret->kind = procedure_kind_find(kind);
	if (ret->kind == PROCEDURE_KIND_COUNT || ret->kind == PROCEDURE_LAST)
		return refuse(error, "the kind is not pid, name, unit or cgroup (last is given in the "
			      "configuration alone)");
	if (copy_text(ret->match, sizeof(ret->match), match) < 0 ||
	    copy_text(ret->program, sizeof(ret->program), program) < 0)
		return refuse(error, "who is meant, and the program, have at most 255 bytes");
	wrong = procedure_refuse(ret);
	if (wrong)
		return refuse(error, wrong);
	r = read_words(m, &ret->arguments, error);
	return r < 0 ? r : read_detail(m, ret, error);
}

/* A procedure has the rights of who gave it, not the broker's: else the group would be root. */
static int take_identity(struct procedure_spec *s, const struct service_caller *caller)
{
	struct passwd room, *user = NULL;
	char buffer[4096];

	s->uid = caller->uid;
	s->gid = 0;
	if (caller->uid == 0)
		return 0;
	if (getpwuid_r(caller->uid, &room, buffer, sizeof(buffer), &user) || !user)
		return -EPERM;
	s->gid = user->pw_gid;
	return 0;
}

static int add_error(enum respond_outcome outcome, const char *match, sd_bus_error *error)
{
	if (outcome == RESPOND_E_NEVER)
		return refuse(error, "that process is failsoft itself, which is never ended");
	if (outcome == RESPOND_E_NO_PROCESS)
		return refuse(error, "there is no process of that pid");
	return service_error(error, "TooManyProcedures",
			     "%s has no room: there are %u at most, %u of one user", match,
			     PROCEDURES_MAX, PROCEDURES_MAX / 2);
}

static int go_on_add(struct service_call *p, const struct service_caller *caller, sd_bus_error *error)
{
	enum respond_outcome outcome;
	uint32_t id;

	if (!service_is_privileged(caller))
		return service_error(error, "NotAllowed",
				     "AddProcedure is for root and for members of the group failsoft");
	if (caller->uid && p->spec.memory_bytes > USER_MEMORY_MOST_BYTES)
		return refuse(error, "only root may have more than 8 MiB kept");
	if (take_identity(&p->spec, caller) < 0)
		return service_error(error, "NotAllowed", "user %u has no entry in passwd: it cannot be run "
				     "as that", caller->uid);
	outcome = respond_add(p->broker, &p->spec, &id);
	if (outcome != RESPOND_OK)
		return add_error(outcome, p->spec.match, error);
	return sd_bus_reply_method_return(p->call, "u", id);
}

int service_add_procedure(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct service_call *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	p->broker = userdata;
	p->go_on = go_on_add;
	r = read_spec(m, &p->spec, error);
	if (r >= 0)
		return service_ask_caller(p, m, error);
	free(p);
	return r;
}

static int go_on_remove(struct service_call *p, const struct service_caller *caller, sd_bus_error *error)
{
	struct procedure *found = procedure_find(&p->broker->respond.table, p->procedure);

	if (!found)
		return refuse(error, "there is no procedure of that number; ListProcedures names those "
			      "there are");
	if (!service_is_privileged(caller) || (caller->uid && caller->uid != found->spec.uid))
		return service_error(error, "NotAllowed",
				     "RemoveProcedure is for root, and for who has added it");
	switch (respond_remove(p->broker, found)) {
	case RESPOND_E_CONFIGURED:
		return refuse(error, "it stands in the configuration: take it out there");
	case RESPOND_E_BUSY:
		return service_error(error, "Busy", "it runs now");
	case RESPOND_OK:
	case RESPOND_E_FULL:
	case RESPOND_E_USER_FULL:
	case RESPOND_E_NO_PROCESS:
	case RESPOND_E_NEVER:
		break;
	}
	return sd_bus_reply_method_return(p->call, NULL);
}

int service_remove_procedure(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct service_call *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	p->broker = userdata;
	p->go_on = go_on_remove;
	r = sd_bus_message_read(m, "u", &p->procedure);
	if (r >= 0)
		return service_ask_caller(p, m, error);
	free(p);
	return r;
}

/* ---- the list ---- */

static int put_words(sd_bus_message *m, const struct procedure_words *words)
{
	const char *list[PROCEDURE_ARGUMENTS_MAX + 1];
	int r = sd_bus_message_open_container(m, 'a', "s");

	procedure_words_list(words, list);
	for (unsigned i = 0; r >= 0 && list[i]; i++)
		r = sd_bus_message_append(m, "s", list[i]);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static int put_detail(sd_bus_message *m, struct broker *b, const struct procedure *p)
{
	const uint64_t held_bytes = respond_slot_of(b, p)->held_bytes;
	const struct procedure_spec *s = &p->spec;
	int r = sd_bus_message_open_container(m, 'a', "{sv}");

	if (r >= 0)
		r = sd_bus_message_append(m, "{sv}{sv}{sv}{sv}{sv}{sv}", "DeadlineUSec", "t", s->deadline_us,
					  "MemoryBytes", "t", s->memory_bytes, "HeldBytes", "t", held_bytes,
					  "Responder", "b", s->is_responder, "Hold", "b", s->holds,
					  "Configured", "b", p->is_configured);
	if (r >= 0 && s->uid != UINT32_MAX)
		r = sd_bus_message_append(m, "{sv}", "UID", "u", s->uid);
	if (r >= 0)
		r = sd_bus_message_append(m, "{sv}{sv}", "Runs", "t", p->runs, "Errno", "u",
					  p->state == PROCEDURE_BROKEN ? (uint32_t)p->error : 0);
	if (r >= 0 && p->state == PROCEDURE_BROKEN)
		r = sd_bus_message_append(m, "{sv}", "Broken", "s", respond_broken_path(b, p));
	if (r >= 0 && p->state == PROCEDURE_RUNNING)
		r = sd_bus_message_append(m, "{sv}{sv}", "StartedUSec", "t", p->started_us, "EndsUSec", "t",
					  p->ends_us);
	if (r >= 0 && p->has_outcome)
		r = sd_bus_message_append(m, "{sv}", "LastResult", "s", procedure_outcome_name(p->outcome));
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static int put_procedure(sd_bus_message *m, struct broker *b, const struct procedure *p)
{
	const struct procedure_spec *s = &p->spec;
	int r = sd_bus_message_open_container(m, 'r', "ussssasa{sv}");

	if (r >= 0)
		r = sd_bus_message_append(m, "ussss", p->id, procedure_kind_name(s->kind), s->match,
					  procedure_state_name(p->state), s->program);
	if (r >= 0)
		r = put_words(m, &s->arguments);
	if (r >= 0)
		r = put_detail(m, b, p);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

int service_list_procedures(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct broker *b = userdata;
	sd_bus_message *reply = NULL;
	int r = sd_bus_message_new_method_return(m, &reply);

	(void)error;
	if (r >= 0)
		r = sd_bus_message_open_container(reply, 'a', "(ussssasa{sv})");
	for (unsigned i = 0; r >= 0 && i < PROCEDURES_MAX; i++)
		if (b->respond.table.slot[i].state != PROCEDURE_FREE)
			r = put_procedure(reply, b, &b->respond.table.slot[i]);
	if (r >= 0)
		r = sd_bus_message_close_container(reply);
	if (r >= 0)
		r = sd_bus_send(NULL, reply, NULL);
	sd_bus_message_unref(reply);
	return r < 0 ? r : 1;
}
