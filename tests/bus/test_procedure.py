#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Procedures: what was given for a program runs before that is ended; all processes here are real."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

import dbus
import tap_path  # noqa: F401
import tap
from world import LOW, LOWER, LOWEST, PLENTY, World, expect, options, true, wait_until

SHELL = "/bin/sh"


def world(settings=None, more=()):
    return World(settings, options=[f"--responder={tap.program('failsoft-responder')}", *more])


def sleeper(w, name="hog", rss=600000, code="import time; time.sleep(60)", cgroup="/"):
    child = w.child([sys.executable, "-c", code])
    time.sleep(0.2)
    (w.add_process(child.pid, name, rss) / "cgroup").write_text(f"0::{cgroup}\n")
    return child


def is_ended(status):
    """By SIGTERM; on a busy machine SIGKILL comes before it was acted on."""
    return status in (-signal.SIGTERM, -signal.SIGKILL)


def run_out(w):
    w.slide(LOW, LOWER)
    for free in range(LOWEST + 10000, LOWEST - 10000, -1000):
        w.set_free(free)
        time.sleep(0.02)


def add(w, kind, match, *command, **more):
    return int(w.call("AddProcedure", kind, str(match), str(command[0]), dbus.Array(command[1:], "s"),
                      options(**more), signature="sssasa{sv}"))


def state(w, number):
    rows = {int(r[0]): r for r in w.call("ListProcedures")}
    return str(rows[number][3]) if number in rows else None


def ready(w, number, wanted="ready"):
    return wait_until(lambda: state(w, number) == wanted)


def give(w, kind, match, *command, **more):
    """With five seconds, which only who hangs uses up: the default of 500 ms may pass before a program has run."""
    number = add(w, kind, match, *command, **{"DeadlineUSec": dbus.UInt64(5000000), **more})
    if not ready(w, number):
        raise RuntimeError(f"{command}: {state(w, number)}")
    return number


def ctl(w, *arguments):
    return tap.run(tap.program("failsoftctl"), f"--bus={w.address}", *arguments)


def of_kind(w, *kinds):
    return [e for e in w.events() if e["event"] in kinds]


def order_of(w):
    """Without SIGKILL, see is_ended()."""
    kinds = ("victim", "procedure", "procedure_ended", "action", "ended")
    return [e["event"] + e.get("rung", "") for e in of_kind(w, *kinds) if e.get("rung") != "kill"]


def in_its_order():
    with world() as w:
        hog = sleeper(w)
        to = w.folder / "seen"
        number = give(w, "name", "hog", SHELL, "-c",
                      f"cut -d' ' -f3 /proc/$FAILSOFT_PID/stat > {to}; echo $FAILSOFT_NAME; echo two; exit 0")
        run_out(w)
        w.wait_event(event="ended")
        order = order_of(w)
        ended = w.wait_event(event="procedure_ended")
        w.wait_event(event="procedure_output", name="two")
        says = [e["name"] for e in of_kind(w, "procedure_output")]
        stopped = to.read_text().strip()
        row = w.call("ListProcedures")[0]
        listed = (int(row[0]), str(row[6]["LastResult"]))
        used = state(w, number)
        w.set_free(PLENTY)
        again = ready(w, number)
        text = ctl(w, "procedure", "list").stdout
        status = hog.poll()
    tap.check("victim, procedure, its end, SIGTERM, ended",
              expect(order=(order, ["victim", "procedure", "procedure_ended", "actionterm", "ended"]),
                     result=(ended and ended["result"], "done"), status=(is_ended(status), True)))
    tap.check("the process is stopped while it runs, and its words are kept",
              expect(state=(stopped, "T"), says=(says, ["hog", "two"])))
    tap.check("it is listed with its result, and stands ready again when the crisis is over",
              expect(listed=(listed, (number, "done")), used=(used, "used"))
              + true(again=again, text="run 1 time, last: done" in text))


