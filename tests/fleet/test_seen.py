#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""--state-file: what was shown is not shown again, whatever ended failsoft-fleet; nothing is lost for that."""

import collections
import json
import os
import pathlib
import random
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "check"))

import sender  # noqa: E402
import servers  # noqa: E402
import tap  # noqa: E402
from herd import Herd  # noqa: E402
from subscriber import Fleet  # noqa: E402

DEVICES = 500
STORM_S = 2.0
KILLS = 3
HEAD, RECORD = 48, 200


# ---- the file, with messages of a file ----

def alarms(device, count, raised=True):
    messages = [device.envelope("alarm", device.alarm_data(raised=raised)) for _ in range(count)]
    return "".join(f"{device.topic('event')} {json.dumps(m)}\n" for m in messages)


def read(state, text):
    """Lines of JSON, the errors, the status."""
    done = subprocess.run([tap.program("failsoft-fleet"), "--json", "--read=-", f"--state-file={state}"], input=text,
                          capture_output=True, text=True, check=False, timeout=60)
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr, done.returncode


def count(lines, what="alarm"):
    return sum(line["what"] == what for line in lines)


def restarts(folder):
    d, state = sender.Device("plain"), folder / "plain"
    first, more = alarms(d, 20), alarms(d, 5)
    got = [read(state, first), read(state, first), read(state, first + more), read(state, first + more)]
    tap.check("each is shown by one of four processes", [] if [count(lines) for lines, _, _ in got] == [20, 0, 5, 0] and
              not any(error or status for _, error, status in got) else got)
    tap.check("and said to be raised once", [] if [count(lines, "raised") for lines, _, _ in got] == [1, 0, 0, 0] else got)
    tap.check("only its owner may read the file", [] if state.stat().st_mode & 0o777 == 0o600 else [oct(state.stat().st_mode)])
    lines, _, _ = read(state, alarms(d, 1, raised=False))
    tap.check("the clear is told of what a former process raised", [] if count(lines, "cleared") == 1 else lines)


def damaged(folder):
    d, state = sender.Device("damaged"), folder / "damaged"
    text = alarms(d, 3)
    read(state, text)
    good = state.read_bytes()
    aside = folder / "damaged.damaged"
    rows = [("cut off", good[:-1], "is cut off"), ("a head only", good[:HEAD], "is cut off"),
            ("a bit", good[:70] + bytes([good[70] ^ 4]) + good[71:], "is damaged"),
            ("more behind it", good + bytes(RECORD), "is damaged"),
            ("a newer one", None, "of another version")]
    for name, content, sentence in rows:
        if content is None:
            head = good[:16] + struct.pack("=I", 2) + good[20:44]
            content = head + struct.pack("=I", zlib.crc32(head)) + good[HEAD:]
        state.write_bytes(content)
        aside.unlink(missing_ok=True)
        lines, error, status = read(state, text)
        tap.check(f"{name}: said, moved aside, begun anew", [] if status == 0 and sentence in error and str(aside) in error and
                  aside.read_bytes() == content and count(lines) == 3 else [error, lines])
        tap.check(f"{name}: and good from then on", [] if read(state, text)[:2] == ([], "") else [read(state, text)])
    state.write_bytes(good + good[HEAD:HEAD + 77])
    lines, error, status = read(state, text)
    tap.check("an unfinished record behind it costs that record", [] if status == 0 and not lines and
              "unfinished" in error else [error, lines])


