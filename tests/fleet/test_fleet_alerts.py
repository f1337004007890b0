#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The alarm goes the whole way: device, mosquitto, failsoft-fleet, a real Alertmanager, its webhook. And what
Prometheus gets: metrics that promtool takes, and the rules of interfaces/telemetry/ under promtool's test."""

import http.server
import json
import pathlib
import signal
import subprocess
import tempfile
import threading
import time
import urllib.request

import mqtt
import sender
import side
import tap

mqtt.need("mosquitto", "prometheus-alertmanager", "promtool")
RULES = tap.SOURCE / "interfaces/telemetry/failsoft.rules.yml"
CONFIG = """route:
  receiver: hook
  group_by: ['...']
  group_wait: 0s
  group_interval: 1s
receivers:
  - name: hook
    webhook_configs: [{{ url: 'http://127.0.0.1:{port}/', send_resolved: true }}]
"""


class Hook(http.server.ThreadingHTTPServer):
    """Takes what Alertmanager sends."""

    def __init__(self):
        told = self.told = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                told.extend((a["status"], a["labels"]["device"], a["labels"]["kind"]) for a in body["alerts"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Refuser(http.server.ThreadingHTTPServer):
    """Answers as Alertmanager does where one alert of several is invalid; `taken`: what it was told with status 200."""

    def __init__(self):
        taken = self.taken = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                is_bad = any(a["labels"]["device"] == "bad" for a in body)
                taken.extend([] if is_bad else [(a["labels"]["device"], "endsAt" in a) for a in body])
                self.send_response(400 if is_bad else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Alertmanager:
    def __init__(self, folder, hook):
        self.port, self.folder = mqtt.free_port(), pathlib.Path(folder)
        (self.folder / "alertmanager.yml").write_text(CONFIG.format(port=hook.server_port))
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            ["prometheus-alertmanager", f"--config.file={self.folder}/alertmanager.yml", "--cluster.listen-address=",
             f"--storage.path={self.folder}/am", f"--web.listen-address=127.0.0.1:{self.port}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        tap.wait_for(self.is_up, "Alertmanager", 30)

    def is_up(self):
        try:
            return self.get("/-/ready") is not None
        except OSError:
            return False

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
            return answer.read().decode()

    def alerts(self):
        return {(a["labels"]["device"], a["labels"]["kind"]): a for a in json.loads(self.get("/api/v2/alerts"))}

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)


def wait(is_it, seconds=15):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if is_it():
            return True
        time.sleep(0.05)
    return False


def raise_and_clear(manager, hook, server):
    d = sender.Device("whole-way", firmware='1"\\x').connect(server.port)
    d.alarm(text="it \"ends\"\n<b>soon</b>")
    d.alarm("shutdown")
    ok = wait(lambda: {("whole-way", "imminent"), ("whole-way", "shutdown")} <= set(manager.alerts()))
    alert = manager.alerts().get(("whole-way", "imminent"), {})
    tap.check("raised", [] if ok else [manager.alerts()])
    tap.check("with labels and a sentence", [] if alert.get("labels") == {
        "alertname": "FailsoftAlarm", "fleet": "north", "device": "whole-way", "kind": "imminent", "firmware": '1"\\x',
        "severity": "warning"} and "soon" in alert["annotations"]["summary"] else [alert])
    wait(lambda: ("firing", "whole-way", "imminent") in hook.told)  # what ends before that, Alertmanager tells nobody
    d.alarm(raised=False)
    ok = wait(lambda: ("whole-way", "imminent") not in manager.alerts())
    tap.check("cleared, and the other one stays", [] if ok and ("whole-way", "shutdown") in manager.alerts() else [manager.alerts()])
    wanted = [("firing", "whole-way", "imminent"), ("resolved", "whole-way", "imminent"), ("firing", "whole-way", "shutdown")]
    tap.check("people were told of both, and of the end", [] if wait(lambda: set(wanted) <= set(hook.told)) else [hook.told])
    d.mqtt.die()


def short(manager, hook, server):
    """Raised and cleared within a moment: it is told all the same."""
    d = sender.Device("short").connect(server.port)
    d.alarm("oom-kill")
    d.alarm("oom-kill", raised=False)
    ok = wait(lambda: ("firing", "short", "oom-kill") in hook.told or ("resolved", "short", "oom-kill") in hook.told)
    tap.check("one of a moment is told", [] if ok else [hook.told])
    d.mqtt.close()
    assert manager


def ahead(manager, server):
    """One device's clock is years ahead: Alertmanager takes its alert all the same, and its neighbour's end."""
    d = sender.Device("ahead").connect(server.port)
    beside = sender.Device("beside").connect(server.port)
    message = d.envelope("alarm", d.alarm_data(), clock="synced", time="9999-12-31T23:59:59-12:00")
    d.mqtt.publish(d.topic("event"), json.dumps(message))
    beside.alarm()
    ok = wait(lambda: {("ahead", "imminent"), ("beside", "imminent")} <= set(manager.alerts()))
    tap.check("a clock that is ahead: told", [] if ok else [manager.alerts()])
    beside.alarm(raised=False)
    ok = wait(lambda: ("beside", "imminent") not in manager.alerts())
    tap.check("and its neighbour's alarm ends", [] if ok else [manager.alerts()])
    d.alarm(raised=False)
    d.mqtt.close()
    beside.mqtt.close()


def refused(server):
    refuser = Refuser()
    with side.Fleet(server, f"--alertmanager=http://127.0.0.1:{refuser.server_port}", "--fleet=refused") as fleet:
        fleet.connected()
        bad, good = (sender.Device(name, "refused").connect(server.port) for name in ("bad", "good"))
        bad.alarm()
        good.alarm()
        ok = wait(lambda: ("good", False) in refuser.taken)
        good.alarm(raised=False)
        ok = ok and wait(lambda: ("good", True) in refuser.taken)
        tap.check("one that is refused: the other one is told, and its end", [] if ok else [refuser.taken, fleet.err.all()])
        tap.check("and which it is", [] if fleet.err.wait("refuses the alert of refused/bad, imminent", 5) else fleet.err.all())
        bad.alarm(raised=False)
        bad.mqtt.close()
        good.mqtt.close()
    refuser.shutdown()


def absent(manager, fleet, server):
    """Alertmanager is away while alarms come: they wait, which is said once."""
    manager.stop()
    d = sender.Device("meanwhile").connect(server.port)
    d.alarm("shutdown")
    before = len(fleet.err.all())
    wait(lambda: (fleet.figure("alert_failures_total") or 0) >= 2, 30)
    fleet.err.wait("tried again")
    said = [line for line in fleet.err.all() if "Alertmanager" in line]
    tap.check("a failure is said once", [] if len(said) == 1 and "tried again" in said[0] else [said, before])
    manager.start()
    tap.check("and what waited is told", [] if wait(lambda: ("meanwhile", "shutdown") in manager.alerts(), 40) else
              [fleet.err.all(), fleet.get("/metrics")[2][-400:]])
    tap.check("and that is said", [] if fleet.err.wait("takes alerts again") else fleet.err.all())
    d.mqtt.close()


def storm(manager, fleet, server):
    devices = [sender.Device(f"storm-{i}").connect(server.port) for i in range(150)]
    before = fleet.figure("alert_posts_total")
    fleet.process.send_signal(signal.SIGSTOP)  # all come at once, however slowly this test sends them
    for d in devices:
        d.alarm("shutdown")
    fleet.process.send_signal(signal.SIGCONT)
    ok = wait(lambda: sum(name.startswith("storm-") for name, _ in manager.alerts()) == 150, 30)
    posts = fleet.figure("alert_posts_total") - before
    tap.check("a storm of 150 arrives in batches", [] if ok and posts < 150 else [len(manager.alerts()), posts])
    for d in devices:
        d.alarm("shutdown", raised=False)
    tap.check("and ends", [] if wait(lambda: not any(n.startswith("storm-") for n, _ in manager.alerts()), 30)
              else [len(manager.alerts())])
    for d in devices:
        d.mqtt.close()


def restart(manager, server, url):
    """The subscriber's restart tells what is raised from the retained alarms, with the device's own beginning."""
    with side.Fleet(server, url, listen=True) as fleet:
        fleet.connected()
        ok = wait(lambda: fleet.figure("alert_posts_total") and fleet.figure("alerts") >= 1)
        tap.check("a new instance tells what is raised", [] if ok and ("meanwhile", "shutdown") in manager.alerts() else
                  [fleet.get("/metrics")[2][-400:]])


def prometheus(fleet, folder):
    text = fleet.get("/metrics")[2]
    result = tap.run("promtool", "check", "metrics", input=text)
    tap.check("promtool takes the metrics", [] if result.returncode == 0 and not result.stdout else [result.stderr + result.stdout])
    devices = [line for line in text.splitlines() if "device=" in line]
    tap.check("no series per device but of those not normal", [] if not devices else devices[:3])
    result = tap.run("promtool", "check", "rules", RULES)
    tap.check("promtool takes the rules", [] if result.returncode == 0 else [result.stderr])
    test = pathlib.Path(folder, "rules.yml")
    test.write_text((pathlib.Path(__file__).with_name("failsoft.rules.test.yml")).read_text().replace("@RULES@", str(RULES)))
    result = tap.run("promtool", "test", "rules", test)
    tap.check("the rules fire for a bad firmware and rest for others", [] if result.returncode == 0 else result.stdout.splitlines())
    names = set(part for line in RULES.read_text().splitlines() for part in line.replace("(", " ").replace("[", " ").replace(
        "{", " ").replace(")", " ").split() if part.startswith("failsoft_fleet_"))
    known = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    tap.check("the rules name metrics that there are", [f"{n}: there is none" for n in sorted(names - known)] if len(names) > 5 else [names])


def main():
    with tempfile.TemporaryDirectory(prefix="failsoft-fleet-") as folder, mqtt.Mosquitto(folder) as server, Hook() as hook:
        manager = Alertmanager(folder, hook)
        url = f"--alertmanager=http://127.0.0.1:{manager.port}/"
        try:
            manager.start()
            with side.Fleet(server, url, listen=True) as fleet:
                fleet.connected()
                raise_and_clear(manager, hook, server)
                short(manager, hook, server)
                ahead(manager, server)
                absent(manager, fleet, server)
                storm(manager, fleet, server)
                prometheus(fleet, folder)
                tap.check("it ends when it is told to", [] if fleet.stop(signal.SIGTERM) == 0 else fleet.err.all())
            refused(server)
            restart(manager, server, url)
        finally:
            manager.stop()
            hook.shutdown()
    tap.done()


main()
