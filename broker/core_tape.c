/* SPDX-License-Identifier: MIT */
#include "core_tape.h"

#include <string.h>

#include "base/text.h"
#include "core_parts.h"

/* ---- what is kept of each kind ---- */

static const struct tape_field machine_fields[] = {
	TAPE_U(core_tape_machine, now_us), TAPE_U(core_tape_machine, real_us),
	TAPE_U(core_tape_machine, total_bytes), TAPE_U(core_tape_machine, swap_total_bytes),
	TAPE_U(core_tape_machine, cpus), TAPE_U(core_tape_machine, page_bytes),
	TAPE_B(core_tape_machine, is_stand_alone), TAPE_T(core_tape_machine, kernel),
	TAPE_T(core_tape_machine, rules),
};

static const struct tape_field note_fields[] = {
	TAPE_U(core_tape_note, now_us), TAPE_T(core_tape_note, text),
};

#define P(m) TAPE_U(core_policy, m)
#define PB(m) TAPE_B(core_policy, m)
static const struct tape_field policy_fields[] = {
	P(estimate.swap_weight_permyriad), P(estimate.plausible_bytes_per_s),
	P(estimate.stall.permyriad), P(estimate.stall.window_us),
	P(stage.floor_permyriad[1]), P(stage.floor_permyriad[2]), P(stage.floor_permyriad[3]),
	P(stage.floor_max_bytes[1]), P(stage.floor_max_bytes[2]), P(stage.floor_max_bytes[3]),
	P(stage.confirm_us), P(stage.hold_us), P(stage.warning_permyriad),
	P(session.max_clients), P(session.max_per_uid), P(session.max_budget_us),
	P(session.default_budget_us[0]), P(session.default_budget_us[1]),
	P(session.default_budget_us[2]), P(session.default_budget_us[3]),
	P(plan.terminate_us), P(plan.procedure_us), P(plan.latency_us),
	PB(escalate.enabled), PB(escalate.dry_run),
	P(escalate.term_us), P(escalate.kill_us), P(escalate.settle_us), PB(escalate.procedures),
	P(last.after_us), P(last.sync_us), P(last.reboots_most), P(last.reboots_within_us),
	PB(shield), PB(brake), P(idle_interval_us), P(near_interval_us),
};

#define W(m) TAPE_U(core_tape_core, tripwire.m)
static const struct tape_field core_fields[] = {
	TAPE_U(core_tape_core, last_episode), TAPE_U(core_tape_core, last_sequence),
	TAPE_U(core_tape_core, last_event), TAPE_U(core_tape_core, grace_us),
	TAPE_U(core_tape_core, max_clients),
	W(phase), W(limit_bytes), W(moved_us), W(before_bytes), W(kept_bytes), W(trips), W(said_us),
	TAPE_U(core_tape_core, reboots_before),
};

/* Members of the domain, under their own names. */
#define D(m, t) { #m, offsetof(struct core_tape_domain, d.m), \
		  sizeof(((struct core_tape_domain *)0)->d.m), t }
#define DU(m) D(m, TAPE_UNSIGNED)
#define DI(m) D(m, TAPE_SIGNED)
#define DB(m) D(m, TAPE_BOOL)
#define DD(m) D(m, TAPE_DOUBLE)
#define ESTIMATE(m) \
	DU(m.time_us), DU(m.domain), DU(m.distress), DU(m.total_bytes), DU(m.headroom_bytes), \
	DU(m.memory_bytes), DU(m.tte_us), DU(m.tte_low_us), DU(m.tte_early_us), DU(m.tte_late_us), \
	DU(m.guaranteed_us), DI(m.fall_bytes_per_s), \
	DI(m.fall_high_bytes_per_s), DU(m.falling_us), DU(m.fallen_bytes), \
	DU(m.pools_grown_bytes), DU(m.stretch_permyriad), DU(m.limit), DB(m.is_suspect)