def refused(folder):
    text = folder / "letter"
    text.write_text("Dear failsoft-fleet,\nthis is none of yours.\n" * 9)
    before = text.read_bytes()
    _, error, status = read(text, "")
    tap.check("a file of somebody else's is left alone", [] if status == 1 and "name another" in error and
              text.read_bytes() == before and not list(folder.glob("letter.*")) else [error])
    rows = [(folder, "directory"), (folder / "no" / "file", "No such file"), ("/dev/null", "no regular file")]
    problems = [read(path, "") for path, sentence in rows if sentence not in read(path, "")[1]]
    tap.check("what cannot be its file is refused with a sentence", problems)
    with subprocess.Popen([tap.program("failsoft-fleet"), "--read=-", f"--state-file={folder / 'held'}"],
                          stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as holder:
        servers.wait_for(lambda: (folder / "held").exists() and (folder / "held").stat().st_size, "the file")
        _, error, status = read(folder / "held", "")
        tap.check("two do not share one", [] if status == 1 and "another failsoft-fleet" in error else [error])
        holder.stdin.close()


def full_disk(folder):
    """The file cannot grow: alarms are shown all the same, and that is said once."""
    state = folder / "small"
    text = alarms(sender.Device("small"), 40)
    command = f"ulimit -f 8; trap '' XFSZ; exec {tap.program('failsoft-fleet')} --json --read=- --state-file={state}"
    done = subprocess.run(["bash", "-c", command], input=text, capture_output=True, text=True, check=False, timeout=60)
    shown = [json.loads(line)["message"]["id"] for line in done.stdout.splitlines() if '"what":"alarm"' in line]
    said = done.stderr.count("may be shown again")
    tap.check("a full disk keeps no alarm back, and is said once", [] if len(set(shown)) == 40 and said == 1 else [done.stderr, shown])


def no_reader(folder):
    """Who reads the lines goes: what did not reach it is not taken for shown."""
    state, d = folder / "pipe", sender.Device("pipe")
    text = alarms(d, 400)
    with subprocess.Popen([tap.program("failsoft-fleet"), "--json", "--read=-", f"--state-file={state}"], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        threading.Thread(target=lambda: (process.stdin.write(text), process.stdin.close()), daemon=True).start()
        first = [json.loads(process.stdout.readline()) for _ in range(40)]
        process.stdout.close()
        process.wait(20)
    lines, _, _ = read(state, text)
    before = {line["message"]["id"] for line in first if line["what"] == "alarm"}
    after = [line["message"]["id"] for line in lines if line["what"] == "alarm"]
    lost = 400 - len(before | set(after))
    inside = 65536 // 700 + 40  # what the pipe took was shown, as far as the writer can know
    tap.check("a reader that goes loses what was in the pipe at most", [] if lost <= inside and not before & set(after) else [
        f"lost {lost}, twice {len(before & set(after))}"])


# ---- acknowledged after the line ----

class OneServer(threading.Thread):
    """Sends alarms at QoS 1 to the one client it has, and counts what that acknowledges."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server((servers.HOST, 0))
        self.address = f"{servers.HOST}:{self.listener.getsockname()[1]}"
        self.acknowledged, self.sent = 0, 0
        self.start()

    def run(self):
        peer = object.__new__(sender.Mqtt)  # the other end of one
        peer.socket = self.listener.accept()[0]
        subscriptions = 0
        try:
            while True:
                kind, body = peer.read()
                if kind == 0x10:
                    peer.packet(0x20, b"\0\0")
                elif kind == 0x82:
                    peer.packet(0x90, body[:2] + b"\1")
                    subscriptions += 1
                    if subscriptions == 5:
                        threading.Thread(target=self.send, args=(peer,), daemon=True).start()
                elif kind == 0x40:
                    self.acknowledged += 1
        except (OSError, ConnectionError):
            pass

    def send(self, peer):
        d = sender.Device("one")
        for i in range(1, 2000):
            body = sender.text(d.topic("event")) + struct.pack(">H", i) + json.dumps(d.envelope("event", d.event_data())).encode()
            try:
                peer.packet(0x32, body)
            except OSError:
                return
            self.sent = i


def acknowledged_late(lab):
    """The reader of the lines stands still: so do the acknowledgements, none is ahead of its line."""
    server = OneServer()
    read_end, write_end = os.pipe()
    process = lab.child([tap.program("failsoft-fleet"), "--json", f"--server={server.address}", "--client-id=late"], "late",
                        stdout=write_end)
    os.close(write_end)
    servers.wait_for(lambda: "its reader stands still" in lab.log("late"), "the full pipe", 60)
    seen, was = 0, -1
    while seen != was or not seen:  # until nothing moves any more
        was = seen
        time.sleep(0.7)
        seen = server.acknowledged + server.sent
    process.send_signal(signal.SIGSTOP)
    acknowledged = server.acknowledged
    data = b""
    while part := os.read(read_end, 1 << 16) if is_readable(read_end) else b"":
        data += part
    lines = data.count(b"\n")
    process.kill()
    print(f"# {lines} lines in the pipe, {acknowledged} acknowledged, {server.sent} sent")
    tap.check("no message is acknowledged before its line has left", [] if 0 < acknowledged <= lines < server.sent else [
        f"{acknowledged} acknowledged, {lines} lines of {server.sent}"])
    os.close(read_end)


def is_readable(fd):
    return bool(select.select([fd], [], [], 0.2)[0])


# ---- a storm ----

def shown(fleet):
    """Ids without a mark, ids that perhaps were shown before."""
    lines = fleet.shown("alarm")
    return ([line["message"]["id"] for line in lines if "again" not in line],
            [line["message"]["id"] for line in lines if "again" in line])


def kill_and_restart(fleet, resting=0.0):
    fleet.kill()
    time.sleep(resting)
    fleet.start()


def judge(name, fleet, raised, kills):
    end = time.monotonic() + 60
    while time.monotonic() < end and not set(raised) <= set(sum(shown(fleet), [])):
        time.sleep(0.1)
    time.sleep(1.0)  # what is too much comes now
    plain, again = shown(fleet)
    twice = [i for i, n in collections.Counter(plain).items() if n > 1]
    lost = set(raised) - set(plain) - set(again)
    print(f"# {name}: {len(plain)} lines without a mark, {len(again)} that were perhaps shown before, of which "
          f"{len(set(again) & set(plain))} had been; {len(lost)} lost, {len(twice)} twice")
    tap.check(f"{name}: nothing is lost", [f"{len(lost)} of {len(raised)}"] if lost else [])
    tap.check(f"{name}: no line without a mark comes twice", [f"{len(twice)}: {twice[:3]}"] if twice else [])
    tap.check(f"{name}: a mark for each kill at most", [] if len(again) <= kills else [again])


def storm():
    with servers.Lab() as lab:
        server = lab.mosquitto("default")
        state = lab.folder / "seen"
        fleet = Fleet(lab, [server.address], listen=True, options=[f"--state-file={state}"])
        fleet.connected(server)
        server.save()
        herd = Herd(lab, tap.program("fleet-herd"), [server.address], DEVICES, spread=1, pause_first=0.2, pause_last=2)
        herd.wait("settled", 60)
        herd.say(f"alarm {STORM_S}")
        for i in range(KILLS):
            wanted = DEVICES * (2 * i + 1) // (2 * KILLS)
            servers.wait_for(lambda n=wanted: len(sum(shown(fleet), [])) >= n, f"{wanted} alarms", 60)
            time.sleep(random.uniform(0, 0.02))
            kill_and_restart(fleet, 0.2)
            if i == 1:  # what the server forgets with this, the devices send again
                server.kill()
                time.sleep(0.2)
                server.start()
        report = herd.wait("settled", 90)
        while report["resent"] == 0:  # it was settled before the server's end: the fleet is what was slow
            report = herd.wait("settled", 90)
        judge("storm", fleet, herd.ids(), KILLS)
        tap.check("storm: devices sent again what had been shown", [] if report["resent"] > 50 and
                  len(herd.ids()) == DEVICES else [report])
        after(server, fleet, herd)


def after(server, fleet, herd):
    """A kill at rest, one in order, and again all that the devices sent."""
    def still():
        return fleet.metric('failsoft_fleet_alarms_raised{') == DEVICES
    servers.wait_for(still, "all raised", 40)
    raised = collections.Counter(line["device"] for line in fleet.shown("raised") if "again" not in line)
    tap.check("each device's alarm is said to be raised once", [] if len(raised) >= DEVICES - KILLS and
              max(raised.values()) == 1 else [raised.most_common(3)])
    fleet.kill()  # all that it has said is read
    before = len(fleet.shown("alarm")), len(fleet.shown("raised"))
    fleet.start()
    fleet.connected()  # else there is nobody yet to end in order
    fleet.process.terminate()
    fleet.process.wait(10)
    fleet.thread.join(30)
    server.kill()
    server.start()
    fleet.start()
    herd.wait("settled", 90)
    servers.wait_for(lambda: fleet.metric("failsoft_fleet_duplicates_total") >= DEVICES, "the devices' resend", 60)
    servers.wait_for(still, "all raised again", 40)
    time.sleep(1.0)
    tap.check("after more restarts and resends: no line more, all stand as raised", [] if (
        len(fleet.shown("alarm")), len(fleet.shown("raised"))) == before and still() else [
            before, len(fleet.shown("alarm")), len(fleet.shown("raised"))])


reason = servers.missing("mosquitto")
if reason:
    tap.skip_all(reason)
with tempfile.TemporaryDirectory(prefix="failsoft-seen-") as place:
    for part in (restarts, damaged, refused, full_disk, no_reader):
        part(pathlib.Path(place))
with servers.Lab() as the_lab:
    acknowledged_late(the_lab)
storm()
tap.done()
