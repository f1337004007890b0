#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Bad input over the bus and on the lifeline: each has its error name, nothing breaks."""

import os
import re
import socket
import time

import dbus
import tap_path  # noqa: F401
import tap
from world import LOW, World, expect, options, true, wait_until


def calls_that_are_refused(w):
    u64, u32 = dbus.UInt64, dbus.UInt32
    register, ack = "sa{sv}", "tsa{sv}"
    rows = [
        ("an empty name", "InvalidName", "Register", ("", options()), register),
        ("a name of 48 bytes", "InvalidName", "Register", ("x" * 48, options()), register),
        ("a name with a slash", "InvalidName", "Register", ("a/b", options()), register),
        ("an unknown option", "UnknownOption", "Register", ("a", options(Flush=u64(1))), register),
        ("a budget of the wrong type", "InvalidOption", "Register",
         ("a", options(FlushUSec=u32(200000))), register),
        ("a budget below 1 ms", "InvalidOption", "Register", ("a", options(FlushUSec=u64(999))),
         register),
        ("a budget above 60 s", "InvalidOption", "Register",
         ("a", options(FlushUSec=u64(60000001))), register),
        ("an order group of 100", "InvalidOption", "Register", ("a", options(OrderGroup=u32(100))),
         register),
        ("a domain that is not there", "UnknownDomain", "Register",
         ("a", options(Domain="/no/such/cgroup")), register),
        ("an answer without registration", "NotRegistered", "Acknowledge", (u64(1), "done", options()),
         ack),
        ("a report without registration", "NotRegistered", "Report", (options(),), "a{sv}"),
        ("Unregister without registration", "NotRegistered", "Unregister", (), ""),
        ("an episode that never was", "UnknownEpisode", "Explain", (u64(77),), "t"),
        ("arguments of the wrong type", "InvalidArgs", "Explain", ("x",), "s"),
        ("a method that is not there", "UnknownMethod", "Explode", (), ""),
    ]
    for name, error, method, arguments, signature in rows:
        have = w.error_of(method, *arguments, signature=signature)
        tap.check(f"{name}: {error}", expect(error=(have, error)))


def of_a_client(w):
    bus = w.connection()
    reply = w.call("Register", "good", options(), signature="sa{sv}", bus=bus)
    rows = [
        ("a second registration", "AlreadyRegistered", "Register", ("b", options()), "sa{sv}"),
        ("a result that is no word of ours", "InvalidResult", "Acknowledge",
         (dbus.UInt64(1), "finished", options()), "tsa{sv}"),
        ("a sequence that was never asked", "StaleSequence", "Acknowledge",
         (dbus.UInt64(99), "done", options()), "tsa{sv}"),
        ("an unknown key in an answer", "UnknownOption", "Acknowledge",
         (dbus.UInt64(1), "done", options(Bytes=dbus.UInt64(1))), "tsa{sv}"),
    ]
    for name, error, method, arguments, signature in rows:
        have = w.error_of(method, *arguments, signature=signature, bus=bus)
        tap.check(f"{name}: {error}", expect(error=(have, error)))
    assert reply


def keys_named(w, bus):
    """What the refusal of one more client says is to be raised."""
    try:
        w.call("Register", "one-more", options(), signature="sa{sv}", bus=bus)
    except dbus.DBusException as error:
        return re.findall(r"\bmax_\w+", error.get_dbus_message())
    return []


