#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Looking on: Monitor, Explain, the lists and the properties, and what a client's coming and going shows."""

import json
import os
import re
import socket
import time

import dbus
import tap_path  # noqa: F401
import tap
from world import LOW, PATIENCE, PLENTY, TOTAL, World, expect, options, spin, true

KIB = 1024


class Reader:
    """One end of Monitor: the lines so far."""

    def __init__(self, w, **more):
        self.fd = w.call("Monitor", options(**more), signature="a{sv}").take()
        os.set_blocking(self.fd, False)
        self.text = b""
        self.ended = False

    def lines(self, until=None):
        """Those of 0.3 s, or as many as it takes until there is this in them, or the stream ends."""
        end = time.monotonic() + (PATIENCE if until else 0.3)
        while time.monotonic() < end and not self.ended and not (until and until in self.text):
            try:
                chunk = os.read(self.fd, 1 << 16)
                self.text, self.ended = self.text + chunk, not chunk
            except BlockingIOError:
                time.sleep(0.01)
        return [json.loads(line) for line in self.text[:self.text.rfind(b"\n") + 1].decode().splitlines()]

    def close(self):
        os.close(self.fd)


def properties(w, *names):
    proxy = w.connection().get_object(tap.NAME, tap.PATH, introspect=False)
    values = proxy.GetAll(tap.NAME, dbus_interface=dbus.PROPERTIES_IFACE)
    return [values[n] for n in names] if names else values


def register(w, name, **more):
    bus = w.connection()
    reply = w.call("Register", name, options(**more), signature="sa{sv}", bus=bus)
    return bus, reply


def row_of(w, name):
    return next(c for c in w.call("ListClients") if c[1] == name)


def what_a_new_reader_sees():
    with World() as w:
        live, past = Reader(w), Reader(w, History=True)
        register(w, "logger")  # its lifeline closes with what is returned
        w.wait_event(event="client_left", name="logger")
        seen, all_of_it = live.lines(), past.lines()
        numbers = [e["number"] for e in all_of_it]
    tap.check("without History only what comes from now on",
              expect(first=(seen[0]["event"], "client_joined"),
                     names=([e["event"] for e in seen], ["client_joined", "client_left"])))
    tap.check("with History everything, from the first on, in order, none twice",
              expect(numbers=(numbers, list(range(1, len(numbers) + 1))))
              + true(same_end=all_of_it[-2:] == seen))


def slow_reader():
    with World({"events": 256}) as w:
        reader, bus = Reader(w, History=True), w.connection()
        for i in range(700):
            lifeline = w.call("Register", f"n{i}", options(), signature="sa{sv}", bus=bus)[2]
            w.call("Unregister", bus=bus)
            os.close(lifeline.take())
        last = w.events()[-1]["number"]
        lines = reader.lines(b'"number":%d,' % last)
        alive = w.broker.poll() is None
    gaps, last = 0, 0
    right = []
    for i, line in enumerate(lines):
        if line["event"] == "lost":
            gaps += 1
            right.append(lines[i + 1]["number"] == last + line["count"] + 1)
        else:
            right.append(line["number"] > last and (line["number"] == last + 1 or
                                                    lines[i - 1]["event"] == "lost"))
            last = line["number"]
    tap.check("a reader that does not keep up is told how many it lost, and goes on",
              true(alive=alive, lost_some=gaps >= 1, every_gap_is_named=all(right),
                   to_the_end=lines[-1]["event"] == "client_left"))


