#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What failsoft-telemetry costs at rest, and that an alarm asks the kernel for no memory: with its limits lowered to
what it has (prlimit), alarms still leave, over TLS, too."""

import pathlib
import re
import resource
import time

import mqtt
import tap
from device_world import DeviceWorld
from world import LOW, LOWER, LOWEST, PLENTY, expect, true

RSS_MAX_KIB = 10240	# measured 7 MiB; double would be a library that is read whole again
WAKEUPS_MAX = 30	# a minute; measured 14: tick 6, keepalive 8


def figures(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return {k: int(v) for k, v in re.findall(r"^(\w+):\s+(\d+)", text, re.MULTILINE)}


def close_the_tap(pid):
    """Not a page more, of data or of address space."""
    now = figures(pid)
    for limit, used in ((resource.RLIMIT_DATA, now["VmData"]), (resource.RLIMIT_AS, now["VmSize"])):
        resource.prlimit(pid, limit, (used * 1024, used * 1024))
    return now


def at_rest():
    with DeviceWorld(telemetry={"keepalive_s": 60}) as w:
        device = w.start_device()
        w.wait_online()
        time.sleep(2)
        before = figures(device.pid)
        time.sleep(20)
        after = figures(device.pid)
    wakeups = (after["voluntary_ctxt_switches"] - before["voluntary_ctxt_switches"]) * 3
    print(f"# at rest: RSS {after['VmRSS']} KiB, of it anonymous {after['RssAnon']} KiB; {wakeups} wakeups a minute")
    tap.check(f"at rest at most {RSS_MAX_KIB} KiB and {WAKEUPS_MAX} wakeups a minute",
              true(rss=after["VmRSS"] <= RSS_MAX_KIB, wakeups=wakeups <= WAKEUPS_MAX, grown=after["VmRSS"] <=
                   before["VmRSS"]))


def in_the_crisis(name, telemetry, more):
    with DeviceWorld(telemetry=telemetry, server=False) as w:
        server = more(w) if more else {}
        w.mosquitto = mqtt.Mosquitto(w.folder, w.port, **server)
        w.watch_tls = None
        if not server:
            w.watch()
        device = w.start_device()
        tap.wait_for(lambda: "connected to" in w.device_log(), "the connection")
        w.wait_event(20, event="client_joined", name="telemetry")
        time.sleep(1)
        before = close_the_tap(device.pid)
        for _ in range(3):
            w.slide(LOW, LOWER, LOWEST)
            time.sleep(0.5)
            closed = len([e for e in w.events() if e["event"] == "episode_closed"])
            w.slide(LOW, PLENTY)
            tap.wait_for(lambda: len([e for e in w.events() if e["event"] == "episode_closed"]) > closed,
                         "the end of the episode")
        time.sleep(0.5)
        after, alive = figures(device.pid), device.poll() is None
        _, answers = w.ask_orders()
        results = [a["result"] for a in answers if a["step"] in ("degrade", "shutdown")]
        faults = [line for line in w.device_log().splitlines() if "is lost" in line or "no memory" in line.lower()]
    print(f"# {name}: RSS {before['VmRSS']} -> {after['VmRSS']} KiB, data {before['VmData']} -> {after['VmData']} KiB; "
          f"answers after {sorted(a['taken_us'] for a in answers)[-1]} us at most")
    tap.check(f"{name}: three crises without a page more",
              expect(alive=(alive, True), results=(set(results), {"done"}), lost=(faults, []),
                     data=(after["VmData"], before["VmData"])) + true(several=len(results) >= 3))


def with_tls(w):
    authority = mqtt.Authority(w.folder)
    authority.sign("server", "DNS:localhost,IP:127.0.0.1")
    cert, key = authority.sign("dev", "DNS:dev")
    w.telemetry.update(ca_file=str(authority.file), cert_file=str(cert), key_file=str(key))
    return {"tls": (authority, "server")}


def main():
    if tap.is_sanitized():
        tap.skip_all("a sanitizer's memory says nothing of the program's")
    mqtt.need("mosquitto", "mosquitto_sub", "openssl")
    at_rest()
    in_the_crisis("without TLS", {}, None)
    in_the_crisis("with TLS", {}, with_tls)
    tap.done()


if __name__ == "__main__":
    main()
