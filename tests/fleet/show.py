#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A whole fleet on this machine, on loopback alone: Mosquitto, Prometheus with our rules, Alertmanager,
three simulated devices, and one real one: failsoftd with failsoft-telemetry, and real memory pressure
in a cgroup (or, where no cgroup may be made, a written proc tree). failsoft-fleet shows it.

  ./dev fleet           on this terminal and as a web page, until Ctrl-C
  ./dev fleet --once    nobody looks: an alarm must go the whole way; prints TAP
"""

import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import urllib.parse

sys.dont_write_bytecode = True
SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(SOURCE / name) for name in ("tests/check", "tests/fleet", "clients/demo")]
MIB = 1 << 20
LIMIT = 64 * MIB
LEAK = 8              # MiB/s: some seconds from calm to imminent, as in the demo
PAUSE_S = 20.0        # between two incidents, for who looks
DEVICE = "device-1"
PLENTY_KIB, TOTAL_KIB = 900000, 1048576


def meminfo(free):
    return (f"MemTotal: {TOTAL_KIB:8} kB\nMemFree: {free:8} kB\nMemAvailable: {free:8} kB\n"
            "Active(file): 0 kB\nInactive(file): 0 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n")


class Pressure:
    """Makes the real device run out of memory, once for each call of incident()."""

    def __init__(self, lab, bus):
        self.lab, self.bus, self.cgroup, self.root = lab, bus, None, None
        try:
            self.cgroup = machine.Cgroup(f"failsoft-fleet-{os.getpid()}", LIMIT)
            lab.at_end.append(self.cgroup.remove)
            self.what = f"a program that leaks {LEAK} MiB/s in a cgroup of {LIMIT // MIB} MiB"
        except machine.NoCgroup as error:
            self.root = lab.folder / "root"
            (self.root / "proc").mkdir(parents=True)
            (self.root / "proc/meminfo").write_text(meminfo(PLENTY_KIB))
            (self.root / "proc/uptime").write_text(pathlib.Path("/proc/uptime").read_text())
            self.what = f"a written proc tree (no memory cgroup may be made here: {error})"

    def settings(self):
        return [] if self.cgroup else [f"--root={self.root}"]

    def start(self):
        """failsoftd watches the cgroup of a client: there is one in it."""
        if self.cgroup:
            self.lab.child([tap.program("failsoft-viewer"), f"--bus={self.bus}", "--cache=4"], "viewer",
                           self.cgroup.enter)

    def write(self, free):
        with open(self.root / "proc/meminfo", "r+", encoding="ascii") as file:
            file.write(meminfo(free))

    def incident(self, is_seen=None):
        """Returns when it is over; is_seen: an event before which a written one is not."""
        if self.cgroup:
            hog = self.lab.child([tap.program("failsoft-hog"), f"--rate={LEAK}"], "hog",
                                 self.cgroup.enter)
            hog.wait(60)
            return
        for free in (100000, 60000, PLENTY_KIB):
            if free == PLENTY_KIB and is_seen:
                is_seen.wait(60)
            self.write(free)
            time.sleep(1.5)


class Show:
    def __init__(self, lab, is_live):
        self.lab = lab
        self.mosquitto = lab.mosquitto("default")
        self.alertmanager = lab.alertmanager()
        self.fleet = subscriber.Fleet(lab, [self.mosquitto.address], listen=True, is_live=is_live,
                                      options=[f"--alertmanager={self.alertmanager.url}"])
        self.prometheus = lab.prometheus([f"{servers.HOST}:{self.fleet.port}"], self.alertmanager,
                                         [SOURCE / "interfaces/telemetry/failsoft.rules.yml"])
        self.bus = self.start_bus()
        self.pressure = Pressure(lab, self.bus)
        self.start_device()
        self.herd = herd.Herd(lab, tap.program("fleet-herd"), [self.mosquitto.address], 3, fleet="show",
                              heartbeat=5, spread=1)

    def start_bus(self):
        path = self.lab.folder / "bus"
        config = self.lab.write("bus.conf", machine.BUS_CONFIG.format(path=path))
        self.lab.child(["dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile"], "dbus")
        servers.wait_for(path.exists, "dbus-daemon")
        return f"unix:path={path}"

    def start_device(self):
        config = self.lab.write("failsoft.json", "{}\n")
        self.lab.child([tap.program("failsoftd"), f"--bus={self.bus}", f"--state-dir={self.lab.folder}/broker",
                        f"--config={config}", *self.pressure.settings()], "failsoftd")
        state = self.lab.folder / "telemetry"
        state.mkdir()
        settings = {"servers": [self.mosquitto.address], "fleet": "show", "device": DEVICE, "firmware": "real-1",
                    "first_connect_ms": 0, "heartbeat_s": 5, "stop_means": "service"}
        self.lab.child([tap.program("failsoft-telemetry"), f"--bus={self.bus}", f"--state-dir={state}",
                        f"--config={self.lab.write('telemetry.json', json.dumps(settings))}"], "telemetry")
        self.pressure.start()

    # ---- looking ----

    def alerts(self):
        """Alertmanager's, of the real device, that are active; None: it does not answer."""
        found = servers.fetch_json(f"{self.alertmanager.url}/api/v2/alerts?active=true")
        return None if found is None else [a for a in found if a["labels"].get("device") == DEVICE]

    def query(self, expression):
        """The largest value that Prometheus has for it, None while it has none."""
        where = urllib.parse.urlencode({"query": expression})
        answer = servers.fetch_json(f"{self.prometheus.url}/api/v1/query?{where}")
        values = [float(r["value"][1]) for r in answer["data"]["result"]] if answer else []
        return max(values, default=None)

    def online(self):
        return {line["device"] for line in self.fleet.shown("online")}


