# SPDX-License-Identifier: MIT
"""A small world for the bus tests: private bus, real failsoftd, a proc tree that we write."""

import faulthandler
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "check"))

import dbus  # noqa: E402
import dbus.bus  # noqa: E402
import dbus.mainloop.glib  # noqa: E402
import tap  # noqa: E402
from gi.repository import GLib  # noqa: E402

dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
PATIENCE = 20.0        # s, for what must come: a limit for what is broken, not for a busy machine


TOTAL = 1048576        # KiB; floors: warning 104857, imminent 62914, shutdown 31457
PLENTY, LOW, LOWER, LOWEST = 900000, 100000, 60000, 20000
STAGES = ["normal", "warning", "imminent", "shutdown"]
STAGE_AT = {LOW: 1, LOWER: 2, LOWEST: 3}
SETTINGS = {"hold_ms": 60, "confirm_ms": 2000, "term_ms": 300, "kill_ms": 500, "settle_ms": 50,
            "lock_memory": False, "realtime_priority": 0, "max_monitors": 64}


class Lines:
    """What a child prints, as it comes."""

    def __init__(self, stream):
        self.lines = []
        self.lock = threading.Lock()
        threading.Thread(target=self.follow, args=(stream,), daemon=True).start()

    def follow(self, stream):
        for line in stream:
            with self.lock:
                self.lines.append(line.rstrip("\n"))

    def all(self):
        with self.lock:
            return list(self.lines)

    def wait(self, *texts, seconds=PATIENCE):
        """Until a line has one of them."""
        return wait_until(lambda: any(text in line for line in self.all() for text in texts), seconds)

    def wait_times(self, line, times):
        """Until it has come that often, as a whole line."""
        wait_until(lambda: self.all().count(line) >= times)
        return self.all().count(line) == times


