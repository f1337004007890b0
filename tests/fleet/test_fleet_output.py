#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The lines of failsoft-fleet and who reads them: one that has ended or has no room is said; one that stands still
stops neither the page nor the alerts, and without --alertmanager what was taken of the server reaches it in the end."""

import fcntl
import http.server
import json
import os
import pty
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request

import mqtt
import sender
import side
import tap

mqtt.need("mosquitto")
started = []


def start(server, output, *options):
    port, began = mqtt.free_port(), server.log.stat().st_size
    process = subprocess.Popen([str(tap.program("failsoft-fleet")), "--json", f"--server=127.0.0.1:{server.port}",
                                f"--listen=127.0.0.1:{port}", *options], stdout=output, stderr=subprocess.PIPE, text=True,
                               stdin=subprocess.DEVNULL)
    started.append(process)
    err = mqtt.Lines(process.stderr)
    if not err.wait("connected to"):
        raise RuntimeError(err.all())
    name = next((o.partition("=")[2] for o in options if o.startswith("--client-id=")), "failsoft-fleet-")
    wait(lambda: process.poll() is not None or side.is_subscribed(server, began, name))
    return process, err, port


def metrics(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        return answer.read().decode()


def messages(port):
    for line in metrics(port).splitlines():
        if line.startswith("failsoft_fleet_messages_total"):
            return int(float(line.split()[-1]))
    raise RuntimeError("no failsoft_fleet_messages_total")


def no_room(server):
    with open("/dev/full", "wb") as full:
        process, err, _ = start(server, full)
    d = sender.Device("full", "out").connect(server.port)
    d.alarm()
    try:
        status = process.wait(10)
    except subprocess.TimeoutExpired:
        status = process.kill()
    tap.check("no room: said, status 1", [] if status == 1 and err.wait("standard output: No space left", 5)
              else [status, err.all()])
    d.mqtt.close()


def read_full(folder):
    path = f"{folder}/lines"
    with open(path, "w", encoding="ascii") as out:
        out.write("failsoft/v1/f/d/state x\n")
    for options in (["--json", f"--read={path}"], ["--help"]):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([str(tap.program("failsoft-fleet")), *options], stdout=full, stderr=subprocess.PIPE,
                                  text=True, timeout=20, check=False)
        tap.check(f"{options[0]} > /dev/full: said, status 1", [] if done.returncode == 1 and "No space left" in done.stderr
                  else [done.returncode, done.stderr])


def no_file():
    done = subprocess.run([str(tap.program("failsoft-fleet")), "--json", "--read=."], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=20, check=False)
    tap.check("--read=. is said, status 1", [] if done.returncode == 1 and "Is a directory" in done.stderr
              else [done.returncode, done.stderr])


def read_pipe(folder):
    """Nothing comes of it, or no more: the page is served, and each signal ends it."""
    fifo = f"{folder}/fifo"
    os.mkfifo(fifo)
    ours, theirs = os.pipe()
    message = sender.Device("pipe", "out")
    text = f"{message.topic('event')} {json.dumps(message.envelope('alarm', message.alarm_data()))}\n"
    os.write(theirs, text.encode() + b"no end")
    for path, source, how in ((fifo, subprocess.DEVNULL, signal.SIGTERM), ("-", ours, signal.SIGINT)):
        port = mqtt.free_port()
        process = subprocess.Popen([str(tap.program("failsoft-fleet")), "--json", f"--read={path}", f"--listen=127.0.0.1:{port}"],
                                   stdin=source, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        wanted = int(path == "-")
        end = time.monotonic() + 20
        while (got := answer_of(port)) != wanted and time.monotonic() < end:
            time.sleep(0.02)
        process.send_signal(how)
        try:
            status = process.wait(20)
        except subprocess.TimeoutExpired:
            status = process.kill()
        tap.check(f"--read={'-' if wanted else 'FIFO'}: the page while it waits; {how.name} ends it",
                  [] if status == 0 and got == wanted else [status, got])
    os.close(ours)
    os.close(theirs)


def answer_of(port):
    try:
        return messages(port)
    except OSError:
        return None


def read_slowly(folder):
    """The reader of the lines takes its time, and gets them all; the last one has no end."""
    d, path = sender.Device("slowly", "out"), f"{folder}/many"
    lines = [f"{d.topic('event')} {json.dumps(d.envelope('event', d.event_data(text='x' * 400)))}" for _ in range(6000)]
    with open(path, "w", encoding="ascii") as out:
        out.write("\n".join(lines))
    for options in ([], [f"--state-file={folder}/slowly"]):
        with subprocess.Popen([str(tap.program("failsoft-fleet")), "--json", f"--read={path}", *options],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            time.sleep(0.3)
            got = count_lines(lambda n, p=process: os.read(p.stdout.fileno(), n), 6000)
            status = process.wait(10)
        tap.check(f"--read with {len(options)} state files: every line of a slow reader's", [] if got == 6000 and status == 0
                  else [got, status])


def gone(server):
    ours, theirs = os.pipe()
    process, err, _ = start(server, theirs)
    os.close(theirs)
    os.close(ours)
    try:
        status = process.wait(10)
    except subprocess.TimeoutExpired:
        status = process.kill()
    tap.check("the reader has ended: said at once, status 1", [] if status == 1 and err.wait("who read it has ended", 5)
              else [status, err.all()])


def flood(device, count):
    for _ in range(count):
        device.send("event", "event", device.event_data(text="x" * 500))


def count_lines(read, total):
    got, tail = set(), b""
    end = time.monotonic() + 60
    while len(got) < total and time.monotonic() < end:
        data = read(1 << 16)
        if not data:
            break
        *whole, tail = (tail + data).split(b"\n")
        got |= {line["message"]["id"] for line in map(json.loads, whole) if line["what"] == "event"}
    return len(got)


def stands_still(server, kind, ours, theirs, *options):
    process, err, port = start(server, theirs, *options)
    theirs.close()
    d = sender.Device("still-" + kind, "out").connect(server.port)
    total = 9000
    flood(d, total)
    tap.check(f"{kind}: a reader that stands still is said", [] if err.wait("reader stands still", 30) else [err.all()])
    before = messages(port)
    time.sleep(1)
    tap.check(f"{kind}: the page answers, and no more is taken", [] if messages(port) == before < total
              else [before, messages(port)])
    rss = int(open(f"/proc/{process.pid}/status", encoding="ascii").read().split("VmHWM:")[1].split()[0])
    if options:
        tap.check(f"{kind}: what is known as shown is in the pipe", [] if before < 200 else [before])
    tap.check_memory(f"{kind}: what waits is bounded", [] if rss < 60 << 10 else [f"{rss} KiB"])
    got = count_lines(ours, total)
    tap.check(f"{kind}: it reads on: every line is there", [] if got == total else [f"{got} of {total}", *err.all()[-5:]])
    tap.check(f"{kind}: and that is said", [] if err.wait("it is read again", 5) else [err.all()])
    process.terminate()
    tap.check(f"{kind}: told to end: status 0", [] if process.wait(10) == 0 else [process.returncode, err.all()])
    d.mqtt.close()


class Manager(http.server.ThreadingHTTPServer):
    """As Alertmanager: who was told as raised."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            for alert in json.loads(self.rfile.read(int(self.headers["Content-Length"]))):
                self.server.raised.add(alert["labels"]["device"])
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    def __init__(self):
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.raised = set()
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Stuck:
    """Its reader stands still from the beginning; looked at when the others are done, as nobody waits that long."""

    def __init__(self, server):
        self.manager = Manager()
        self.ours, theirs = os.pipe()
        self.process, self.err, _ = start(server, theirs, "--client-id=stuck", "--fleet=alerts",
                                          f"--alertmanager=http://127.0.0.1:{self.manager.server_port}")
        os.close(theirs)
        self.device = sender.Device("first", "alerts").connect(server.port)
        flood(self.device, 300)
        self.last = sender.Device("last", "alerts").connect(server.port)
        self.last.alarm()

    def read_on(self):
        tap.check("a reader that stands still: alerts do not wait", [] if wait(lambda: "last" in self.manager.raised)
                  and self.err.wait("lines are left out", 5) else [self.manager.raised, self.err.all()])
        got = count_lines(lambda n: os.read(self.ours, n), 1)
        self.process.terminate()
        status = self.process.wait(10)
        tap.check("and it gets what it has room for, and is told how many it does not",
                  [] if got > 10 and status == 0 and self.err.wait("lines were left out", 5) else [got, status, self.err.all()])
        os.close(self.ours)
        self.device.mqtt.close()
        self.last.mqtt.close()
        self.manager.shutdown()


