#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The tripwire: a limit on a cgroup that follows the machine, and is gone when the broker is."""

import pathlib
import shutil
import signal
import subprocess
import time

import dbus
import tap_path  # noqa: F401
import tap
from world import LOW, PLENTY, World, expect, true, wait_until

MIB = 1 << 20
NAME = "/programs"
# imminent's floor is 6 % of 1 GiB, seven eighths of it are kept; 100 MiB in use, of it 40 of files
KEPT = 1048576 * 1024 // 10000 * 600 // 8 * 7
AT_START = (PLENTY * 1024 + 60 * MIB - KEPT) // 65536 * 65536
EVENTS = "low 0\nhigh {:03}\nmax 0\noom 0\noom_kill 0\n"
STAT = "inactive_file {:012}\nactive_file {:012}\n"
SETTINGS = {"tripwire_cgroup": NAME, "idle_interval_ms": 100}


class Tree(World):
    """With a cgroup tree of version 2 that has the cgroup of the tripwire, or not."""
    before = "max\n"
    is_there = True

    def __init__(self, settings=None, options=(), **more):
        self.__dict__.update(more)
        super().__init__({**SETTINGS, **(settings or {})}, options)

    def start_bus(self):
        (self.folder / "root/proc/mounts").write_text("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n")
        tree = self.folder / "root/sys/fs/cgroup"
        tree.mkdir(parents=True)
        (tree / "cgroup.controllers").write_text("cpu io memory pids\n")
        if self.is_there:
            self.add_cgroup(NAME, self.before)
        super().start_bus()

    def file(self, name="memory.high", cgroup=NAME):
        return self.folder / f"root/sys/fs/cgroup{cgroup}/{name}"

    def add_cgroup(self, cgroup, before="max\n"):
        """There at once with all its files, as the kernel makes it."""
        made = self.folder / "made"
        made.mkdir()
        for name, text in (("memory.high", before), ("memory.max", "max\n"),
                           ("memory.current", f"{100 * MIB:012}\n"), ("memory.events", EVENTS.format(0)),
                           ("memory.stat", STAT.format(30 * MIB, 10 * MIB))):
            (made / name).write_text(text)
        made.rename(self.file(cgroup=cgroup).parent)

    def remove_cgroup(self, cgroup=NAME):
        """Gone at once with all its files."""
        shutil.rmtree(self.file(cgroup=cgroup).parent.rename(self.folder / "gone"))

    def put(self, name, text):
        """In place and at once, as the kernel's figures change: who reads meanwhile finds no empty file."""
        with open(self.file(name), "r+", encoding="ascii") as file:
            file.write(text)

    def put_usage(self, used, files):
        """And time for a reading, so that no other one has half of it beside a later event."""
        self.put("memory.stat", STAT.format(files, 0))
        self.put("memory.current", f"{used:012}\n")
        time.sleep(0.5)

    def high(self, cgroup=NAME):
        """As the kernel would have it: what was longer before stands behind it in a file."""
        return self.file(cgroup=cgroup).read_text().split("\n")[0]

    def wait_high(self, wanted, cgroup=NAME):
        wait_until(lambda: self.high(cgroup) == str(wanted))
        return self.high(cgroup)

    def sentence(self):
        proxy = self.connection().get_object(tap.NAME, tap.PATH, introspect=False)
        return str(proxy.Get(tap.NAME, "Tripwire", dbus_interface=dbus.PROPERTIES_IFACE))

    def warnings(self):
        proxy = self.connection().get_object(tap.NAME, tap.PATH, introspect=False)
        return [str(s) for s in proxy.Get(tap.NAME, "Warnings", dbus_interface=dbus.PROPERTIES_IFACE)]

    def status(self):
        return tap.run(tap.program("failsoftctl"), f"--bus={self.address}", "status").stdout

    def reload(self, **settings):
        self.write_settings(**settings)
        self.call("Reload")


