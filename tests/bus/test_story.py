#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the telemetry understands of a real broker: alarms, reports and counts, each once."""

import json
import os
import signal
import subprocess
import time

import dbus.lowlevel
import tap_path  # noqa: F401
import tap
from world import LOW, LOWER, LOWEST, PATIENCE, PLENTY, Lines, World, expect, true, wait_until

CTL = tap.program("failsoftctl")


class Story:
    """The helper: what it tells, as dictionaries."""

    def __init__(self, world, answer="done", wait="settled"):
        self.child = world.child([tap.program("story-client"), world.address, answer], stdout=subprocess.PIPE)
        self.lines = Lines(self.child.stdout)
        if wait and not self.wait(note=wait):
            raise RuntimeError(f"the helper did not get as far as {wait}")

    def all(self, **wanted):
        notes = [json.loads(line) for line in self.lines.all()]
        return [n for n in notes if all(n.get(k) == v for k, v in wanted.items())]

    def wait(self, count=1, **wanted):
        is_told = wait_until(lambda: len(self.all(**wanted)) >= count)
        if not is_told:
            print(f"# not {count} of {wanted} within {PATIENCE} s")
        return is_told

    def alarms(self):
        return [("+" if n["raised"] else "-") + n["kind"] for n in self.all(note="alarm")]

    def reports(self):
        return [(n["highest"], n["end"], n["near_miss"], n["false_alarm"]) for n in self.all(note="report")]

    def events(self):
        return [n["event"] for n in self.all(note="event")]

    def counts(self):
        before = len(self.all(note="counts"))
        self.child.stdin.write("counts\n")
        self.child.stdin.flush()
        return self.all(note="counts")[-1] if self.wait(note="counts", count=before + 1) else {}


class StoryWorld(World):
    """Children can be spoken to."""

    def child(self, argv, **more):
        child = subprocess.Popen([str(a) for a in argv], stdin=subprocess.PIPE, text=True, **more)
        self.children.append(child)
        return child


RAISED, CLEARED = ["+imminent", "+shutdown"], ["-imminent", "-shutdown"]


def stage_alarms(alarms):
    """Those of stages; how fast the broker goes through them is its own matter."""
    return [a for a in alarms if a[1:] in ("imminent", "shutdown")]


def alternates(alarms):
    """Each kind: raised, cleared, raised, ... and cleared in the end."""
    kinds = {a[1:] for a in alarms}
    return all("".join(a[0] for a in alarms if a[1:] == kind).replace("+-", "") == "" for kind in kinds)


def there_and_back():
    with StoryWorld() as w:
        story = Story(w)
        w.slide(LOW, LOWER, LOWEST)
        story.wait(note="alarm", kind="shutdown", raised=1)
        time.sleep(0.3)
        raised = story.alarms()
        w.set_free(PLENTY)
        told = story.wait(note="report")
        counts = story.counts()
        first = [n["by"] for n in story.all(note="alarm", raised=1)]
        alarms = story.alarms()
        report = story.all(note="report")[0] if told else {}
    tap.check("warning, imminent, shutdown and back: each alarm is raised and cleared once",
              expect(raised=(sorted(raised), RAISED), cleared=(sorted(alarms[2:]), CLEARED)))
    tap.check("the lifeline is heard before Monitor", expect(by=(first, ["order", "order"])))
    tap.check("a near miss, and a false alarm: nothing was done",
              expect(report=(story.reports(), [("shutdown", "cleared", 1, 1)]), open=(counts.get("open"), 0),
                     counts=([counts.get(k) for k in ("episodes", "near_misses", "false_alarms", "missed_deadlines")],
                             [1, 1, 1, 0])))
    tap.check("the report has the figures", true(
        asked=report.get("asked", 0) >= 1, limit=report.get("limit_bytes") == 1048576 * 1024,
        lowest=0 < report.get("lowest_bytes", 0) <= LOW * 1024, took=report.get("duration_us", 0) > 800000))


def warning_is_no_alarm():
    with StoryWorld() as w:
        story = Story(w)
        w.slide(LOW, PLENTY)
        story.wait(note="report")
    tap.check("warning alone: a report, no alarm",
              expect(alarms=(story.alarms(), []), report=(story.reports(), [("warning", "cleared", 0, 0)])))


def steps_missed(w):
    return [e["step"] for e in w.events() if e["event"] == "answer" and e["result"] == "missed"]