def wait(is_it, seconds=20):
    end = time.monotonic() + seconds
    while not (it := is_it()) and time.monotonic() < end:
        time.sleep(0.05)
    return it


def screen_stopped(server):
    """Ctrl-S stops the picture alone."""
    ours, theirs = pty.openpty()
    port, began = mqtt.free_port(), server.log.stat().st_size
    process = subprocess.Popen([str(tap.program("failsoft-fleet")), f"--server=127.0.0.1:{server.port}",
                                f"--listen=127.0.0.1:{port}"], stdin=theirs, stdout=theirs, stderr=subprocess.PIPE)
    started.append(process)
    os.close(theirs)
    os.read(ours, 1)
    wait(lambda: side.is_subscribed(server, began))  # nothing is said of it on a terminal
    os.write(ours, b"\x13")
    time.sleep(1.2)  # a picture a second
    d = sender.Device("screen", "out").connect(server.port)
    before, got = answer_of(port) or 0, 0
    flood(d, 20)
    taken = wait(lambda: (answer_of(port) or 0) >= before + 20)
    os.write(ours, b"\x11q")
    while True:
        try:
            got += len(os.read(ours, 65536))
        except OSError:
            break
    tap.check("Ctrl-S: messages are taken and the page answers; q ends it", [] if taken and process.wait(20) == 0 and got > 100
              else [taken, got, process.poll()])
    d.mqtt.close()
    os.close(ours)


