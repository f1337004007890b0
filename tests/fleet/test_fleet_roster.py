#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who is there, who is not, and what is counted: against a real mosquitto, with deaths."""

import collections
import contextlib
import json
import signal
import socket
import tempfile
import threading
import time

import mqtt
import sender
import side
import tap

mqtt.need("mosquitto")
STORM = 200


def alarm_ids(*fleets):
    """Those that perhaps were shown before count if they were not."""
    lines = [line for fleet in fleets for line in fleet.lines("alarm")]
    plain = [line["message"]["id"] for line in lines if "again" not in line]
    return plain + list({line["message"]["id"] for line in lines if "again" in line} - set(plain))


def once_each(name, sent, *fleets):
    """Every id, at exactly one of the instances, exactly once."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        seen = collections.Counter(alarm_ids(*fleets))
        if len(seen) >= len(sent):
            break
        time.sleep(0.05)
    again = [i for i, n in seen.items() if n > 1]
    lost = set(sent) - set(seen)
    tap.check(f"{name}: {len(sent)} alarms sent, each seen once", ([f"{len(again)} twice"] if again else [])
              + ([f"{len(lost)} lost, {[f.err.all() for f in fleets]}"] if lost else []))


def ordinary(server):
    with side.Fleet(server, listen=True) as fleet:
        fleet.connected()
        d = sender.Device("plain").connect(server.port)
        ids = [d.alarm(), d.alarm(raised=False), d.alarm("oom-kill", name="hog")]
        d.send("report", "report", d.report_data(of="hog", ended_by="oom-kill"))
        tap.check("online, raised, cleared, report: a line each", [] if fleet.wait(lambda l: l["what"] == "report")
                  and [l["what"] for l in fleet.lines()] == ["online", "alarm", "raised", "alarm", "cleared", "alarm",
                                                              "raised", "report"] else fleet.lines())
        once_each("a device", ids, fleet)
        tap.check("the original envelope and the time are on the line", [] if all(
            l["seen"].endswith("Z") and l["message"].get("specversion") == "1.0" for l in fleet.lines("alarm")) else fleet.lines())
        answer = fleet.json("/api/device/north/plain")["devices"][0]
        tap.check("the timeline has the four of the log", [] if [m["what"] for m in answer["timeline"]] == [
            "alarm raised", "alarm cleared", "alarm raised", "report"] else [answer])
        tap.check("of its alarms one is raised", [] if [a["kind"] for a in answer["alarms"]] == ["oom-kill"] else [answer])
        figures(fleet, d)
        wills(fleet, d, server)


def figures(fleet, d):
    """Differences are counted under the firmware that ran."""
    d.counts.update(near_misses=5, observed_s=1000)
    d.birth("warning")
    d.counts.update(near_misses=7, observed_s=3000, resets=1)
    d.firmware = "2.0"
    d.birth("warning")
    d.counts.update(near_misses=8, observed_s=3400)
    d.birth("warning")
    d.counts.update(near_misses=0, observed_s=10)  # a new spool
    d.birth("normal")
    # normal it was before, too: the last but one comes first
    fleet_wait(lambda: fleet.figure("near_misses_total", firmware="2.0") == 1
               and fleet.figure("devices_by_stage", stage="normal") == 1)
    got = [fleet.figure("near_misses_total", firmware="1.0"), fleet.figure("near_misses_total", firmware="2.0"),
           fleet.figure("resets_total", firmware="1.0"), fleet.figure("devices", firmware="2.0"), fleet.figure("devices", firmware="1.0")]
    tap.check("what grew is counted under the firmware that ran then", [] if got == [7, 1, 1, 1, 0] else [got])
    rates = {g["firmware"]: g.get("per_device_day") for g in fleet.json("/api/firmware")["firmware"]}
    tap.check("a rate is per device and day", [] if abs(rates["1.0"]["near_misses"] - 7 * 86400 / 3000) < 1e-9 else [rates])


def fleet_wait(is_it, seconds=10):
    end = time.monotonic() + seconds
    while not is_it() and time.monotonic() < end:
        time.sleep(0.05)


def same(late):
    """State and alarm are retained messages of their own: the one comes before the other."""
    return late.figure("devices_by_stage", stage="offline") == 1 and late.figure("alarms_raised", kind="oom-kill") == 1


def wills(fleet, d, server):
    old = d.mqtt
    d.connect(server.port)
    old.die()
    fleet_wait(lambda: fleet.figure("late_wills_total") == 1)
    tap.check("the will of an older session says nothing", [] if fleet.figure("late_wills_total") == 1
              and not fleet.lines("offline") else fleet.lines("offline"))
    d.mqtt.die()
    line = fleet.wait(lambda l: l["what"] == "offline")
    tap.check("that of the present one does", [] if line.get("device") == "plain" else fleet.lines())
    with side.Fleet(server, listen=True) as late:
        late.connected()
        fleet_wait(lambda: same(late))
        tap.check("who comes later sees the same", [] if same(late) else [late.get("/api/devices")[2]])
    sender.Mqtt(server.port).publish(d.topic("state"), b"", retain=True)
    tap.check("an emptied state forgets the device", [] if fleet.wait(lambda l: l["what"] == "forgotten")
              and fleet.json("/api/devices")["totals"]["devices"] == 0 else fleet.lines())


def again(server):
    """The resend of a device, with an alarm that overtook thousands."""
    with side.Fleet(server, listen=True) as fleet:
        fleet.connected()
        d = sender.Device("again").connect(server.port)
        messages = [d.envelope("alarm", d.alarm_data()) for _ in range(50)]
        d.sequence += 5000
        urgent = d.envelope("alarm", d.alarm_data("shutdown"))
        for message in [urgent, *messages, *messages[20:], urgent, *reversed(messages)]:
            d.mqtt.publish(d.topic("event"), json.dumps(message))
        sender.Device("end-of-again").connect(server.port)
        fleet.settled("end-of-again")
        once_each("sent three times, one out of order", [m["id"] for m in [urgent, *messages]], fleet)
        tap.wait_for(lambda: fleet.figure("duplicates_total") >= 81, "the last copies, of another connection", 10)
        counted = fleet.figure("alarms_total", kind="imminent"), fleet.figure("duplicates_total")
        tap.check("the counter has each once", [] if counted == (50, 81) else [counted])


def twins(server):
    with side.Fleet(server, listen=True) as fleet:
        fleet.connected()
        a = sender.Device("twin", instance="0000000a").connect(server.port)
        b = sender.Device("twin", instance="0000000b").connect(server.port)
        b.birth("imminent")
        line = fleet.wait(lambda l: l["what"] == "conflict")
        tap.check("two spools under one name: said", [] if line.get("conflict") == "two-spools" else fleet.lines())
        wanted = [("0000000a", "normal"), ("0000000b", "imminent")]  # the conflict is told by b's first state
        fleet_wait(lambda: stages_of(fleet, "twin") == wanted)
        tap.check("and not merged", [] if stages_of(fleet, "twin") == wanted else [stages_of(fleet, "twin")])
        a.mqtt.close()
        b.mqtt.close()
        copies(fleet, server)
        anew(fleet, server)


def stages_of(fleet, device):
    return sorted((d["instance"], d["stage"]) for d in fleet.json(f"/api/device/north/{device}")["devices"])


def copies(fleet, server):
    """One image on two devices: same spool, each its own boots; they throw each other off the server."""
    a = sender.Device("copy", instance="0000000c").connect(server.port)
    b = sender.Device("copy", instance="0000000c")
    b.sequence, b.session = a.sequence, a.session
    b.connect(server.port)
    a.session = b.session
    a.connect(server.port)
    line = fleet.wait(lambda l: l["what"] == "conflict" and l["device"] == "copy")
    tap.check("a boot that comes back: said", [] if line.get("conflict") == "copied-spool" else fleet.lines()[-5:])
    tap.check("both are in the metrics", [] if fleet.figure("identity_conflicts") == 3 else [fleet.figure("identity_conflicts")])
    sent = [x.alarm() for x in (a, b, a, b)]
    fleet_wait(lambda: len(set(alarm_ids(fleet))) >= 4)
    tap.check("what they log is counted, by its id", [] if sorted(sent) == sorted(alarm_ids(fleet)) else [alarm_ids(fleet)])
    a.mqtt.close()
    b.mqtt.close()


def anew(fleet, server):
    """A device that is reinstalled, and one that reboots: no conflict."""
    before = len(fleet.lines("conflict"))
    a = sender.Device("fresh", instance="0000000d").connect(server.port)
    a.mqtt.die()
    fleet.wait(lambda l: l["what"] == "offline" and l["device"] == "fresh")
    b = sender.Device("fresh", instance="0000000e").connect(server.port)
    b.boot = "f" * 32
    b.connect(server.port).birth("warning")
    fleet_wait(lambda: [d["stage"] for d in fleet.json("/api/device/north/fresh")["devices"]] == ["warning"])
    got = fleet.json("/api/device/north/fresh")["devices"]
    tap.check("a spool that was made anew, and a reboot, are no conflict", [] if len(got) == 1 and got[0]["instance"] == "0000000e"
              and len(fleet.lines("conflict")) == before else got)


def absence(server):
    """Killed in a storm, and back: the server has kept what came, and the file what was shown."""
    d = sender.Device("steady").connect(server.port)
    options = ["--client-id=operator-1", f"--state-file={server.folder}/seen"]
    fleet, sent = side.Fleet(server, *options).connected(), []
    for i in range(STORM):
        sent.append(d.alarm())
        if i == STORM // 3:
            fleet.wait(lambda l: l["what"] == "alarm")
            fleet_wait(lambda: len(alarm_ids(fleet)) >= STORM // 3)
            fleet.stop(signal.SIGKILL)
    with side.Fleet(server, *options) as back:
        back.connected()
        once_each("killed in a storm, and back", sent, fleet, back)
    d.mqtt.close()


def shared(server, kind, options):
    """Two instances, of which one dies and comes back."""
    devices = [sender.Device(f"{kind}-{i}", firmware=kind).connect(server.port) for i in range(8)]
    with side.Fleet(server, f"--client-id={kind}-1", *options[0], listen=True) as one, \
            side.Fleet(server, f"--client-id={kind}-2", *options[1], listen=True) as two:
        one.connected()
        two.connected()
        sent = [d.alarm() for _ in range(STORM // 8) for d in devices]
        once_each(f"two instances, {kind}", sent, one, two)
        shares = [len(alarm_ids(f)) for f in (one, two)]
        tap.check("both have a share of the log", [] if min(shares) > STORM // 20 else [shares])
        tap.check("and each the whole picture", [] if all(f.figure("alarms_raised", kind="imminent") >= 8 and len(
            f.json("/api/devices")["devices"]) >= 8 for f in (one, two)) else [one.get("/metrics")[2]])
        tap.check("their counters add up", [] if sum(f.figure("alarms_total", firmware=kind, kind="imminent") for f in (
            one, two)) == len(sent) else [f.figure("alarms_total", firmware=kind, kind="imminent") for f in (one, two)])
    for d in devices:
        d.mqtt.close()


class Gate:
    """A way to the server that can be shut."""

    def __init__(self, server):
        self.server_port, self.pairs, self.is_open = server.port, [], True
        self.log, self.said = server.log, server.said
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                client = self.listener.accept()[0]
                if not self.is_open:
                    client.close()
                    continue
                far = socket.create_connection(("127.0.0.1", self.server_port))
                self.pairs += [client, far]
                for a, b in ((client, far), (far, client)):
                    threading.Thread(target=self.pump, args=(a, b), daemon=True).start()

    @staticmethod
    def pump(a, b):
        with contextlib.suppress(OSError):
            while data := a.recv(65536):
                b.sendall(data)
        with contextlib.suppress(OSError):
            b.shutdown(socket.SHUT_RDWR)

    def shut(self):
        self.is_open = False
        for s in self.pairs:
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)


def cleared_meanwhile(server):
    """The link is cut, an alarm is cleared, and the server has kept no session: it shows all the same."""
    gate = Gate(server)
    with side.Fleet(gate, listen=True) as fleet:
        fleet.connected()
        d = sender.Device("meanwhile").connect(server.port)
        d.alarm()
        d.alarm("shutdown")
        fleet.wait(lambda l: l["what"] == "raised" and l["kind"] == "shutdown")
        gate.shut()
        fleet_wait(lambda: fleet.figure("connected") == 0)
        d.alarm(raised=False)
        d.birth("shutdown")  # as a device does: newer than the alarm
        gate.is_open = True
        line = fleet.wait(lambda l: l["what"] == "cleared", 60)
        tap.check("an alarm that was cleared while nobody was connected", [] if line.get("kind") == "imminent"
                  and fleet.figure("alarms_raised", kind="shutdown") == 1 else fleet.lines())
        d.mqtt.close()
    gate.listener.close()


def full(server):
    with side.Fleet(server, "--devices=3", "--fleet=small", listen=True) as fleet:
        fleet.connected()
        devices = [sender.Device(f"n{i}", "small").connect(server.port) for i in range(5)]
        fleet_wait(lambda: len(fleet.lines("refused")) == 2)
        tap.check("beyond the limit: said and counted", [] if [l["reason"] for l in fleet.lines("refused")] == ["roster-full"] * 2
                  and fleet.figure("refused_total", reason="roster-full") == 2 else fleet.lines("refused"))
        tap.check("other fleets are not heard", [] if fleet.json("/api/devices")["totals"]["devices"] == 3 else fleet.lines())
        for d in devices:
            d.mqtt.close()


def wrong_use():
    rows = [(["--share=a/b"], 2, "A-Z"), (["--share=g", "--partition=1/2"], 2, "choose one"), (["--partition=3/2"], 2, "I/N"),
            (["--cert=/x"], 2, "--key"), (["--listen=9464", "--quiet"], 2, "127.0.0.1:9464"), (["--read=/nonexistent"], 1, "No such file"),
            (["--alertmanager=ftp://x", "--quiet"], 2, "http"), (["--devices=0"], 2, "1 to"), (["word"], 2, "--help"),
            (["--ca=/nonexistent"], 1, "/nonexistent"), (["--help"], 0, ""), (["--version"], 0, "")]
    for options, status, word in rows:
        result = tap.run(tap.program("failsoft-fleet"), *options)
        tap.check(f"{' '.join(options)}: {status}", [] if result.returncode == status and word in result.stderr
                  and len(result.stderr.splitlines()) <= 1 else [f"{result.returncode}: {result.stderr}"])


def ticks_of(fleet):
    """Of CPU that it has used, in hundredths of a second."""
    fields = open(f"/proc/{fleet.process.pid}/stat", encoding="ascii").read().rsplit(") ", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def gone(server):
    """The server is not there: said once, no busy loop, and it is found when it comes."""
    port = mqtt.free_port()
    with side.Fleet(port) as fleet, tempfile.TemporaryDirectory(prefix="failsoft-fleet-") as folder:
        fleet.err.wait("not connected", 30)
        before = ticks_of(fleet)
        time.sleep(2.5)
        used = ticks_of(fleet) - before
        tap.check("no server: said once, at rest", [] if len(fleet.err.all()) == 1 and used < 25 else [fleet.err.all(), used])
        with mqtt.Mosquitto(folder, port):
            tap.check("and found when it comes", [] if fleet.err.wait("connected to", 30) else fleet.err.all())
    assert server


def main():
    wrong_use()
    with tempfile.TemporaryDirectory(prefix="failsoft-fleet-") as folder, mqtt.Mosquitto(folder) as server:
        for step in (ordinary, again, twins, absence, cleared_meanwhile, full, gone):
            step(server)
        shared(server, "share", [["--share=g"], ["--share=g"]])
        shared(server, "partition", [["--partition=1/2"], ["--partition=2/2"]])
    tap.done()


main()