static const struct tape_field domain_fields[] = {
	TAPE_U(core_tape_domain, index), DB(is_configured), D(name, TAPE_TEXT),
	ESTIMATE(estimate),
	DU(lead.us[0]), DU(lead.us[1]), DU(lead.us[2]), DU(lead.us[3]),
	DU(stage.now), DU(stage.since_us), DU(stage.calm_since_us),
	DU(change.time_us), DU(change.domain), DU(change.from), DU(change.to), DU(change.why),
	DU(change.floor_bytes), DU(change.lead_us), ESTIMATE(change.estimate),
	DU(change_event), DU(episode), DB(said_no_victim), DB(said_held_back),
	DU(growers_us), DU(growth_bytes),
	DU(said_grower.kind), DI(said_grower.pid), DU(said_grower.pool), DU(sample_due_us),
	DU(escalate.rung), DU(escalate.deadline_us), DU(escalate.ended),
	DU(escalate.victim.kind), DU(escalate.victim.client), DI(escalate.victim.pid),
	D(escalate.victim.name, TAPE_TEXT), DU(escalate.victim.memory_bytes),
	DU(escalate.victim.growth_bytes), DU(escalate.victim.all_growth_bytes),
	DU(escalate.victim.pids_count), DB(escalate.victim.is_writer),
	DU(hold.phase), DB(hold.is_dry), DU(hold.since_us), DU(hold.again_us),
	DU(hold.unasked_us), DU(hold.bytes_per_s),
	DU(hold.falling_us), DU(hold.victim.kind), DU(hold.victim.client), DI(hold.victim.pid),
	D(hold.victim.name, TAPE_TEXT), DU(hold.victim.memory_bytes), DU(hold.victim.growth_bytes),
	DU(hold.victim.all_growth_bytes), DU(hold.victim.pids_count),
	DB(hold.victim.is_writer), DU(hold.victim.procedure), DU(hold.victim.procedure_us),
	D(hold.victim.procedure_name, TAPE_TEXT), DU(escalate.victim.procedure),
	DU(escalate.victim.procedure_us), D(escalate.victim.procedure_name, TAPE_TEXT),
	DB(escalate.procedure_ended), DU(escalate.procedure_began_us),
	DI(promise.pid), D(promise.name, TAPE_TEXT), DU(promise.bytes), DU(promise.headroom_bytes),
	DU(promise.chosen_us),
	DU(last.policy), DU(last.phase), DU(last.running), DB(last.was_told), DU(last.began_us),
	DU(last.deadline_us), DB(escalate.is_dry),
	DU(settle.until_us), DU(settle.peak_bytes), DB(settle.is_cut), DB(settle.is_owed),
	DU(hasty_looks), DB(hold.is_in_vain),
};

#define SUMS(m) DD(m.weight), DD(m.t), DD(m.tt), DD(m.y), DD(m.ty)
#define TREND(m) \
	DU(m.first_us), DU(m.last_us), DD(m.last_bytes), DD(m.last_rate), DU(m.count), \
	SUMS(m.window[0]), SUMS(m.window[1]), SUMS(m.window[2]), SUMS(m.window[3])

static const struct tape_field estimator_fields[] = {
	TAPE_U(core_tape_domain, index),
	TREND(estimator.trend), TREND(estimator.fall.trend),
	DU(estimator.fall.since_us), DU(estimator.fall.from_bytes), DU(estimator.fall.from_pools_bytes),
	DU(estimator.fall.low_bytes), DU(estimator.fall.low_us), DU(estimator.fall.lows),
	DU(estimator.fall.peak_bytes), DU(estimator.fall.trough_bytes), DU(estimator.fall.usual_bytes),
	DU(estimator.fall.usual_us), DU(estimator.fall.given_bytes), DU(estimator.fall.before_bytes),
	DU(estimator.fall.learned_us),
	DU(estimator.distress_us[0]), DU(estimator.distress_us[1]), DU(estimator.distress_us[2]),
	DU(estimator.distress_us[3]), DU(estimator.distress_us[4]), DU(estimator.distress_us[5]),
	DU(estimator.distress_us[6]), DU(estimator.distress_us[7]), DU(estimator.distress_us[8]),
	DU(estimator.distress_us[9]),
	DU(estimator.stall.seen_us), DU(estimator.stall.full_us), DU(estimator.stall.slot_us),
	DU(estimator.stall.slot), DU(estimator.stall.stalled_us[0]), DU(estimator.stall.stalled_us[1]),
	DU(estimator.stall.stalled_us[2]), DU(estimator.stall.stalled_us[3]),
	DU(estimator.stall.stalled_us[4]), DU(estimator.stall.stalled_us[5]),
	DU(estimator.stall.stalled_us[6]), DU(estimator.stall.stalled_us[7]),
	DU(estimator.shmem_bytes), DU(estimator.kernel_bytes), DU(estimator.unseen_bytes),
	DU(estimator.direct_reclaims), DU(estimator.oom_kills), DB(estimator.have_counters),
	DU(estimator.stretch_permyriad), ESTIMATE(estimator.last),
};

