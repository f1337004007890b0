#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Harm from outside: a forged bus, a flapping bus, a second broker, hostile names and cgroups."""

import os
import pathlib
import signal
import socket
import sys
import time

import dbus
import dbus.lowlevel
import tap_path  # noqa: F401
import tap
from world import LOW, LOWER, LOWEST, PLENTY, World, ended_as_told, expect, options, true, wait_until

MIB = 1024 * 1024


class Cgroups(World):
    """With a cgroup v2 tree: /demo and /other limited to 64 MiB."""

    def start_bus(self):
        self.tree = self.folder / "root/sys/fs/cgroup"
        if not self.tree.exists():
            (self.folder / "root/proc/mounts").write_text(
                "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n")
            self.add_cgroup(b"", None)
            for name in (b"demo", b"other"):
                self.add_cgroup(name, 64 * MIB)
        super().start_bus()

    def add_cgroup(self, name, limit):
        folder = os.path.join(os.fsencode(self.tree), name)
        os.makedirs(folder)
        files = {b"cgroup.controllers": b"memory\n", b"memory.current": b"%12d\n" % (16 * MIB),
                 b"memory.max": b"%d\n" % limit if limit else b"max\n", b"memory.high": b"max\n",
                 b"memory.stat": b"anon 1\nfile 0\ninactive_file 0\nactive_file 0\n",
                 b"memory.events": b"low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n"}
        for file, content in files.items():
            with open(os.path.join(folder, file), "wb") as f:
                f.write(content)

    def use(self, name, used):
        with open(self.tree / name / "memory.current", "r+b") as f:
            f.write(b"%12d\n" % used)

    def domains(self):
        return {str(d[0]): str(d[1]) for d in self.call("ListDomains")}


def register(w, name, bus=None, **more):
    """The reply; the connection is kept as long as the world."""
    bus = bus or w.connection()
    reply = w.call("Register", name, options(**more), signature="sa{sv}", bus=bus)
    w.kept = getattr(w, "kept", []) + [bus, reply]
    return reply


def adj(folder):
    return int((folder / "oom_score_adj").read_text().split("\n")[0])


def register_shielded(w):
    """This process as a client that is asked and shielded, with forty seconds to answer."""
    folder = w.add_process(os.getpid(), "python3", 1000)
    forty_seconds = {k: dbus.UInt64(40000000) for k in ("FlushUSec", "DegradeUSec", "ShutdownUSec")}
    register(w, "slow", **forty_seconds)
    w.set_free(LOW)
    w.wait_event(event="shield")
    return folder


def try_to_start(w):
    """Another failsoftd like the world's, expected to end by itself."""
    return tap.run(tap.program("failsoftd"), f"--bus={w.address}", f"--config={w.folder}/failsoft.json",
                   f"--state-dir={w.folder}/state", f"--root={w.folder}/root")


# ---- the bus ----

def forged_leave():
    with World() as w:
        bus = w.connection()
        register(w, "steady", bus=bus)
        forger = w.connection()
        for sender_path in ("/org/freedesktop/DBus", tap.PATH):
            message = dbus.lowlevel.SignalMessage(sender_path, "org.freedesktop.DBus",
                                                  "NameOwnerChanged")
            message.set_destination(tap.NAME)
            message.append(bus.get_unique_name(), bus.get_unique_name(), "", signature="sss")
            forger.send_message(message)
        forger.flush()
        time.sleep(0.3)
        listed = len(w.call("ListClients"))
    tap.check("nobody can end another's registration by saying that it left", expect(clients=(listed, 1)))