def of_a_group():
    with world() as w:
        jobs = [sleeper(w, "job", rss) for rss in (200000, 230000, 210000)]
        to = w.folder / "seen"
        give(w, "pid", jobs[0].pid, SHELL, "-c", f"echo $FAILSOFT_PID $FAILSOFT_NAME > {to}")
        run_out(w)
        w.wait_event(event="ended")
        ran = [e["result"] for e in of_kind(w, "procedure_ended")]
        seen = to.read_text().split() if to.exists() else []
        victim = w.wait_event(event="victim")
    tap.check("of a group that is ended, one has a procedure: it runs, and is told of that one",
              expect(seen=(seen, [str(jobs[0].pid), "job"]), ran=(ran, ["done"]),
                     others=(victim["processes"], 3)))


def without_hold():
    with world() as w:
        sleeper(w)
        to = w.folder / "seen"
        give(w, "name", "hog", SHELL, "-c", f"cut -d' ' -f3 /proc/$FAILSOFT_PID/stat > {to}",
             Hold=False, DeadlineUSec=dbus.UInt64(900000))
        run_out(w)
        w.wait_event(event="ended")
        seen = to.read_text().strip()
    tap.check("Hold false: the process is not stopped", expect(state=(seen, "S")))


def running(program):
    return subprocess.run(["pgrep", "-fx", program], capture_output=True, check=False).stdout


def bad_ones():
    program = f"sleep {200000 + os.getpid()}"    # the same test may run beside this one
    cases = [("hangs", ["-c", program], "late"),
             ("forks and leaves its session", ["-c", f"setsid {program} & {program}"], "late"),
             ("writes without end", ["-c", "while :; do echo aaaaaaaaaaaa; done"], "late"),
             ("fails", ["-c", "exit 3"], "failed"), ("is killed", ["-c", "kill -9 $$"], "killed")]
    for name, arguments, result in cases:
        with world() as w:
            hog = sleeper(w)
            give(w, "name", "hog", SHELL, *arguments, DeadlineUSec=dbus.UInt64(200000))
            run_out(w)
            ended = w.wait_event(event="procedure_ended")
            w.wait_event(event="ended")
            status = hog.poll()
            wait_until(lambda: not running(program))
            left = running(program)
            lines = len(of_kind(w, "procedure_output"))
        tap.check(f"one that {name}: {result}, the ladder goes on, nothing is left",
                  expect(result=(ended and ended["result"], result), status=(is_ended(status), True),
                         left=(left, b"")) + true(in_time=ended and ended["taken_us"] < 2000000, cut=lines <= 16))


def what_cannot_stand_ready():
    with world() as w:
        missing = add(w, "name", "a", "/nonexistent")
        plain = add(w, "name", "b", "/etc/passwd")
        crashing = add(w, "name", "c", SHELL, "-c", "exit 1", Responder=True)
        broken = [ready(w, n, "broken") for n in (missing, plain, crashing)]
        told = {}
        for number in (missing, plain, crashing):
            event = w.wait_event(event="responder", procedure=number)
            told[number] = event["errno"] if event else 0
        hog = sleeper(w, "a")
        run_out(w)
        w.wait_event(event="ended")
        ran = of_kind(w, "procedure")
        status = hog.poll()
    tap.check("no such file, not executable, no responder: broken, and said why",
              expect(broken=(broken, [True] * 3), missing=(told.get(missing), 2), plain=(told.get(plain), 13))
              + true(crashing=told.get(crashing, 0) > 0))
    tap.check("then the program is ended without", expect(ran=(ran, []), status=(is_ended(status), True)))


def who_is_meant():
    with world() as w:
        hog = sleeper(w, cgroup="/a.slice/hog.service/inner")
        to = w.folder / "who"
        for kind, match in [("name", "hog"), ("name", "hag"), ("unit", "hog.service"), ("unit", "hag.service"),
                            ("cgroup", "/a.slice"), ("cgroup", "/b.slice"), ("pid", hog.pid)]:
            give(w, kind, match, SHELL, "-c", f"echo {kind} {match} >> {to}")
        run_out(w)
        w.wait_event(event="ended")
        first, meant = to.read_text(), f"pid {hog.pid}\n"
    with world() as w:
        other = sleeper(w, "other")
        # the same pid, started later: as the broker's proc tree tells it
        give(w, "pid", other.pid, SHELL, "-c", "exit 0")
        stat = w.folder / f"root/proc/{other.pid}/stat"
        fields = stat.read_text().split()
        fields[21] = str(int(fields[21]) + 5)
        stat.write_text(" ".join(fields))
        run_out(w)
        w.wait_event(event="victim")
        time.sleep(0.5)
        ran = of_kind(w, "procedure")
    tap.check("the most specific one runs: pid", expect(first=(first, meant)))
    tap.check("a pid that was given out anew is somebody else", expect(ran=(ran, [])))


