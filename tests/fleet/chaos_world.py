# SPDX-License-Identifier: MIT
"""A device in trouble: real failsoftd on a written proc tree under changing weather, real
failsoft-telemetry that is killed, real mosquitto, failsoft-fleet and a watcher that count."""

import contextlib
import json
import os
import pathlib
import random
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
for folder in ("bus", "check"):
    sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / folder))

import judge  # noqa: E402
import servers  # noqa: E402
import spool_reader  # noqa: E402
import tap  # noqa: E402
import world  # noqa: E402
from subscriber import Fleet  # noqa: E402
from watcher import Watcher  # noqa: E402

PRIVATE = "FAILSOFT_TEST_PRIVATE"
STATES = (world.PLENTY, world.LOW, world.LOWER)
# An episode a second at least, so that a run of some seconds has many alarms.
QUICK = {"hold_ms": 20, "confirm_ms": 100, "settle_ms": 20, "act": False}
# A sanitizer wants to be the first library; behind clock-jump.so it works as well.
SANITIZED = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}
DEVICE = {"fleet": "chaos", "device": "dev", "firmware": "1.0", "first_connect_ms": 0, "pause_first_ms": 50,
          "pause_last_ms": 200, "keepalive_s": 5, "stop_means": "service", "oom_hold_s": 1}


def enter_private_namespaces():
    """Runs this script again in network and mount namespaces of its own; where that is forbidden the
    test cannot cut a network or fill a disk. Returns why not, "" when we are inside."""
    if os.environ.get(PRIVATE):
        subprocess.run([servers.find("ip"), "link", "set", "lo", "up"], check=True)
        return ""
    unshare = ["unshare", "--net", "--mount", "--propagation", "private"]
    if os.getuid():
        unshare += ["--user", "--map-root-user"]
    if not servers.find("ip"):
        return "ip (package iproute2) is not installed"
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        return "this machine lets nobody make network namespaces"
    os.execvpe(unshare[0], [*unshare, sys.executable, *sys.argv], {**os.environ, PRIVATE: "1"})
    return "unshare could not be run"


class Weather(threading.Thread):
    """Memory that comes and goes, in the broker's proc tree: plenty, low, lower, plenty, ..."""

    def __init__(self, place):
        super().__init__(daemon=True)
        self.world, self.is_over, self.turns = place, threading.Event(), 0
        self.start()

    def run(self):
        while not self.is_over.is_set():
            self.world.set_free(STATES[self.turns % len(STATES)])
            self.turns += 1
            self.is_over.wait(random.uniform(0.1, 0.25))

    def stop(self, free=world.PLENTY):
        self.is_over.set()
        self.join()
        self.world.set_free(free)