def slam_doors(path, seconds):
    """A bus that lets everybody in and throws them out at once."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(8)
    listener.settimeout(0.05)
    end, visits = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        try:
            listener.accept()[0].close()
            visits += 1
        except TimeoutError:
            pass
    listener.close()
    path.unlink()
    return visits


def flapping_bus():
    with World() as w:
        client = w.client("logger")
        w.bus_daemon.kill()
        w.bus_daemon.wait()
        (w.folder / "bus").unlink()
        visits = slam_doors(w.folder / "bus", 1.5)
        alive = w.broker.poll() is None
        w.set_free(LOW)
        asked = alive and client.lines.wait("step ")
        w.start_bus()
        named = False
        if alive:
            try:
                tap.wait_for(lambda: w.connection().name_has_owner(tap.NAME), "the name", 30)
                named = True
            except RuntimeError:
                pass
    tap.check("a bus that breaks off again while the broker comes back does not end the broker",
              true(tried=visits > 0, alive=alive, asked=asked, named=named))


def standing_bus():
    with World() as w:
        early, late = w.client("early", group=10), w.client("late", group=20)
        w.bus_daemon.send_signal(signal.SIGSTOP)
        w.set_free(LOW)
        asked = [c.lines.wait("step ", seconds=5) for c in (early, late)]
        w.bus_daemon.send_signal(signal.SIGCONT)
        answers = [w.wait_event(event="answer", name=name) for name in ("early", "late")]
        again = len(w.call("ListClients"))
    tap.check("with the bus standing still, group after group is asked and answers on the lifelines",
              expect(asked=(asked, [True, True]), clients=(again, 2))
              + true(in_their_budgets=all(a and a["result"] == "done" for a in answers)))


FLOOD = """
import os, struct, sys
os.set_blocking(int(sys.argv[1]), True)
report = struct.pack("=IHHIIQQQQQQ", 0x31415346, 1, 64, 2, 0, 0, 0, 1, 1, 0, 0)
while True:
    os.write(int(sys.argv[1]), report)