/* One shape would have too many fields. */
static const struct tape_field saw_fields[] = {
	TAPE_U(core_tape_domain, index),
	DB(estimator.saw.is_rising), DU(estimator.saw.high_bytes), DU(estimator.saw.low_bytes),
	DU(estimator.saw.low_us), DU(estimator.saw.height_bytes), DU(estimator.saw.dip_bytes),
	DU(estimator.saw.dip_us), DU(estimator.saw.period_us), DU(estimator.saw.teeth),
	DD(estimator.saw.rate_bytes_per_s),
};

static const struct tape_field episode_fields[] = {
	TAPE_U(core_episode, number), TAPE_U(core_episode, domain),
	TAPE_T(core_episode, domain_name), TAPE_U(core_episode, highest),
	TAPE_U(core_episode, began_us), TAPE_U(core_episode, ended_us),
	TAPE_U(core_episode, victims), TAPE_U(core_episode, missed),
	TAPE_B(core_episode, kernel_killed),
};

#define S(m, t) { #m, offsetof(struct core_tape_session, s.m), \
		  sizeof(((struct core_tape_session *)0)->s.m), t }
#define SU(m) S(m, TAPE_UNSIGNED)
#define SB(m) S(m, TAPE_BOOL)
static const struct tape_field session_fields[] = {
	TAPE_U(core_tape_session, slot), SU(id), SU(generation),
	S(offer.name, TAPE_TEXT), S(offer.pid, TAPE_SIGNED), SU(offer.uid), SU(offer.order_group),
	SU(offer.domains), SB(offer.may_be_ended), SU(offer.budget_us[0]), SU(offer.budget_us[1]),
	SU(offer.budget_us[2]), SU(offer.budget_us[3]),
	SU(request.sequence), SU(request.issued_us), SU(request.deadline_us), SU(request.step),
	SU(request.domain), SU(request.episode), SB(request.extended), SB(request.is_final),
	SB(request.is_drill),
	SU(settled), SB(settled_final), SU(final_domains), SB(is_shielded), SB(owes_resume),
	SU(joined_us), SU(missed_sequence), SU(exposure_bytes), SU(freeable_bytes),
	SU(worst_us[0]), SU(worst_us[1]), SU(worst_us[2]), SU(worst_us[3]),
	SU(worst_exposure_bytes[0]), SU(worst_exposure_bytes[1]), SU(worst_exposure_bytes[2]),
	SU(worst_exposure_bytes[3]), SU(last_result),
};

#define M(m) TAPE_U(sample, m)
static const struct tape_field sample_fields[] = {
	M(time_us), M(domain), M(has), M(distress), M(load_permyriad), M(cpu_some_permyriad),
	M(total_bytes), M(free_bytes), M(file_bytes), M(reserve_bytes), M(low_bytes), M(available_bytes),
	M(swap_total_bytes), M(swap_free_bytes), M(direct_reclaims), M(oom_kills),
	M(memory_some_permyriad), M(memory_full_permyriad), M(memory_some_us), M(memory_full_us),
	M(anon_bytes), M(shmem_bytes), M(kernel_bytes), M(unseen_bytes),
	M(zram_stored_bytes), M(zram_used_bytes), M(zram_limit_bytes), M(arc_bytes),
	M(delay_reclaim_permyriad), M(delay_cpu_permyriad), M(rival_triggers),
};

#define J(m) TAPE_U(core_tape_join, m)
static const struct tape_field join_fields[] = {
	J(now_us), TAPE_T(core_tape_join, offer.name), TAPE_I(core_tape_join, offer.pid),
	J(offer.uid), J(offer.order_group), J(offer.domains), TAPE_B(core_tape_join, offer.may_be_ended),
	J(offer.budget_us[0]), J(offer.budget_us[1]), J(offer.budget_us[2]), J(offer.budget_us[3]),
};

static const struct tape_field victim_fields[] = {
	TAPE_U(core_tape_victim, index), TAPE_I(core_tape_victim, pid),
	TAPE_U(core_tape_victim, start_ticks),
};

