#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""failsoft-telemetry where somebody else is wrong: another device has its name, a server sends what no memory
is for, the spool is none, the disk is full."""

import contextlib
import json
import os
import pathlib
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

import mqtt
import tap
from device_world import PREFIX, TELEMETRY, DeviceWorld
from world import LOWEST, expect, true

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "clients/demo"))

import machine  # noqa: E402

PEAK_MAX_KIB = 20480	# 10 MiB and the margin of 8; its cgroup has 32
CONNECTIONS = int(os.environ.get("FAILSOFT_CONNECTIONS", "200"))


def same_names():
    """In two fleets, and twice in one: all stay connected, so the fleet's operators see them all."""
    with DeviceWorld() as w:
        for number, fleet in enumerate(("test", "test", "other")):
            w.state = w.folder / f"state-{number}"
            w.state.mkdir()
            w.start_device(fleet=fleet)
            tap.wait_for(lambda n=number: w.device_log().count("connected to") > n, "a connection")
        log = w.mosquitto.log
        w.wait_until(lambda: len({m[2]["instance"] for m in w.data("state", online=True)}) == 2)
        time.sleep(2)
        births, said, lost = w.data("state", online=True), log.read_text(), w.device_log().count("not connected")
    instances = {m[2]["instance"] for m in births}
    tap.check("devices with one name do not throw each other out",
              expect(lost=(lost, 0), instances=(len(instances), 2), out=("already connected" in said, False)) +
              true(fleet="as failsoft-other-dev-" in said, named=all(f"as failsoft-test-dev-{i}" in said
                                                                     for i in instances)))


def header(kind, length):
    """A packet's first bytes, with the length that it announces."""
    out = bytearray([kind])
    while True:
        out.append(length % 128 | (0x80 if length > 127 else 0))
        length //= 128
        if not length:
            return bytes(out)


