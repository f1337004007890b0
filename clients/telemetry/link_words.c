/* SPDX-License-Identifier: MIT */
/* A connection's troubles in words for the person who reads the log. */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include <mqtt_protocol.h>

#include "link_part.h"

static const char *to(const struct link *l)
{
	return l->options.server[l->at];
}

static void say_errno(struct link *l, int error)
{
	const char *hint = "";

	switch (error) {
	case ECONNREFUSED:
		hint = ": no server listens there";
		break;
	case ENETUNREACH:
	case EHOSTUNREACH:
		hint = ": no way through the network";
		break;
	case EPROTO:
		(void)snprintf(l->why, sizeof(l->why),
			       "%s: what came is not TLS: is this an MQTT port with TLS?", to(l));
		return;
	}
	(void)snprintf(l->why, sizeof(l->why), "%s: %s%s", to(l), strerror(error), hint);
}

/* Mosquitto 2.0 acknowledges a message that its ACL denies, and ends the connection (measured). Who
 * publishes does so within this of connecting; half: a slow radio is not told; double: also what has
 * other causes. */
#define AT_ONCE_US UINT64_C(5000000)

static void say_closed(struct link *l)
{
	if (l->phase == LINK_UP && l->will_topic && link_now_us() - l->up_us < AT_ONCE_US)
		(void)snprintf(l->why, sizeof(l->why),
			       "%s ended the connection at once: may this client write to \"%s\"? "
			       "If its ACL lets it, the server was stopped, or another client came "
			       "with our id \"%s\"",
			       to(l), l->will_topic, l->options.client_id);
	else if (l->phase == LINK_UP)
		(void)snprintf(l->why, sizeof(l->why),
			       "%s ended the connection (it was stopped, or another "
			       "client came with our id \"%s\")",
			       to(l), l->options.client_id);
	else
		(void)snprintf(l->why, sizeof(l->why),
			       "%s ended the connection before it answered: is this an "
			       "MQTT port %s TLS, and may this client in?",
			       to(l), l->tls ? "with" : "without");
}

void link_words(struct link *l, int rc, int error)
{
	char reason[TLS_REASON_MAX];

	if (l->tls && tls_reason(l->tls, reason)) {
		(void)snprintf(l->why, sizeof(l->why), "%s: %s", to(l), reason);
		return;
	}
	switch (rc) {
	case MOSQ_ERR_CONN_REFUSED:
		return; /* the answer itself was more precise */
	case MOSQ_ERR_ERRNO:
		if (error == 0 || error == EBADF || error == ECONNRESET) {
			say_closed(l); /* the library has closed its socket already */
			return;
		}
		/* fall through */
	case MOSQ_ERR_TLS:
	case MOSQ_ERR_TLS_HANDSHAKE:
		say_errno(l, rc == MOSQ_ERR_ERRNO ? error : EPROTO);
		return;
	case MOSQ_ERR_SUCCESS:
	case MOSQ_ERR_NO_CONN:
	case MOSQ_ERR_CONN_LOST:
		say_closed(l);
		return;
	case MOSQ_ERR_NOMEM:
		(void)snprintf(l->why, sizeof(l->why),
			       "%s sends a message that there is no memory for: none of ours has "
			       "more than 4 KiB; clear what is retained on the topics that we read, "
			       "and set max_packet_size there",
			       to(l));
		return;
	case MOSQ_ERR_KEEPALIVE:
		(void)snprintf(l->why, sizeof(l->why), "%s has not answered for %u s", to(l),
			       l->options.keepalive_s);
		return;
	}
	(void)snprintf(l->why, sizeof(l->why), "%s: %s", to(l), mosquitto_strerror(rc));
}

void link_words_refused(struct link *l, int connack)
{
	static const char *const says[] = {
		[CONNACK_REFUSED_PROTOCOL_VERSION] = "it does not speak MQTT 3.1.1",
		[CONNACK_REFUSED_IDENTIFIER_REJECTED] = "it rejects the client id",
		[CONNACK_REFUSED_SERVER_UNAVAILABLE] = "it is not available now",
		[CONNACK_REFUSED_BAD_USERNAME_PASSWORD] = "user name or password is wrong",
		[CONNACK_REFUSED_NOT_AUTHORIZED] =
			"not authorised: it does not know this user, password or "
			"certificate",
	};
	const bool is_known = connack > 0 && (size_t)connack < sizeof(says) / sizeof(says[0]);

	(void)snprintf(l->why, sizeof(l->why), "%s refuses client \"%s\": %s", to(l),
		       l->options.client_id,
		       is_known ? says[connack] : "for a reason that MQTT 3.1.1 does not know");
}

void link_words_lookup(struct link *l, const struct lookup_answer *answer)
{
	(void)snprintf(l->why, sizeof(l->why), "%s: the name is not resolved: %s", to(l),
		       answer->error == EAI_SYSTEM ? strerror(answer->system_errno)
						   : gai_strerror(answer->error));
}

void link_words_timeout(struct link *l)
{
	static const char *const what[] = {
		[LINK_LOOKING] = "the name server",
		[LINK_CONNECTING] = "the host",
	};
	const char *who = l->phase == LINK_CONNECTING && l->has_tcp
				  ? "the server took the connection, but"
				  : what[l->phase];

	(void)snprintf(l->why, sizeof(l->why), "%s: %s did not answer in time", to(l), who);
}

static int check_servers(struct link *l, char complaint[256])
{
	if (l->options.servers == 0 || l->options.servers > LINK_SERVERS_MAX) {
		(void)snprintf(complaint, 256, "%u servers are named: give 1 to %u",
			       l->options.servers, LINK_SERVERS_MAX);
		return -EINVAL;
	}
	for (uint32_t i = 0; i < l->options.servers; i++)
		if (!lookup_server_parse(l->options.server[i], &l->server[i])) {
			(void)snprintf(complaint, 256, "server \"%.180s\" is no HOST:PORT",
				       l->options.server[i]);
			return -EINVAL;
		}
	return 0;
}

int link_words_check(struct link *l, char complaint[256])
{
	const struct link_options *o = &l->options;
	const char *wrong = NULL;

	if (!o->client_id || !*o->client_id)
		wrong = "no client id is given";
	else if (o->keepalive_s < 5 || o->keepalive_s > 3600)
		wrong = "keepalive is not within 5 to 3600 s";
	else if (o->pause_first_us == 0 || o->pause_first_us > o->pause_last_us)
		wrong = "the first pause is 0 or longer than the last";
	else if (o->password && !o->user)
		wrong = "a password is given, but no user";
	else if (!o->cert_file != !o->key_file)
		wrong = "certificate and key go together: one of them is missing";
	else if (o->cert_file && !o->ca_file)
		wrong = "a certificate is given, but no CA file to check the server's with";
	else if (o->subscriptions > LINK_SUBSCRIPTIONS_MAX)
		wrong = "too many subscriptions";
	if (!wrong)
		return check_servers(l, complaint);
	(void)snprintf(complaint, 256, "%s", wrong);
	return -EINVAL;
}
