#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The figures of the README: each line is measured side by side in one run, quote the ratios.

usage: bench.py BUILD [procedures|fleet]
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
IDLE_S = 20
BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_type="method_call"/>
<allow send_type="signal"/><allow send_type="method_return"/><allow send_type="error"/>
<allow receive_type="method_call"/><allow receive_type="signal"/>
<allow receive_type="method_return"/><allow receive_type="error"/></policy>
<limit name="max_connections_per_user">4096</limit>
<limit name="max_completed_connections">4096</limit></busconfig>
"""
MEMINFO = """MemTotal:        1048576 kB
MemFree:          900000 kB
MemAvailable:     900000 kB
Active(file):          0 kB
Inactive(file):        0 kB
SwapTotal:             0 kB
SwapFree:              0 kB
"""


class Stage:
    """A folder with a private bus; everything that was started in it is ended with it."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="failsoft-bench-")
        self.children = []
        self.address = "unix:path=" + self.path("bus")

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w", encoding="ascii") as file:
            file.write(text)
        return self.path(name)

    def start(self, argv, env=None):
        with open(self.path("log"), "ab") as log:
            child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                     env={**os.environ, **(env or {})})
        self.children.append(child)
        return child

    def start_bus(self):
        config = self.write("bus.conf", BUS.format(path=self.path("bus")))
        child = self.start(["dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile"])
        for _ in range(100):
            if os.path.exists(self.path("bus")):
                return child
            time.sleep(0.02)
        raise RuntimeError("dbus-daemon did not start")

    def start_broker(self, build, root=None):
        settings = {"max_clients": 1024, "max_clients_per_uid": 1024, "hold_ms": 20}
        config = self.write("config.json", json.dumps(settings))
        argv = [f"{build}/failsoftd", f"--bus={self.address}", f"--config={config}",
                f"--state-dir={self.path('state')}"]
        child = self.start(argv + ([f"--root={root}"] if root else []))
        time.sleep(0.5)
        if child.poll() is not None:
            with open(self.path("log"), encoding="utf-8", errors="replace") as log:
                raise RuntimeError("failsoftd did not start: " + log.read())
        return child

    def close(self):
        for child in reversed(self.children):
            child.send_signal(signal.SIGTERM)
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def keep_awake(stage):
    """A halted virtual CPU takes 0.1-0.2 ms to wake, more than what is measured: a task of idle
    priority on each keeps it from halting and takes nothing from anybody."""
    for cpu in os.sched_getaffinity(0):
        child = stage.start([sys.executable, "-c", "while True: pass"])
        os.sched_setaffinity(child.pid, {cpu})
        os.sched_setscheduler(child.pid, os.SCHED_IDLE, os.sched_param(0))


def orders(build):
    print("\n# from the broker's decision to the client's handler, calm machine")
    for clients, rounds in ((1, 30), (100, 10), (1000, 5)):
        stage = Stage()
        try:
            meminfo = stage.write("root/proc/meminfo", MEMINFO)
            stage.start_bus()
            stage.start_broker(build, stage.path("root"))
            keep_awake(stage)
            subprocess.run([f"{build}/tests/bench/bench-orders", stage.address, meminfo,
                            str(clients), str(rounds)], check=True)
            sys.stdout.flush()
        finally:
            stage.close()


def figures(pid):
    """rss, pss in KiB and context switches that it made itself, from proc."""
    found = {}
    for name in (f"/proc/{pid}/smaps_rollup", f"/proc/{pid}/status"):
        with open(name, encoding="ascii", errors="replace") as file:
            for line in file:
                key, _, value = line.partition(":")
                found.setdefault(key, value.split()[0] if value.split() else "")
    return int(found["Rss"]), int(found["Pss"]), int(found["voluntary_ctxt_switches"])


def idle(build):
    print(f"\n# at rest for {IDLE_S} s, side by side")
    stage = Stage()
    try:
        stage.start_bus()
        env = {"DBUS_SYSTEM_BUS_ADDRESS": stage.address}
        running = {"failsoftd": stage.start_broker(build)}
        for name, argv in (("earlyoom", ["earlyoom", "--dryrun", "-r", "0"]),
                           ("low-memory-monitor", ["/usr/libexec/low-memory-monitor"])):
            path = shutil.which(argv[0])
            if path is None:
                print(f"{name}: not installed, not compared")
                continue
            running[name] = stage.start([path] + argv[1:], env)
        time.sleep(2)
        before = {n: figures(c.pid)[2] for n, c in running.items() if c.poll() is None}
        time.sleep(IDLE_S)
        for name, child in running.items():
            if child.poll() is not None:
                print(f"{name}: ended by itself with status {child.returncode}: "
                      "it protects nobody here")
                continue
            rss, pss, switches = figures(child.pid)
            print(f"{name:<20} RSS {rss:6} KiB  PSS {pss:6} KiB  "
                  f"{(switches - before[name]) / IDLE_S:.2f} wakeups/s")
    finally:
        stage.close()


