#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Acting: who caused it is ended, in order, and nobody else; the processes here are real."""

import signal
import sys
import time

import tap_path  # noqa: F401
import tap
from world import LOW, LOWER, LOWEST, World, ended_as_told, expect, is_ignored, true, wait_until

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"


def sleeper(w, name="hog", rss=600000, code="import time; time.sleep(60)"):
    child = w.child([sys.executable, "-c", code])
    time.sleep(0.2)
    w.add_process(child.pid, name, rss)
    return child


def run_out(w):
    """To the floor of shutdown, falling on, so that two witnesses agree."""
    w.slide(LOW, LOWER)
    for free in range(LOWEST + 10000, LOWEST - 10000, -1000):
        w.set_free(free)
        time.sleep(0.02)


def kinds(w):
    return [e["event"] for e in w.events()]


def leaker_is_ended():
    with World() as w:
        client = w.client("logger")
        small = sleeper(w, "small", 1000)
        hog = sleeper(w)
        run_out(w)
        ended = w.wait_event(event="ended")
        events = w.events()
        settled = next(i for i, e in enumerate(events)
                       if e["event"] == "answer" and e.get("step") == "shutdown")
        acted = next((i for i, e in enumerate(events) if e["event"] == "action"), 0)
    tap.check("the program that caused it is ended by SIGTERM",
              true(by_sigterm=ended_as_told(events, hog.poll())) + expect(name=(ended and ended["name"], "hog")))
    tap.check("not before the clients have answered", true(after=acted > settled))
    tap.check("nobody else is ended",
              expect(small=(small.returncode, None) if small.returncode is None else
                     (small.returncode, -signal.SIGKILL), client=(client.returncode in (None, -9), True)))


def stubborn_leaker_is_killed():
    with World() as w:
        hog = sleeper(w, code=STUBBORN)
        wait_until(lambda: is_ignored(hog.pid, signal.SIGTERM))
        run_out(w)
        w.wait_event(event="ended")
        status = hog.poll()
        rungs = [e["rung"] for e in w.events() if e["event"] == "action"]
    tap.check("one that ignores SIGTERM gets SIGKILL after its deadline",
              expect(status=(status, -signal.SIGKILL), rungs=(rungs, ["term", "kill"])))


def client_is_asked_first():
    with World() as w:
        client = w.client("leaky")
        w.add_process(client.pid, "leaky", 600000)
        run_out(w)
        w.wait_event(event="action")
        final = client.lines.wait("final")
        w.wait_event(event="ended")
        is_ended = ended_as_told(w.events(), client.poll())
    tap.check("a client that caused it is asked to shut down for good before it is ended",
              true(final=final, ended=is_ended))


def dry_run():
    with World(options=["--dry-run"]) as w:
        client = w.client("logger")
        hog = sleeper(w)
        run_out(w)
        action = w.wait_event(event="action")
        time.sleep(0.5)
        status = hog.poll()
        told = client.lines.wait("dry-run")
    tap.check("--dry-run records what it would do and ends nobody",
              expect(status=(status, None), dry=(action and action["dry_run"], 1)) + true(told=told))


def dry_run_tells_each_rung():
    """A client caused it: each rung at its time, and nobody is asked for good nor ended."""
    with World({"procedures": [{"name": "logger", "program": "/bin/true", "deadline_ms": 300}]},
               options=["--dry-run", f"--responder={tap.program('failsoft-responder')}"]) as w:
        client = w.client("logger")
        w.add_process(client.pid, "logger")
        w.wait_event(event="responder", errno=0)
        run_out(w)
        w.wait_event(event="action", rung="kill")
        time.sleep(0.3)
        events = w.events()
        status, asked = client.poll(), client.lines.wait("final", seconds=0.1)
        episode = next(e["episode"] for e in events if e["event"] == "episode_opened")
        said = tap.run(tap.program("failsoftctl"), f"--bus={w.address}", "explain", str(episode)).stdout
    told = [(e["event"], e.get("rung")) for e in events if e["event"] in ("action", "procedure")]
    times = [e["time_us"] for e in events if e["event"] in ("action", "procedure")]
    tap.check("--dry-run tells each rung at its time, to the last one",
              expect(status=(status, None), asked=(asked, False),
                     told=(told, [("action", "final"), ("procedure", None), ("action", "term"),
                                  ("action", "kill")]),
                     dry=([e["dry_run"] for e in events if e["event"] in ("action", "procedure")], [1] * 4),
                     ended=([e for e in events if e["event"] == "ended"], []),
                     pauses=([times[i + 1] - times[i] >= 20000 for i in range(3)], [True] * 3))
              + true(final="would ask logger" in said and "to shut down for good within" in said,
                     term="would send SIGTERM to logger" in said, kill="would send SIGKILL to logger" in said))


def switched_off_and_protected():
    with World({"act": False}) as w:
        hog = sleeper(w)
        run_out(w)
        time.sleep(0.5)
        off = (hog.poll(), "action" in kinds(w))
    with World({"protect": ["ho*"]}) as w:
        hog = sleeper(w)
        run_out(w)
        event = w.wait_event(event="no_victim")
        protected = hog.poll()
    tap.check("act false: nobody is ended", expect(off=(off, (None, False))))
    tap.check("a protected program is never ended, and it is said that nobody may be",
              expect(status=(protected, None)) + true(said=event is not None))


def tree_is_ended_as_a_whole():
    with World() as w:
        hogs = [sleeper(w, "leaf", 60000) for _ in range(8)]
        run_out(w)
        w.wait_event(event="ended")
        events = w.events()
        is_ended = ended_as_told(events, *[h.poll() for h in hogs])
        victim = next(e for e in events if e["event"] == "victim")
    tap.check("many small ones of a kind are ended together",
              true(ended=is_ended) + expect(processes=(victim["processes"], 8)))


def reused_pid():
    with World() as w:
        hog = sleeper(w)
        folder = w.folder / f"root/proc/{hog.pid}"
        stat = (folder / "stat").read_text().split()
        stat[21] = str(int(stat[21]) + 1)
        w.client("logger")
        w.slide(LOW)
        (folder / "stat").write_text(" ".join(stat))
        status_text = (folder / "status").read_text()
        assert "hog" in status_text
        run_out(w)
        w.wait_event(event="victim")
        (folder / "stat").write_text(" ".join(stat[:21] + [str(int(stat[21]) + 7)] + stat[22:]))
        time.sleep(0.5)
        alive = w.broker.poll() is None
    tap.check("a broker whose victim changes under its hands goes on", true(alive=alive))


leaker_is_ended()
stubborn_leaker_is_killed()
client_is_asked_first()
dry_run()
dry_run_tells_each_rung()
switched_off_and_protected()
tree_is_ended_as_a_whole()
reused_pid()
tap.done()