def limits():
    with World({"max_clients": 4, "max_clients_per_uid": 3, "max_monitors": 2}) as w:
        buses = [w.connection() for _ in range(4)]
        kept = [w.call("Register", f"n{i}", options(), signature="sa{sv}", bus=buses[i])
                for i in range(3)]
        fourth = w.error_of("Register", "n3", options(), signature="sa{sv}", bus=buses[3])
        named = keys_named(w, buses[3])
        w.call("Unregister", bus=buses[0])
        instead = w.error_of("Register", "n3", options(), signature="sa{sv}", bus=buses[3])
        streams = [w.call("Monitor", options(), signature="a{sv}").take()
                   for _ in range(1 if os.getuid() else 2)]
        third = w.error_of("Monitor", options(), signature="a{sv}")
        assert kept and streams
    tap.check("a user's clients are limited; one that leaves makes room",
              expect(fourth=(fourth, "TooManyForUser"), instead=(instead, ""),
                     named=(named, ["max_clients_per_uid"])))
    tap.check("readers of Monitor are limited", expect(third=(third, "TooManyForUser" if os.getuid() else "TooManyMonitors")))
    with World({"max_clients": 2, "max_clients_per_uid": 2}) as w:
        buses = [w.connection() for _ in range(3)]
        kept = [w.call("Register", f"n{i}", options(), signature="sa{sv}", bus=buses[i])
                for i in range(2)]
        full = w.error_of("Register", "n2", options(), signature="sa{sv}", bus=buses[2])
        assert kept
    tap.check("clients are limited in all", expect(full=(full, "TooManyClients")))


def garbage_on_the_lifeline():
    with World() as w:
        bus = w.connection()
        _, _, lifeline = w.call("Register", "noisy", options(), signature="sa{sv}", bus=bus)
        end = socket.socket(fileno=lifeline.take())
        w.client("calm")
        for data in (b"x", b"\0" * 64, os.urandom(64), os.urandom(900), b"FSA1" + b"\xff" * 60):
            end.send(data)
        still = len(w.call("ListClients"))
        for _ in range(20):
            try:
                end.send(os.urandom(64))
            except OSError:
                break
        tap.wait_for(lambda: len(w.call("ListClients")) == 1, "the end of the noisy one")
        w.set_free(LOW)
        answered = w.wait_event(event="answer", name="calm")
        alive = w.broker.poll() is None
    tap.check("garbage on a lifeline: some is ignored, much ends the registration, nobody else's",
              expect(after_some=(still, 2)) + true(alive=alive, answered=answered is not None))


def other_users():
    if os.getuid():
        tap.skip("other users", "only root can become somebody else")
        return
    with World() as w:
        def busctl(method, *arguments):
            return tap.busctl(w.address, "call", tap.NAME, tap.PATH, tap.NAME, method, *arguments,
                              before=("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"))
        listed = busctl("ListDomains")
        registered = busctl("Register", "sa{sv}", "somebody", "0")
        never = busctl("Register", "sa{sv}", "somebody", "1", "MayBeEnded", "b", "false")
        reload_ = busctl("Reload")
    tap.check("any user may look and register",
              true(listed=listed.returncode == 0, registered=registered.returncode == 0))
    tap.check("only root may ask never to be ended, or reload",
              true(never="only root" in never.stderr, reload=reload_.returncode != 0))


def readers_of_one_user():
    if os.getuid():
        tap.skip("readers of one user", "only root can become somebody else")
        return
    with World({"max_monitors": 8}) as w:
        def monitor(bus):
            streams.append(w.call("Monitor", options(), signature="a{sv}", bus=bus).take())

        def error_of(bus):
            return w.error_of("Monitor", options(), signature="a{sv}", bus=bus)
        streams = []
        os.seteuid(65534)  # whom the bus takes us for is settled when we connect
        try:
            theirs = w.connection()
        finally:
            os.seteuid(0)
        for _ in range(2):
            monitor(theirs)
        third = error_of(theirs)
        for _ in range(6):
            monitor(w.connection())
        of_root = error_of(w.connection())
        os.close(streams[0])
        wait_until(lambda: error_of(theirs) == "")  # it is heard of when there is nothing else to do
        again = error_of(theirs)
    tap.check("one user's readers of Monitor leave room for root, who has all of it",
              expect(third=(third, "TooManyForUser"), of_root=(of_root, "TooManyMonitors"),
                     again=(again, "")))