def waited(is_so, seconds=30.0):
    try:
        return servers.wait_for(is_so, "it", seconds, 0.1)
    except RuntimeError:
        return None


def once(show):
    tap.check("all four devices are there", [] if waited(lambda: len(show.online()) == 4) else
              [f"only {sorted(show.online())}: {show.lab.log('telemetry')[-500:]}"])
    print(f"# pressure: {show.pressure.what}", flush=True)
    began = time.monotonic()
    is_seen = threading.Event()
    threading.Thread(target=show.pressure.incident, args=(is_seen,), daemon=True).start()
    alerts = waited(show.alerts, 60)
    is_seen.set()
    took = time.monotonic() - began
    tap.check("memory runs out on the device: Alertmanager has an alert of it", [] if alerts else
              ["none: " + show.lab.log("failsoft-fleet")[-500:]])
    if alerts:
        print(f"# {took:.1f} s after the leak began: {json.dumps(alerts[0]['labels'])}")
    counted = 'failsoft_fleet_alarms_total{fleet="show",firmware="real-1",kind="imminent"} >= 1'
    tap.check("Prometheus has the figure", [] if waited(lambda: show.query(counted)) else ["it has not"])
    rules = waited(lambda: servers.fetch_json(f"{show.prometheus.url}/api/v1/rules")) or {"data": {"groups": []}}
    bad = [r["name"] for g in rules["data"]["groups"] for r in g["rules"] if r["health"] == "err"]
    tap.check("and our rules, without an error", bad if rules["data"]["groups"] else ["it has no rules"])
    report = waited(lambda: [line for line in show.fleet.shown("report") if line["device"] == DEVICE], 60)
    tap.check("the device reports how it ended", [] if report else ["no report"])
    if report:
        print(f"# {report[0]['message']['data']['text']}")
    tap.check("and the alert is over when there is memory again",
              [] if waited(lambda: show.alerts() == [], 60) else [json.dumps(show.alerts())])
    page = show.fleet.get("/") or ""
    tap.check("the web page is served", [] if "<html" in page.lower() else [page[:80]])


def watch(show):
    """failsoft-fleet has the terminal; incidents come by themselves."""
    print(f"web page      http://{servers.HOST}:{show.fleet.port}/\n"
          f"Prometheus    {show.prometheus.url}/graph?g0.expr=failsoft_fleet_devices_by_stage\n"
          f"Alertmanager  {show.alertmanager.url}\n"
          f"pressure      {show.pressure.what}, every {PAUSE_S:.0f} s; the three others are simulated\n"
          "Ctrl-C ends everything. It begins in 5 s.", flush=True)
    time.sleep(5)
    show.fleet.start()
    is_over = threading.Event()

    def incidents():
        while not is_over.wait(PAUSE_S / 2):
            show.herd.say("alarm 3")
            show.pressure.incident()
            is_over.wait(PAUSE_S / 2)
            show.herd.say("clear 3")
    threading.Thread(target=incidents, daemon=True).start()
    try:
        return show.fleet.process.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        is_over.set()
        show.fleet.process.send_signal(signal.SIGTERM)
        show.fleet.process.wait(10)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", help="the Meson build folder")
    parser.add_argument("--once", action="store_true", help="without a person, as a test")
    options = parser.parse_args()
    if options.build:
        os.environ["FAILSOFT_BUILD"] = os.path.abspath(options.build)
    global servers, tap, machine, herd, subscriber
    import herd, machine, servers, subscriber, tap  # noqa: E401  (they look at FAILSOFT_BUILD)
    reason = servers.missing("mosquitto", "prometheus", "prometheus-alertmanager")
    if reason and options.once:
        tap.skip_all(reason)
    if reason:
        sys.exit(f"fleet: {reason}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with servers.Lab() as lab:
        show = Show(lab, not options.once)
        status = once(show) if options.once else watch(show)
    if options.once:
        tap.done()
    return status


if __name__ == "__main__":
    sys.exit(main())