#define V(m) TAPE_U(core_tape_survey, m)
static const struct tape_field survey_fields[] = {
	V(now_us), V(domain), TAPE_B(core_tape_survey, found), V(victim.kind), V(victim.client),
	TAPE_I(core_tape_survey, victim.pid), TAPE_T(core_tape_survey, victim.name),
	V(victim.memory_bytes), V(victim.growth_bytes), V(victim.all_growth_bytes),
	V(victim.pids_count), TAPE_B(core_tape_survey, victim.is_writer),
	TAPE_B(core_tape_survey, victim.is_by_size), V(victim.seen_us),
	V(victim.procedure), V(victim.procedure_us),
	TAPE_T(core_tape_survey, victim.procedure_name),
};

#define G(m) TAPE_U(core_tape_grower, m)
static const struct tape_field grower_fields[] = {
	G(now_us), G(domain), G(index), G(count), G(g.kind), G(g.pool),
	TAPE_I(core_tape_grower, g.pid), G(g.uid), G(g.processes), G(g.share_permyriad),
	TAPE_T(core_tape_grower, g.name), G(g.bytes), G(g.since_bytes), G(g.bytes_per_s),
	G(g.recent_bytes_per_s),
};

#define R(m) TAPE_U(core_tape_guard, r.m)
static const struct tape_field guard_fields[] = {
	TAPE_U(core_tape_guard, now_us), R(domain), TAPE_B(core_tape_guard, r.is_dry),
	TAPE_B(core_tape_guard, r.is_withheld), R(began_us), R(late_us), R(headroom_bytes),
	R(left_us), R(stopped), R(told), R(ended), R(stopped_us), R(ended_us),
	R(victim.kind), R(victim.client),
	TAPE_I(core_tape_guard, r.victim.pid), TAPE_T(core_tape_guard, r.victim.name),
	R(victim.memory_bytes), R(victim.growth_bytes), R(victim.all_growth_bytes),
	R(victim.pids_count), TAPE_B(core_tape_guard, r.victim.is_writer),
	R(victim.procedure), R(victim.procedure_us),
	TAPE_T(core_tape_guard, r.victim.procedure_name),
};

#define WIRE(m) TAPE_U(core_tape_tripwire, r.m)
static const struct tape_field tripwire_fields[] = {
	TAPE_U(core_tape_tripwire, now_us), WIRE(total_bytes), WIRE(left_bytes), WIRE(low_bytes),
	WIRE(usage_bytes), WIRE(file_bytes), WIRE(before_bytes), WIRE(trips),
	TAPE_B(core_tape_tripwire, r.has_clients),
};

#define E(m) TAPE_U(event, m)
static const struct tape_field event_fields[] = {
	E(number), E(time_us), E(episode), E(client), E(sequence), E(a), E(b), E(c), E(d), E(e),
	E(headroom_bytes), E(total_bytes), E(tte_us), E(tte_low_us), E(lead_us), E(floor_bytes),
	TAPE_I(event, fall_bytes_per_s), E(tte_early_us), E(tte_late_us),
	E(evidence.percent[0]), E(evidence.percent[1]), E(evidence.percent[2]), E(evidence.percent[3]),
	E(evidence.percent[4]), E(evidence.percent[5]), E(evidence.percent[6]), E(distress),
	E(kind), E(domain), E(from), E(to), E(why),
	E(step), E(result), E(rung), TAPE_T(event, name), TAPE_T(event, domain_name),
};

/* Calls: each kind keeps what it has. */
#define C(m) TAPE_U(core_call, m)
static const struct tape_field moment_fields[] = { C(now_us) };
static const struct tape_field latency_fields[] = { C(latency_us) };
static const struct tape_field domain_add_fields[] = {
	C(now_us), TAPE_B(core_call, is_configured), TAPE_T(core_call, name),
};
static const struct tape_field of_domain_fields[] = { C(now_us), C(domain) };
static const struct tape_field stopped_fields[] = { C(now_us), C(domain), C(count) };
static const struct tape_field leave_fields[] = { C(now_us), C(client) };
static const struct tape_field report_fields[] = { C(client), C(exposure_bytes), C(freeable_bytes) };
static const struct tape_field answer_fields[] = {
	C(now_us), C(client), C(sequence), C(result), C(freed_bytes), C(more_time_us),
};
static const struct tape_field procedure_time_fields[] = { C(procedure_us) };
static const struct tape_field procedure_done_fields[] = {
	C(now_us), C(domain), C(procedure), C(outcome), C(code), C(output_bytes),
};
static const struct tape_field last_fields[] = { C(domain), C(policy), C(count) };
static const struct tape_field drill_fields[] = { C(now_us), C(client), C(stage) };
static const struct tape_field end_failed_fields[] = { C(now_us), C(domain), C(code) };
static const struct tape_field kernel_oom_fields[] = {
	C(now_us), C(domain), TAPE_I(core_call, pid), TAPE_T(core_call, name),
};
static const struct tape_field told_fields[] = {
	C(now_us), C(domain), C(client), C(sequence), C(began_us), C(deadline_us),
};
static const struct tape_field take_over_fields[] = {
	C(now_us), C(domain), C(episode), C(stage), C(began_us),
};