def thrash(build):
    print("\n# the same in the small machine: deterministic, calm and while file pages thrash", flush=True)
    here = os.path.dirname(os.path.abspath(__file__))
    if shutil.which("qemu-system-x86_64") is None:
        print("qemu-system-x86 is not installed, not measured")
        return
    result = subprocess.run(
        [sys.executable, os.path.join(here, "..", "vm", "vm.py"), "run", "--build", build, "--script",
         os.path.join(here, "thrash.sh"), "--timeout", "100", "--with",
         f"{build}/tests/bench/bench-orders"], capture_output=True, text=True, check=False)
    for line in result.stdout.splitlines():
        if line.startswith(("#", "lifeline", "D-Bus", "Mem", "Active", "Inactive")):
            print(line)


def leak(build):
    print("\n# in the small machine: a leak at full speed, from 4 MiB free until it is stopped", flush=True)
    here = os.path.dirname(os.path.abspath(__file__))
    if shutil.which("qemu-system-x86_64") is None:
        print("qemu-system-x86 is not installed, not measured")
        return
    result = subprocess.run(
        [sys.executable, os.path.join(here, "..", "vm", "vm.py"), "run", "--build", build, "--script",
         os.path.join(here, "leak.sh"), "--timeout", "120"], capture_output=True, text=True, check=False)
    for line in result.stdout.splitlines():
        if line.startswith("LEAK "):
            print(line.removeprefix("LEAK "))


RATIO_MOST = 1.5
RUNS_INSIDE = 10


def read_procedures(text):
    """{name: ([us outside], [event inside], [MiB of headroom at it])}"""
    found, name, headroom = {}, None, None
    for line in text.replace("\r", "").splitlines():
        if line.startswith("outside "):
            name = line.split()[1]
            found[name] = ([], [], [])
        elif line.isdigit() and name:
            found[name][0].append(int(line))
        elif line.startswith("{"):
            event = json.loads(line)
            if event["event"] == "inside":
                name = event["name"]
            elif event["event"] == "procedure_ended":
                found[name][1].append(event)
                found[name][2].append(headroom)
            headroom = event.get("headroom_bytes", headroom)
    return found


def median(values):
    return sorted(values)[len(values) // 2] if values else 0


def judge_procedures(found):
    """Prints a line each; True: all have done their work, and none took longer than is wanted."""
    good = len(found) == 5
    for name, (outside, inside, headrooms) in found.items():
        done = [e["taken_us"] for e in inside if e["outcome"] == 0]
        ratio = median(done) / max(median(outside), 1)
        is_good = len(outside) == RUNS_INSIDE and len(done) == RUNS_INSIDE and ratio <= RATIO_MOST
        least = min((h for h in headrooms if h is not None), default=0)
        print(f"{name:<8} {len(done):2} of {RUNS_INSIDE} done; {median(outside):6} us outside, {median(done):6} us "
              f"inside, ratio {ratio:.2f}; headroom at least {least / 1048576:.1f} MiB" + ("" if is_good else "  NOT MET"))
        good = good and is_good
    return good


def procedures(build):
    """Five programs before the end of a process: outside, and inside real crises."""
    print("\n# in the small machine: procedures outside and inside a crisis, medians of 10", flush=True)
    here = os.path.dirname(os.path.abspath(__file__))
    if shutil.which("qemu-system-x86_64") is None:
        print("qemu-system-x86 is not installed, not measured")
        return True
    programs = ["/bin/true", "/bin/dd", "/bin/cp", f"{build}/tests/bench/failsoft-procedure-time"]
    result = subprocess.run(
        [sys.executable, os.path.join(here, "..", "vm", "vm.py"), "run", "--build", build, "--script",
         os.path.join(here, "..", "vm", "procedures.sh"), "--timeout", "420",
         *[word for p in programs for word in ("--with", p)]], capture_output=True, text=True, check=False)
    is_good = judge_procedures(read_procedures(result.stdout))
    print(f"procedures: {'all' if is_good else 'NOT all'} done, and at most {RATIO_MOST} times as long")
    return is_good


def fleet(build):
    here = os.path.dirname(os.path.abspath(__file__))
    subprocess.run([sys.executable, os.path.join(here, "bench_fleet.py"), build], check=True,
                   stderr=subprocess.DEVNULL)


def main():
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], ["procedures"], ["fleet"]):
        print(__doc__, file=sys.stderr)
        return 2
    build = os.path.abspath(sys.argv[1])
    if sys.argv[2:] == ["fleet"]:
        fleet(build)
        return 0
    if sys.argv[2:]:
        return 0 if procedures(build) else 1
    print("# one step of the pure core", flush=True)
    subprocess.run([f"{build}/tests/bench/bench-core"], check=True)
    print("\n# from the call until a group of processes stands still", flush=True)
    subprocess.run([f"{build}/tests/bench/bench-brake"], check=True)
    print("\n# from SIGKILL until a program's memory is back", flush=True)
    subprocess.run([f"{build}/tests/bench/bench-release"], check=True)
    orders(build)
    idle(build)
    thrash(build)
    leak(build)
    fleet(build)
    return 0 if procedures(build) else 1


if __name__ == "__main__":
    sys.exit(main())
