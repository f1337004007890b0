#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Who would be ended, in which order, and who never; the lists of the configuration decide for real."""

import json
import sys
import time

import tap_path  # noqa: F401
import tap
from world import LOW, LOWER, LOWEST, World, ended_as_told, expect, true


def sleeper(w, name, rss):
    child = w.child([sys.executable, "-c", "import time; time.sleep(60)"])
    time.sleep(0.2)
    w.add_process(child.pid, name, rss)
    return child


def ctl(w, *arguments):
    return tap.run(tap.program("failsoftctl"), f"--bus={w.address}", *arguments)


def run_out(w):
    """To the floor of shutdown, falling on, so that two witnesses agree."""
    w.slide(LOW, LOWER)
    for free in range(LOWEST + 10000, LOWEST - 10000, -1000):
        w.set_free(free)
        time.sleep(0.02)


def order_and_why():
    with World({"protect": ["kept", "unit:logger.service"], "prefer": ["cac*"]}) as w:
        hog, small = sleeper(w, "hog", 600000), sleeper(w, "small", 40000)
        kept, cache = sleeper(w, "kept", 60000), sleeper(w, "cache", 20000)
        unit = sleeper(w, "inner", 70000)
        (w.folder / f"root/proc/{unit.pid}/cgroup").write_text("0::/system.slice/logger.service\n")
        client = w.client("logger")
        w.add_process(client.pid, "logger", 30000)
        said = ctl(w, "--json", "victims")
        rows = [json.loads(line) for line in said.stdout.splitlines()]
        text = ctl(w, "victims").stdout
        again = w.call("ListVictims", "", signature="s")
        unknown = w.error_of("ListVictims", "/nowhere", signature="s")
    found = {row["name"]: row for row in rows}
    tap.check("the order: preferred, who grew most, clients last; then who never",
              expect(names=([r["name"] for r in rows][:4], ["cache", "hog", "small", "logger"]),
                     status=(said.returncode, 0),
                     why=([found.get(n, {}).get("why") for n in ("cache", "hog", "logger", "kept", "inner")],
                          ["preferred", "grew", "client", "protected", "protected"]),
                     place=([found.get(n, {}).get("place") for n in ("cache", "kept")], [1, None])))
    tap.check("in words for people, and within a second the same answer",
              true(head="NAME" in text, never="never kept" in text, prefers="prefers it" in text,
                   same=len(again) == len(rows)) + expect(error=(unknown, "UnknownDomain")))


def another_namespace():
    """Whose System V shared memory the broker cannot see."""
    class Namespaces(World):
        own = "ipc:[4026531839]"

        def start_bus(self):
            for who, link in (("self", self.own), ("1", "ipc:[4026531839]")):
                (self.folder / f"root/proc/{who}/ns").mkdir(parents=True)
                (self.folder / f"root/proc/{who}/ns/ipc").symlink_to(link)
            super().start_bus()

    class Elsewhere(Namespaces):
        own = "ipc:[4026532000]"

    said = []
    for kind in (Namespaces, Elsewhere):
        with kind() as w:
            said.append(warnings(w))
    tap.check("a broker in an IPC namespace of its own says what it cannot see",
              expect(same=("IPC namespace" in said[0], False), other=("IPC namespace" in said[1], True)))


def warnings(w):
    return " ".join(w.connection().get_object(tap.NAME, tap.PATH, introspect=False).Get(
        tap.NAME, "Warnings", dbus_interface="org.freedesktop.DBus.Properties"))


def who_feeds_a_watchdog():
    """By what it holds open, whatever its name; the hog beside it is ended in its place."""
    class Watchdog(World):
        def start_bus(self):
            self.feeder = sleeper(self, "feedme", 1000)
            (self.folder / "root/dev").mkdir()
            (self.folder / "root/dev/watchdog0").touch()
            (self.folder / f"root/proc/{self.feeder.pid}/fd").mkdir()
            (self.folder / f"root/proc/{self.feeder.pid}/fd/3").symlink_to("/dev/watchdog0")
            super().start_bus()

    with Watchdog() as w:
        w.add_process(w.feeder.pid, "feedme", 600000)
        small = sleeper(w, "small", 300000)
        rows = [json.loads(line) for line in ctl(w, "--json", "victims").stdout.splitlines()]
        run_out(w)
        w.wait_event(event="ended")
        status = w.feeder.poll(), ended_as_told(w.events(), small.poll())
    why = {row["name"]: row["why"] for row in rows}
    tap.check("who feeds a watchdog is never ended, whatever its name is",
              expect(why=(why.get("feedme"), "protected"), status=(status, (None, True))))


def lists_decide():
    with World({"protect": ["hog"], "prefer": ["uid:0"]}) as w:
        hog, other = sleeper(w, "hog", 600000), sleeper(w, "other", 30000)
        run_out(w)
        w.wait_event(event="ended")
        in_crisis = w.error_of("ListVictims", "", signature="s")
        status = hog.poll(), ended_as_told(w.events(), other.poll())
    tap.check("who is protected is spared although it grew, who is preferred is ended",
              expect(status=(status, (None, True))))
    tap.check("in a crisis the broker has no time for lists", expect(error=(in_crisis, "InCrisis")))


def protects_everybody():
    with World({"protect": ["*"]}) as w:
        warned = warnings(w)
        sleeper(w, "hog", 600000)
        said = ctl(w, "victims")
    tap.check("a list that protects everybody is accepted, and said",
              true(warned="nobody is ever ended" in warned, never="never hog" in said.stdout))


for test in (order_and_why, another_namespace, who_feeds_a_watchdog, lists_decide, protects_everybody):
    test()
tap.done()