#define SHAPE(name, type, fields) { name, sizeof(type), ARRAY_LEN(fields), fields }
#define CALL(name, fields) SHAPE(name, struct core_call, fields)

const struct tape_shape core_tape_shapes[CORE_TAPE_KIND_COUNT] = {
	[CORE_TAPE_MACHINE] = SHAPE("machine", struct core_tape_machine, machine_fields),
	[CORE_TAPE_NOTE] = SHAPE("note", struct core_tape_note, note_fields),
	[CORE_TAPE_END] = SHAPE("end", struct core_tape_note, note_fields),
	[CORE_TAPE_POLICY] = SHAPE("policy", struct core_policy, policy_fields),
	[CORE_TAPE_CORE] = SHAPE("core", struct core_tape_core, core_fields),
	[CORE_TAPE_DOMAIN] = SHAPE("domain", struct core_tape_domain, domain_fields),
	[CORE_TAPE_ESTIMATOR] = SHAPE("estimator", struct core_tape_domain, estimator_fields),
	[CORE_TAPE_SAW] = SHAPE("saw", struct core_tape_domain, saw_fields),
	[CORE_TAPE_EPISODE] = SHAPE("episode", struct core_episode, episode_fields),
	[CORE_TAPE_SESSION] = SHAPE("session", struct core_tape_session, session_fields),
	[CORE_TAPE_READY] = CALL("ready", moment_fields),
	[CORE_TAPE_SAMPLE] = SHAPE("sample", struct sample, sample_fields),
	[CORE_TAPE_JOIN] = SHAPE("join", struct core_tape_join, join_fields),
	[CORE_TAPE_VICTIM] = SHAPE("victim", struct core_tape_victim, victim_fields),
	[CORE_TAPE_SURVEY] = SHAPE("survey", struct core_tape_survey, survey_fields),
	[CORE_TAPE_SUSPECT] = SHAPE("suspect", struct core_tape_survey, survey_fields),
	[CORE_TAPE_GROWER] = SHAPE("grower", struct core_tape_grower, grower_fields),
	[CORE_TAPE_HAPPENED] = SHAPE("happened", struct event, event_fields),
	[CORE_TAPE_RECONFIGURE] = CALL("reconfigure", moment_fields),
	[CORE_TAPE_LATENCY] = CALL("latency", latency_fields),
	[CORE_TAPE_DOMAIN_ADD] = CALL("domain_add", domain_add_fields),
	[CORE_TAPE_DOMAIN_REMOVE] = CALL("domain_remove", of_domain_fields),
	[CORE_TAPE_LEAVE] = CALL("leave", leave_fields),
	[CORE_TAPE_REPORT] = CALL("report", report_fields),
	[CORE_TAPE_ANSWER] = CALL("answer", answer_fields),
	[CORE_TAPE_PROCEDURE_TIME] = CALL("procedure_time", procedure_time_fields),
	[CORE_TAPE_PROCEDURE_DONE] = CALL("procedure_done", procedure_done_fields),
	[CORE_TAPE_VICTIM_GONE] = CALL("victim_gone", of_domain_fields),
	[CORE_TAPE_STOPPED] = CALL("stopped", stopped_fields),
	[CORE_TAPE_KERNEL_OOM] = CALL("kernel_oom", kernel_oom_fields),
	[CORE_TAPE_TAKE_OVER] = CALL("take_over", take_over_fields),
	[CORE_TAPE_TICK] = CALL("tick", moment_fields),
	[CORE_TAPE_GUARD] = SHAPE("guard", struct core_tape_guard, guard_fields),
	[CORE_TAPE_TOLD] = CALL("told", told_fields),
	[CORE_TAPE_TRIPWIRE] = SHAPE("tripwire", struct core_tape_tripwire, tripwire_fields),
	[CORE_TAPE_TRIPPED] = SHAPE("tripped", struct core_tape_tripwire, tripwire_fields),
	[CORE_TAPE_TRIPWIRE_OFF] = CALL("tripwire_off", moment_fields),
	[CORE_TAPE_LAST] = CALL("last", last_fields),
	[CORE_TAPE_END_FAILED] = CALL("end_failed", end_failed_fields),
	[CORE_TAPE_DRILL] = CALL("drill", drill_fields),
	[CORE_TAPE_EVENT] = SHAPE("event", struct event, event_fields),
};