def a_client_misses_its_deadline():
    with StoryWorld() as w:
        w.client("deaf", answer="silent")
        story = Story(w)
        w.slide(LOW, LOWER)
        story.wait(note="event", event="answer")
        time.sleep(0.7)  # that of the next step, if there was one
        w.set_free(PLENTY)
        told = story.wait(note="report")
        w.wait_event(event="answer", name="deaf", step="resume")  # the last of them
        wait_until(lambda: story.counts().get("missed_deadlines") == len(steps_missed(w)))
        counts, missed = story.counts(), steps_missed(w)
        episode = story.all(note="report")[0] if told else {}
    tap.check("deadlines that are missed are counted, and told: as many as the broker has on record",
              expect(missed=(episode.get("missed"), len([m for m in missed if m != "resume"])),
                     counted=(counts.get("missed_deadlines"), len(missed))) + true(some=len(missed) > 0))


def ourselves_we_miss_it():
    with StoryWorld() as w:
        story = Story(w, answer="silent")
        w.slide(LOW)
        missed = story.wait(note="event", event="answer")
        w.set_free(PLENTY)
        story.wait(note="report")
    tap.check("the telemetry's own deadline, too", true(missed=missed))


def a_victim_is_ended():
    with StoryWorld({"confirm_ms": 200}) as w:
        story = Story(w)
        hog = w.child(["sleep", "60"])
        w.add_process(hog.pid)
        w.slide(LOW, LOWER, LOWEST)
        ended = story.wait(note="event", event="ended")
        w.set_free(PLENTY)
        told = story.wait(note="report")
        counts = story.counts()
        alarms = story.alarms()
        report = story.all(note="report")[0] if told else {}
    tap.check("a program is ended: no near miss, and it is named",
              true(ended=ended) + expect(
                  report=(story.reports(), [("shutdown", "victim", 0, 0)]), pid=(report.get("victim_pid"), hog.pid),
                  victims=(counts.get("victims"), 1), near=(counts.get("near_misses"), 0),
                  alarms=(sorted(alarms), RAISED + CLEARED)))


def dry_run_raises_nothing():
    with StoryWorld(options=["--dry-run"]) as w:
        story = Story(w)
        w.slide(LOW, LOWER, LOWEST)
        story.wait(note="state", stage="shutdown")
        w.set_free(PLENTY)
        story.wait(note="report")
        marked = {n["dry_run"] for n in story.all(note="event", event="stage")}
    tap.check("a broker that runs dry: events, marked so, a report, and no alarm",
              expect(alarms=(story.alarms(), []), marked=(marked, {1}), reports=(len(story.reports()), 1)))


def a_drill_raises_nothing():
    with StoryWorld() as w:
        story = Story(w)
        drill = tap.run(CTL, f"--bus={w.address}", "drill", "shutdown")
        told = story.wait(note="event", event="drill")
        counts = story.counts()
        marked = [n["drill"] for n in story.all(note="event", event="drill")]
    tap.check("a drill: answered, told as one, no alarm, no episode, no count",
              true(told=told, ordered=story.all(note="order", drill=1)) +
              expect(status=(drill.returncode, 0), alarms=(story.alarms(), []), marked=(marked, [1]),
                     counts=([counts.get(k) for k in ("episodes", "missed_deadlines", "near_misses")], [0, 0, 0])))


def the_broker_is_killed_in_the_middle():
    with StoryWorld() as w:
        story = Story(w)
        w.slide(LOW, LOWER)
        story.wait(note="alarm", kind="imminent", raised=1)
        w.kill_broker()
        lost = story.wait(note="alarm", kind="broker-lost", raised=1)
        w.start_broker()
        back = story.wait(note="alarm", kind="broker-lost", raised=0)
        story.wait(note="settled", count=2)
        between = stage_alarms(story.alarms())
        taken = story.events().count("episode_taken_over")
        w.set_free(PLENTY)
        story.wait(note="report")
        time.sleep(0.5)
        counts = story.counts()
        alarms = story.alarms()
    tap.check("the broker is killed and comes back: said, and the alarm that it had stands",
              true(lost=lost, back=back) + expect(cleared=([a for a in between if a[0] == "-"], []),
                                                  twice=(len(between), len(set(between))), taken=(taken, 1)))
    tap.check("the episode that it takes over is one: one report, one near miss",
              true(alternates=alternates(alarms)) +
              expect(reports=([r[1:] for r in story.reports()], [("cleared", 1, 1)]), counts=([counts.get(k) for k in ("episodes", "near_misses", "lost_events")], [1, 1, 0])))


def a_crisis_ends_while_nobody_looks():
    with StoryWorld() as w:
        story = Story(w)
        w.slide(LOW, LOWER)
        story.wait(note="alarm", kind="imminent", raised=1)
        w.kill_broker()
        (w.folder / "state/state").unlink()  # the next one knows nothing of it
        w.set_free(PLENTY)
        w.start_broker()
        told = story.wait(note="report")
        alarms = story.alarms()
    tap.check("a broker that knows nothing of an open episode: it is reported, its alarm is cleared",
              true(told=told, alternates=alternates(alarms), raised="+imminent" in alarms) +
              expect(reports=([r[1:] for r in story.reports()], [("cleared", 1, 1)])))