class ChaosWorld(world.World):
    hangs_after = 280  # the bus tests are shorter

    def __init__(self, telemetry=None, host=servers.HOST):
        super().__init__(settings=QUICK)
        self.lab = servers.Lab()
        self.port = servers.free_port()
        self.server = self.lab.mosquitto("default", port=self.port, host=host)
        self.telemetry = {**DEVICE, "servers": [f"{host}:{self.port}"], **(telemetry or {})}
        self.state = self.lab.folder / "state"
        self.state.mkdir()
        self.spool = self.state / "spool"
        self.jump = self.lab.write("jump", "0")
        self.before, self.device = [], None
        self.raised, self.conflicts, self.starts = {}, [], 0
        self.watcher = Watcher([self.server.address])
        self.fleet = Fleet(self.lab, [self.server.address], listen=True)
        servers.wait_for(self.watcher.is_up.is_set, "the watcher")
        self.fleet.connected(self.server)
        self.server.save()

    def __exit__(self, *_):
        self.watcher.ended.set()
        self.lab.close()
        super().__exit__(*_)

    # ---- the device ----

    def start_device(self, **more):
        config = self.lab.write("telemetry.json", json.dumps({**self.telemetry, **more}))
        preload = next(iter((tap.BUILD / "tests/fleet").glob("*clock-jump.so")), "")
        self.device = self.lab.child(
            [*self.before, tap.program("failsoft-telemetry"), f"--config={config}", f"--state-dir={self.state}",
             f"--bus={self.address}"], "telemetry",
            env={**os.environ, "LD_PRELOAD": str(preload), "CLOCK_JUMP": str(self.jump), **SANITIZED})
        self.starts += 1

    def kill_device(self):
        """And what it had raised by then is read from its spool."""
        self.device.kill()
        self.device.wait()
        self.lab.children.remove(self.device)
        self.look()

    def stop_device(self):
        self.device.terminate()
        self.device.wait(20)
        self.look()

    def look(self):
        try:
            found = spool_reader.alarms(self.spool)
        except FileNotFoundError:  # not there yet, or just set aside
            return
        for name, payload in found.items():
            if self.raised.setdefault(name, payload) != payload:
                self.conflicts.append(f"{name} names two alarms")

    def waiting(self):
        """What the server has not acknowledged yet; a spool that is just set aside: more than it can hold."""
        try:
            return spool_reader.waiting(self.spool)
        except FileNotFoundError:
            return sys.maxsize

    def wait_raised(self, count, seconds=20.0):
        """A slow machine raises fewer in the same time; the device lives meanwhile."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and len(self.raised) < count:
            time.sleep(0.05)
            self.look()

    def set_clock(self, off_s):
        self.jump.write_text(str(off_s))

    def settle(self, seconds=60.0, is_whole=True):
        """There is memory again. The device lives until broker, device and server know that, and the server has all
        that matters; then it is ended in order. is_whole: nobody has damaged what it had to tell."""
        end = time.monotonic() + seconds
        time.sleep(1.0)
        while time.monotonic() < end and not (self.is_calm() and not (is_whole and self.untold())):
            time.sleep(0.1)
        time.sleep(1.0)  # what is too much comes now
        self.look()

    def is_calm(self):
        """The last of the device's states is the will of the one before until it is connected and has its broker."""
        if self.waiting() or spool_reader.raised(self.spool):
            return False
        stages = ["normal", *(e["to"] for e in self.events() if e["event"] == "stage")]
        return stages[-1] == "normal" and self.has_said(online=True, broker=True, stage="normal")

    def has_said(self, **wanted):
        """Is that in its last state?"""
        states = self.watcher.payloads("/state")
        data = judge.parse(states[-1][1])["data"] if states else {}
        return all(data.get(k) == v for k, v in wanted.items())

    def first_episode(self):
        """The weather begins when the device has its broker, and is gone through once: what was before that is not told
        by a device that has never heard of anything, however often it is killed."""
        self.start_device()
        servers.wait_for(lambda: self.has_said(online=True, broker=True), "the device and its broker", 40)
        weather = Weather(self)
        self.wait_raised(2)
        return weather

    def untold(self):
        """The broker's episodes, by its own events, that neither an alarm nor a report told of. One that was over
        before the device read of it has a report alone if a later one had raised the alarm by then."""
        messages = [judge.parse(p) for _, p in self.watcher.payloads("/report")]
        messages += [m for m in self.raw_alarms() if m["data"]["kind"] == "imminent" and m["data"]["raised"]]
        return self.episodes() - {m["data"].get("episode") for m in messages if m}

    def episodes(self):
        return {e["episode"] for e in self.events() if e["event"] == "stage" and e["to"] in ("imminent", "shutdown")}

    def wait_online(self, since, seconds=30.0):
        """Until the fleet shows that it has come, behind so many lines."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not any(line["what"] == "online" for line in self.fleet.lines[since:]):
            time.sleep(0.05)

    # ---- what was seen ----

    def wait_seen(self, wanted, seconds=15.0):
        end = time.monotonic() + seconds
        while time.monotonic() < end and not wanted <= set(self.fleet.alarm_ids()):
            time.sleep(0.1)
        time.sleep(0.5)

    def raw_alarms(self):
        return judge.alarms(self.watcher.payloads())

    def verdict(self, must=None):
        """Sentences: all raised (or what of it must be seen) was seen, once; nothing else was."""
        must = set(self.raised) if must is None else must
        self.wait_seen(must)
        shown = self.fleet.alarm_ids()
        problems = judge.once(list(must), [i for i in shown if i in must or i not in self.raised])
        twice = len(shown) - len(set(shown))
        problems += [f"failsoft-fleet showed {twice} twice"] if twice else []
        for message in self.raw_alarms():
            first = self.raised.get(message["id"])
            if first and json.loads(first) != message:
                problems.append(f"{message['id']} was sent with two contents")
        return problems + self.conflicts + judge.invalid(self.watcher.payloads())

    def device_log(self):
        return self.lab.log("telemetry")


@contextlib.contextmanager
def tmpfs(path, kib):
    path.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k", "none", path], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", path], check=True)


class Cable:
    """A network of the device's own and the cable to it, see cable.py."""

    def __init__(self, lab):
        self.holder = lab.child(["unshare", "--net", "sleep", "1000"], "holder")
        own = os.readlink("/proc/self/ns/net")
        servers.wait_for(lambda: os.readlink(f"/proc/{self.holder.pid}/ns/net") != own, "the namespace")
        script = pathlib.Path(__file__).with_name("cable.py")
        self.process = lab.child([sys.executable, script, self.holder.pid], "cable", stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            raise RuntimeError("no cable: " + lab.log("cable"))
        self.prefix = ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net", "--"]

    def say(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