/* ---- inputs ---- */

void core_tape_input(struct core *c, enum core_tape_kind kind, const void *input)
{
	if (c->tape)
		tape_put(c->tape, kind, input);
}

void core_tape_call(struct core *c, enum core_tape_kind kind, const struct core_call *call)
{
	core_tape_input(c, kind, call);
}

static void put_victim(struct tape *t, const struct victim *v)
{
	for (uint32_t i = 0; i < MIN_OF(v->pids_count, VICTIM_PIDS_MAX); i++) {
		struct core_tape_victim one = { i, v->pids[i], v->start_ticks[i] };

		tape_put(t, CORE_TAPE_VICTIM, &one);
	}
}

void core_tape_growers(struct core *c, uint32_t domain, const struct grower *growers, uint32_t count,
		       uint64_t now_us)
{
	struct core_tape_grower one = {
		.now_us = now_us, .domain = domain, .count = MIN_OF(count, CORE_GROWERS_MAX),
	};

	if (!c->tape)
		return;
	do {
		if (one.count)
			one.g = growers[one.index];
		tape_put(c->tape, CORE_TAPE_GROWER, &one);
	} while (++one.index < one.count);
}

void core_tape_survey(struct core *c, enum core_tape_kind kind, uint32_t domain,
		      const struct victim *victim, uint64_t now_us)
{
	struct core_tape_survey survey = { .now_us = now_us, .domain = domain, .found = victim };

	if (!c->tape)
		return;
	if (victim) {
		survey.victim = *victim;
		put_victim(c->tape, victim);
	}
	tape_put(c->tape, kind, &survey);
}

void core_tape_guard(struct core *c, const struct guard_report *r, uint64_t now_us)
{
	const struct core_tape_guard guard = { now_us, *r };

	if (!c->tape)
		return;
	put_victim(c->tape, &r->victim);
	tape_put(c->tape, CORE_TAPE_GUARD, &guard);
}

/* ---- the state ---- */

static void put_domains(const struct core *c, struct tape *t)
{
	for (uint32_t i = 0; i < CORE_DOMAINS_MAX; i++) {
		struct core_tape_domain domain = { .index = i, .d = c->domain[i] };

		if (!c->domain[i].used)
			continue;
		put_victim(t, &c->domain[i].escalate.victim);
		tape_put(t, CORE_TAPE_DOMAIN, &domain);
		tape_put(t, CORE_TAPE_ESTIMATOR, &domain);
		tape_put(t, CORE_TAPE_SAW, &domain);
	}
}

/* Also free slots that were used: their generation is part of the next client's id. */
static void put_sessions(const struct core *c, struct tape *t)
{
	for (uint32_t i = 0; i < c->sessions.max; i++) {
		struct core_tape_session session = { .slot = i, .s = c->sessions.slots[i] };

		if (session.s.generation)
			tape_put(t, CORE_TAPE_SESSION, &session);
	}
}

void core_tape_start(struct core *c, struct tape *t, const struct core_tape_machine *m)
{
	const struct core_tape_core core = {
		c->last_episode, c->last_sequence, c->record.last, c->grace_us, c->sessions.max,
		c->tripwire, c->reboots_before,
	};
	const struct core_call ready = { .now_us = m->now_us };

	tape_put(t, CORE_TAPE_MACHINE, m);
	tape_put(t, CORE_TAPE_POLICY, &c->policy);
	tape_put(t, CORE_TAPE_CORE, &core);
	put_domains(c, t);
	for (uint32_t i = 0; i < CORE_EPISODES_MAX; i++)
		if (c->episode[i].number)
			tape_put(t, CORE_TAPE_EPISODE, &c->episode[i]);
	put_sessions(c, t);
	tape_put(t, CORE_TAPE_READY, &ready);
	c->tape = t;
}

void core_tape_stop(struct core *c, uint64_t now_us, const char *why)
{
	struct core_tape_note end = { .now_us = now_us };

	if (!c->tape)
		return;
	text_copy_tail(end.text, sizeof(end.text), why);
	tape_put(c->tape, CORE_TAPE_END, &end);
	c->tape = NULL;
}