def armed_and_taken_away():
    for before in ("max", "734003200"):
        with Tree(before=before + "\n") as w:
            at_start = w.wait_high(min(AT_START, 734003200) if before != "max" else AT_START)
            sentence, status = w.sentence(), w.status()
            noted = w.wait_event(event="tripwire")
            w.kill_broker(signal.SIGTERM)
            at_end = w.high()
        wanted = AT_START if before == "max" else 734003200
        tap.check(f"it stands at once, and {before} stands again when the broker has ended",
                  expect(at_start=(at_start, str(wanted)), at_end=(at_end, before),
                         limit=(noted and noted["limit_bytes"], wanted))
                  + true(sentence=sentence.startswith(f"armed: {NAME} may take"),
                         status="tripwire     armed" in status))


def it_follows():
    with Tree() as w:
        w.wait_high(AT_START)
        w.set_free(PLENTY - 200000)
        lower = w.wait_high((AT_START - 200000 * 1024) // 65536 * 65536)
        w.set_free(PLENTY)
        higher = w.wait_high(AT_START)
        w.put("memory.current", f"{200 * MIB:012}\n")
        w.set_free(PLENTY - 102400)
        time.sleep(0.6)
        same = w.wait_high(AT_START)  # the one figure may have been read before the other
    tap.check("it follows what lives outside, and not what grows inside",
              expect(lower=(lower, str((AT_START - 200000 * 1024) // 65536 * 65536)),
                     higher=(higher, str(AT_START)), same=(same, str(AT_START))))


def a_broker_that_is_killed():
    for how in ("restart", "--release"):
        with Tree() as w:
            w.wait_high(AT_START)
            w.kill_broker(signal.SIGKILL)
            after = w.high()
            if how == "restart":
                w.start_broker()
                said = "what stood before the tripwire" in (w.folder / "broker.log").read_text()
                again = w.wait_high(AT_START)
                w.kill_broker(signal.SIGTERM)
            else:
                done = tap.run(tap.program("failsoftd"), "--release", f"--state-dir={w.folder}/state",
                               f"--root={w.folder}/root")
                said = done.returncode == 0 and NAME in done.stdout
                twice = tap.run(tap.program("failsoftd"), "--release", f"--state-dir={w.folder}/state",
                                f"--root={w.folder}/root")
                again = str(AT_START) if "nothing was left" in twice.stdout else twice.stdout
            at_end = w.high()
        tap.check(f"a broker that is killed leaves no limit: {how}",
                  expect(after=(after, str(AT_START)), again=(again, str(AT_START)), at_end=(at_end, "max"))
                  + true(said=said))


def dry_run_and_reload():
    with Tree({"dry_run": True}) as w:
        w.wait_event(event="tripwire")
        dry, said_dry = w.high(), w.sentence()
        w.reload(dry_run=False)
        armed = w.wait_high(AT_START)
        w.reload(dry_run=True)
        dry_again = w.wait_high("max")
        w.add_cgroup("/others")
        w.reload(dry_run=False, tripwire_cgroup="/others")
        others, left = w.wait_high(AT_START, "/others"), w.high()
        w.reload(tripwire_cgroup="")
        none, said_none = w.wait_high("max", "/others"), w.sentence()
    tap.check("nothing is written in a dry run; another cgroup, or none, takes effect at once",
              expect(dry=(dry, "max"), armed=(armed, str(AT_START)), dry_again=(dry_again, "max"),
                     others=(others, str(AT_START)), left=(left, "max"), none=(none, "max"))
              + true(said_dry=said_dry.startswith("dry-run: "), said_none=said_none.startswith("off, ")))


def where_there_is_none():
    with Tree({"tripwire_cgroup": ""}) as w:
        none, warned, status = w.sentence(), w.warnings(), w.status()
    with Tree(is_there=False) as w:
        missing, warned_missing = w.sentence(), w.warnings()
    with World({"tripwire_cgroup": NAME}) as w:
        w.__class__ = Tree
        no_cgroups = w.sentence()
        w.client("logger")
    words = "cannot be met in time"
    tap.check("without a tripwire, status and properties say what that means and why",
              true(none=none.startswith("off, ") and words in none,
                   warned=any("no tripwire" in s and words in s for s in warned),
                   status="tripwire" in status, missing="there is no such cgroup" in missing,
                   warned_missing=any(NAME in s and words in s for s in warned_missing),
                   no_cgroups="no memory cgroups" in no_cgroups and words in no_cgroups))


def told_is_true_after_a_reload():
    """A sentence stands as long as it is true, and once."""
    words = "no tripwire"
    with Tree({"tripwire_cgroup": ""}) as w:
        before = w.warnings()
        w.reload(tripwire_cgroup=NAME)
        armed, status = w.warnings(), w.status()
        w.reload(tripwire_cgroup="/missing")
        missing = w.warnings()
        w.reload(tripwire_cgroup="/missing2")
        again = w.warnings()
        w.add_cgroup("/missing3")
        w.reload(tripwire_cgroup="/missing3", protect=["*"])
        protects = w.warnings()
        w.reload(protect=["sshd"], last_policy="reboot", watchdog_device="/dev/none",
                 domains=["/none"])
        reboots = w.warnings()
        w.reload(last_policy="relieve", watchdog_device="", domains=[])
        after = w.warnings()
    others = [s for s in before if words not in s]
    tap.check("what the broker says that it lacks is true after a reload, and said once",
              expect(before=(sum(words in s for s in before), 1), armed=(armed, others),
                     missing=(sum(words in s and "/missing:" in s for s in missing), 1),
                     again=(sum(words in s for s in again), 1),
                     protects=(sum("nobody is ever ended" in s for s in protects), 1),
                     reboots=(sorted(s[:8] for s in reboots if s not in others),
                              sorted(s[:8] for s in reboots if "watchdog_device /dev/none" in s
                                     or "domain /none" in s or "CAP_SYS_BOOT" in s)),
                     watchdog=(sum("/dev/none" in s for s in reboots), 1), after=(after, others))
              + true(status="tripwire     armed" in status and words not in status))


def tripped():
    with Tree() as w:
        logger = w.client("logger")
        w.wait_high(AT_START)
        w.slide(*range(LOW, 58000, -5000))
        time.sleep(0.5)
        before = [e.get("to") for e in w.events() if e["event"] == "stage"]
        w.put_usage(900 * MIB, 0)
        w.put("memory.events", EVENTS.format(3))
        event = w.wait_event(event="tripped")
        stage = w.wait_event(event="stage", to="shutdown")
        rests = [e["text"] for e in w.events() if e["event"] == "evidence"]
        asked = logger.lines.wait("shutdown")
    tap.check("who reaches it is a witness, and the stage is shutdown",
              true(event=event is not None, not_before="shutdown" not in before, distress=stage and stage["distress"] & 256,
                   rests=any("shutdown rests on headroom" in s and "limit" in s for s in rests), asked=asked))


def files_only():
    with Tree() as w:
        w.wait_high(AT_START)
        w.put_usage(860 * MIB, 800 * MIB)
        w.put("memory.events", EVENTS.format(9))
        time.sleep(0.6)
        events = [e["event"] for e in w.events()]
    tap.check("files that are read within it are no distress",
              expect(tripped=("tripped" in events, False), stage=("stage" in events, False)))


def it_vanishes():
    with Tree() as w:
        w.wait_high(AT_START)
        w.file("memory.current").write_text("")
        wait_until(lambda: w.sentence().startswith("off, "))
        sentence, warned, alive = w.sentence(), w.warnings(), w.broker.poll()
        w.add_cgroup("/others")
        w.reload(tripwire_cgroup="/others")
        others = w.wait_high(AT_START, "/others")
        w.remove_cgroup("/others")
        w.kill_broker(signal.SIGTERM)
    tap.check("a cgroup that vanishes is told, and the broker goes on",
              expect(alive=(alive, None), others=(others, str(AT_START)), code=(w.broker.returncode, 0))
              + true(off=sentence.startswith("off, "), warned=any("no tripwire" in s for s in warned)))


def it_comes_later():
    """A slice of systemd is there when its first unit is, and again after its last one had gone."""
    with Tree({"idle_interval_ms": 100}, is_there=False) as w:
        off = w.sentence()
        w.add_cgroup(NAME)
        come = w.wait_high(AT_START), w.warnings()
        w.file("memory.current").write_text("")  # as good as gone: who has it open cannot read it
        wait_until(lambda: w.sentence().startswith("off, "))
        time.sleep(2.5)  # it is looked for again, twice
        gone = w.sentence()
        w.remove_cgroup()
        w.add_cgroup(NAME)
        again = w.wait_high(AT_START)
        w.kill_broker(signal.SIGTERM)
        log = (w.folder / "broker.log").read_text()
    tap.check("a cgroup that comes later, or again, is armed then; what is missing is said once",
              expect(come=(come[0], str(AT_START)), again=(again, str(AT_START)), left=(w.high(), "max")
                     if w.file().exists() else ("", ""))
              + true(off=off.startswith("off, "), gone=gone.startswith("off, "),
                     unsaid=not any("no tripwire" in s for s in come[1]), once=log.count("no tripwire, ") == 2))


class OldTree(Tree):
    """Of version 1."""
    def start_bus(self):
        (self.folder / "root/proc/mounts").write_text("cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n")
        cgroup = self.folder / f"root/sys/fs/cgroup/memory{NAME}"
        cgroup.mkdir(parents=True)
        for name, text in (("limit_in_bytes", 300 * MIB), ("usage_in_bytes", 100 * MIB), ("failcnt", 0),
                           ("oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 0"),
                           ("stat", "total_inactive_file 0\ntotal_active_file 0")):
            (cgroup / f"memory.{name}").write_text(f"{text}\n")
        (cgroup / "cgroup.event_control").write_text("")
        World.start_bus(self)


def version_1_after_a_reload():
    with OldTree() as w:
        before = [str(d[0]) for d in w.call("ListDomains")]
        w.call("Reload")
        after, sentence = [str(d[0]) for d in w.call("ListDomains")], w.sentence()
    tap.check("cgroup v1: a reload leaves the ladder of the tripwire's cgroup",
              expect(before=(before, ["system", NAME]), after=(after, ["system", NAME]))
              + true(sentence="programs wait" in sentence))


def is_removed(folder):
    try:
        folder.rmdir()
    except OSError:
        return False
    return True


def version_1():
    """The kernel's own, where this user may make a cgroup of it."""
    folder = pathlib.Path("/sys/fs/cgroup/memory/failsoft-tripwire")
    words = "cgroup v1: who reaches the limit waits, and is ended by the ladder, not by the kernel"
    try:
        folder.mkdir()
        (folder / "memory.limit_in_bytes").write_text(str(48 * MIB))
    except OSError:
        tap.skip(words, "no right to make a cgroup of version 1 here")
        return
    control = folder / "memory.oom_control"
    try:
        with World({"tripwire_cgroup": "/failsoft-tripwire", "idle_interval_ms": 100}, ["--root=/"]) as w:
            w.__class__ = Tree
            sentence = w.sentence()
            w.call("Reload")
            wait_until(lambda: "oom_kill_disable 1" in control.read_text())
            armed = control.read_text()
            hog = w.child(["/bin/sh", "-c", f"echo $$ >{folder}/cgroup.procs; exec \"$@\"", "sh",
                           tap.program("failsoft-hog"), "--rate=max"])
            try:
                code = hog.wait(20)
            except subprocess.TimeoutExpired:
                code = None
            during = control.read_text()
            killed = w.wait_event(event="action", name="failsoft-hog")
            w.kill_broker(signal.SIGTERM)
        after = control.read_text()
    finally:
        wait_until(lambda: is_removed(folder))  # not while somebody is on his way out of it
    tap.check(words, true(sentence="programs wait" in sentence, armed="oom_kill_disable 1" in armed,
                          kernel="oom_kill 0" in during, killed=killed is not None,
                          after="oom_kill_disable 0" in after)
              + expect(code=(code in (-signal.SIGTERM, -signal.SIGKILL), True)))


armed_and_taken_away()
it_follows()
a_broker_that_is_killed()
dry_run_and_reload()
where_there_is_none()
told_is_true_after_a_reload()
tripped()
files_only()
it_vanishes()
it_comes_later()
version_1_after_a_reload()
version_1()
tap.done()
