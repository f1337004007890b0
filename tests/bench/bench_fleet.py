#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The figures of a fleet: simulated devices that speak the real protocol on real servers, and the real
failsoft-telemetry. tests/fleet/LAYOUT.md rests on them.

usage: bench_fleet.py BUILD [DEVICES]
"""

import datetime
import os
import pathlib
import resource
import statistics
import sys
import time

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / name) for name in ("fleet", "check", "bus")]
if len(sys.argv) < 2:
    sys.exit(__doc__)
os.environ["FAILSOFT_BUILD"] = os.path.abspath(sys.argv[1])

import bench_tls  # noqa: E402
import servers  # noqa: E402
import tap  # noqa: E402
from herd import Herd  # noqa: E402
from meter import Meter, row  # noqa: E402
from subscriber import Fleet  # noqa: E402

DEVICES = int(sys.argv[2]) if len(sys.argv) > 2 else 10000
CLUSTER_DEVICES = min(1000, DEVICES)
SPARE_FDS = 64
TELEMETRY_S = 20.0


def last_seen(fleet, already, count, began, seconds=60.0):
    """Of the alarms that failsoft-fleet showed after the first `already`: how many there are, and seconds from
    `began`: median, last. Looked at seldom: this process shares the CPUs with what it measures."""
    end = time.monotonic() + seconds
    while len(fleet.shown("alarm")) < already + count and time.monotonic() < end:
        time.sleep(0.5)
    lines = fleet.shown("alarm")[already:]
    after = sorted(datetime.datetime.fromisoformat(line["seen"]).timestamp() - began for line in lines)
    return len(set(line["message"]["id"] for line in lines)), statistics.median(after), after[-1]


def herd(lab, addresses, count, **options):
    return Herd(lab, tap.program("fleet-herd"), addresses, count, **options)


def fleet_of(lab, addresses, count):
    fleet = Fleet(lab, addresses, options=[f"--devices={count + 100}"])
    servers.wait_for(lambda: "connected to" in lab.log(fleet.name), "failsoft-fleet")
    time.sleep(0.5)
    return fleet


def connect(addresses, lab, spread, server):
    before = servers.memory_kib(server.pid)
    meter = Meter(server.process)
    fleet = herd(lab, addresses, DEVICES, spread=spread, pause_first=10)
    report = fleet.wait("settled", 200)
    grown = servers.memory_kib(server.pid) - before
    row(f"connect {DEVICES}, spread over {spread} s",
        f"all up and told their state after {report['after_s']:.1f} s, {report['failed']} attempts failed, "
        f"connect median {report['connect'].get('median_ms', 0):.1f} ms p99 "
        f"{report['connect'].get('p99_ms', 0):.0f} ms; server {meter.cpu_each(DEVICES)[0]:.0f} us CPU and "
        f"{grown / DEVICES:.2f} KiB a device")
    return fleet


def storm(name, devices, fleet, server, command, count):
    already = len(fleet.shown("alarm"))
    meter = Meter(server.process, fleet.process, devices.process)
    devices.say(command)
    report = devices.wait("settled", 200)
    seen, median, last = last_seen(fleet, already, count, meter.began)
    cpu = meter.cpu_each(count)
    row(name, f"{seen} of {count} seen by failsoft-fleet, median {median:.2f} s, the last {last:.2f} s "
        f"({count / last:.0f}/s); PUBACK p99 {report['acknowledge'].get('p99_ms', 0):.0f} ms; CPU an alarm: server "
        f"{cpu[0]:.0f}, failsoft-fleet {cpu[1]:.0f}, herd {cpu[2]:.0f} us")


def one_mosquitto():
    print(f"\n# {DEVICES} devices on one Mosquitto, an alarm is 4 messages: log, kept alarm, state, PUBACKs")
    with servers.Lab() as lab:
        server = lab.mosquitto("default")
        herd_at_once = connect([server.address], lab, 0, server)
        herd_at_once.quit()
    with servers.Lab() as lab:
        server = lab.mosquitto("default")
        fleet = fleet_of(lab, [server.address], DEVICES)
        server.save()
        devices = connect([server.address], lab, 10, server)
        storm("alarm storm, all at once", devices, fleet, server, "alarm 0", DEVICES)
        storm("all cleared, all at once", devices, fleet, server, "clear 0", DEVICES)
        row("memory after that", f"mosquitto {servers.memory_kib(server.pid) / 1024:.1f} MiB, failsoft-fleet "
            f"{servers.memory_kib(fleet.process.pid) / 1024:.1f} MiB "
            f"({servers.memory_kib(fleet.process.pid) / DEVICES:.2f} KiB a device)")
        killed(devices, fleet, server)


def killed(devices, fleet, server):
    """All come back with their default pauses, and send again what a killed server may have lost."""
    before = devices.stats()
    shown = len(fleet.shown("alarm"))
    server.kill()
    began = time.monotonic()
    server.start()
    report = devices.wait("connected", 300)
    back = time.monotonic() - began
    settled = devices.wait("settled", 300)
    time.sleep(2)
    row("server killed, started again",
        f"all back after {back:.1f} s ({DEVICES / back:.0f}/s), {report['failed'] - before['failed']} attempts failed, "
        f"{settled['resent'] - before['resent']} alarms sent again, {len(fleet.shown('alarm')) - shown} shown twice")


def cluster():
    reason = servers.missing("nats-server")
    if reason:
        row("nats-server", reason)
        return
    print(f"\n# {CLUSTER_DEVICES} devices on three nodes of nats-server, all on this machine")
    with servers.Lab() as lab:
        nodes = lab.nats()
        fleet = fleet_of(lab, nodes.addresses, CLUSTER_DEVICES)
        before = [servers.memory_kib(n.pid) for n in nodes.nodes]
        devices = herd(lab, nodes.addresses, CLUSTER_DEVICES, spread=2, pause_first=1, pause_last=10)
        report = devices.wait("settled", 200)
        grown = sum(servers.memory_kib(n.pid) for n in nodes.nodes) - sum(before)
        row("connect, spread over 2 s", f"all up and told their state after {report['after_s']:.1f} s "
            f"({CLUSTER_DEVICES / report['after_s']:.0f}/s), {report['failed']} attempts failed; "
            f"{grown / CLUSTER_DEVICES:.0f} KiB a device over the three")
        storm("alarm storm, all at once", devices, fleet, nodes.nodes[0], "alarm 0", CLUSTER_DEVICES)


def telemetry():
    print("\n# failsoft-telemetry, real failsoftd beside it, an episode about every 0.5 s")
    import chaos_world  # needs python3-dbus
    slim = {"spool_slots": 256}
    with chaos_world.ChaosWorld(slim) as w:
        w.start_device()
        servers.wait_for(lambda: w.fleet.shown("online"), "the device")
        time.sleep(1)
        usage(w, "at rest, connected")
        weather, meter = chaos_world.Weather(w), Meter(w.device)
        time.sleep(TELEMETRY_S)
        weather.stop()
        time.sleep(0.5)
        messages = len(w.watcher.seen)
        alarms = len(w.raw_alarms())
        row("CPU", f"{meter.cpu_each(alarms)[0]:.0f} us an alarm with all that comes with it, "
            f"{meter.cpu_each(messages)[0]:.0f} us a message ({alarms} alarms, {messages} messages in {TELEMETRY_S:.0f} s)")
        w.stop_device()
    sizes = {}
    for slots in (256, 1024):
        with chaos_world.ChaosWorld({"spool_slots": slots, "servers": ["127.0.0.1:1"]}) as w:
            w.start_device()
            time.sleep(1.5)
            first = sizes[slots] = usage(w, f"spool of {slots}, no server, empty")
            weather = chaos_world.Weather(w)
            time.sleep(TELEMETRY_S / 2)
            weather.stop()
            count = sum(s.is_good for s in chaos_world.spool_reader.slots(w.spool))
            last = usage(w, f"... and {count} messages wait")
            row(f"... growth with {count} messages", ", ".join(
                f"{key} {last[key] - first[key]}" for key in ("RssAnon", "RssFile")) + " KiB")
            w.kill_device()
    room = (sizes[1024]["Rss"] - sizes[256]["Rss"]) / 768 * 1000
    row("room for 1000 messages", f"{room:.0f} KiB, taken and locked at the start")


def usage(w, name):
    pid = w.device.pid
    kib = {key: servers.memory_kib(pid, key) for key in ("Rss", "Pss", "RssAnon", "RssShmem", "RssFile", "VmLck")}
    row(name, ", ".join(f"{key} {value}" for key, value in kib.items()) + " KiB")
    return kib


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    global DEVICES
    if hard < DEVICES + SPARE_FDS:
        print(f"# ulimit -n is {hard} (now {soft}): fewer devices than asked for")
        DEVICES = hard - SPARE_FDS
    if servers.missing("mosquitto"):
        print(servers.missing("mosquitto"))
        return 0
    one_mosquitto()
    bench_tls.measure(min(bench_tls.DEVICES, DEVICES), DEVICES)
    cluster()
    telemetry()
    return 0


if __name__ == "__main__":
    sys.exit(main())
