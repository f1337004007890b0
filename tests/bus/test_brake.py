#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The brake: who grows stands still while clients need time, and goes on whatever becomes of the broker."""

import signal
import sys
import time

import tap_path  # noqa: F401
import tap
from world import PATIENCE, PLENTY, World, expect, true


def sleeper(w, name="hog", rss=600000):
    child = w.child([sys.executable, "-c", "import time; time.sleep(60)"])
    time.sleep(0.2)
    w.add_process(child.pid, name, rss)
    return child


def state(pid):
    """The kernel's own word: R S D T Z."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        return file.read().rpartition(")")[2].split()[0]


def wait_state(pid, wanted, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if (state(pid) == "T") == (wanted == "T"):
            return True
        time.sleep(0.002)
    return False


def fall(w, hog):
    """400 MiB/s until the clients are asked, then so fast that it is over before they can answer, as far as
    the hog runs. Whether it was seen to stand."""
    free = PLENTY
    while free > 24000:
        if state(hog.pid) == "T":
            return True
        free -= 4000 if free > 250000 else 15000
        w.set_free(free)
        time.sleep(0.01)
    return False


def fall_until_stopped(w, hog):
    """A broker that has to wait for a CPU looks when the fall is over."""
    return fall(w, hog) or wait_state(hog.pid, "T", 5)


def kinds(w):
    return [e["event"] for e in w.events()]


def while_stopped(what, answer="silent"):
    """Calls it with a world in which the hog stands. A broker that had to wait for a CPU until the fall was over and
    the deadline missed ends the hog instead: then another world."""
    for _ in range(4):
        with World() as w:
            client = w.client("slow", answer=answer)
            hog = sleeper(w)
            if fall_until_stopped(w, hog):
                return what(w, hog, client)
    return ["nobody was stopped, four times"]


def stopped_until_answered():
    def answered(w, hog, slow):
        goes_on = wait_state(hog.pid, "S")
        event = w.wait_event(event="brake")
        let_go = w.wait_event(event="let_go")
        asked = state(slow.pid)
        return (expect(pid=(event and event["pid"], hog.pid), name=(event and event["name"], "hog"),
                       asked=(asked == "T", False))
                + true(goes_on=goes_on, told=let_go is not None, busy="busy" in [a[1] for a in w.answers("slow")]))

    tap.check("who grows is stopped while a client still needs time, and goes on when it has answered",
              while_stopped(answered, answer="busy"))


def never_a_client():
    with World() as w:
        slow = w.client("slow", answer="busy")
        w.add_process(slow.pid, "slow", 600000)
        fall(w, slow)
        time.sleep(0.3)
        events = kinds(w)
        states = state(slow.pid)
    tap.check("a client that grows is asked, not stopped",
              expect(brake=("brake" in events, False), state=(states == "T", False)))


def switched_off_or_dry():
    with World({"brake": False}) as w:
        w.client("slow", answer="busy")
        hog = sleeper(w)
        fall(w, hog)
        off = ("brake" in kinds(w), state(hog.pid) == "T")
    event = None
    for _ in range(4):  # as in while_stopped()
        with World(options=["--dry-run"]) as w:
            w.client("slow", answer="busy")
            hog = sleeper(w)
            fall(w, hog)
            event = event or w.wait_event(event="brake", seconds=5)
            dry = state(hog.pid) == "T"
        if event or dry:
            break
    tap.check("brake false: nobody is stopped", expect(off=(off, (False, False))))
    tap.check("--dry-run tells whom it would stop",
              expect(state=(dry, False), dry=(event and event["dry_run"], 1)))


def a_broker_that_is_killed():
    def kill(w, hog, how):
        w.kill_broker(signal.SIGKILL)
        after = state(hog.pid)
        w.set_free(PLENTY)
        if how == "restart":
            w.start_broker()
            said = str(hog.pid) in (w.folder / "broker.log").read_text()
        else:
            done = tap.run(tap.program("failsoftd"), "--release", f"--state-dir={w.folder}/state",
                           f"--root={w.folder}/root")
            said = done.returncode == 0 and str(hog.pid) in done.stdout
        goes_on = wait_state(hog.pid, "S")
        return expect(after=(after, "T")) + true(goes_on=goes_on, said=said)

    for how in ("restart", "--release"):
        tap.check(f"a broker that is killed leaves nobody stopped: {how}",
                  while_stopped(lambda w, hog, _, how=how: kill(w, hog, how)))


def a_broker_that_is_told_to_end():
    def end(w, hog, _):
        w.kill_broker(signal.SIGTERM)
        return true(goes_on=wait_state(hog.pid, "S"))

    tap.check("a broker that is told to end lets go", while_stopped(end))


stopped_until_answered()
never_a_client()
switched_off_or_dry()
a_broker_that_is_killed()
a_broker_that_is_told_to_end()
tap.done()
