#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The guard: while the broker's loop stands still and memory ends, its second thread stops the grower,
tells the clients and ends the grower; the loop takes over what was begun."""

import os
import pathlib
import signal
import sys
import time

import tap_path  # noqa: F401
import tap
from world import PATIENCE, PLENTY, World, expect, true, wait_until

AFTER = {"guard_after_ms": 150}


def sleeper(w, name="hog", rss=600000):
    child = w.child([sys.executable, "-c", "import time; time.sleep(60)"])
    time.sleep(0.2)
    w.add_process(child.pid, name, rss)
    return child


def state(pid):
    """The kernel's own word: R S D T Z; X: it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


def wait_state(pid, wanted):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if state(pid) in wanted:
            return True
        time.sleep(0.002)
    return False


class Trap:
    """A process whose files do not answer: a look at it holds the loop, as a blocked /proc would."""

    def __init__(self, w):
        self.folder = w.folder / "root/proc/999999"
        self.folder.mkdir()
        self.paths = [self.folder / name for name in ("stat", "status")]
        for path in self.paths:
            os.mkfifo(path)
        self.broker = w.broker.pid

    def holds(self):
        """The main thread waits for a writer."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            with open(f"/proc/{self.broker}/wchan", encoding="ascii") as file:
                if file.read() in ("wait_for_partner", "fifo_open", "pipe_wait"):
                    return True
            time.sleep(0.005)
        return False

    def open(self):
        """Nobody is behind it, and the loop goes on."""
        for path in self.paths:
            try:
                os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
            except OSError:
                pass
            path.unlink(missing_ok=True)
        self.folder.rmdir()


def is_aimed_at(w, hog):
    """The broker has a pidfd of whom its second thread would stop."""
    files = pathlib.Path(f"/proc/{w.broker.pid}/fdinfo")
    return any(f"\nPid:\t{hog.pid}\n" in text_of(file) for file in files.iterdir())


def text_of(path):
    try:
        return path.read_text()
    except OSError:
        return ""


def held(w, hog=None):
    """In stage warning, the grower known, and then the loop stands still."""
    w.set_free(90000)
    known = w.wait_event(event="stage", to="warning")
    time.sleep(0.8)
    if hog:
        wait_until(lambda: is_aimed_at(w, hog))
    trap = Trap(w)
    return known is not None, trap, trap.holds()


def acts_alone():
    with World(AFTER) as w:
        client = w.client("logger")
        hog = sleeper(w)
        known, trap, holds = held(w, hog)
        w.set_free(20000)
        stops = wait_state(hog.pid, "T")
        asked = client.lines.wait("step shutdown")
        ends = wait_state(hog.pid, "XZ")
        said = w.wait_log("stood still")
        trap.open()
        event = w.wait_event(event="guard")
        action = w.wait_event(event="action")
        ended = w.wait_event(event="ended")
        events = w.events()
    answers = [e["result"] for e in events if e["event"] == "answer" and e.get("step") == "shutdown"]
    actions = [e for e in events if e["event"] == "action"]
    tap.check("while the loop stands still the grower is stopped, clients are told, the grower is ended",
              true(known=known, holds=holds, stops=stops, asked=asked, ends=ends)
              + true(said=said))
    tap.check("the loop takes over: what the guard did is on record, answers count",
              expect(pid=(event and event["pid"], hog.pid), stopped=(event and event["processes"], 1),
                     told=(event and event["clients"], 1), by=(action and action["by_guard"], 1),
                     once=(len(actions), 1), answers=(answers, ["done"])) + true(ended=ended is not None))


def only_stops_what_is_enough():
    """Between the floors of imminent and shutdown nobody is ended; the loop lets go by its own rules."""
    with World(AFTER) as w:
        w.client("logger")
        hog = sleeper(w)
        _, trap, holds = held(w, hog)
        w.set_free(50000)
        stops = wait_state(hog.pid, "T")
        time.sleep(0.6)
        still = state(hog.pid)
        w.set_free(PLENTY)  # before the loop looks: by the fall so far it might end the hog
        trap.open()
        event = w.wait_event(event="guard")
        let_go = w.wait_event(event="let_go")
        goes_on = wait_state(hog.pid, "S")
        resumed = w.wait_event(event="answer", step="resume", result="done")
        events = [e["event"] for e in w.events()]
    tap.check("where it is enough it only stops, and the loop lets go again",
              expect(still=(still, "T"), ended=("action" in events, False))
              + true(holds=holds, stops=stops, event=event is not None, let_go=let_go is not None,
                     goes_on=goes_on, resumed=resumed is not None))


def who_is_left_alone():
    """Each row: what is different, and that the hog then runs on."""
    rows = (("memory is not short", {}, (), "hog", 90000),
            ("brake and act are off", {"brake": False, "act": False}, (), "hog", 20000),
            ("the grower is protected", {"protect": ["precious"]}, (), "precious", 20000),
            ("dry run", {}, ("--dry-run",), "hog", 20000))
    for name, settings, options, comm, free in rows:
        wanted = name != "memory is not short"
        with World({**AFTER, **settings}, options) as w:
            client = w.client("logger")
            hog = sleeper(w, comm)
            _, trap, holds = held(w)
            w.set_free(free)
            time.sleep(1.0)
            after = state(hog.pid)
            told = client.lines.wait("step shutdown", seconds=PATIENCE if wanted else 0.1)
            trap.open()
            w.set_free(PLENTY)
            event = w.wait_event(PATIENCE if wanted else 1.5, event="guard")
        tap.check(f"left alone: {name}",
                  expect(hog=(after, "S"), told=(told, wanted), event=(event is not None, wanted))
                  + expect(dry=(bool(event and event["dry_run"]), name == "dry run")) + true(holds=holds))


def switched_off():
    with World({**AFTER, "guard": False}) as w:
        w.client("logger", answer="busy")
        hog = sleeper(w)
        w.set_free(90000)
        w.wait_event(event="stage", to="warning")
        trap = Trap(w)
        w.set_free(20000)
        holds = trap.holds()
        time.sleep(1.0)
        after = state(hog.pid)
        trap.open()
        w.set_free(PLENTY)
        event = w.wait_event(0.5, event="guard")
    tap.check("switched off nobody acts", expect(hog=(after, "S"), event=(event, None)) + true(holds=holds))


def a_client_is_told_not_stopped():
    with World(AFTER) as w:
        client = w.client("logger", answer="silent")
        w.add_process(client.pid, "logger", 600000)
        _, trap, holds = held(w)
        w.set_free(20000)
        told = client.lines.wait("step shutdown")
        time.sleep(0.8)
        after = state(client.pid)
        trap.open()
    # R, too: it may be waiting for a CPU
    tap.check("a client that grows is told, not stopped",
              expect(goes_on=(after in "SRD", True)) + true(told=told, holds=holds))


def a_process_that_was_stopped_as_a_whole():
    """Both threads stood still: that is no loop that hangs."""
    with World(AFTER) as w:
        w.client("logger")
        hog = sleeper(w)
        w.set_free(90000)
        w.wait_event(event="stage", to="warning")
        time.sleep(0.8)
        for _ in range(5):
            w.broker.send_signal(signal.SIGSTOP)
            time.sleep(0.4)
            w.broker.send_signal(signal.SIGCONT)
            time.sleep(0.2)
        event = w.wait_event(0.5, event="guard")
        after = state(hog.pid)
    tap.check("a broker that was stopped as a whole is not taken for one that hangs",
              expect(event=(event, None), hog=(after, "S")))


def a_broker_that_is_killed():
    for how in ("restart", "--release", "SIGTERM"):
        with World(AFTER) as w:
            w.client("logger")
            hog = sleeper(w)
            _, trap, _ = held(w, hog)
            w.set_free(50000)
            stopped = wait_state(hog.pid, "T")
            if how == "SIGTERM":
                w.broker.send_signal(signal.SIGTERM)
                trap.open()
                w.broker.wait()
            else:
                w.kill_broker(signal.SIGKILL)
                trap.open()
            w.set_free(PLENTY)
            if how == "restart":
                w.start_broker()
            elif how == "--release":
                tap.run(tap.program("failsoftd"), "--release", f"--state-dir={w.folder}/state",
                        f"--root={w.folder}/root")
            # one that was told to end may first have ended the hog, by its own rules
            goes_on = wait_state(hog.pid, "SXZ" if how == "SIGTERM" else "S")
        tap.check(f"a broker that ends while its guard holds somebody leaves nobody stopped: {how}",
                  true(stopped=stopped, goes_on=goes_on))


acts_alone()
only_stops_what_is_enough()
who_is_left_alone()
switched_off()
a_client_is_told_not_stopped()
a_process_that_was_stopped_as_a_whole()
a_broker_that_is_killed()
tap.done()
