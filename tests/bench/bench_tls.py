#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What TLS with client certificates costs the server: the same devices plain, with TLS, and with TLS and a ticket,
one after the other in each round, and of all rounds the median. The client's cost does not matter here; its share of
the CPUs does, so believe the ratios. Part of bench_fleet.py.

usage: bench_tls.py BUILD [DEVICES [OF-THE-CROWD [ROUNDS]]]
"""

import os
import pathlib
import resource
import statistics
import sys
import time

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / name) for name in ("fleet", "check", "bus")]
if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    os.environ["FAILSOFT_BUILD"] = os.path.abspath(sys.argv[1])

import servers  # noqa: E402
import tap  # noqa: E402
from herd import Herd  # noqa: E402
from meter import WAITED, Meter, cpu_us, row  # noqa: E402
from mqtt import Authority  # noqa: E402
from subscriber import Fleet  # noqa: E402

DEVICES = 1000
CROWD = 10000
ROUNDS = 5
A_SECOND = 500  # connections: what the CPUs of server and clients together do with RSA, too
STORMS = 2  # raised and cleared
WINDOWS = (10, 30)  # s: the default of failsoft-telemetry, and one that leaves the server time
FIGURES = {"connect": "first connect, us of CPU", "again": "connect again, us of CPU", "alarm": "alarm, us of CPU",
           "calm": "memory, connected, KiB", "after": "memory after the storms, KiB"}
# name: (kind of key, is a ticket used)
PLAIN, TICKET = "no TLS", "EC P-256, with a ticket"
KINDS = {PLAIN: (None, False), "EC P-256": (Authority.EC, False), TICKET: (Authority.EC, True),
         "RSA 2048": (Authority.RSA, False)}


def quiet(process):
    """Until it has done what was asked: it uses hardly any CPU."""
    before = cpu_us(process.pid)
    while True:
        time.sleep(0.3)
        now = cpu_us(process.pid)
        if now - before < 6000:
            return
        before = now


class Bench:
    """One server, one failsoft-fleet and a herd, all plain or all with certificates."""

    def __init__(self, lab, kind, devices, spread=None):
        key, is_resuming = KINDS[kind]
        self.devices, self.spread, self.figures = devices, spread or devices / A_SECOND, {}
        lines, options = [], {}
        if key:
            authority = Authority(lab.folder, key=key)
            server, ours = authority.sign("server", "IP:127.0.0.1"), authority.sign("device", "DNS:device")
            lines = [f"cafile {authority.file}", f"certfile {server[0]}", f"keyfile {server[1]}",
                     "require_certificate true", "use_identity_as_username true"]
            options = {"ca": authority.file, "cert": ours[0], "key": ours[1]}
        self.server = lab.mosquitto("default", lines=lines)
        self.fleet = Fleet(lab, [self.server.address], options=[f"--devices={devices + 100}",
                                                                *(f"--{k}={v}" for k, v in options.items())])
        servers.wait_for(lambda: "connected to" in lab.log(self.fleet.name), "failsoft-fleet")
        self.before = self.settle()
        self.meter = Meter(self.server.process)
        if is_resuming:
            options["resume"] = True
        self.herd = Herd(lab, tap.program("fleet-herd"), [self.server.address], devices, spread=self.spread,
                         pause_first=10, **options)

    def settle(self):
        quiet(self.server.process)
        return servers.memory_kib(self.server.pid)

    def take(self, name, by=1):
        """What the server used since the meter began, once all is acknowledged and passed on."""
        self.report = self.herd.wait("settled", 200)
        quiet(self.server.process)
        self.figures[name] = self.meter.cpu_each(self.devices * by)[0]

    def grown(self):
        return (self.settle() - self.before) / self.devices

    def away(self):
        self.herd.say("away")
        quiet(self.server.process)

    def back(self):
        self.meter = Meter(self.server.process)
        self.herd.say(f"back {self.spread}")
        self.take("again")

    def run(self):
        self.take("connect")
        self.figures["calm"] = self.grown()
        self.away()
        self.back()
        self.meter = Meter(self.server.process)
        for command in ("alarm 0", "clear 0") * STORMS:
            self.herd.say(command)
            self.take("alarm", 2 * STORMS)
        self.figures["after"] = self.grown()
        if self.report["failed"] or len(self.fleet.shown("alarm")) != 2 * STORMS * self.devices:
            print(f"# not all is well: {self.report}, {len(self.fleet.shown('alarm'))} alarms shown")


def one(kind, devices):
    with servers.Lab() as lab:
        bench = Bench(lab, kind, devices)
        bench.run()
        if bench.report["resumed"] != (devices if kind == TICKET else 0):
            print(f"# {kind}: {bench.report['resumed']} of {devices} were resumed")
        return bench.figures


def restarted(devices):
    """What tickets are worth to a server that was killed."""
    with servers.Lab() as lab:
        bench = Bench(lab, TICKET, devices)
        bench.take("connect")
        bench.away()
        bench.server.kill()
        bench.server.start()
        bench.back()
        row("tickets after a restart", f"{bench.report['resumed']} of {devices} were taken")


def crowd(devices, spread):
    """A whole fleet comes within the window of its settings: more at once than the server's CPU can take, or less."""
    with servers.Lab() as lab:
        bench = Bench(lab, "EC P-256", devices, spread)
        before = [cpu_us(p.pid, WAITED) for p in (bench.server.process, bench.herd.process)]
        bench.take("connect")
        waited = [(cpu_us(p.pid, WAITED) - b) / 1e6 for p, b in zip((bench.server.process, bench.herd.process), before)]
        report = bench.report
        row(f"connect {devices}, TLS, over {spread} s",
            f"all up and told their state after {report['after_s']:.1f} s, {report['failed']} attempts failed, connect "
            f"median {report['connect']['median_ms']:.0f} ms p99 {report['connect']['p99_ms']:.0f} ms; server "
            f"{bench.figures['connect']:.0f} us CPU and {bench.grown():.1f} KiB a device; it waited {waited[0]:.0f} s for a "
            f"CPU that others had, the herd {waited[1]:.0f} s")


def show(found):
    for figure, name in FIGURES.items():
        for kind, mine in found.items():
            value = statistics.median(f[figure] for f in mine)
            ratios = sorted(m[figure] / plain[figure] for m, plain in zip(mine, found[PLAIN]))
            ratio = f"{statistics.median(ratios):6.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})  "
            if kind != TICKET or figure != "connect":  # it has none yet
                row(name if kind == PLAIN else "", f"{kind:<24}{'' if kind == PLAIN else ratio:>26}{value:8.1f}")


def measure(devices, crowd_devices, rounds=ROUNDS):
    reason = servers.missing("mosquitto", "openssl")
    if reason:
        row("TLS", reason)
        return
    print(f"\n# TLS at the server, with client certificates: {devices} devices, {A_SECOND} connections a second; a device "
          f"each,\n# first the ratio to {PLAIN} in the same round: median of {rounds} rounds (least to most)")
    found = {kind: [] for kind in KINDS}
    for _ in range(rounds):
        for kind in KINDS:
            found[kind].append(one(kind, devices))
    show(found)
    restarted(devices)
    for spread in WINDOWS:
        crowd(crowd_devices, spread)


if __name__ == "__main__":
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    measure(*([int(text) for text in sys.argv[2:]] + [DEVICES, CROWD][len(sys.argv) - 2:]))
