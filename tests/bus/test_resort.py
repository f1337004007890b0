#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""When no process helps: files are deleted, then the last policy. A machine is a pid namespace here:
what ends it ends no more than the broker."""

import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time

import tap_path  # noqa: F401
import dbus
import tap
from world import LOW, LOWER, LOWEST, PLENTY, World, expect, options, true, wait_until

# Files only count on a tmpfs, so the whole root of these brokers is one.
if os.access("/dev/shm", os.W_OK):
    tempfile.tempdir = "/dev/shm"

NOBODY = {"protect": ["*"], "last_after_ms": 50, "hold_ms": 200}
NAMESPACE = ["unshare", "--pid", "--fork", "--kill-child"]


def run_out(w):
    w.slide(LOW, LOWER)
    for free in range(LOWEST + 10000, LOWEST - 10000, -1000):
        w.set_free(free)
        time.sleep(0.02)


def file_of(w, path):
    file = w.folder / "root" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"x" * 100000)
    return file


def of(events, kind):
    return [e for e in events if e["event"] == kind]


def files_are_deleted_then_the_program_runs():
    with World(options=[f"--responder={tap.program('failsoft-responder')}"]) as w:
        script = w.folder / "last"
        script.write_text(f"#!/bin/sh\necho ran >> {w.folder}/marker\necho heard\n")
        script.chmod(0o755)
        files = [file_of(w, "run/cache/a.tmp"), file_of(w, "run/cache/b.tmp")]
        spared = [file_of(w, "run/cache/a.db"), file_of(w, "run/cache/.c.tmp"), file_of(w, "run/other/a.tmp")]
        (w.folder / "root/run/cache/link.tmp").symlink_to(spared[0])
        w.kill_broker(signal.SIGTERM)
        w.write_settings(last_files=["/run/cache/*.tmp", "/run/none/*"], last_policy="program",
                         procedures=[{"last": "system", "program": str(script)}], **NOBODY)
        w.start_broker()
        w.wait_event(event="responder", errno=0)
        client = w.client("logger")
        run_out(w)
        ended = w.wait_event(event="last_ended")
        wait_until(lambda: len(of(w.events(), "freed")) >= 2)
        events = w.events()
        marker = (w.folder / "marker").read_text() if (w.folder / "marker").exists() else ""
        gone, there = [not f.exists() for f in files], [f.exists() for f in spared]
    freed, last = of(events, "freed"), of(events, "last")
    # files get 20 ms: the policy does not wait for who deletes them if that waits for a CPU
    no_victim = next((e["time_us"] for e in events if e["event"] == "no_victim"), 0)
    order = [e["event"] for e in sorted(events, key=lambda e: (
        (min(e["time_us"], no_victim + 20000) if e["event"] == "freed" else e["time_us"]), e["number"]))
        if e["event"] in ("no_victim", "freed", "last", "last_ended")]
    first = next((e for e in freed if e["name"] == "/run/cache/*.tmp"), {})
    tap.check("files of the patterns are deleted, no others, and no links",
              expect(gone=(gone, [True, True]), spared=(there, [True] * 3), files=(first.get("files"), 2),
                     errno=(first.get("errno"), 0)) + true(bytes=first.get("bytes", 0) >= 200000))
    tap.check("then the program runs, once, and what came of it is on record",
              expect(marker=(marker, "ran\n"), policy=([e["policy"] for e in last], [4]),
                     outcome=(ended and ended["outcome"], 2), order=(order, ["no_victim", "freed", "freed", "last",
                                                                             "last_ended"])))
    tap.check("nobody was ended", expect(client=(client.returncode in (None, -9), True),
                                         actions=(of(events, "action"), [])))


def dry_run_only_tells():
    with World({**NOBODY, "last_files": ["/run/cache/*"], "last_policy": "reboot", "dry_run": True}) as w:
        file = file_of(w, "run/cache/a")
        run_out(w)
        last = w.wait_event(event="last")
        freed = w.wait_event(event="freed")
        there = file.exists()
        is_alive = w.broker.poll() is None
    tap.check("a dry run tells of the files and of the reboot, and does neither",
              expect(file=(there, True), alive=(is_alive, True), files=(freed and freed["files"], 1),
                     dry=((freed and freed["dry_run"]), 1), policy=(last and (last["policy"], last["dry_run"]),
                                                                    (2, 1))))


def nothing_is_deleted_on_a_disk():
    with World({**NOBODY, "last_files": ["/disk/*"]}) as w:
        disk = pathlib.Path(tempfile.mkdtemp(prefix="failsoft-bus-", dir=tap.BUILD))
        (disk / "a").write_text("x")
        (w.folder / "root/disk").symlink_to(disk)
        run_out(w)
        freed = w.wait_event(event="freed")
        there = (disk / "a").exists()
        (disk / "a").unlink(missing_ok=True)
        disk.rmdir()
    tap.check("what is on a disk stays there: it would give no memory back",
              expect(file=(there, True), errno=(freed and freed["errno"], 18)))


def boot(w, number, **settings):
    """Another boot of the same machine: what is on the disk is all that is left of the one before."""
    folder = w.folder / "root/proc/sys/kernel/random"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "boot_id").write_text(f"{number:08d}-0000-0000-0000-000000000000\n")
    w.set_free(PLENTY)
    w.write_settings(**NOBODY, reboots_most=2, reboots_within_ms=604800000, **settings)
    w.prefix = NAMESPACE
    w.start_broker()


def until_it_goes(w):
    run_out(w)
    if not wait_until(lambda: w.broker.poll() is not None, 30):
        return None
    w.wait_gone()
    return w.broker.poll()


def machine_goes_and_knows_why():
    with World() as w:
        w.kill_broker(signal.SIGTERM)
        boot(w, 1, last_policy="reboot", barebone_keep=["nobody"])
        client = w.client("logger", mode="poll")
        first = until_it_goes(w)
        wait_until(lambda: "shutdown" in client.lines.all()[-1])
        asked = [line for line in client.lines.all() if "shutdown" in line]
        note = (w.folder / "state/reboots").read_text()
        boot(w, 2)
        told = w.wait_event(event="rebooted")
        warned = w.wait_log("rebooted by failsoft")
        second = until_it_goes(w)
        boot(w, 3)
        again = w.wait_event(event="rebooted")
        run_out(w)
        last = w.wait_event(event="last")
        time.sleep(0.5)
        third = w.broker.poll()
        w.kill_broker()
        boot(w, 3)
        repeated = of(w.events(), "rebooted")
    tap.check("every client shuts down, then the machine is rebooted",
              expect(ended=(first, -signal.SIGHUP)) + true(asked=len(asked) >= 2))
    tap.check("why is on the disk, told after the reboot, and in the log",
              expect(count=("count 1 policy reboot" in note, True), told=(told and told["count"], 1)) +
              true(warned=warned))
    tap.check("after two reboots so soon after each other barebone follows instead",
              expect(second=(second, -signal.SIGHUP), counted=(again and again["count"], 2), third=(third, None),
                     instead=(last and last["policy"], 1)))
    tap.check("a broker that starts again in the same boot does not tell it again", expect(told=(repeated, [])))


def power_goes():
    with World() as w:
        w.kill_broker(signal.SIGTERM)
        boot(w, 1, last_policy="poweroff")
        status = until_it_goes(w)
    tap.check("power off is another way to go", expect(ended=(status, -signal.SIGINT)))


def headroom_calls_it_off():
    with World() as w:
        w.kill_broker(signal.SIGTERM)
        boot(w, 1, last_policy="reboot")
        bus = w.connection()
        slow = options(FlushUSec=dbus.UInt64(1000), DegradeUSec=dbus.UInt64(1000), ShutdownUSec=dbus.UInt64(3000000))
        lifeline = w.call("Register", "slow", slow, signature="sa{sv}", bus=bus)[2].take()
        run_out(w)
        for step in range(900):  # it falls on, past the client's first deadline; from then on there are 3 s
            w.set_free(LOWEST - 10000 - 10 * step)
            time.sleep(0.01)
            if "no process helps" in w.log_text():
                break
        begun = w.wait_event(event="last")
        w.set_free(PLENTY)
        ended = w.wait_event(event="last_ended")
        is_alive = w.broker.poll() is None
        os.close(lifeline)
        w.kill_broker()
    tap.check("headroom that comes back while clients shut down calls the reboot off",
              expect(begun=(begun and begun["policy"], 2), outcome=(ended and ended["outcome"], 0),
                     alive=(is_alive, True)))


def garbage_is_no_reboot():
    with World() as w:
        w.kill_broker(signal.SIGTERM)
        (w.folder / "state/reboots").write_text("failsoft-reboots 1 count 9")
        w.start_broker()
        said = "nothing that failsoft wrote" in (w.folder / "broker.log").read_text()
        line = (w.folder / "state/reboots").read_text()
    tap.check("a note that is cut is said, and begins anew",
              true(said=said, line="count 0" in line) + expect(length=(len(line), 512)))


SPY = """#!/usr/bin/python3
import os, pathlib, socket, struct, sys
s = socket.socket(fileno=int(os.environ["FAILSOFT_RESPONDER_FD"]))
s.send(struct.pack("=I", 1))
run = s.recv(4096)
if run:
    pid, count, first = struct.unpack_from("=4xi24xIi", run)
    pathlib.Path(__file__).with_name("told").write_text(repr((sys.argv[1:], pid, count, first)))