@contextlib.contextmanager
def fake_server(answer, tls=None):
    """Takes each connection and its CONNECT; answer(socket) does the rest. Yields [port, connections so far]."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(16)
    seen = [listener.getsockname()[1], 0]

    def serve():
        while True:
            try:
                taken = listener.accept()[0]
            except OSError:
                return
            with contextlib.suppress(OSError):
                with tls.wrap_socket(taken, server_side=True) if tls else taken as s:
                    s.recv(4096)
                    s.sendall(b"\x20\x02\x00\x00")
                    seen[1] += 1
                    answer(s)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield seen
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def has_sanitizer():
    return b"__asan_init" in pathlib.Path(TELEMETRY).read_bytes()


def kib(pid, name):
    return int(re.search(rf"^{name}:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)[1])


def announced_message():
    """200 MB are announced and sent as fast as they are taken."""
    def flood(s):
        s.sendall(header(0x30, 200_000_000) + b"\0\1t")
        for _ in range(3200):
            s.sendall(bytes(65536))

    with fake_server(flood) as server, DeviceWorld(server=False) as w:
        device = w.start_device(servers=[f"127.0.0.1:{server[0]}"])
        tap.wait_for(lambda: w.device_log().count("no memory for") > 2, "three refusals")
        alive, peak, told = device.poll() is None, kib(device.pid, "VmHWM"), w.device_log()
    print(f"# 200 MB announced: VmHWM {peak} KiB")
    tap.check("a message of 200 MB ends the connection, in words, and takes no memory",
              true(alive=alive, peak=peak < PEAK_MAX_KIB, named=f"not connected: 127.0.0.1:{server[0]} sends" in told))


def retained_message():
    """20 MB on the topic that it reads: as in its cgroup, and an alarm goes into the spool all the same."""
    with DeviceWorld(telemetry={"commands": "drill"}) as w:
        big = w.folder / "big"
        big.write_bytes(b"x" * 20_000_000)
        tap.output_of("mosquitto_pub", "-p", w.port, "-q", "1", "-r", "-t", f"{PREFIX}/cmd", "-f", big)
        device = w.start_device()
        tap.wait_for(lambda: w.device_log().count("no memory for") > 1, "two refusals")
        alive, peak = device.poll() is None, kib(device.pid, "VmHWM")
        tap.output_of("mosquitto_pub", "-p", w.port, "-q", "1", "-r", "-t", f"{PREFIX}/cmd", "-n")
        w.set_free(LOWEST)
        alarm = w.wait("alarm/shutdown", raised=True)
    print(f"# 20 MB retained: VmHWM {peak} KiB")
    tap.check("a retained message of 20 MB is no end, and when it is gone an alarm leaves",
              true(alive=alive, peak=peak < PEAK_MAX_KIB, alarm=bool(alarm)))


def many_connections():
    """The limit stands: what a connection takes is given back. By name, so with a thread each."""
    with tempfile.TemporaryDirectory() as folder:
        authority = mqtt.Authority(folder)
        cert, key = authority.sign("server", "DNS:localhost,IP:127.0.0.1")
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(cert, key)
        with fake_server(lambda s: None, tls) as server, DeviceWorld(server=False) as w:
            device = w.start_device(servers=[f"localhost:{server[0]}"], ca_file=str(authority.file), pause_first_ms=10,
                                    pause_last_ms=10)
            tap.wait_for(lambda: server[1] >= 50, "50 connections", 30)
            early = kib(device.pid, "VmData")
            tap.wait_for(lambda: server[1] >= CONNECTIONS, f"{CONNECTIONS} connections", 90)
            late, told = kib(device.pid, "VmData"), w.device_log()
    print(f"# {CONNECTIONS} connections: data {early} -> {late} KiB")
    tap.check_memory(f"{CONNECTIONS} connections with TLS by name under the limit", true(grown=late - early < 512,
              memory="memory for" not in told, resolved="not resolved" not in told))


def bad_spool():
    for name, content in (("zeroes", bytes(65536)), ("noise", b"\x5a" * 65536)):
        with DeviceWorld() as w:
            (w.state / "spool").write_bytes(content)
            w.start_device()
            state = w.wait_online()
            told, kept = w.device_log(), (w.state / "spool.bad").read_bytes()
        tap.check(f"a spool of {name} is set aside, and said", expect(damaged=(state[2]["data"]["spool"]["damaged"], 1)) +
                  true(said="no spool of ours" in told, kept=kept == content))


def full_disk():
    """No room for spool and crumb: it connects, its alarm leaves, and it says what is amiss."""
    def disk(w, size):
        w.before_device = ["unshare", "-m", "sh", "-c",
                           f'mount -t tmpfs -o size={size},nr_inodes=20 none {w.state} && exec "$@"', "sh"]

    if os.geteuid() != 0 or tap.run("unshare", "-m", "true").returncode != 0:
        print("# no full disk without root and mount namespaces")
        return
    for size in ("4k", "64k"):
        with DeviceWorld() as w:
            disk(w, size)
            w.start_device()
            w.wait_online()
            w.set_free(LOWEST)
            alarm = w.wait("alarm/shutdown", raised=True)
            told = w.device_log()
        tap.check(f"a state directory of {size}: an alarm leaves all the same",
                  true(alarm=bool(alarm), said="in memory alone" in told))


def checked():
    with DeviceWorld() as w:
        good = {**w.telemetry}
        config = w.folder / "check.json"

        def run(**more):
            config.write_text(json.dumps({**good, **more}))
            return tap.run(TELEMETRY, "--check", f"--config={config}", f"--state-dir={w.state}", f"--root={w.devroot}")

        fine = run()
        last = w.wait("state", online=False)
        gone = run(servers=[f"127.0.0.1:{mqtt.free_port()}"])
        w.start_device()
        w.wait_online()
        busy = run()
    tap.check("--check connects, publishes and says so", expect(status=(fine.returncode, 0)) +
              true(said="took the state" in fine.stdout, goodbye=bool(last)))
    tap.check("--check says what is wrong", expect(status=(gone.returncode, 1)) +
              true(said="Connection refused" in gone.stdout))
    tap.check("--check beside the running one says who has the spool", expect(status=(busy.returncode, 1)) +
              true(said="another failsoft-telemetry has it" in busy.stderr))


def denied_by_the_acl():
    """The certificate's name is not the device's: Mosquitto acknowledges, denies, and ends the connection."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        authority = mqtt.Authority(folder)
        authority.sign("server", "DNS:localhost,IP:127.0.0.1")
        cert, key = authority.sign("dev2", "DNS:dev2")
        (folder / "acl").write_text("pattern write failsoft/v1/test/%u/#\n")
        with mqtt.Mosquitto(folder, tls=(authority, "server"), more=[f"acl_file {folder}/acl"]) as server:
            said = {}
            for device in ("dev1", "dev2"):
                config, state = folder / f"{device}.json", folder / device
                state.mkdir()
                config.write_text(json.dumps({
                    "servers": [f"127.0.0.1:{server.port}"], "fleet": "test", "device": device,
                    "ca_file": str(authority.file), "cert_file": str(cert), "key_file": str(key)}))
                said[device] = tap.run(TELEMETRY, "--check", f"--config={config}", f"--state-dir={state}")
    wrong, right = said["dev1"], said["dev2"]
    tap.check("--check with another's certificate names the ACL, and does not say that the state was taken",
              expect(status=(wrong.returncode, 1), took=("took the state" in wrong.stdout, False)) +
              true(hint='may this client write to "failsoft/v1/test/dev1/state"?' in wrong.stdout))
    tap.check("and with its own it is taken", expect(status=(right.returncode, 0)) +
              true(took="took the state" in right.stdout))


def no_state_directory():
    with DeviceWorld(server=False) as w:
        w.state.rmdir()
        status, told = w.start_device().wait(10), w.device_log()
    tap.check("a missing state directory: who makes it is said, without the journal's marks",
              expect(status=(status, 1), marks=("<" in told, False)) +
              true(hint="the state directory is not there: StateDirectory=" in told))


def leftover_cgroup():
    """What ./dev fleet left when it was killed, the next one removes."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    with tempfile.TemporaryDirectory() as parent:
        for name in (f"failsoft-fleet-{ended.pid}", f"failsoft-fleet-{os.getpid()}", f"other-{ended.pid}"):
            (pathlib.Path(parent) / name).mkdir()
        machine.Cgroup.sweep(parent, "failsoft-fleet")
        left = sorted(os.listdir(parent))
    tap.check("a cgroup of a show that is dead is removed, nobody else's",
              expect(left=(left, [f"failsoft-fleet-{os.getpid()}", f"other-{ended.pid}"])))


def main():
    mqtt.need("mosquitto", "mosquitto_sub", "mosquitto_pub", "dbus-daemon")
    limited = () if has_sanitizer() else (announced_message, retained_message)
    for story in (same_names, many_connections, bad_spool, full_disk, checked, denied_by_the_acl,
                  no_state_directory, leftover_cgroup, *limited):
        story()
    tap.done()


if __name__ == "__main__":
    main()