def cgroup_tree(folder):
    """A v2 hierarchy with one limited cgroup and one without a limit; nobody lives in either."""
    (folder / "proc/mounts").write_text("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n")
    root = folder / "sys/fs/cgroup"
    root.mkdir(parents=True)
    (root / "cgroup.controllers").write_text("memory\n")
    for name, limit in (("limited", 64 << 20), ("free", "max")):
        (root / name).mkdir()
        (root / name / "memory.max").write_text(f"{limit}\n")
        (root / name / "memory.current").write_text("1048576\n")
        (root / name / "memory.stat").write_text("anon 1048576\nactive_file 0\ninactive_file 0\n")


def domains_by_name():
    with World() as w:
        cgroup_tree(w.folder / "root")
        w.kill_broker()
        w.start_broker()
        register = "sa{sv}"
        free = w.error_of("Register", "a", options(Domain="/free"), signature=register)
        left = [str(d[0]) for d in w.call("ListDomains")]
        bus = w.connection()
        limited = w.call("Register", "a", options(Domain="/limited"), signature=register, bus=bus)
        both = [str(d[0]) for d in w.call("ListDomains")]
    tap.check("a domain by name: a cgroup without a limit is none and takes no room, a limited one is",
              expect(free=(free, "UnknownDomain"), left=(left, ["system"]),
                     both=(both, ["system", "/limited"])) + true(limited=limited))


def one_look_a_second():
    """Who asks for the victims of two domains by turns costs no more looks than who asks for one."""
    with World() as w:
        cgroup_tree(w.folder / "root")
        w.kill_broker()
        w.start_broker()
        bus = w.connection()
        held = w.call("Register", "a", options(Domain="/limited"), signature="sa{sv}", bus=bus)
        child = w.child(["sleep", "60"])
        for attempt in range(1, 8):  # until a second was enough for all three
            w.add_process(child.pid, rss=100000 * attempt)
            time.sleep(1.1)
            start = time.monotonic()
            first = w.call("ListVictims", "", signature="s")
            w.add_process(child.pid, rss=50000)
            w.call("ListVictims", "/limited", signature="s")
            again = w.call("ListVictims", "", signature="s")
            if time.monotonic() - start < 0.9:
                break
    tap.check("victims of two domains by turns: each is looked at once in a second",
              true(held=held, some=len(first) > 0) + expect(again=(again, first)))


def wrong_command_lines():
    failsoftd = tap.program("failsoftd")
    with tap.bus() as (address, folder):
        (folder / "broken.json").write_text('{"hold_ms": }')
        rows = [
            ("an unknown option", ["--frobnicate"], 64, "failsoftd --help"),
            ("a word too many", ["now"], 64, "not an option"),
            ("a file that is not there", ["--config=/no/such/file"], 78, "/no/such/file"),
            ("broken JSON", [f"--config={folder}/broken.json"], 78, "broken.json:1"),
            ("a bus that is not there", ["--bus=unix:path=/no/such/bus", f"--state-dir={folder}/s"], 1,
             "--bus"),
            ("a state folder that cannot be", [f"--bus={address}", "--state-dir=/proc/x"], 1,
             "--state-dir"),
            ("a root without meminfo", [f"--bus={address}", f"--root={folder}",
                                        f"--state-dir={folder}/s"], 1, "meminfo"),
        ]
        for name, arguments, status, word in rows:
            result = tap.run(failsoftd, *arguments)
            tap.check(f"failsoftd, {name}: status {status}, says what to do",
                      expect(status=(result.returncode, status)) + true(word=word in result.stderr))


with World() as world:
    calls_that_are_refused(world)
    of_a_client(world)
    tap.check("the broker lives", true(alive=world.broker.poll() is None))
limits()
garbage_on_the_lifeline()
other_users()
readers_of_one_user()
domains_by_name()
one_look_a_second()
wrong_command_lines()
tap.done()
