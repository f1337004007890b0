#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Drills: everybody is asked as if it were meant, nothing follows, and the table says who answered."""

import json
import time

import tap_path  # noqa: F401
import tap
from world import LOW, LOWER, LOWEST, World, expect, true, wait_until

CTL = tap.program("failsoftctl")
DESTRUCTIVE = ("brake", "victim", "action", "ended", "procedure", "last", "guard", "shield", "stage", "tripwire")


def drill(w, *arguments):
    """Exit status, and a row per client by its name."""
    result = tap.run(CTL, f"--bus={w.address}", "--json", "drill", *arguments)
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    return result.returncode, {r["name"]: r for r in rows}, result.stderr


def results(rows):
    return {name: row["result"] for name, row in rows.items()}


def everybody_is_asked_and_nothing_follows():
    with World() as w:
        clients = {name: w.client(name, answer=answer) for name, answer in (
            ("good", "done"), ("half", "partial"), ("slow", "busy"), ("deaf", "silent"), ("late", "late"),
            ("stubborn", "refused"))}
        status, rows, _ = drill(w, "imminent")
        clients["good"].lines.wait("step resume")
        lines = clients["good"].lines.all()
        events = w.events()
        time.sleep(0.3)
        again, few, _ = drill(w, "shutdown", "--client=good", "--client=half")
        alive = [c.poll() is None for c in clients.values()]
        final = [line for line in clients["good"].lines.all() if "final" in line]
    tap.check("who answers, who misses, who asks for more time",
              expect(rows=(results(rows), {"good": "done", "half": "partial", "slow": "done", "deaf": "missed",
                                           "late": "missed", "stubborn": "refused"}), status=(status, 1),
                     budgets=({r["budget_us"] for r in rows.values()}, {500000})) +
              true(fast=0 < rows["good"]["taken_us"] < 500000, slow=rows["slow"]["taken_us"] > 500000))
    tap.check("each is told that it is a drill, and to resume after it",
              expect(steps=([line for line in lines if line.startswith("step")],
                            ["step degrade system drill", "step resume system drill"]),
                     resumed=({n: r["resumed"] for n, r in rows.items() if n in ("good", "slow")},
                              {"good": "done", "slow": "done"})))
    tap.check("some of them by name: all of these answered",
              expect(status=(again, 0), rows=(results(few), {"good": "done", "half": "partial"})))
    tap.check("nobody is shielded, stopped or ended, and no stage is entered",
              expect(alive=(alive, [True] * 6), final=(final, []),
                     events=([e["event"] for e in events if e["event"] in DESTRUCTIVE], []),
                     marked=([e for e in events if e["event"] in ("request", "answer") and e.get("step") and
                              not e.get("drill")], [])) +
              true(told=any(e["event"] == "drill" and e["clients"] == 6 for e in events)))


def table_for_people():
    with World() as w:
        w.client("logger")
        result = tap.run(CTL, f"--bus={w.address}", "drill", "warning")
    lines = result.stdout.splitlines()
    tap.check("a table for people", true(head=lines[0].startswith("CLIENT"), row=lines[1].startswith("logger"),
                                         sum=lines[-1].startswith("1 of 1 answered in time")) +
              expect(status=(result.returncode, 0)))


def what_is_refused():
    with World() as w:
        nobody = drill(w, "warning")
        w.client("deaf", answer="silent")
        stage = drill(w, "normal")
        name = drill(w, "warning", "--client=nobody")
        w.slide(LOW)
        crisis = drill(w, "warning")
    tap.check("nobody is registered", expect(status=(nobody[0], 1)) + true(said="nobody is registered" in nobody[2]))
    tap.check("no such stage, no such client, no time for it",
              expect(stage=(stage[0], 2), name=(name[0], 3), crisis=(crisis[0], 3)) +
              true(stage_said="is no stage to rehearse" in stage[2], name_said='registered as "nobody"' in name[2],
                   crisis_said="this is no time for a drill" in crisis[2]))


def what_is_meant_comes_first():
    with World() as w:
        client = w.client("deaf", answer="silent")
        good = w.client("good")
        ctl = w.child([CTL, f"--bus={w.address}", "drill", "shutdown", "--client=deaf"], stdout=-1, stderr=-1)
        client.lines.wait("drill")
        w.slide(LOW, LOWER, LOWEST)
        said, complained = ctl.communicate(timeout=20)
        good.lines.wait("step ")
        wait_until(lambda: any(line.startswith("step") and "drill" not in line for line in client.lines.all()))
        steps = [line for line in client.lines.all() if line.startswith("step")]
    # the drill may be over by then: it has 500 ms
    tap.check("a stage that is entered ends the drill, or follows it",
              expect(first=(steps[0], "step shutdown system drill"), status=(ctl.returncode in (1, 4), True)) +
              true(meant=any("drill" not in s for s in steps[1:]), said=said.startswith("CLIENT"),
                   words=ctl.returncode == 1 or "memory ran short" in complained))


for case in (everybody_is_asked_and_nothing_follows, table_for_people, what_is_refused, what_is_meant_comes_first):
    case()
tap.done()