def dry_run_and_switch():
    with world(more=["--dry-run"]) as w:
        hog = sleeper(w)
        to = w.folder / "ran"
        give(w, "name", "hog", SHELL, "-c", f"touch {to}", DeadlineUSec=dbus.UInt64(500000))
        run_out(w)
        told = w.wait_event(event="procedure")
        w.wait_event(event="action")
        dry = (to.exists(), hog.poll(), told and told["dry_run"])
    with world({"procedures_enabled": False}) as w:
        hog = sleeper(w)
        give(w, "name", "hog", SHELL, "-c", f"touch {w.folder}/ran")
        run_out(w)
        w.wait_event(event="ended")
        off = ((w.folder / "ran").exists(), of_kind(w, "procedure"), is_ended(hog.poll()))
    tap.check("--dry-run only tells it", expect(dry=(dry, (False, None, 1))))
    tap.check("procedures_enabled false: none runs", expect(off=(off, (False, [], True))))


def matches(w):
    return sorted(str(r[2]) for r in w.call("ListProcedures"))


def of_the_configuration():
    given = [{"name": "hog", "program": SHELL, "arguments": ["-c", "echo from the file"], "deadline_ms": 300}]
    with world({"procedures": given}) as w:
        number = int(w.call("ListProcedures")[0][0])
        stands = ready(w, number)
        kept = w.error_of("RemoveProcedure", dbus.UInt32(number), signature="u")
        mine = give(w, "name", "x", SHELL, "-c", "exit 0")
        w.write_settings(procedures=[{**given[0], "name": "hug"}])
        w.call("Reload")
        wait_until(lambda: matches(w) == ["hug", "x"])
        rows = {str(r[2]): int(r[0]) for r in w.call("ListProcedures")}
        again = ready(w, rows.get("hug", 0))
        w.kill_broker()
        w.start_broker()
        time.sleep(0.3)  # none of the others follows
        wait_until(lambda: matches(w) == ["hug"])
        after = matches(w)
    tap.check("those of the configuration stand ready, and only it takes them away",
              true(stands=stands, again=again) + expect(kept=(kept, "InvalidArgument"), rows=(sorted(rows), ["hug", "x"])))
    tap.check("after a restart they are there again, added ones are not",
              expect(after=(after, ["hug"])) + true(mine=mine > number))


def what_is_refused():
    cases = [("kind", ("nome", "a", SHELL, [], {}), "InvalidArgument"),
             ("no path", ("name", "a", "sh", [], {}), "InvalidArgument"),
             ("nobody", ("name", "", SHELL, [], {}), "InvalidArgument"),
             ("no such pid", ("pid", "4194303", SHELL, [], {}), "InvalidArgument"),
             ("deadline", ("name", "a", SHELL, [], {"DeadlineUSec": dbus.UInt64(1)}), "InvalidOption"),
             ("an option", ("name", "a", SHELL, [], {"Deadline": dbus.UInt64(1)}), "UnknownOption"),
             ("arguments", ("name", "a", SHELL, ["a"] * 17, {}), "InvalidArgument"),
             ("kept files", ("name", "a", SHELL, [], {"Keep": dbus.Array(["/x"] * 17, "s")}), "InvalidOption")]
    with world() as w:
        have = {name: w.error_of("AddProcedure", a[0], a[1], a[2], dbus.Array(a[3], "s"), options(**a[4]),
                                 signature="sssasa{sv}") for name, a, _ in cases}
        unknown = w.error_of("RemoveProcedure", dbus.UInt32(99), signature="u")
        for _ in range(16):
            add(w, "name", "a", "/nonexistent")
        full = w.error_of("AddProcedure", "name", "a", SHELL, dbus.Array([], "s"), options(),
                          signature="sssasa{sv}")
    tap.check("what cannot be is refused", expect(refused=(have, {name: e for name, _, e in cases}),
                                                  unknown=(unknown, "InvalidArgument"),
                                                  full=(full, "TooManyProcedures")))