def shared(server):
    """The description of a pipe that others have, too, is left as it is."""
    ours, theirs = os.pipe()
    process, _, _ = start(server, theirs)
    flags = fcntl.fcntl(theirs, fcntl.F_GETFL)
    tap.check("a pipe that others write, too, still blocks them", [] if not flags & os.O_NONBLOCK else [hex(flags)])
    process.terminate()
    process.wait(10)
    os.close(ours)
    os.close(theirs)


def main():
    with tempfile.TemporaryDirectory(prefix="failsoft-output-") as folder:
        with mqtt.Mosquitto(folder) as server:
            stuck = Stuck(server)
            no_room(server)
            read_full(folder)
            no_file()
            read_pipe(folder)
            read_slowly(folder)
            gone(server)
            shared(server)
            screen_stopped(server)
            stuck.read_on()
            ours, theirs = os.pipe()
            stands_still(server, "pipe", lambda n: os.read(ours, n), os.fdopen(theirs, "wb"))
            os.close(ours)
            here, there = socket.socketpair()
            stands_still(server, "socket", here.recv, there)
            here.close()
            ours, theirs = os.pipe()
            stands_still(server, "state-file", lambda n: os.read(ours, n), os.fdopen(theirs, "wb"),
                         "--client-id=still", f"--state-file={folder}/seen")
            os.close(ours)
    tap.done()


try:
    main()
finally:
    for each in started:
        each.kill()
        each.wait()
