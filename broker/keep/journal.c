/* SPDX-License-Identifier: MIT */
#include "keep/journal.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/uio.h>
#include <syslog.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "base/log.h"
#include "base/units.h"

#define FIELD_MAX	600
#define FIELDS		12

/* The ids never change: rules and catalogues of others name them. */
static const struct {
	int priority;
	const char *message_id;
} entries[EVENT_KIND_COUNT] = {
	[EVENT_BROKER_STARTED] = { LOG_INFO, "466e1a17d4daff71ca724a263e553087" },
	[EVENT_BROKER_STOPPED] = { LOG_INFO, "1da15a4df0db6209ae2e8d84ebd6467c" },
	[EVENT_CONFIG_RELOADED] = { LOG_INFO, "9251a95a57d8def3935785e3476d8bb7" },
	[EVENT_SOURCE_ABSENT] = { LOG_NOTICE, "2ed3ac5d94c15c5aead66396c46505a7" },
	[EVENT_DOMAIN_ADDED] = { LOG_INFO, "4ebde36f9307adabf4dad52df02f7709" },
	[EVENT_DOMAIN_REMOVED] = { LOG_INFO, "834a8197b8a117e585d9d657ebc37400" },
	[EVENT_CLIENT_JOINED] = { LOG_INFO, "f0196334644234c111525446622f8aaf" },
	[EVENT_CLIENT_LEFT] = { LOG_INFO, "d69399403f81252cdff4458e71b6d23b" },
	[EVENT_STAGE] = { LOG_WARNING, "b04471465878dd6b120dd7a66110c3e1" },
	[EVENT_REQUEST] = { LOG_INFO, "d88436ace7987429bd635004f86b114b" },
	[EVENT_ANSWER] = { LOG_INFO, "0c58f38ee123a3cd1f03a6de89863cf5" },
	[EVENT_SHIELD] = { LOG_DEBUG, "9298653d5965fe41ae35f47c441fed2f" },
	[EVENT_SHIELD_FAILED] = { LOG_WARNING, "e800445bc00c86d0131d9238d567e34d" },
	[EVENT_VICTIM] = { LOG_WARNING, "180a9639aa6884db9fc5d21f80bc0ee7" },
	[EVENT_NO_VICTIM] = { LOG_ERR, "c31b8ce11e656634ac25c71178c90254" },
	[EVENT_ACTION] = { LOG_WARNING, "0f80f80771da73185c40411bba0f45ba" },
	[EVENT_ENDED] = { LOG_WARNING, "a40ab01251b1512ae679727cb459167f" },
	[EVENT_KERNEL_OOM] = { LOG_ERR, "44c2c0039b006fcff90147c79ae85b2f" },
	[EVENT_EPISODE_OPENED] = { LOG_NOTICE, "653179bb3a7171693b76600b8749237c" },
	[EVENT_EPISODE_CLOSED] = { LOG_NOTICE, "a7d95c714dc934fab93d6ee06af2311d" },
	[EVENT_EPISODE_TAKEN_OVER] = { LOG_WARNING, "3c574a31a4441ea5e97c58743de6bf83" },
	[EVENT_EVIDENCE] = { LOG_INFO, "ce00975456bd416b88309c0189e1778e" },
	[EVENT_HELD_BACK] = { LOG_WARNING, "0bdcca12286b4315b58701a97dbc2d54" },
	[EVENT_GROWER] = { LOG_NOTICE, "b859c59557214775a5af9e0329e94d4f" },
	[EVENT_CLIENT_KILLED] = { LOG_WARNING, "480148c7b47243cb9bc7b91455c2fa15" },
	[EVENT_OVERRUN] = { LOG_NOTICE, "125ae1fd64ac44a9a220751bb66e99fb" },
	[EVENT_BRAKE] = { LOG_WARNING, "d931133582d543c596657dbfd57231b8" },
	[EVENT_LET_GO] = { LOG_NOTICE, "99e78c184d5143d9aa05576d3ea7f397" },
	[EVENT_PROCEDURE] = { LOG_WARNING, "b88f234117604ffd8fa3af7c2bf64c78" },
	[EVENT_PROCEDURE_ENDED] = { LOG_WARNING, "94f8ab54a6fc413b8430e7cde3c8774a" },
	[EVENT_PROCEDURE_OUTPUT] = { LOG_NOTICE, "7cfcaebef58e4f9abaf8a1f9d7b0e453" },
	[EVENT_RESPONDER] = { LOG_NOTICE, "88f3edfe36954f7c80e109301ef39e89" },
	[EVENT_GUARD] = { LOG_ERR, "badc3e8d40e94966b24db7e65b02516a" },
	[EVENT_TRIPWIRE] = { LOG_INFO, "1b96370522e544f687ee556f36b866a8" },
	[EVENT_TRIPPED] = { LOG_WARNING, "dcea91593c8741a3ae48008739e6f84b" },
	[EVENT_RETURNED] = { LOG_NOTICE, "1f3d7f9a6c0b4c0f9d0e4a2b7c5d6e81" },
	[EVENT_LAST] = { LOG_CRIT, "06e08befff6a49618020035ddc226d22" },
	[EVENT_LAST_ENDED] = { LOG_ERR, "5c2e0f46f9d743b880b85c9348b717f3" },
	[EVENT_FREED] = { LOG_WARNING, "0687b3aa79cc4a21aab8b9ccff75ffd1" },
	[EVENT_DRILL] = { LOG_NOTICE, "b1f80b764c9e4381bb51fc2bcc3b443c" },
	[EVENT_REBOOTED] = { LOG_ERR, "8afc96ea0eba4adc82b1cc1fa50e58cf" },
};

