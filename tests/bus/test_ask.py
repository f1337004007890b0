#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Asking: orders, answers of every kind, order groups, both ways of being told."""

import time

import dbus
import dbus.lowlevel
import tap_path  # noqa: F401
import tap
from world import LOW, LOWER, LOWEST, PATIENCE, PLENTY, World, expect, options, spin, true


def kinds_of_answers():
    with World() as w:
        names = ["done", "partial", "refused", "busy", "silent", "late", "exit"]
        clients = {n: w.client(n, answer=n) for n in names}
        w.set_free(LOW)
        for name, last in (("late", "late"), ("silent", "missed"), ("exit", "vanished"), ("busy", "done"),
                           ("done", "done"), ("partial", "partial"), ("refused", "refused")):
            w.wait_event(event="answer", name=name, result=last)
        have = {n: w.answers(n) for n in names}
        late = [e for e in w.events() if e["event"] == "answer" and e["result"] == "late"]
    flush = {"done": ["done"], "partial": ["partial"], "refused": ["refused"],
             "busy": ["busy", "done"], "silent": ["missed"], "late": ["missed"], "exit": ["vanished"]}
    for name, results in flush.items():
        tap.check(f"answer {name} is recorded as {results}",
                  expect(answers=([r for s, r in have[name] if s == have[name][0][0]], results)))
    tap.check("a late answer is recorded, not an error",
              expect(late=(len(late), 1)) + true(said=clients["late"].lines.wait("answer 0")))


def order_groups():
    with World() as w:
        w.client("first", group=10, answer="busy")
        w.client("second", group=20, mode="thread")
        w.client("third", group=30)
        w.set_free(LOW)
        w.wait_event(event="answer", name="third")
        # on a machine that is busy itself, "first" may be too late and answer all the same
        line = [(e["event"], e["name"]) for e in w.events()
                if e["event"] in ("request", "answer") and e.get("result") not in ("busy", "late")]
    want = [("request", "first"), ("answer", "first"), ("request", "second"), ("answer", "second"),
            ("request", "third"), ("answer", "third")]
    tap.check("order groups: each is asked when the one before has answered",
              expect(order=(line[:6], want)))


def stages_and_resume():
    with World({"act": False}) as w:
        client = w.client("plain")
        w.slide(LOW, LOWER, LOWEST)
        client.lines.wait("step shutdown")  # one that waits beside "resume" is not carried out any more
        w.set_free(PLENTY)
        resumed = client.lines.wait("step resume")
        w.wait_event(event="episode_closed")
        steps = [line.split()[1] for line in client.lines.all() if line.startswith("step")]
        episodes = w.call("ListEpisodes")
    tap.check("a client is asked the steps of the stages and to resume",
              true(resumed=resumed, ends_with_resume=steps[-1] == "resume",
                   shutdown_last=steps[-2] == "shutdown", starts_early=len(steps) >= 2))
    tap.check("the episode is closed and remembered",
              expect(count=(len(episodes), 1), stage=(str(episodes[0][2]), "shutdown"),
                     outcome=(str(episodes[0][5]), "cleared")))


def plain_dbus_client():
    with World() as w:
        bus = w.connection()
        seen = []
        bus.add_signal_receiver(lambda *a, **k: seen.append((k["member"], a)), None, tap.NAME, tap.NAME,
                                tap.PATH, member_keyword="member")
        _, granted, lifeline = w.call(
            "Register", "plain", options(FlushUSec=dbus.UInt64(3000000), DegradeUSec=dbus.UInt64(3000000)),
            signature="sa{sv}", bus=bus)
        fd = lifeline.take()
        w.set_free(LOW)
        spin(PATIENCE, lambda: {m[:8] for m, _ in seen} >= {"StepRequ", "Pressure"})
        step = next(a for m, a in seen if m == "StepRequested")
        stage = next((m, a) for m, a in seen if m.startswith("Pressure"))
        left_us = int(step[4]) - time.monotonic() * 1e6
        w.call("Acknowledge", step[1], "partial", options(FreedBytes=dbus.UInt64(4096)),
               signature="tsa{sv}", bus=bus)
        event = w.wait_event(event="answer", name="plain")
        again = w.error_of("Acknowledge", step[1], "done", options(), signature="tsa{sv}", bus=bus)
        assert fd >= 0
    tap.check("a plain D-Bus client is asked by StepRequested, with its deadline",
              expect(domain=(str(step[2]), "system"), granted=(int(granted["flush"]), 3000000))
              + true(deadline_ahead=0 < left_us < 3000000))
    tap.check("its Acknowledge is recorded with what it freed",
              expect(result=(event["result"], "partial"), freed=(event["freed_bytes"], 4096)))
    tap.check("the stage is broadcast with reason and figures",
              true(reason="headroom" in stage[1][4], figures="HeadroomBytes" in stage[1][5]))
    tap.check("a second answer is StaleSequence", expect(error=(again, "StaleSequence")))


def deaf_client():
    with World() as w:
        bus = w.connection()
        _, _, lifeline = w.call("Register", "deaf", options(), signature="sa{sv}", bus=bus)
        fd = lifeline.take()
        w.client("alert")
        w.set_free(LOW)
        event = w.wait_event(event="answer", name="alert")
        assert fd >= 0
    # who is deaf has a second; in its own budget is soon enough for the other one
    tap.check("a client that does not read delays nobody",
              true(answered=event is not None) or expect(result=(event["result"], "done")))


def forged_senders():
    with World() as w:
        client = w.client("careful")
        forger = w.connection()
        for name in ("PressureShutdown", "StepRequested"):
            message = dbus.lowlevel.SignalMessage(tap.PATH, tap.NAME, name)
            if name == "StepRequested":
                message.append(1, 1, "system", "shutdown", 0, options(), signature="ttssta{sv}")
            else:
                message.append(1, 1, "system", 0, "forged", options(), signature="ttstsa{sv}")
            forger.send_message(message)
        forger.flush()
        time.sleep(0.3)
        steps = [line for line in client.lines.all() if line.startswith("step")]
    tap.check("signals that somebody else sent do nothing", expect(steps=(steps, [])))


kinds_of_answers()
order_groups()
stages_and_resume()
plain_dbus_client()
deaf_client()
forged_senders()
tap.done()
