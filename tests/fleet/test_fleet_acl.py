#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The mosquitto.conf and the ACL of failsoft-fleet(7), as they stand there, in a real server: what each may do."""

import getpass
import pathlib
import re
import socket
import subprocess
import tempfile
import time

import mqtt
import tap

mqtt.need("mosquitto", "mosquitto_pub", "mosquitto_sub", "openssl")
DIRECTORY = "/etc/mosquitto/failsoft"


def examples():
    """The page's examples, without the marks of roff."""
    page = (tap.SOURCE / "interfaces/failsoft-fleet.7").read_text()
    return [text.replace("\\-", "-").replace("\\e", "\\") for text in re.findall(r"\.EX\n(.*?)\.EE", page, re.S)]


def example(of):
    return next(text for text in examples() if of in text)


class World:
    def __init__(self, folder):
        self.folder, self.port = pathlib.Path(folder), mqtt.free_port()
        self.authority = mqtt.Authority(folder)
        self.keys = {name: self.authority.sign(name, "IP:127.0.0.1") for name in ("server", "dev1", "dev2", "fleet", "operator")}
        (self.folder / "acl").write_text(example("pattern write"))
        config = example("require_certificate").replace("listener 8883", f"listener {self.port} 127.0.0.1")
        for name, path in (("ca.crt", self.authority.file), ("server.crt", self.keys["server"][0]),
                           ("server.key", self.keys["server"][1]), ("acl", self.folder / "acl")):
            config = config.replace(f"{DIRECTORY}/{name}", str(path))
        config = config.replace("/var/lib/mosquitto/", f"{folder}/") + f"user {getpass.getuser()}\nlog_type all\n"
        (self.folder / "conf").write_text(config)
        self.log = open(self.folder / "log", "wb")
        self.process = subprocess.Popen(["mosquitto", "-c", str(self.folder / "conf")], stdout=self.log, stderr=self.log,
                                        stdin=subprocess.DEVNULL)
        self.listeners = []
        tap.wait_for(self.is_up, "mosquitto")

    def log_text(self):
        return (self.folder / "log").read_text(errors="replace")

    def is_up(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def command(self, program, user, *arguments):
        certificate, key = self.keys[user]
        return [program, "-h", "127.0.0.1", "-p", str(self.port), "--cafile", str(self.authority.file), "--cert",
                str(certificate), "--key", str(key), "-q", "1", *arguments]

    def publish(self, user, topic, text, *more):
        return tap.run(*self.command("mosquitto_pub", user, "-t", topic, *more, *(["-m", text] if text else ["-n"])))

    def listen(self, user, topic):
        process = subprocess.Popen(self.command("mosquitto_sub", user, "-t", topic, "-v"), stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, text=True)
        self.listeners.append(process)
        return mqtt.Lines(process.stdout)

    def close(self):
        for process in (*self.listeners, self.process):
            process.kill()
            process.wait()
        self.log.close()


ROWS = [  # who, where below failsoft/v1, does the fleet's reader get it
    ("dev1", "north/dev1/state", True), ("dev1", "north/dev1/alarm/imminent", True), ("dev1", "north/dev1/event", True),
    ("dev1", "north/dev1/report", True), ("dev1", "north/dev1/heartbeat", True),
    ("dev1", "north/dev2/state", False), ("dev1", "north/dev1/cmd", False), ("dev1", "south/dev1/state", False),
    ("dev1", "north/dev1/more", False), ("operator", "north/dev1/state", True), ("operator", "north/dev1/alarm/imminent", True),
    ("operator", "north/dev1/cmd", True), ("operator", "north/dev1/event", False), ("fleet", "north/dev1/cmd", False)]


def may(world):
    heard = world.listen("fleet", "failsoft/v1/#")
    device = world.listen("dev1", "failsoft/v1/north/dev1/cmd")
    other = world.listen("dev2", "failsoft/v1/north/dev1/cmd")
    tap.wait_for(lambda: world.log_text().count("\tfailsoft/v1/north/dev1/cmd (QoS 1)") == 2, "the two devices")
    tap.wait_for(lambda: world.publish("dev2", "failsoft/v1/north/dev2/event", "there") and heard.wait("there", 1), "the reader")
    for i, (user, topic, _) in enumerate(ROWS):
        world.publish(user, "failsoft/v1/" + topic, f"row-{i}.")
    world.publish("dev2", "failsoft/v1/north/dev2/event", "the end")
    heard.wait("the end", 30)
    for i, (user, topic, expect) in enumerate(ROWS):
        got = any(f"row-{i}." in line for line in heard.all())
        tap.check(f"{user} {'may' if expect else 'may not'} write {topic}", [] if got == expect else [heard.all()])
    order = f"row-{ROWS.index(('operator', 'north/dev1/cmd', True))}."
    tap.check("the order reaches its device alone", [] if device.wait(order, 5) and not other.all() else [device.all(), other.all()])
    world.publish("dev2", "failsoft/v1/north/dev2/event", "x" * 5000)
    time.sleep(0.3)
    tap.check("what is too long reaches nobody", [] if not any("xxxx" in line for line in heard.all()) else ["it came"])


def emptied(world):
    """The page's own loop, as it stands there."""
    for place in ("state", "alarm/imminent", "alarm/oom-kill"):
        world.publish("dev1", f"failsoft/v1/north/dev1/{place}", "kept", "-r")
    loop = example("mosquitto_pub").replace("...", " ".join(world.command("", "operator")[1:-2]))
    done = tap.run("sh", "-c", loop.replace("FLEET", "north").replace("DEVICE", "dev1"))
    heard = world.listen("fleet", "failsoft/v1/north/dev1/#")
    # what is kept comes at once, before what is published
    tap.wait_for(lambda: world.publish("dev1", "failsoft/v1/north/dev1/event", "there") and heard.wait("there", 1),
                 "the reader")
    kept = [line for line in heard.all() if "there" not in line]
    tap.check("an operator empties a device", [] if done.returncode == 0 and not kept else [done.stderr, kept])


def main():
    with tempfile.TemporaryDirectory(prefix="failsoft-acl-") as folder:
        world = World(folder)
        try:
            may(world)
            emptied(world)
        finally:
            world.close()
    tap.done()


main()
