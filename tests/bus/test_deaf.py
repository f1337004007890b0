#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Nobody takes what the broker writes: the bus stands still, nobody reads its log, its export file, its
monitor, its recording, nor the journal. Its loop is never late for that; the guard is the witness, which
acts when the loop is 500 ms late while memory is short. What is lost is counted."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import tap_path  # noqa: F401
import tap
from world import PLENTY, World, ended_as_told, options, true, wait_until

# As sd_journal_send(3) finds it, in a name space of its own; the socket is inherited and never read.
JOURNAL = """
import os, socket, sys
os.makedirs("/run/systemd/journal", exist_ok=True)
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("/run/systemd/journal/socket")
s.set_inheritable(True)
os.execv(sys.argv[1], sys.argv[1:])
"""


def full_pipe():
    """Both ends, the buffer full."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b"x" * 4096)
    except BlockingIOError:
        pass
    os.set_blocking(writer, True)
    return reader, writer


def has_namespaces():
    done = subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", "/run"], capture_output=True)
    return shutil.which("unshare") and done.returncode == 0


class Deaf(World):
    """Its log is a full pipe; with a journal that nobody reads if there can be one."""

    def start_broker(self):
        self.log = full_pipe()
        argv = [tap.program("failsoftd"), f"--bus={self.address}", f"--config={self.folder}/failsoft.json",
                f"--state-dir={self.folder}/state", "--verbose", f"--root={self.folder}/root", *self.options]
        if has_namespaces():
            argv = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /run && exec "$@"', "sh",
                    sys.executable, "-c", JOURNAL] + argv
        self.broker = self.child(argv, stderr=self.log[1])
        bus = self.connection()
        tap.wait_for(lambda: bus.name_has_owner(tap.NAME) or self.broker.poll() is not None, "failsoftd")
        bus.close()


def hog_of(w):
    child = w.child([sys.executable, "-c", "import time; time.sleep(60)"])
    time.sleep(0.2)
    w.add_process(child.pid, "hog", 600000)
    return child


class Pulse:
    """How long the machine itself kept somebody waiting who asks for 10 ms."""

    def __enter__(self):
        self.longest, self.goes_on = 0, True
        self.thread = threading.Thread(target=self.beat)
        self.thread.start()
        return self

    def beat(self):
        while self.goes_on:
            begin = time.monotonic()
            time.sleep(0.01)
            self.longest = max(self.longest, time.monotonic() - begin)

    def __exit__(self, *_):
        self.goes_on = False
        self.thread.join()


def episode(w, client, hog):
    """Down to the end of the hog. How long each order took, or None, and the machine's own longest pause meanwhile."""
    taken = {}
    with Pulse() as pulse:
        for step, free in (("", 90000), ("shutdown", 20000)):
            begin = time.monotonic()
            w.set_free(free)
            taken[step] = client.lines.wait(f"step {step}") and time.monotonic() - begin
        wait_until(lambda: hog.poll() is not None)
    return taken, pulse.longest


def is_in_time(taken, pause):
    """An order waits for three of them at most: broker, client and this test."""
    return all(t and t < 1 + 3 * pause for t in taken.values())


def guard_is_right(events, pause):
    """It acts on a loop that is late, and on a busy machine that is no fault of the loop's."""
    if "guard" in events and pause > 0.25:
        print(f"# the machine stood still for {pause:.3f} s")
        return True
    return "guard" not in events


def nobody_reads():
    with Deaf({"guard_after_ms": 500, "export_file": "/dev/null"}) as w:
        client = w.client("logger")
        hog = hog_of(w)
        streams = [w.call("Monitor", options(History=True), signature="a{sv}").take() for _ in range(4)]
        recording = w.call("Record").take()
        w.bus_daemon.send_signal(signal.SIGSTOP)
        taken, pause = episode(w, client, hog)
        ended = hog.poll()
        w.bus_daemon.send_signal(signal.SIGCONT)
        w.set_free(PLENTY)
        resumed = client.lines.wait("step resume")
        events = w.events()
        seen = [e["event"] for e in events]
        for fd in streams + [recording]:
            os.close(fd)
    tap.check("bus, log, journal, monitors and recording stand still: the episode goes on in time",
              true(ended=ended_as_told(events, ended), guard=guard_is_right(seen, pause), resumed=resumed,
                   stages=seen.count("stage") >= 3,
                   in_time=is_in_time(taken, pause)))


def export_that_blocks():
    """A pipe with a reader that does not read: the writer's thread has it, not the loop."""
    with World({"guard_after_ms": 500}) as w:
        fifo = w.folder / "export"
        os.mkfifo(fifo)
        reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
        w.kill_broker(signal.SIGTERM)
        w.write_settings(export_file=str(fifo))
        w.start_broker()
        client = w.client("logger")
        hog = hog_of(w)
        taken, pause = episode(w, client, hog)
        ended = hog.poll()
        w.set_free(PLENTY)
        resumed = client.lines.wait("step resume")
        events = w.events()
        seen = [e["event"] for e in events]
        said = w.wait_log("export file")
        os.close(reader)
    tap.check("an export file that takes nothing delays nobody, and that is said",
              true(ended=ended_as_told(events, ended), guard=guard_is_right(seen, pause), resumed=resumed, said=said,
                   in_time=is_in_time(taken, pause)))


nobody_reads()
export_that_blocks()
tap.done()
