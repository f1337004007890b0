#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The main job of failsoft on real memory pressure, in three acts, to be watched.

  1. the logger leaks, nobody watches: the kernel kills it and its buffer is gone
  2. the logger leaks, failsoftd watches: asked to flush, degrade, shut down; nothing is lost
  3. another program leaks: that one is ended, the logger goes on; nothing is lost

Exit status 0 only if it went so. What is lost is counted from the files, after the programs are
gone. Last line: "demo: lost 0 of N records".
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from broker_view import BrokerView
from machine import MIB, Cgroup, NoCgroup, Processes, start_bus
from screen import Screen, size

LIMIT = 64 * MIB
LEAK = 8            # MiB/s: a few seconds per act, slow enough to watch
FRAME = 0.1
ACT_MAX = 25.0      # seconds; an act that lasts longer has failed


class Demo:
    def __init__(self, build, screen):
        self.build = build
        self.screen = screen
        self.folder = tempfile.mkdtemp(prefix="failsoft-demo-")
        self.processes = Processes(os.path.join(self.folder, "log"))
        self.cgroup = Cgroup(f"failsoft-demo-{os.getpid()}", LIMIT)
        self.failures = []
        self.on_disk = self.lost = 0
        self.asked = {}

    def tool(self, name):
        for folder in ("clients/examples", "clients/ctl", ""):
            path = os.path.join(self.build, folder, name)
            if os.path.exists(path):
                return path
        raise RuntimeError(f"{name} is not in {self.build}: run ./dev build first")

    def check(self, is_true, what):
        if not is_true:
            self.failures.append(what)
            self.screen.event(f"NOT TRUE: {what}", 31)

    # ---- the cast ----

    def logger(self, act, *options, bus=None):
        files = [f"--file={self.path(act, 'log')}", f"--status-file={self.path(act, 'status')}"]
        where = [f"--bus={bus}"] if bus else ["--no-failsoft"]
        return self.processes.start([self.tool("failsoft-logger"), *files, "--rate=1000",
                                     "--name=logger", *where, *options], self.cgroup)

    def path(self, act, suffix):
        return os.path.join(self.folder, f"act{act}.{suffix}")

    def count(self, act):
        """What the file holds, counted by a program of its own after the logger is gone."""
        result = subprocess.run(
            [self.tool("failsoft-logcheck"), f"--file={self.path(act, 'log')}",
             f"--status-file={self.path(act, 'status')}"],
            capture_output=True, text=True, check=False)
        match = re.search(r"produced (\d+) on_disk (\d+) lost (\d+) gaps (\d+)", result.stdout)
        if not match:
            raise RuntimeError(f"failsoft-logcheck: {result.stdout}{result.stderr}")
        produced, on_disk, lost, _ = map(int, match.groups())
        return produced, on_disk, lost

    def kernel_kills(self):
        name, key = (("memory.events", "oom_kill ") if self.cgroup.version == 2
                     else ("memory.oom_control", "oom_kill "))
        with open(os.path.join(self.cgroup.path, name), encoding="ascii") as file:
            return sum(int(line.split()[1]) for line in file if line.startswith(key))

    # ---- act 1 ----

    def used(self):
        name = "memory.current" if self.cgroup.version == 2 else "memory.usage_in_bytes"
        with open(os.path.join(self.cgroup.path, name), encoding="ascii") as file:
            return int(file.read())

    def act_alone(self):
        self.screen.act("Act 1 of 3: without failsoft",
                        f"a data logger, 1000 records/s in RAM, leaks {LEAK} MiB/s")
        child = self.logger(1, f"--leak={LEAK}", "--leak-after=1")
        end = time.monotonic() + ACT_MAX
        while child.poll() is None and time.monotonic() < end:
            apps = [("logger", "-", "", 0, "-", "?")]
            self.screen.show({"headroom": LIMIT - self.used(), "limit": LIMIT, "tte": None,
                              "low": None, "stage": "normal", "apps": apps, "broker": False})
            time.sleep(FRAME)
        self.check(child.returncode == -signal.SIGKILL, "the kernel kills the leaking logger")
        produced, on_disk, lost = self.count(1)
        self.check(lost > 0, "without failsoft records are lost")
        self.screen.event("the kernel's OOM killer ended the logger with SIGKILL", 31)
        self.screen.event(f"{produced} records produced, {on_disk} on disk: {lost} LOST", 31)
        self.pause({"headroom": 0, "limit": LIMIT, "tte": None, "low": None, "stage": "normal",
                    "apps": [("logger", "-", "", 0, "killed", f"{lost} lost")], "broker": False})

    # ---- acts 2 and 3 ----

    def start_failsoft(self):
        self.bus = start_bus(self.processes, self.folder)
        self.processes.start([self.tool("failsoftd"), f"--bus={self.bus}",
                              f"--state-dir={self.folder}/state",
                              f"--config={self.write_config()}"])
        self.view = BrokerView(self.bus, self.domain())
        self.view.wait()
        self.processes.start([self.tool("failsoft-controller"), f"--bus={self.bus}",
                              f"--state-file={self.folder}/controller"], self.cgroup)
        self.processes.start([self.tool("failsoft-viewer"), f"--bus={self.bus}", "--cache=8"],
                             self.cgroup)

    def domain(self):
        """The name that failsoftd gives our cgroup: its path in the hierarchy."""
        with open(f"/proc/{self.probe()}/cgroup", encoding="utf-8") as file:
            for line in file:
                _, controllers, path = line.rstrip("\n").split(":", 2)
                if controllers == "" and self.cgroup.version == 2:
                    return path
                if "memory" in controllers.split(",") and self.cgroup.version == 1:
                    return path
        raise RuntimeError("our cgroup has no path")

    def probe(self):
        """A process in the cgroup that only waits, to read the cgroup's name from."""
        return self.processes.start(["sleep", "120"], self.cgroup).pid

    def write_config(self):
        path = os.path.join(self.folder, "failsoft.json")
        with open(path, "w", encoding="ascii") as file:
            file.write("{}\n")
        return path

    def frame(self, leaker=None):
        figures = self.view.figures()
        if figures:
            self.screen.show({**figures, "apps": self.apps(leaker), "broker": True})
        for event in self.view.take_events():
            self.tell(event)

    def apps(self, leaker):
        rows, now = [], time.monotonic() * 1e6
        clients = self.view.clients()
        for name, (step, deadline, exposed, result) in clients.items():
            asked, budget = self.asked.get(name, ("-", 0))
            left = max(0.0, deadline - now) if step != "idle" else 0
            rows.append((name, step if step != "idle" else asked,
                         f"{left / 1000:4.0f} ms" if left else "", left / budget if budget else 0,
                         result.replace("none", "-"), size(exposed) if exposed else "-"))
        if leaker:
            rows.append(("the leaker", "-", "", 0, "no client", "-"))
        return rows

    def tell(self, event):
        kind, name = event.get("event"), event.get("name", "")
        if kind == "request":
            self.asked[name] = (event["step"], event["deadline_us"] - event["time_us"])
        if kind not in ("stage", "request", "answer", "victim", "action", "ended", "kernel_oom",
                        "episode_closed"):
            return
        text = event.get("text", kind)
        prefix = event.get("domain", "") + ": "
        if text.startswith(prefix):
            text = text[len(prefix):]
        colours = {"stage": 1, "answer": 32, "victim": 31, "action": 31, "ended": 31,
                   "kernel_oom": 31}
        self.screen.event(text, colours.get(kind, 0))
        self.seen.append(event)

    def run_until(self, is_over, leaker=None):
        end = time.monotonic() + ACT_MAX
        while not is_over() and time.monotonic() < end:
            self.frame(leaker)
            time.sleep(FRAME)
        self.frame(leaker)
        return is_over()

    def stage(self):
        figures = self.view.figures()
        return figures["stage"] if figures else "normal"

    def settle(self, seconds, leaker=None):
        end = time.monotonic() + seconds
        self.run_until(lambda: time.monotonic() > end, leaker)

    def answered(self, step):
        return any(e.get("event") == "answer" and e.get("name") == "logger" and
                   e.get("step") == step and e.get("result") == "done" for e in self.seen)

    def finish_act(self, act, kills_before):
        produced, on_disk, lost = self.count(act)
        self.check(lost == 0, f"act {act} loses no record")
        self.check(self.kernel_kills() == kills_before, "the kernel had to kill nobody")
        self.on_disk += on_disk
        self.lost += lost
        self.screen.event(f"{produced} records produced, {on_disk} on disk: {lost} lost", 32)

    def act_own_leak(self):
        self.screen.act("Act 2 of 3: with failsoft, the logger leaks",
                        "asked in time to flush, degrade and shut down, it loses nothing")
        self.seen, kills = [], self.kernel_kills()
        self.view.take_events()
        child = self.logger(2, f"--leak={LEAK}", "--leak-after=2", bus=self.bus)
        self.check(self.run_until(lambda: child.poll() is not None), "the leaking logger ends")
        self.check(child.returncode == 0, f"it ends in good order (status {child.returncode})")
        self.check(self.answered("flush") and self.answered("shutdown"),
                   "the logger was asked to flush and to shut down, and answered")
        self.run_until(lambda: self.stage() == "normal")
        self.finish_act(2, kills)
        self.settle(1.5)

    def act_foreign_leak(self):
        self.screen.act("Act 3 of 3: with failsoft, another program leaks",
                        "the one that caused it is ended, the logger goes on")
        self.seen, kills = [], self.kernel_kills()
        logger = self.logger(3, bus=self.bus)
        self.settle(1.0)
        hog = self.processes.start([self.tool("failsoft-hog"), f"--rate={LEAK}"], self.cgroup)
        self.check(self.run_until(lambda: hog.poll() is not None, hog), "the leaker is ended")
        self.check(self.answered("flush"), "the logger had answered before")
        self.run_until(lambda: self.stage() == "normal")
        self.settle(1.0)
        self.check(logger.poll() is None, "the logger lives")
        self.processes.end(logger)
        self.finish_act(3, kills)
        self.settle(1.5)

    def pause(self, view, seconds=2.5):
        end = time.monotonic() + (seconds if self.screen.live else 0)
        while time.monotonic() < end:
            self.screen.show(view)
            time.sleep(FRAME)

    def run(self):
        self.act_alone()
        self.start_failsoft()
        self.act_own_leak()
        self.act_foreign_leak()

    def close(self):
        self.processes.end_all()
        for pid in self.cgroup.processes():
            os.kill(pid, signal.SIGKILL)
        self.cgroup.remove()
        if self.failures:
            print(f"demo: what the programs said is in {self.folder}/log")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)


def in_small_machine(build):
    """Neither cgroup version can be used here: the same demo inside the small QEMU machine."""
    here = os.path.dirname(os.path.abspath(__file__))
    runner = os.path.join(here, "..", "..", "tests", "vm", "vm.py")
    os.execv(sys.executable, [sys.executable, runner, "demo", "--build", build])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", default="build", help="the Meson build folder")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    screen = Screen()
    try:
        demo = Demo(options.build, screen)
    except NoCgroup as error:
        print(f"demo: no memory cgroup here ({error}), using a small QEMU machine", flush=True)
        in_small_machine(options.build)
    print(f"demo: real memory pressure in a cgroup v{demo.cgroup.version} "
          f"with a limit of {size(LIMIT)}", flush=True)
    with screen:
        try:
            demo.run()
        finally:
            demo.close()
    for failure in demo.failures:
        print(f"demo: not true: {failure}")
    print(f"demo: lost {demo.lost} of {demo.on_disk + demo.lost} records")
    return 1 if demo.failures or demo.lost or not demo.on_disk else 0


if __name__ == "__main__":
    sys.exit(main())
