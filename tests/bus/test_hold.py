#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""failsoft-hold holds programs of others; the broker and doctor see a bus that is held, and which process
the bus is, also where somebody else made its socket."""

import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import time

import tap_path  # noqa: F401
import dbus
import tap
import world

HOLD = tap.program("failsoft-hold")


class Activated(world.World):
    """The bus's socket is made by this process, as systemd does it for dbus.socket."""

    def start_bus(self):
        config = self.folder / "bus.conf"
        config.write_text(tap.BUS_CONFIG.format(directory=self.folder,
                                                policy=tap.policy_for_this_user(self.folder)))
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.folder / "bus"))
        self.listener.listen(64)
        os.chmod(self.folder / "bus", 0o666)
        os.dup2(self.listener.fileno(), 3)
        self.bus_daemon = self.child(["sh", "-c", "LISTEN_FDS=1 LISTEN_PID=$$ exec dbus-daemon --nofork "
                                      f"--nopidfile --address=systemd: --config-file={config}"], pass_fds=[3])


def locked_kib(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(text.split("VmLck:")[1].split()[0])


def start_holder(*arguments):
    holder = subprocess.Popen([HOLD, *arguments], stdout=subprocess.PIPE, text=True)
    return holder, holder.stdout.readline().strip()


def end(process):
    process.kill()
    process.wait()


def wrong_uses():
    rows = [((), 2, "usage"), (("dbus-daemon",), 2, "usage"), (("--keep=x", "/bin/sh"), 2, "usage"),
            (("--without=", "/bin/sh"), 2, "usage"), (("--without=x",), 2, "usage"),
            (tuple(f"--without={n}" for n in range(17)) + ("/bin/sh",), 2, "usage"),
            (("/nonexistent/a", "/nonexistent/b"), 1, "none of these programs"), (("/etc",), 1, "/etc: ")]
    problems = []
    for arguments, code, said in rows:
        result = tap.run(HOLD, *arguments)
        if result.returncode != code or said not in result.stderr:
            problems.append(f"{arguments}: {result.returncode} {result.stderr.strip()}")
    return problems


def holds():
    """All of the file and of what it is linked with; less where it is told so."""
    program = shutil.which("dbus-daemon")
    all_of_it, said = start_holder("/nonexistent/dbus-broker", program)
    part, _ = start_holder("--without=libc.", program)
    have, less = locked_kib(all_of_it.pid), locked_kib(part.pid)
    own = pathlib.Path(program).stat().st_size // 1024
    end(all_of_it)
    end(part)
    return world.true(said=said.startswith("failsoft-hold: 1 programs, "), more_than_itself=have > own,
                        less_without=own < less < have)


def warnings(w):
    bus = w.connection()
    found = dbus.Interface(bus.get_object(tap.NAME, tap.PATH, introspect=False),
                           "org.freedesktop.DBus.Properties").Get(tap.NAME, "Warnings")
    return [str(text) for text in found if "held in memory" in text]


def doctor(w):
    result = tap.run(tap.program("failsoftctl"), f"--bus={w.address}", "--json", "doctor")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    return {row["check"]: row for row in rows}


def not_held():
    with world.World() as w:
        said, seen = warnings(w), doctor(w)["bus-memory"]
        pid = f"(pid {w.bus_daemon.pid})"
        return world.true(broker=len(said) == 1 and pid in said[0], doctor=seen["state"] == "missing",
                            which=pid in seen["found"])


def held():
    holder, _ = start_holder(shutil.which("dbus-daemon"))
    with world.World() as w:
        said, rows = warnings(w), doctor(w)
        end(holder)
        return world.true(broker=not said, doctor=rows["bus-memory"]["state"] == "ok",
                            runs=rows["broker"]["found"] == f"failsoftd runs (pid {w.broker.pid})",
                            asked=rows["clients-locked"]["found"] == "nobody is registered")


def peer_of(w):
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(w.folder / "bus"))
        return struct.unpack("=iII", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]


def activated():
    with Activated() as w:
        said = warnings(w)
        return world.true(socket_is_ours=peer_of(w) == os.getpid(), which=len(said) == 1 and f"(pid {w.bus_daemon.pid})" in said[0],
                          doctor=f"(pid {w.bus_daemon.pid})" in doctor(w)["bus-memory"]["found"])


def client():
    """One that has nothing locked, and is named."""
    with world.World() as w:
        w.client("careless")
        time.sleep(0.1)
        seen = doctor(w)["clients-locked"]
        return world.true(state=seen["state"] == "warn", name="careless" in seen["found"])


def check_locking(name, test):
    """AddressSanitizer replaces mlock() by nothing."""
    if b"__asan_init" in pathlib.Path(HOLD).read_bytes():
        tap.skip(name, "AddressSanitizer locks nothing")
    else:
        tap.check(name, test())


if os.geteuid() != 0:
    tap.skip_all("locking so much takes root or a limit that is raised")
tap.check("what is wrong is said", wrong_uses())
check_locking("it locks a program with its libraries", holds)
tap.check("a bus that nobody holds is named", not_held())
check_locking("a bus that is held is not", held)
tap.check("the bus is who runs it, not who made its socket", activated())
tap.check("a client with nothing locked is named", client())
tap.done()
