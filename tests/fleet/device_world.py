# SPDX-License-Identifier: MIT
"""The device's side whole: private bus, real failsoftd, real mosquitto, real failsoft-telemetry."""

import json
import pathlib
import signal
import subprocess
import time
import uuid

import mqtt
import tap
import world

TELEMETRY = tap.program("failsoft-telemetry")
PREFIX = "failsoft/v1/test/dev"


class DeviceWorld(world.World):
    """`telemetry`: settings of the device beyond what a test needs."""
    hangs_after = 220  # longer than the bus tests: servers come and go here

    def __init__(self, telemetry=None, server=True, settings=None, options=()):
        super().__init__(settings=settings, options=options)
        self.port = mqtt.free_port()
        self.telemetry = {"servers": [f"127.0.0.1:{self.port}"], "fleet": "test", "device": "dev", "firmware": "1.0",
                          "first_connect_ms": 0, "pause_first_ms": 100, "pause_last_ms": 500, "keepalive_s": 5,
                          "stop_means": "service", **(telemetry or {})}
        self.devroot = self.folder / "devroot"
        random = self.devroot / "proc/sys/kernel/random"
        random.mkdir(parents=True)
        (self.devroot / "etc").mkdir()
        (self.devroot / "etc/os-release").write_text("VERSION_ID=1.0\n")
        (self.devroot / "proc/meminfo").write_text(self.meminfo(world.PLENTY))
        (self.devroot / "proc/uptime").write_text(pathlib.Path("/proc/uptime").read_text())
        self.state = self.folder / "telemetry"
        self.state.mkdir()
        self.boot()
        self.mosquitto = mqtt.Mosquitto(self.folder, self.port) if server else None
        self.watcher = None
        if server:
            self.watch()

    def __exit__(self, *arguments):
        if self.mosquitto:
            self.mosquitto.stop()
        super().__exit__(*arguments)

    def boot(self):
        """The next boot, as far as the device can tell."""
        self.boot_id = str(uuid.uuid4())
        (self.devroot / "proc/sys/kernel/random/boot_id").write_text(self.boot_id + "\n")

    def serve(self):
        """The device stands still until the watcher is subscribed: what is not kept would be missed."""
        device = getattr(self, "device", None)
        if device and device.poll() is None:
            device.send_signal(signal.SIGSTOP)
        self.open_server()
        if device and device.poll() is None:
            device.send_signal(signal.SIGCONT)

    def open_server(self):
        if self.mosquitto:
            self.mosquitto.start()
        else:
            self.mosquitto = mqtt.Mosquitto(self.folder, self.port)
        self.watch()

    def watch(self):
        log = self.mosquitto.log
        seen = log.read_text().count("failsoft/#")
        self.watcher = self.child(["mosquitto_sub", "-p", str(self.port), "-q", "1", "-F", "%U %r %t %p", "-t",
                                   "failsoft/#"], stdout=subprocess.PIPE)
        self.watcher.lines = mqtt.Lines(self.watcher.stdout)
        tap.wait_for(lambda: log.read_text().count("failsoft/#") > seen, "the watcher")

    def start_device(self, **more):
        config = self.folder / "telemetry.json"
        config.write_text(json.dumps({**self.telemetry, **more}))
        self.log_path = self.folder / "telemetry.log"
        with open(self.log_path, "ab") as log:
            self.device = self.child([*getattr(self, "before_device", []), TELEMETRY, f"--config={config}",
                                      f"--state-dir={self.state}", f"--bus={self.address}", f"--root={self.devroot}",
                                      "--verbose"], stderr=log)
        return self.device

    def device_log(self):
        return self.log_path.read_text(errors="replace")

    def messages(self, place=None, retained=None):
        """(when, place, payload as JSON or None, is it an old one that was kept)."""
        found = []
        for line in self.watcher.lines.all():
            when, kept, topic, *payload = line.split(" ", 3)
            where = topic.removeprefix(PREFIX + "/")
            if (place is None or where == place) and (retained is None or (kept == "1") == retained):
                text = payload[0] if payload else ""
                found.append((float(when), where, json.loads(text) if text else None, kept == "1"))
        return found

    def data(self, place, **wanted):
        """Messages of the place with these members of data."""
        return [m for m in self.messages(place) if m[2] and all(m[2]["data"].get(k) == v for k, v in wanted.items())]

    def wait(self, place, seconds=20.0, **wanted):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = self.data(place, **wanted)
            if found:
                return found[0]
            time.sleep(0.02)
        return None

    def wait_empty(self, *places, seconds=20.0):
        """Until the last message of each is empty: one that clears nothing comes with every connection."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            last = [found[-1] if (found := self.messages(place)) else None for place in places]
            if all(m and m[2] is None for m in last):
                return last[0]
            time.sleep(0.02)
        return None

    def wait_until(self, is_so, seconds=20.0):
        """Who waits too long finds out by what is checked then."""
        end = time.monotonic() + seconds
        while not is_so() and time.monotonic() < end:
            time.sleep(0.05)

    def wait_answer(self, step, seconds=20.0):
        """What the broker asked and how the device answered, once there is an answer to that."""
        self.wait_until(lambda: any(a.get("step") == step for a in self.ask_orders()[1]), seconds)
        return self.ask_orders()

    def wait_online(self, seconds=30.0):
        found = self.wait("state", seconds, online=True, broker=True)
        if not found:
            raise RuntimeError("the device did not come: " + self.device_log())
        return found

    def ask_orders(self):
        """What the broker asked of the device, and how it answered."""
        events = self.events()
        requests = [e for e in events if e["event"] == "request" and e.get("name") == "telemetry"]
        answers = [e for e in events if e["event"] == "answer" and e.get("name") == "telemetry"]
        return requests, answers
