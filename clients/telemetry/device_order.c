/* SPDX-License-Identifier: MIT */
/*
 * An order of the broker's: the alarm leaves, and the answer says whether the server has it.
 *
 * Order of duty: spool (memory), socket, then the disk. A disk that is busy with the crisis takes
 * longer than the broker waits, so the sync comes when the server has the alarm, or at half time if
 * it has not: by the answer "partial" the alarm is on the disk.
 */
#include "device.h"
#include "tell.h"

static void answer(struct device *d, enum failsoft_result result)
{
	const uint64_t now_us = device_now_us(), took_us = now_us - d->order.taken_us;
	const uint64_t left_us = d->order.deadline_us > now_us ? d->order.deadline_us - now_us : 0;
	int r;

	if (result != FAILSOFT_RESULT_DONE)
		device_sync(d); /* "partial" says that it is in the spool */
	r = feed_answer(d->feed, d->order.sequence, result);
	(void)sd_event_source_set_enabled(d->answer, SD_EVENT_OFF);
	if (result != FAILSOFT_RESULT_DONE) {
		d->missed++;
	} else if (d->order.record) { /* with no alarm to tell nothing was acknowledged */
		d->met++;
		if (took_us > d->slowest_us) {
			d->slowest_us = took_us;
			d->left_us = left_us;
		}
	}
	if (r < 0)
		tell(TELL_DEBUG, "nobody waits for the answer to order %llu any more",
		     (unsigned long long)d->order.sequence);
	d->order.sequence = 0;
	device_sync(d);
}

/* Sends what the order is about. true: its acknowledgement is to be waited for. */
static bool carry_out(struct device *d, const struct failsoft_order *order)
{
	struct tally_note note[TALLY_NOTES_MAX];
	uint32_t notes = tally_order(&d->tally, order, note);

	device_tell(d, note, notes, NULL);
	if (order->step < FAILSOFT_STEP_DEGRADE)
		return false;
	if (order->flags & FAILSOFT_ORDER_DRILL)
		d->order.message = device_state(d, true); /* the same way, without an alarm */
	else
		d->order.record = d->last_alarm;
	return d->order.record || order->flags & FAILSOFT_ORDER_DRILL;
}

void device_ordered(struct device *d, const struct failsoft_order *order)
{
	const uint64_t now_us = device_now_us();
	const bool is_drill = order->flags & FAILSOFT_ORDER_DRILL;
	bool is_open;

	d->order = (struct device_order){.sequence = order->sequence,
					 .taken_us = order->issued_us,
					 .deadline_us = order->deadline_us,
					 .message = -1};
	is_open = carry_out(d, order);
	if (d->is_alarm_lost && order->step >= FAILSOFT_STEP_DEGRADE && !is_drill) {
		answer(d, FAILSOFT_RESULT_REFUSED); /* the server will not have it */
	} else if (!is_open) {
		answer(d, FAILSOFT_RESULT_DONE); /* nothing that the server does not have */
	} else if (!link_is_connected(d->link)) {
		answer(d, FAILSOFT_RESULT_PARTIAL);
	} else {
		device_arm(d->answer,
			   order->deadline_us > now_us ? (order->deadline_us - now_us) / 2 : 0, 1);
	}
}

/* At half time, and shortly before the deadline. */
int device_order_due(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct device *d = userdata;
	uint64_t last_us, now_us;

	(void)source, (void)usec;
	if (!d->order.sequence)
		return 0;
	if (!d->order.is_synced) {
		d->order.is_synced = true;
		device_sync(d);
	}
	now_us = device_now_us();
	last_us = d->order.deadline_us > d->settings.margin_us
			  ? d->order.deadline_us - d->settings.margin_us
			  : 0;
	if (now_us < last_us)
		device_arm(d->answer, last_us - now_us, 1);
	else
		answer(d, FAILSOFT_RESULT_PARTIAL);
	return 0;
}

void device_order_sent(struct device *d, uint64_t record, int message)
{
	if (!d->order.sequence)
		return;
	if ((d->order.record && record == d->order.record) ||
	    (message > 0 && message == d->order.message))
		answer(d, FAILSOFT_RESULT_DONE);
}

void device_order_lost(struct device *d)
{
	if (d->order.sequence)
		answer(d, FAILSOFT_RESULT_PARTIAL);
}