/* base/log.h and syslog.h use the same prefix for different things; this is the only bridge. */
static enum log_level level_of(int priority)
{
	if (priority <= LOG_ERR)
		return LOG_LEVEL_ERROR;
	if (priority <= LOG_WARNING)
		return LOG_LEVEL_WARNING;
	return priority <= LOG_INFO ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG;
}

static bool has_journal(void)
{
	static int known = -1;

	if (known < 0)
		known = access("/run/systemd/journal/socket", W_OK) == 0;
	return known;
}

struct fields {
	char text[FIELDS][FIELD_MAX];
	struct iovec vector[FIELDS];
	int count;
};

__attribute__((format(printf, 2, 3))) static void field(struct fields *f, const char *format, ...)
{
	va_list args;
	int n;

	if (f->count == FIELDS)
		return;
	va_start(args, format);
	n = vsnprintf(f->text[f->count], FIELD_MAX, format, args);
	va_end(args);
	if (n < 0)
		return;
	f->vector[f->count] = (struct iovec){ f->text[f->count], (size_t)MIN_OF(n, FIELD_MAX - 1) };
	f->count++;
}

void journal_put(const struct event *e)
{
	struct fields f = { .count = 0 };
	char sentence[512];

	if (e->kind >= EVENT_KIND_COUNT || !entries[e->kind].message_id)
		return;
	event_sentence(e, sentence, sizeof(sentence));
	if (!has_journal()) {
		log_write(level_of(entries[e->kind].priority), "%s", sentence);
		return;
	}
	field(&f, "MESSAGE=%s", sentence);
	field(&f, "MESSAGE_ID=%s", entries[e->kind].message_id);
	field(&f, "PRIORITY=%d", entries[e->kind].priority);
	field(&f, "SYSLOG_IDENTIFIER=failsoftd");
	field(&f, "FAILSOFT_EVENT=%s", event_shape(e->kind)->name);
	if (e->number) /* none: told by the guard before it is on record */
		field(&f, "FAILSOFT_NUMBER=%" PRIu64, e->number);
	if (e->episode)
		field(&f, "FAILSOFT_EPISODE=%" PRIu64, e->episode);
	if (e->domain_name[0])
		field(&f, "FAILSOFT_DOMAIN=%s", e->domain_name);
	if (e->name[0])
		field(&f, "FAILSOFT_NAME=%s", e->name);
	if (e->sequence)
		field(&f, "FAILSOFT_SEQUENCE=%" PRIu64, e->sequence);
	(void)sd_journal_sendv(f.vector, f.count); /* nobody is left to tell when the journal fails */
}