class World:
    hangs_after = 150  # s

    def __init__(self, settings=None, options=()):
        # a test that hangs says where; Meson's own limit is longer with a sanitizer, too
        faulthandler.dump_traceback_later(self.hangs_after * (4 if tap.is_sanitized() else 1), exit=True)
        self.temporary = tempfile.TemporaryDirectory(prefix="failsoft-bus-")
        self.folder = pathlib.Path(self.temporary.name)
        self.folder.chmod(0o755)
        self.address = f"unix:path={self.folder}/bus"
        self.settings = {**SETTINGS, **(settings or {})}
        self.options = list(options)
        self.children = []
        self.events_seen = None
        self.prefix = []  # before the broker: what it is to run in
        (self.folder / "root/proc").mkdir(parents=True)
        (self.folder / "root/proc/meminfo").write_text(self.meminfo(PLENTY))
        (self.folder / "root/proc/uptime").write_text(pathlib.Path("/proc/uptime").read_text())
        self.write_settings()
        self.start_bus()
        self.start_broker()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for child in reversed(self.children):
            if child.poll() is None:
                child.kill()
            child.wait()
        self.temporary.cleanup()

    # ---- the machine ----

    @staticmethod
    def meminfo(free):
        return (f"MemTotal:       {TOTAL:8} kB\nMemFree:        {free:8} kB\n"
                f"MemAvailable:   {free:8} kB\nActive(file):          0 kB\n"
                "Inactive(file):        0 kB\nSwapTotal:             0 kB\n"
                "SwapFree:              0 kB\n")

    def set_free(self, free):
        """In place: the broker keeps the file open, as it would in /proc."""
        with open(self.folder / "root/proc/meminfo", "r+", encoding="ascii") as file:
            file.write(self.meminfo(free))

    def slide(self, *steps):
        """Level by level, slowly enough that it is the floors that speak, not the speed; and not on
        before the broker has seen it, which on a busy machine may take longer."""
        for free in steps:
            self.set_free(free)
            time.sleep(0.4)
            if not wait_until(lambda: self.stage_told() >= STAGE_AT.get(free, 0), 10):
                print(f"# with {free} KiB free the broker says no more than {STAGES[self.stage_told()]}")

    def log_text(self):
        """What this broker has said, and none before it."""
        with open(self.folder / "broker.log", "rb") as file:
            file.seek(self.log_from)
            return file.read().decode(errors="replace")

    def wait_log(self, text):
        """A thread of its own writes what happens to the log, after Monitor's readers have heard of it."""
        return wait_until(lambda: text in self.log_text())

    def stage_told(self):
        """By the broker's own words: there may be no bus to ask it on."""
        told = re.findall(r"(?: -> | was open at stage )(normal|warning|imminent|shutdown)\b", self.log_text())
        return STAGES.index(told[-1]) if told else 0

    def add_process(self, pid, name="hog", rss=500000):
        """A process of this machine, as the broker's proc tree shows it."""
        folder = self.folder / f"root/proc/{pid}"
        folder.mkdir(exist_ok=True)
        (folder / "stat").write_text(pathlib.Path(f"/proc/{pid}/stat").read_text())
        (folder / "status").write_text(
            f"Name:\t{name}\nPid:\t{pid}\nPPid:\t1\nUid:\t0\t0\t0\t0\nVmRSS:\t{rss} kB\n"
            f"RssAnon:\t{rss} kB\nRssFile:\t0 kB\nRssShmem:\t0 kB\nVmSwap:\t0 kB\n")
        (folder / "oom_score_adj").write_text("0\n")
        (folder / "cgroup").write_text("0::/\n")
        return folder

    # ---- processes ----

    def start_bus(self):
        config = self.folder / "bus.conf"
        config.write_text(tap.BUS_CONFIG.format(directory=self.folder,
                                                policy=tap.policy_for_this_user(self.folder)))
        (self.folder / "bus").unlink(missing_ok=True)
        self.bus_daemon = self.child(["dbus-daemon", "--nofork", "--nopidfile",
                                      f"--config-file={config}"])
        tap.wait_for((self.folder / "bus").exists, "dbus-daemon")

    def write_settings(self, **more):
        self.settings.update(more)
        (self.folder / "failsoft.json").write_text(json.dumps(self.settings))

    def start_broker(self):
        self.log = open(self.folder / "broker.log", "ab")
        self.log_from = self.log.seek(0, os.SEEK_END)
        self.broker = self.child([*self.prefix, tap.program("failsoftd"), f"--bus={self.address}",
                                  f"--config={self.folder}/failsoft.json",
                                  f"--state-dir={self.folder}/state", "--verbose",
                                  f"--root={self.folder}/root", *self.options], stderr=self.log)
        bus = self.connection()
        tap.wait_for(lambda: bus.name_has_owner(tap.NAME) or self.broker.poll() is not None,
                     "failsoftd")
        bus.close()

    def child(self, argv, **more):
        child = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, text=True, **more)
        self.children.append(child)
        return child

    def client(self, name, group=50, answer="done", mode="poll"):
        child = self.child([tap.program("bus-client"), self.address, name, group, mode, answer],
                           stdout=subprocess.PIPE)
        child.lines = Lines(child.stdout)
        if not child.lines.wait("connected"):
            raise RuntimeError(f"{name} was not registered")
        return child

    def kill_broker(self, how=signal.SIGKILL):
        """Returns when the broker is gone from the bus, too: in a namespace it outlives what it is run by."""
        self.broker.send_signal(how)
        self.broker.wait()
        self.wait_gone()

    def wait_gone(self):
        if self.bus_daemon.poll() is None:
            bus = self.connection()
            tap.wait_for(lambda: not bus.name_has_owner(tap.NAME), "the end of failsoftd")
            bus.close()

    # ---- looking ----

    def connection(self):
        """The socket's file is there a moment before it listens."""
        for _ in range(100):
            try:
                return dbus.bus.BusConnection(self.address)
            except dbus.DBusException:
                time.sleep(0.02)
        return dbus.bus.BusConnection(self.address)

    def call(self, method, *arguments, signature="", bus=None):
        proxy = (bus or self.connection()).get_object(tap.NAME, tap.PATH, introspect=False)
        return proxy.get_dbus_method(method, tap.NAME)(*arguments, signature=signature)

    def error_of(self, method, *arguments, signature="", bus=None):
        """The short name of the error, "" for success."""
        try:
            self.call(method, *arguments, signature=signature, bus=bus)
        except dbus.DBusException as error:
            return error.get_dbus_name().rsplit(".", 1)[-1]
        return ""

    def history(self):
        """Everything in the ring, as Monitor tells it: whole lines. To be quiet is no end of it, the broker may have
        to wait for a CPU; who has answered has come by what there was to write."""
        bus = self.connection()
        fd = self.call("Monitor", options(History=True), signature="a{sv}", bus=bus).take()
        os.set_blocking(fd, False)
        text, quiet = b"", 0
        while quiet < 3 or (quiet < 500 and not text.endswith(b"\n")):
            try:
                chunk = os.read(fd, 1 << 16)
                if not chunk:
                    break  # the broker has ended
                text, quiet = text + chunk, 0
            except BlockingIOError:
                quiet += 1
                self.error_of("ListEpisodes", bus=bus)
                time.sleep(0.01)
        os.close(fd)
        return text[:text.rfind(b"\n") + 1]

    def events(self):
        return [json.loads(line) for line in self.history().decode().splitlines()]

    def answers(self, name):
        return [(e["step"], e["result"]) for e in self.events()
                if e["event"] == "answer" and e.get("name") == name and "step" in e]

    def wait_event(self, seconds=PATIENCE, **wanted):
        end = time.monotonic() + seconds
        while True:
            for event in self.events():
                if all(event.get(k) == v for k, v in wanted.items()):
                    return event
            if time.monotonic() > end:
                break
            time.sleep(0.05)
        if seconds >= PATIENCE:
            print(f"# no event {wanted} within {seconds} s")
        return None


def wait_until(is_so, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            return bool(is_so())
        time.sleep(0.01)
    return True


def options(**values):
    return dbus.Dictionary(values, signature="sv")


def expect(**facts):
    """name=(have, want) pairs that differ, as sentences for tap.check()."""
    return [f"{name}: have {have!r}, want {want!r}" for name, (have, want) in facts.items()
            if have != want]


def true(**facts):
    return [f"not true: {name}" for name, fact in facts.items() if not fact]


def ended_as_told(events, *statuses):
    """By SIGTERM. On a busy machine SIGKILL follows, 20 ms later, before one that the brake held has come to it."""
    rungs = [e["rung"] for e in events if e["event"] == "action" and e["rung"] in ("term", "kill")]
    good = [-signal.SIGTERM] + ([-signal.SIGKILL] if "kill" in rungs else [])
    return rungs[:1] == ["term"] and all(s in good for s in statuses)


def is_ignored(pid, number):
    """A program's own start takes its time before it ignores a signal."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^SigIgn:\s*(\w+)", status, re.M)[1], 16) >> number - 1 & 1


def spin(seconds, until=lambda: False):
    """Runs the GLib loop, for signals to this process."""
    context, end = GLib.MainContext.default(), time.monotonic() + seconds
    while time.monotonic() < end and not until():
        while context.iteration(False):
            pass
        time.sleep(0.005)