def started_in_the_middle():
    with StoryWorld() as w:
        other = w.client("other")
        w.slide(LOW, LOWER)
        other.lines.wait("step degrade")
        story = Story(w)
        raised = story.wait(note="alarm", kind="imminent", raised=1)
        time.sleep(0.3)
        again = story.alarms()
        w.set_free(PLENTY)
        story.wait(note="report")
    tap.check("started in the middle of a crisis: its alarm is raised, once, and what was before is not told",
              true(raised=raised) + expect(alarms=([a for a in again if a != "+shutdown"], ["+imminent"]), reports=(len(story.reports()), 1),
                                           opened=(story.events().count("episode_opened"), 0)))


def the_broker_comes_later():
    with StoryWorld() as w:
        w.kill_broker()
        story = Story(w, wait="down")
        w.start_broker()
        up = story.wait(note="settled")
        alarms = story.alarms()
    tap.check("no broker at first: said once, and over when it comes",
              true(up=up) + expect(alarms=(alarms, ["+broker-lost", "-broker-lost"])))


def a_forged_end_of_the_broker():
    """Anybody may send a signal to a unique name; only the bus knows who owns a name."""
    with StoryWorld() as w:
        story = Story(w)
        forger = w.connection()
        names = [n for n in map(str, forger.list_names()) if n.startswith(":")]
        for name in names:
            for path in ("/org/freedesktop/DBus", tap.PATH):
                message = dbus.lowlevel.SignalMessage(path, "org.freedesktop.DBus", "NameOwnerChanged")
                message.set_destination(name)
                message.append(tap.NAME, ":1.0", "", signature="sss")
                forger.send_message(message)
        forger.flush()
        time.sleep(0.3)
        told, downs = story.alarms(), len(story.all(note="down"))
    tap.check("nobody else can say that the broker is gone", expect(alarms=(told, []), downs=(downs, 0)) +
              true(names=len(names) > 2))


def the_bus_is_restarted():
    with StoryWorld() as w:
        story = Story(w)
        w.kill_broker(signal.SIGTERM)
        w.bus_daemon.terminate()
        w.bus_daemon.wait()
        down = story.wait(note="down")
        w.start_bus()
        w.start_broker()
        up = story.wait(note="settled", count=2)
        w.slide(LOW)
        asked = story.wait(note="order")
    tap.check("the bus itself goes and comes", true(down=down, up=up, asked=asked))


def the_last_boot_was_ended_by_failsoft():
    """The broker says so when it starts, which is before we look."""
    with StoryWorld() as w:
        w.kill_broker(signal.SIGTERM)
        line = ("failsoft-reboots 1 count 1 policy reboot episode 17 time 1795000000 told 0 "
                "boot 00000001-1234-1234-1234-123456789abc domain system end")
        (w.folder / "state/reboots").write_text(f"{line:511}\n")
        folder = w.folder / "root/proc/sys/kernel/random"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "boot_id").write_text("00000002-1234-1234-1234-123456789abc\n")
        w.start_broker()
        story = Story(w)
        events = story.events()
    tap.check("what the broker said of the last boot before we came is told, and nothing else of the past",
              expect(events=(events, ["rebooted"])))


def no_longer_dry():
    with StoryWorld({"dry_run": True}) as w:
        story = Story(w)
        w.write_settings(dry_run=False)
        w.call("Reload")
        story.wait(note="settled", count=2)
        w.slide(LOW, LOWER, LOWEST)
        raised = story.wait(note="alarm", kind="shutdown", raised=1)
    tap.check("the configuration is read again: a broker that no longer runs dry raises alarms", true(raised=raised))


def too_slow_a_reader():
    """Stopped while the ring turns over more than once: how many were lost is counted, and no more."""
    with StoryWorld() as w:
        story = Story(w)
        bus = w.connection()
        os.kill(story.child.pid, signal.SIGSTOP)
        for _ in range(6000):  # who drops its lifeline has left: two events each
            w.error_of("Register", "many", {}, signature="sa{sv}", bus=bus)
        os.kill(story.child.pid, signal.SIGCONT)
        told = story.wait(note="event", event="lost")
        time.sleep(0.5)
        counts = story.counts()
    tap.check("events that we were too slow for are counted",
              true(told=told, counted=0 < counts.get("lost_events", 0) < 12000))


for case in (there_and_back, warning_is_no_alarm, a_client_misses_its_deadline, ourselves_we_miss_it, a_victim_is_ended,
             dry_run_raises_nothing, a_drill_raises_nothing, the_broker_is_killed_in_the_middle,
             a_crisis_ends_while_nobody_looks, started_in_the_middle, the_broker_comes_later,
             a_forged_end_of_the_broker, the_bus_is_restarted, the_last_boot_was_ended_by_failsoft, no_longer_dry, too_slow_a_reader):
    case()
tap.done()