def wait_for_room(w):
    """The broker hears of the end of one when it has nothing else to do."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return Reader(w)
        except dbus.DBusException:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


def reader_that_goes_makes_room():
    with World({"max_monitors": 1}) as w:
        first = Reader(w)
        full = w.error_of("Monitor", options(), signature="a{sv}")
        first.close()
        second = wait_for_room(w)
        unknown = w.error_of("Monitor", options(Past=True), signature="a{sv}")
        w.kill_broker(15)
        last = second.lines(b"until the end")
    tap.check("a reader that goes makes room for another",
              expect(full=(full, "TooManyMonitors"), unknown=(unknown, "UnknownOption")))
    tap.check("the last line is that the broker has stopped; then the stream ends",
              expect(last=(last and last[-1]["event"], "broker_stopped"), ended=(second.ended, True)))


def properties_tell_the_stage():
    with World({"act": False}) as w:
        changes = []
        bus = w.connection()
        bus.add_signal_receiver(lambda i, changed, invalidated: changes.append(
            ({str(k): str(v) for k, v in changed.items()}, list(invalidated))),
            "PropertiesChanged", dbus.PROPERTIES_IFACE, tap.NAME, tap.PATH)
        calm = properties(w, "Stage", "Domain", "HeadroomBytes", "DryRun")
        spin(0.2)
        w.set_free(LOW)
        spin(PATIENCE, lambda: changes)
        low = properties(w, "Stage", "HeadroomBytes", "Warnings", "Version")
        w.set_free(PLENTY)
        spin(PATIENCE, lambda: len(changes) > 1 and changes[-1][0].get("Stage") == "normal")
        names = {tuple(c[0]) for c in changes}
    headroom = int(calm[2])
    tap.check("properties when all is well",
              expect(stage=(str(calm[0]), "normal"), domain=(str(calm[1]), "system"),
                     dry_run=(bool(calm[3]), False)) + true(headroom=PLENTY * KIB * 0.9 < headroom < TOTAL * KIB))
    tap.check("properties under pressure",
              true(stage=str(low[0]) in ("warning", "imminent", "shutdown"),
                   headroom=int(low[1]) <= LOW * KIB, warnings=isinstance(low[2], dbus.Array),
                   version=str(low[3]).count(".") == 2))
    tap.check("only Stage is announced when it changes, back to normal at the end",
              expect(properties=(names, {("Stage",)}), last=(changes and changes[-1][0], {"Stage": "normal"})))


def reports():
    with World() as w:
        bus, reply = register(w, "logger")
        for values in (options(ExposureBytes=dbus.UInt64(5000), FreeableBytes=dbus.UInt64(300)),
                       options(ExposureBytes=dbus.UInt64(7000)), options()):
            w.call("Report", values, signature="a{sv}", bus=bus)
        client = row_of(w, "logger")
        wrong = [w.error_of("Report", options(**{k: v}), signature="a{sv}", bus=bus)
                 for k, v in (("ExposureBytes", dbus.Int32(-1)), ("Exposure", dbus.UInt64(1)))]
        assert reply
    tap.check("a report changes what it names and nothing else",
              expect(exposure=(int(client[7]), 7000), freeable=(int(client[8]["FreeableBytes"]), 300),
                     wrong=(wrong, ["InvalidOption", "UnknownOption"])))


def ways_to_leave():
    def unregister(w, bus, _lifeline):
        w.call("Unregister", bus=bus)

    def close_lifeline(_w, _bus, lifeline):
        socket.socket(fileno=lifeline.take()).close()

    def leave_the_bus(_w, bus, _lifeline):
        bus.close()

    for way in (unregister, close_lifeline, leave_the_bus):
        with World({"budget_max_ms": 60000}) as w:
            ten = dbus.UInt64(10000000)
            bus, reply = register(w, "leaver", FlushUSec=ten, DegradeUSec=ten, ShutdownUSec=ten)
            waiting = w.client("waiting", group=60)
            w.set_free(LOW)
            asked = w.wait_event(event="request", name="leaver")
            state = str(row_of(w, "leaver")[6])
            way(w, bus, reply[2])
            vanished = w.wait_event(event="answer", name="leaver", result="vanished")
            left = w.wait_event(event="client_left", name="leaver")
            goes_on = waiting.lines.wait("step ")
        tap.check(f"who leaves in mid-step ({way.__name__}) has vanished; the next group is asked",
                  true(asked=asked is not None, state=state != "idle", vanished=vanished is not None,
                       left=left is not None, goes_on=goes_on))


def who_comes_late():
    with World() as w:
        w.client("early")
        w.set_free(LOW)
        w.wait_event(event="answer", name="early")
        late = w.client("late")
        asked = late.lines.wait("step ")
        joined, request = (w.wait_event(event=kind, name="late") for kind in ("client_joined", "request"))
    # by the broker's own clock: here a busy machine would be in the figure
    waited_us = request["time_us"] - joined["time_us"] if joined and request else None
    tap.check("who registers in mid-episode is asked at once",
              true(asked=asked, soon=waited_us is not None and waited_us < 500000))


def explained():
    with World() as w:
        client = w.client("logger")
        w.slide(LOW)
        w.wait_event(event="answer", name="logger")
        episode = int(w.call("ListEpisodes")[-1][0])
        open_one = [str(x) for x in w.call("ListEpisodes")[-1][1:3]]
        sentences = [str(s) for s in w.call("Explain", dbus.UInt64(episode), signature="t")]
        of_it = [e["text"] for e in w.events() if e.get("episode") == episode]
        assert client
    tap.check("Explain tells the episode's events, each a sentence, as Monitor does",
              expect(sentences=([s.split(" s  ", 1)[1] for s in sentences], of_it[:len(sentences)]),
                     which=(open_one[0], "system"))
              + true(opens=any("opens" in s for s in sentences),
                     times=all(re.fullmatch(r"\+\d+\.\d{3} s  \S.*", s) for s in sentences),
                     asked=any("is asked to" in s for s in sentences)))


what_a_new_reader_sees()
slow_reader()
reader_that_goes_makes_room()
properties_tell_the_stage()
reports()
ways_to_leave()
who_comes_late()
explained()
tap.done()