"""


def reported(w):
    return [int(c[7]) for c in w.call("ListClients") if c[1] == "flooder"]


def flooding_client():
    with World() as w:
        bus = w.connection()
        fd = register(w, "flooder", bus=bus)[2].take()
        calm = w.client("calm")
        w.child([sys.executable, "-c", FLOOD, str(fd)], pass_fds=[fd])
        wait_until(lambda: reported(w) == [1])  # it has begun
        begin = time.monotonic()
        have = reported(w)
        listed = time.monotonic() - begin
        w.set_free(LOW)
        asked = calm.lines.wait("step ", seconds=5)
    tap.check("a client that floods its lifeline keeps neither the bus nor the others waiting",
              expect(reported=(have, [1])) + true(listed_soon=listed < 3, asked=asked))


# ---- what the broker before left ----

def start_without_a_bus():
    with World({"budget_max_ms": 60000}) as w:
        folder = register_shielded(w)
        opened = w.wait_event(event="episode_opened")
        w.kill_broker()
        w.bus_daemon.kill()
        w.bus_daemon.wait()
        failed = try_to_start(w).returncode
        w.start_bus()
        w.start_broker()
        taken = w.wait_event(event="episode_taken_over")
        restored = adj(folder)
    tap.check("a start that fails for want of a bus loses nothing of what the one before left",
              expect(failed=(failed, 1), restored=(restored, 0),
                     episode=(taken and taken["episode"], opened["episode"])))


def second_broker():
    with World({"budget_max_ms": 60000}) as w:
        folder = register_shielded(w)
        second = try_to_start(w)
        still = adj(folder)
        alive = w.broker.poll() is None
        w.kill_broker()
        w.set_free(PLENTY)
        w.start_broker()
        restored = adj(folder)
    tap.check("a second broker by mistake ends, says why, and harms nothing of the first",
              expect(status=(second.returncode, 1), still_shielded=(still, -999),
                     restored=(restored, 0)) + true(alive=alive, says="another" in second.stderr))


def fewer_clients_than_before():
    with World({"budget_max_ms": 60000}) as w:
        w.client("first")
        folder = register_shielded(w)
        w.kill_broker()
        w.set_free(PLENTY)
        w.write_settings(max_clients=1)
        w.start_broker()
        restored = adj(folder)
    tap.check("a shield of a client beyond the new max_clients is taken down, too",
              expect(restored=(restored, 0)))


# ---- cgroups ----

def domains_that_cannot_be():
    rows = [("an empty name", ""), ("a word", "nosuch"), ("the root", "/"), ("two slashes", "//demo"),
            ("a way up", "/demo/../other"), ("a way out", "/../../../proc"), ("up at the end", "/demo/.."),
            ("a missing one", "/missing"), ("a file", "/demo/memory.max"),
            ("300 bytes", "/" + "x" * 299), ("a line end", "/demo\n")]
    with Cgroups() as w:
        for name, domain in rows:
            have = w.error_of("Register", "a", options(Domain=domain), signature="sa{sv}")
            tap.check(f"a domain that cannot be, {name}: UnknownDomain",
                      expect(error=(have, "UnknownDomain")))
        left = w.domains()
        good = w.error_of("Register", "a", options(Domain="/demo"), signature="sa{sv}")
    tap.check("none of them is left behind; a good one is taken",
              expect(domains=(list(left), ["system"]), good=(good, "")))


def refused_client_leaves_no_domain():
    with Cgroups({"max_clients_per_uid": 1}) as w:
        register(w, "only")
        refused = w.error_of("Register", "b", options(Domain="/demo"), signature="sa{sv}")
        wait_until(lambda: len(w.domains()) == 1)
        left = w.domains()
    tap.check("the domain of a client that was refused is not watched for ever",
              expect(error=(refused, "TooManyForUser"), domains=(list(left), ["system"])))


def cgroup_reaches_its_clients():
    with Cgroups({"act": False}) as w:
        demo, other = w.connection(), w.connection()
        register(w, "inside", bus=demo, Domain="/demo")
        register(w, "outside", bus=other, Domain="/other")
        w.use("demo", 59 * MIB)
        asked = w.wait_event(event="request", name="inside")
        time.sleep(0.2)
        stages = w.domains()
        others = [e for e in w.events() if e["event"] == "request" and e["name"] == "outside"]
        w.use("demo", 16 * MIB)
        cleared = w.wait_event(event="episode_closed")
    tap.check("a cgroup's stage reaches its clients and nobody else's",
              expect(domain=(asked and asked["domain"], "/demo"), others=(others, []),
                     system=(stages["system"], "normal"), other=(stages["/other"], "normal"))
              + true(stage=stages["/demo"] != "normal", cleared=cleared is not None))


def cgroup_goes_away():
    with Cgroups({"act": False}) as w:
        register(w, "inside", Domain="/demo")
        w.use("demo", 59 * MIB)
        w.wait_event(event="request", name="inside")
        for file in (w.tree / "demo").iterdir():
            file.unlink()
        (w.tree / "demo").rmdir()
        time.sleep(0.5)
        alive = w.broker.poll() is None
        clients = len(w.call("ListClients")) if alive else 0
    tap.check("a cgroup that is removed in mid-episode harms nothing else",
              true(alive=alive) + expect(clients=(clients, 1)))


def wait_domains(w, *wanted):
    wait_until(lambda: sorted(w.domains()) == sorted(wanted))
    return expect(domains=(sorted(w.domains()), sorted(wanted)))


def not_watched(w):
    proxy = w.connection().get_object(tap.NAME, tap.PATH, introspect=False)
    warnings = proxy.Get(tap.NAME, "Warnings", dbus_interface=dbus.PROPERTIES_IFACE)
    return sum("is not watched" in str(s) for s in warnings)


def configured_cgroup_that_comes_later():
    with Cgroups({"act": False, "domains": ["/demo", "/late"]}) as w:
        before, missing = sorted(w.domains()), not_watched(w)
        w.add_cgroup(b"late", 64 * MIB)
        problems = wait_domains(w, "system", "/demo", "/late")
        none, added = not_watched(w), [e for e in w.events() if e["event"] == "domain_added"]
    tap.check("a cgroup of the configuration that comes after the broker is watched",
              problems + expect(before=(before, ["/demo", "system"]), missing=(missing, 1), none=(none, 0))
              + true(quiet=len(added) <= 4))


def configured_cgroup_that_is_made_anew():
    """As systemd does with the cgroup of a service that was ended. The kernel's own."""
    folder = pathlib.Path("/sys/fs/cgroup/memory/failsoft-anew")
    words = "a cgroup of the configuration that is made anew is watched again"
    try:
        folder.mkdir()
    except OSError:
        tap.skip(words, "no right to make a cgroup of version 1 here")
        return
    try:
        with World({"act": False, "idle_interval_ms": 100, "domains": ["/failsoft-anew"]}, ["--root=/"]) as w:
            w.__class__ = Cgroups
            problems = wait_domains(w, "system", "/failsoft-anew")
            folder.rmdir()
            problems += wait_domains(w, "system")
            gone = not_watched(w)
            folder.mkdir()
            problems += wait_domains(w, "system", "/failsoft-anew")
            again = not_watched(w)
    finally:
        folder.rmdir()
    tap.check(words, problems + expect(gone=(gone, 1), again=(again, 0)))


