/* SPDX-License-Identifier: MIT */
/* What the kernel can do. */
#include "checkup.h"

enum checkup_state checkup_psi(const struct facts *f, struct checkup_say *say)
{
	if (f->psi.state == FIGURE_SEEN) {
		text_add(&say->found, "the kernel counts stalls");
		return CHECKUP_OK;
	}
	if (f->psi.state != FIGURE_ABSENT)
		return checkup_unseen(&f->psi, say);
	text_add(&say->found, "the kernel does not count stalls");
	return CHECKUP_MISSING;
}

static enum checkup_state say(struct checkup_say *s, enum checkup_state state, const char *found)
{
	text_add(&s->found, "%s", found);
	return state;
}

enum checkup_state checkup_tripwire(const struct facts *f, struct checkup_say *s)
{
	if (f->mounts.state != FIGURE_SEEN)
		return checkup_unseen(&f->mounts, s);
	if (!f->has_v2)
		return say(s, CHECKUP_MISSING, "cgroup v2 is not mounted");
	if (f->controllers.state != FIGURE_SEEN)
		return checkup_unseen(&f->controllers, s);
	return f->controllers.value
		       ? say(s, CHECKUP_OK, "cgroup v2 with its memory controller")
		       : say(s, CHECKUP_MISSING, "cgroup v2 without its memory controller");
}

/* Linux 5.2: kernel/cgroup/freezer.c. */
static bool can_freeze_v2(const struct facts *f)
{
	return f->freeze.state == FIGURE_SEEN ||
	       (f->has_v2 && !f->has_cgroup && f->release >= 5002);
}

enum checkup_state checkup_freeze(const struct facts *f, struct checkup_say *s)
{
	if (f->mounts.state != FIGURE_SEEN)
		return checkup_unseen(&f->mounts, s);
	if (can_freeze_v2(f))
		return say(s, CHECKUP_OK, "cgroup.freeze");
	if (f->freeze.state != FIGURE_ABSENT)
		return checkup_unseen(&f->freeze, s);
	if (!f->has_v1_freezer)
		return say(s, CHECKUP_MISSING, "no cgroup can be frozen");
	checkup_fix(s, "Linux 5.2 or later with cgroup v2");
	return say(s, CHECKUP_WARN,
		   "the v1 freezer: what it holds cannot be killed before it is let go");
}

enum checkup_state checkup_cgroup_kill(const struct facts *f, struct checkup_say *s)
{
	if (f->mounts.state != FIGURE_SEEN)
		return checkup_unseen(&f->mounts, s);
	if (f->kill.state == FIGURE_SEEN || (f->has_v2 && !f->has_cgroup && f->release >= 5014))
		return say(s, CHECKUP_OK, "cgroup.kill");
	if (f->kill.state != FIGURE_ABSENT)
		return checkup_unseen(&f->kill, s);
	return say(s, CHECKUP_WARN, "no cgroup has cgroup.kill");
}

enum checkup_state checkup_pidfd(const struct facts *f, struct checkup_say *s)
{
	const struct figure *open = &f->call[CALL_PIDFD_OPEN],
			    *send = &f->call[CALL_PIDFD_SEND_SIGNAL];

	if (open->state != FIGURE_SEEN)
		return checkup_unseen(open, s);
	return open->value && send->value ? say(s, CHECKUP_OK, "signals by pidfd")
					  : say(s, CHECKUP_MISSING, "no signals by pidfd");
}

enum checkup_state checkup_mrelease(const struct facts *f, struct checkup_say *s)
{
	const struct figure *call = &f->call[CALL_PROCESS_MRELEASE];

	if (call->state != FIGURE_SEEN)
		return checkup_unseen(call, s);
	return call->value ? say(s, CHECKUP_OK, "process_mrelease()")
			   : say(s, CHECKUP_WARN, "no process_mrelease()");
}