def broker_dies():
    with world() as w:
        hog = sleeper(w)
        program = f"sleep {100000 + os.getpid()}"    # the same test may run beside this one
        give(w, "name", "hog", SHELL, "-c", program, DeadlineUSec=dbus.UInt64(20000000))
        run_out(w)
        w.wait_event(event="procedure")
        wait_until(lambda: stat_of(hog.pid) == "T" and running(program))
        before = stat_of(hog.pid)
        listed = ctl(w, "procedure", "list").stdout
        row = json.loads(ctl(w, "--json", "procedure", "list").stdout or "{}")
        w.kill_broker()
        wait_until(lambda: stat_of(hog.pid) != "T" and not running(program))
        left, after = running(program), stat_of(hog.pid)
    tap.check("when the broker dies, the stopped process goes on and the procedure is killed",
              expect(before=(before, "T"), left=(left, b"")) + true(goes_on=after in "RS"))
    tap.check("one that runs for the first time is listed with its time, and without a result",
              expect(result=(row["last_result"], ""), runs=(row["runs"], 1),
                     takes=(row.get("ends_us", 0) - row.get("started_us", 0) > 19000000, True),
                     last=("last" in listed, False))
              + true(listed="runs for " in listed and "ended at the latest in 1" in listed))


def stat_of(pid):
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


def ready_made():
    """The three that come with failsoft, as responders that wait."""
    shared = f"failsoft-test-{os.getpid()}"
    code = (f"import mmap, os, time\nf = os.open('/dev/shm/{shared}', os.O_RDWR | os.O_CREAT)\n"
            "os.ftruncate(f, 300001)\nm = mmap.mmap(f, 300001)\nm[:] = b'x' * 300000 + b'y'\ntime.sleep(60)")
    with world() as w:
        try:
            sleeper(w, "hog", code=code)
            give(w, "name", "hog", tap.program("failsoft-save"), f"--from=map:/dev/shm/{shared}",
                 f"--to={w.folder}/saved", Responder=True)
            run_out(w)
            saved = w.wait_event(event="procedure_ended")
            w.wait_event(event="ended")
            content = (w.folder / "saved").read_bytes()
        finally:
            pathlib.Path(f"/dev/shm/{shared}").unlink(missing_ok=True)
    with world() as w, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        udp.settimeout(20)
        led = w.folder / "led"
        led.write_text("0")
        sleeper(w, "hag")
        give(w, "name", "hag", tap.program("failsoft-alarm"), f"--write={led}=1", f"--console={w.folder}/led",
             f"--udp=127.0.0.1:{udp.getsockname()[1]}", "--message=pump", Responder=True)
        run_out(w)
        alarm = udp.recv(500).decode()
        raised = w.wait_event(event="procedure_output", name="3 of 3 alarms raised")
    answers = [answered(reply) for reply in (b"heard", b"")]
    tap.check("failsoft-alarm --answer waits for the host's answer, and fails without one",
              expect(answers=(answers, [(True, "done"), (True, "failed")])))
    size = len(content)
    tap.check("failsoft-save writes the shared memory of the dying process to a file",
              expect(result=(saved and saved["result"], "done"), rest=(content[300001:].strip(b"\0"), b""),
                     content=(content[:300001] == b"x" * 300000 + b"y", True)) + true(size=300001 <= size <= 303104))
    tap.check("failsoft-alarm writes to a file and tells a host",
              true(name="hag (pid" in alarm, message="pump" in alarm, raised=raised is not None))


