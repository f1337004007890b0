#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Clients that a signal ends, on this machine itself: in a tree that we write no process ends."""

import pathlib
import signal

import tap_path  # noqa: F401
import tap
from world import World, expect, true, wait_until

# It only looks: this is the machine that the tests run on.
ONLY_LOOKS = {"act": False, "brake": False, "shield": False}


def has_events(w):
    return any(s[:2] == ("process-events", "ok") for s in w.call("ListSources"))


def killed(w):
    return [(e["name"], e["signal"], e["by_kernel"]) for e in w.events() if e["event"] == "client_killed"]


def by_signals(w):
    first, second, third = (w.client(name) for name in ("killed", "quits", "leaves"))
    first.kill()
    second.send_signal(signal.SIGALRM)  # no sanitizer takes it, and no shell starts us with it ignored
    first.wait()
    second.wait()
    third.terminate()
    third.wait()
    for name in ("killed", "quits", "leaves"):
        w.wait_event(event="client_killed", name=name)
    have = sorted(killed(w))
    tap.check("a client that a signal ends is told, and that it was not the kernel for lack of memory",
              expect(killed=(have[:2], [("killed", 9, False), ("leaves", 15, False)]),
                     quits=(have[2:], [("quits", 14, False)])))


def all_at_once(w):
    before = len(killed(w))
    clients = [w.client(f"many{i}") for i in range(6)]
    for client in clients:
        client.kill()
    for client in clients:
        client.wait()
    wait_until(lambda: len(killed(w)) >= before + 6)
    tap.check("six that are killed at once are all told",
              expect(names=(sorted(n for n, *_ in killed(w) if n.startswith("many")),
                            [f"many{i}" for i in range(6)])))


def what_limits_a_source(w):
    off = pathlib.Path("/proc/sys/kernel/task_delayacct")
    have = next((s for s in w.call("ListSources") if s[0] == "taskstats"), None)
    if not have or have[1] != "ok" or not off.exists():
        tap.skip("delay accounting that is off is told", "there is none here")
        return
    tap.check("delay accounting that is off is told",
              expect(told=("delay accounting is off" in have[3], off.read_text().strip() == "0")))


with World(ONLY_LOOKS, ["--root=/"]) as world:
    what_limits_a_source(world)
    if has_events(world):
        by_signals(world)
        all_at_once(world)
        tap.check("no event was lost", true(none=not [e for e in world.events() if e["event"] == "overrun"]))
    else:
        tap.skip("a client that a signal ends is told", "the kernel tells no process events here")
tap.done()
