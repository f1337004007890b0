#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Surviving: broker or bus killed in the middle of it; shields; settings read again."""

import os
import signal
import time

import dbus
import tap_path  # noqa: F401
import tap
from world import LOW, LOWER, PLENTY, World, expect, options, true, wait_until


def adj(folder):
    return int((folder / "oom_score_adj").read_text().split("\n")[0])


def broker_killed_in_mid_episode():
    with World() as w:
        client = w.client("logger")
        threaded = w.client("threaded", mode="thread")
        w.slide(LOW)
        before = w.wait_event(event="episode_opened")
        w.kill_broker()
        gone = all([c.lines.wait("disconnected") for c in (client, threaded)])
        w.start_broker()
        back = [c.lines.wait_times("connected", 2) for c in (client, threaded)]
        after = w.wait_event(event="episode_taken_over")
        asked_again = w.wait_event(event="answer", name="logger", result="done")
        w.set_free(PLENTY)
        closed = w.wait_event(event="episode_closed")
        w.slide(LOW)
        later = w.wait_event(event="episode_opened")
    tap.check("libfailsoft notices a dead broker and comes back by itself",
              true(gone=gone, back=all(back)))
    tap.check("the episode goes on under its number",
              expect(number=(after and after["episode"], before["episode"]))
              + true(asked_again=asked_again is not None, closed=closed is not None))
    tap.check("episode numbers are never used twice",
              true(larger=later is not None and later["episode"] > before["episode"]))


def stopped_and_started():
    """A plain restart: the next episode has the next number."""
    with World() as w:
        w.slide(LOW)
        before = w.wait_event(event="episode_opened")
        w.set_free(PLENTY)
        w.wait_event(event="episode_closed")
        w.kill_broker(signal.SIGTERM)
        w.start_broker()
        w.slide(LOW)
        after = w.wait_event(event="episode_opened")
    tap.check("after an orderly stop episodes go on at the next number",
              expect(number=(after and after["episode"], before["episode"] + 1)))


def bus_killed():
    with World() as w:
        client = w.client("logger")
        w.bus_daemon.kill()
        w.bus_daemon.wait()
        time.sleep(0.3)
        w.slide(LOW)
        asked = client.lines.wait("step flush", "step degrade")
        w.set_free(PLENTY)
        w.start_bus()
        named = True
        try:
            tap.wait_for(lambda: w.connection().name_has_owner(tap.NAME), "the name", 30)
        except RuntimeError:
            named = False
        listed = len(w.call("ListClients")) if named else 0
    tap.check("with the bus dead, orders arrive on the lifeline", true(asked=asked))
    tap.check("the broker takes its name on the new bus; the client is still one",
              true(named=named) + expect(clients=(listed, 1)))


def shields():
    with World() as w:
        bus = w.connection()
        folder = w.add_process(os.getpid(), "python3", 1000)
        short = {k: dbus.UInt64(3000000) for k in ("FlushUSec", "DegradeUSec", "ShutdownUSec")}
        reply = w.call("Register", "late", options(**short), signature="sa{sv}", bus=bus)
        w.set_free(LOW)
        w.wait_event(event="shield")
        up = adj(folder)
        w.wait_event(event="answer", name="late", result="missed")
        wait_until(lambda: adj(folder) == 0)
        down = adj(folder)
        assert reply
    tap.check("an asked client is shielded until its deadline has passed",
              expect(while_asked=(up, -999), after=(down, 0)))


def shield_outlives_the_broker():
    with World({"budget_max_ms": 60000}) as w:
        bus = w.connection()
        folder = w.add_process(os.getpid(), "python3", 1000)
        ten_seconds = {k: dbus.UInt64(10000000) for k in ("FlushUSec", "DegradeUSec", "ShutdownUSec")}
        reply = w.call("Register", "slow", options(**ten_seconds), signature="sa{sv}", bus=bus)
        w.set_free(LOW)
        w.wait_event(event="shield")
        up = adj(folder)
        w.kill_broker()
        still_up = adj(folder)
        w.set_free(PLENTY)
        w.start_broker()
        restored = adj(folder)
        assert reply
    tap.check("a shield that a killed broker left is taken down by the next one",
              expect(up=(up, -999), left=(still_up, -999), restored=(restored, 0)))


def warnings_of(w):
    proxy = w.connection().get_object(tap.NAME, tap.PATH, introspect=False)
    return [str(s) for s in proxy.Get(tap.NAME, "Warnings", dbus_interface=dbus.PROPERTIES_IFACE)]


def export_file_that_cannot_be():
    with World({"export_file": "/no/such/folder/x"}) as w:
        alive = w.broker.poll() is None
        said = alive and [s for s in warnings_of(w) if "/no/such/folder/x" in s]
    tap.check("an export file that cannot be opened is a warning, and the broker is there",
              true(alive=alive, said=said and "No such file" in said[0]))


def settings_that_need_a_restart():
    with World({"max_clients": 2}) as w:
        first, before = w.client("first"), warnings_of(w)
        w.write_settings(max_clients=1, events=64, hold_ms=70, export_file=f"{w.folder}/x")
        w.call("Reload")
        said = [s for s in warnings_of(w) if "restarted" in s]
        room = w.error_of("Register", "second", options(), signature="sa{sv}")
        logged = "until failsoftd is restarted" in (w.folder / "broker.log").read_text()
        w.write_settings(max_clients=2, events=4096, export_file="")
        w.call("Reload")
        after = warnings_of(w)
        assert first
    tap.check("a reload says what needs a restart, and leaves that as it was",
              expect(said=([s.rsplit(": ", 1)[1] for s in said], ["max_clients, events, export_file"]),
                     room=(room, ""), after=(after, before)) + true(logged=logged))


def settings_read_again():
    with World() as w:
        client = w.client("logger")
        w.write_settings(floor_warning_percent=101)
        w.broker.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        refused = w.error_of("Reload")
        alive = w.broker.poll() is None
        floor = floors(w)
        w.write_settings(floor_warning_percent=20)
        accepted = w.error_of("Reload")
        changed = floors(w)
        w.write_settings(floor_warning_percent=10)
        w.broker.send_signal(signal.SIGHUP)
        wait_until(lambda: floors(w) == 102 << 20)
        back = floors(w)
        connected = client.lines.all() == ["connected"]
    mib = 1024 * 1024
    tap.check("wrong settings are refused, the old ones stay",
              expect(error=(refused, "ConfigInvalid"), floor=(floor, 102 * mib)) + true(alive=alive))
    tap.check("Reload and SIGHUP read them again, clients stay",
              expect(error=(accepted, ""), changed=(changed, 204 * mib), back=(back, 102 * mib))
              + true(connected=connected))


def floors(w):
    return int(w.call("ListDomains")[0][7]["FloorWarningBytes"]) >> 20 << 20


def ended_in_good_order():
    with World() as w:
        w.client("logger")
        w.slide(LOW, LOWER)
        w.broker.terminate()
        status = w.broker.wait()
    tap.check("SIGTERM ends the broker with status 0", expect(status=(status, 0)))


broker_killed_in_mid_episode()
stopped_and_started()
bus_killed()
shields()
shield_outlives_the_broker()
export_file_that_cannot_be()
settings_that_need_a_restart()
settings_read_again()
ended_in_good_order()
tap.done()
