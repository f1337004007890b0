#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The ready-made procedures without a broker: what is there when they start is not what is there when they run."""

import contextlib
import os
import pathlib
import socket
import struct
import subprocess
import tempfile
import threading
import time

import tap_path  # noqa: F401
import tap
from world import expect, true


class Procedure:
    """One that has said that it is ready; run() is what the broker sends, and returns status and words."""

    def __init__(self, *argv, inside=()):
        self.ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        os.set_inheritable(theirs.fileno(), True)
        environment = {**os.environ, "FAILSOFT_RESPONDER_FD": str(theirs.fileno())}
        self.child = subprocess.Popen([str(a) for a in (*inside, *argv)], env=environment, text=True,
                                      pass_fds=[theirs.fileno()], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        theirs.close()
        self.ours.settimeout(20)
        if self.ours.recv(4) != struct.pack("I", 1):
            raise RuntimeError(f"{argv[0]} is not ready")

    def run(self, seconds=10.0):
        head = struct.pack("IiQQQ", 1, os.getpid(), 0, 7, int((time.monotonic() + seconds) * 1e6))
        self.ours.send(head.ljust(4096, b"\0"))
        said = self.child.communicate(timeout=60)
        return self.child.returncode, "".join(said)


def the_network_comes_later():
    """A network of its own, which is down when the address is taken."""
    if os.geteuid() != 0 or tap.run("unshare", "-n", "true").returncode:
        print("# no network of its own without root")
        return
    alarm = Procedure(tap.program("failsoft-alarm"), "--udp=127.0.0.1:5140", inside=("unshare", "-n"))
    there = ("nsenter", "-t", str(alarm.child.pid), "-n")
    tap.output_of(*there, "ip", "link", "set", "lo", "up")
    code = ("import socket\ns = socket.socket(type=socket.SOCK_DGRAM)\ns.bind(('127.0.0.1', 5140))\ns.settimeout(20)\n"
            "print('bound', flush=True)\nprint(s.recv(500).decode())")
    with subprocess.Popen([*there, "/usr/bin/python3", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True) as host:
        host.stdout.readline()
        status, said = alarm.run()
        heard = host.stdout.read()
    tap.check("failsoft-alarm tells a host whose network came up later",
              expect(status=(status, 0)) + true(said="1 of 1" in said, heard="memory runs out" in heard))


def a_save_is_not_written_over():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "frames.new").write_bytes(b"the only copy")
        save = Procedure(tap.program("failsoft-save"), "--from=file:/proc/self/comm", f"--to={folder}/frames")
        left = (folder / "frames.left").read_bytes() if (folder / "frames.left").exists() else None
        status, _ = save.run()
        have = {p.name: p.read_bytes() for p in folder.iterdir()}
    tap.check("what a power cut left under the partial name is kept",
              expect(status=(status, 0), left=(left, b"the only copy"),
                     have=(have, {"frames": b"failsoft-save\n", "frames.left": b"the only copy"})))


def a_pipe_whose_writer_goes_on():
    """Copied up to a moment, without a hole behind a short read, and nothing cut off."""
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    end = time.monotonic() + 30

    def write():
        number = 0
        while time.monotonic() < end:
            with contextlib.suppress(BlockingIOError):
                os.write(write_end, b"%07d\n" % number)
                number += 1

    with tempfile.TemporaryDirectory() as name:
        save = Procedure(tap.program("failsoft-save"), f"--from=fd:{read_end}", f"--to={name}/stream")
        writer = threading.Thread(target=write)
        writer.start()
        status, said = save.run(0.4)
        end = 0
        writer.join()
        have = (pathlib.Path(name) / "stream").read_bytes()
    lines = have.split(b"\n")
    good = [b"%07d" % i for i in range(len(lines) - 1)]
    print(f"# {said.strip()}; {len(have)} bytes in the file, status {status}")
    tap.check("what is saved of a stream that goes on has no hole",
              true(some=bool(have), whole=lines[:-1] == good, counted=f"{len(have)} bytes" in said))


the_network_comes_later()
a_save_is_not_written_over()
a_pipe_whose_writer_goes_on()
tap.done()