"""


def barebone_spares():
    """What it is told to spare: protect, its own list, and the client that may not be ended."""
    long = {"protect": [f"/{'x' * 200}{i}" for i in range(6)]}
    with World() as w:
        responder = w.folder / "failsoft-responder"
        shutil.copy(tap.program("failsoft-responder"), responder)
        (w.folder / "failsoft-barebone").write_text(SPY)
        (w.folder / "failsoft-barebone").chmod(0o755)
        w.options.append(f"--responder={responder}")
        w.kill_broker(signal.SIGTERM)
        w.write_settings(last_policy="barebone", barebone_keep=["pump*", "valve"],
                         **{**NOBODY, "protect": ["*", "unit:a.service"]})
        w.start_broker()
        w.wait_event(event="responder", errno=0)
        bus, quick = w.connection(), dbus.UInt64(1000)
        keeper = options(FlushUSec=quick, DegradeUSec=quick, ShutdownUSec=quick, MayBeEnded=False)
        lifeline = w.call("Register", "keeper", keeper, signature="sa{sv}", bus=bus)[2].take()
        run_out(w)
        ended = w.wait_event(event="last_ended")
        os.close(lifeline)
        told = (w.folder / "told").read_text() if (w.folder / "told").exists() else ""
        w.set_free(PLENTY)
        w.wait_event(event="stage", to="normal")
        w.write_settings(**long)
        w.call("Reload")
        wait_until(lambda: not w.call("ListProcedures"))
        warned = warnings_of(w)
        rows = len(w.call("ListProcedures"))
    want = (["--end", "--protect=*\nunit:a.service", "--", "pump*\nvalve"], 0, 1, os.getpid())
    tap.check("barebone is told whom protect and clients spare", expect(told=(told, repr(want)))
              + true(ended=ended))
    tap.check("what cannot be told to it is said, and it does not stand ready",
              expect(rows=(rows, 0), warned=(sum("barebone does not stand ready" in s for s in warned), 1)))


def warnings_of(w):
    return [str(s) for s in w.connection().get_object(tap.NAME, tap.PATH, introspect=False).Get(
        tap.NAME, "Warnings", dbus_interface=dbus.PROPERTIES_IFACE)]


CASES = (files_are_deleted_then_the_program_runs, dry_run_only_tells, nothing_is_deleted_on_a_disk,
         garbage_is_no_reboot, barebone_spares)
OF_A_MACHINE = (machine_goes_and_knows_why, power_goes, headroom_calls_it_off)


def main():
    for case in CASES:
        case()
    probe = tap.run(*NAMESPACE, "sh", "-c", "echo $$")
    if probe.stdout.strip() != "1":
        tap.skip("a machine that goes", "no namespace of processes: " + probe.stderr.strip())
    else:
        for case in OF_A_MACHINE:
            case()
    tap.done()


main()