def by_failsoftctl():
    with world() as w:
        added = ctl(w, "procedure", "add", "--deadline=300", "--keep=/bin/cat", "name=hog", SHELL, "-c",
                    "exit 0", "--json")
        number = added.stdout.strip()
        stands = number.isdigit() and ready(w, int(number))
        listed = json.loads(ctl(w, "--json", "procedure", "list").stdout or "{}")
        text = ctl(w, "procedure", "list").stdout
        wrong = [ctl(w, "procedure", *a).returncode for a in (["add"], ["add", "hog", SHELL], ["remove"],
                                                              ["ad"], ["add", "--bad", "name=a", SHELL])]
        removed = ctl(w, "procedure", "remove", number).returncode
        empty = ctl(w, "--json", "procedure", "list").stdout
        refused = ctl(w, "procedure", "remove", number)
    tap.check("failsoftctl procedure add, list, remove",
              expect(code=(added.returncode, 0), removed=(removed, 0), empty=(empty, ""),
                     command=(listed.get("command"), "/bin/sh -c exit 0 --json"), deadline=(listed.get("deadline_us"), 300000))
              + true(stands=stands, text="name=hog" in text))
    tap.check("wrong use is said", expect(wrong=(wrong, [2] * 5), refused=(refused.returncode, 3)) + true(words="number" in refused.stderr))


def what_is_added_broken():
    """failsoftctl says so, names what is in the way, and tells it by its exit status."""
    with world() as w:
        plain = w.folder / "plain"
        plain.write_text("no program")
        rows = [("missing", [f"{w.folder}/none"], f"{w.folder}/none", "No such file"),
                ("not executable", [str(plain)], str(plain), "Permission denied")]
        kept = ctl(w, "procedure", "add", f"--keep={w.folder}/kept", "name=hog", SHELL, "-c", "exit 0")
        have = []
        for name, command, path, why in rows:
            said = ctl(w, "procedure", "add", "name=hog", *command)
            have.append((name, said.returncode, said.stdout.strip().isdigit(), path in said.stderr, why in said.stderr))
    tap.check("one that cannot stand ready is said, with what is in its way",
              expect(added=(have, [(r[0], 1, True, True, True) for r in rows]), kept=(kept.returncode, 1))
              + true(file=f"{w.folder}/kept: No such file" in kept.stderr))
    with World(options=["--responder=/none/failsoft-responder"]) as w:
        said = ctl(w, "procedure", "add", "name=hog", SHELL, "-c", "exit 0")
        listed = ctl(w, "procedure", "list").stdout
        event = w.wait_event(event="responder")
    tap.check("when what stands ready for all is missing, that is named, not the program",
              expect(code=(said.returncode, 1), program=(SHELL in said.stderr, False),
                     event=(event and event["name"], "failsoft-responder"))
              + true(path="/none/failsoft-responder: No such file" in said.stderr,
                     listed="/none/failsoft-responder: No such file" in listed))


def answered(reply):
    """How an alarm ends whose host says this to it, and what the host heard."""
    with world() as w, socket.create_server(("127.0.0.1", 0)) as host:
        host.settimeout(20)
        sleeper(w, "hag")
        give(w, "name", "hag", tap.program("failsoft-alarm"), "--answer", f"--tcp=127.0.0.1:{host.getsockname()[1]}",
             Responder=True)
        heard = []
        thread = threading.Thread(target=serve_once, args=(host, reply, heard))
        thread.start()
        run_out(w)
        ended = w.wait_event(event="procedure_ended")
        thread.join()
    return "memory runs out" in "".join(heard), ended and ended["result"]


def serve_once(host, reply, heard):
    with host.accept()[0] as connection:
        heard.append(connection.recv(500).decode())
        connection.send(reply)


def who_is_never_ended():
    with world() as w:
        said = [w.error_of("AddProcedure", "pid", str(pid), SHELL, dbus.Array([], "s"), options(), signature="sssasa{sv}")
                for pid in (1, w.broker.pid)]
    tap.check("a procedure for who is never ended is refused", expect(said=(said, ["InvalidArgument"] * 2)))


in_its_order()
of_a_group()
without_hold()
what_is_added_broken()
who_is_never_ended()
bad_ones()
what_cannot_stand_ready()
who_is_meant()
dry_run_and_switch()
of_the_configuration()
what_is_refused()
broker_dies()
ready_made()
by_failsoftctl()
tap.done()