def cgroup_with_a_name_that_is_no_text():
    with Cgroups() as w:
        w.add_cgroup(b"evil\xff", 64 * MIB)
        process = w.add_process(os.getpid(), "python3", 1000)
        (process / "cgroup").write_bytes(b"0::/evil\xff\n")
        register(w, "inside")
        errors = [w.error_of(m) for m in ("ListDomains", "ListClients", "ListEpisodes")]
        served = w.connection().name_has_owner(tap.NAME)
        w.use(os.fsdecode(b"evil\xff"), 59 * MIB)
        w.set_free(LOW)
        asked = w.wait_event(event="request", name="inside") if not any(errors) else None
    tap.check("a cgroup whose name is no UTF-8 does not silence the broker for everybody",
              expect(lists=(errors, ["", "", ""])) + true(served=served, asked=asked is not None))


# ---- names ----

def victim_with_a_name_that_is_no_text():
    with World({"act": True}) as w:
        hog = w.child(["sleep", "60"])
        folder = w.add_process(hog.pid, "hog", 600000)
        status = (folder / "status").read_bytes()
        (folder / "status").write_bytes(status.replace(b"Name:\thog", b"Name:\t\xc3h\xff\"og"))
        w.slide(LOW, LOWER)
        for free in range(LOWEST + 10000, LOWEST - 10000, -1000):
            w.set_free(free)
            time.sleep(0.02)
        hog.wait()
        wait_until(lambda: b'"event":"ended"' in w.history())
        try:
            events = w.events()
            victims = [e for e in events if e["event"] == "victim"]
        except UnicodeDecodeError:
            events, victims = [], None
        episode = w.call("ListEpisodes")[-1][0]
        try:
            sentences = [str(s) for s in w.call("Explain", episode, signature="t")]
        except dbus.DBusException as error:
            sentences = [error.get_dbus_name()]
    tap.check("a victim whose name is no UTF-8: every line of Monitor is still JSON, Explain explains",
              true(monitor=victims is not None and len(victims) == 1,
                   explain=any("caused it" in s for s in sentences), ended=ended_as_told(events, hog.returncode)))


forged_leave()
flapping_bus()
standing_bus()
flooding_client()
start_without_a_bus()
second_broker()
fewer_clients_than_before()
domains_that_cannot_be()
refused_client_leaves_no_domain()
cgroup_reaches_its_clients()
cgroup_goes_away()
configured_cgroup_that_comes_later()
configured_cgroup_that_is_made_anew()
cgroup_with_a_name_that_is_no_text()
victim_with_a_name_that_is_no_text()
tap.done()
