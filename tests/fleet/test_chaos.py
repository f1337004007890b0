#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A device whose telemetry is killed, cut off, left without a disk, without a clock, with a spool that
somebody damaged: alarms raised = alarms seen exactly once, by id.

What was raised is read from the spool after each kill, by a reader of the test's own, and what should have
been from the broker. The events are those of the real failsoftd, whose proc tree says low and plenty in turn.
"""

import os
import random
import time

import chaos_world
from chaos_world import Cable, ChaosWorld, Weather, spool_reader, tap, tmpfs
import servers

KILLS = 200
DAMAGES = 20
SLOTS = 32
SEED = int(os.environ.get("FAILSOFT_SEED", time.time_ns() & 0xffffffff))


def expect(**facts):
    return [f"{name}: have {have!r}, want {want!r}" for name, (have, want) in facts.items() if have != want]


def at_least(name, have, want):
    return [] if have >= want else [f"{name}: only {have}, want {want}: the test has proved little"]


def killed_at_random():
    """Also while it starts; with a clock that jumps by years and is now trusted, now not."""
    with ChaosWorld() as w:
        weather = w.first_episode()
        w.kill_device()
        for _ in range(KILLS):
            w.start_device()
            w.set_clock(random.choice([0, 0, 1, -3600, 86401, -400000000, 900000001]))
            time.sleep(random.random() ** 2 * 0.4)
            w.kill_device()
        w.set_clock(0)
        w.start_device()
        w.wait_raised(40)
        weather.stop()
        w.settle()
        problems = w.verdict() + not_raised(w)
        left = w.fleet.metric("failsoft_fleet_alarms_raised{")
        w.stop_device()
        twice = len(w.raw_alarms()) - len(w.raised)
        times = {m.get("time", "")[:4] for m in w.raw_alarms()}
    print(f"# {KILLS} kills, {len(w.raised)} alarms raised, {twice} sent again, years told: {sorted(times)}")
    tap.check("killed 200 times: alarms raised = alarms seen exactly once",
              problems + at_least("alarms", len(w.raised), 40) + at_least("sent again", twice, 10))
    tap.check("and none is left raised once there is memory again", expect(raised=(left, 0)))
    tap.check("its clock jumped by years meanwhile", at_least("years", len(times), 3))


def not_raised(w, least=5):
    """The broker's own events against the alarms: none is lost on the way to the spool, as a device that was killed
    asks for what it missed."""
    lost = sorted(w.untold())
    return ([f"no alarm for the broker's episodes {lost}"] if lost else []) + \
        at_least("episodes in the broker's memory", len(w.episodes()), least)


def network():
    """Loss and delay, and cuts in which alarms are raised, some longer than the keepalive."""
    with ChaosWorld(host="0.0.0.0") as w:
        cable = Cable(w.lab)
        w.before = cable.prefix
        w.telemetry["servers"] = [f"10.77.0.1:{w.port}"]
        weather = w.first_episode()
        for seconds in (2.0, 1.0, 9.0):
            cable.say("set 0.2 60 30")
            time.sleep(2.5)
            cable.say("cut")
            time.sleep(seconds)
            cable.say("mend")
        w.wait_raised(15)
        weather.stop()
        cable.say("set 0.05 20 10")
        w.settle()
        problems = w.verdict() + not_raised(w)
    print(f"# {len(w.raised)} alarms over a cable that loses a fifth, three cuts; "
          f"{len(w.raw_alarms()) - len(w.raised)} came twice to the watcher")
    tap.check("network cut, 20 % lost, 30 to 90 ms late: raised = seen exactly once",
              problems + at_least("alarms", len(w.raised), 15))


def disk_full():
    with ChaosWorld() as w, tmpfs(w.lab.folder / "small", 256) as small:
        w.state, w.spool = small, small / "spool"
        w.start_device()
        servers.wait_for(lambda: w.fleet.shown("online"), "the device")
        said = [line for line in w.device_log().splitlines() if "space" in line and "memory alone" in line]
        left = sorted(p.name for p in small.iterdir())
        w.stop_device()
    tap.check("no room for the spool: it says so and goes on in memory",
              expect(said=(bool(said), True)) + [f"left behind: {n}" for n in left if n == "spool"])
    with ChaosWorld() as w, tmpfs(w.lab.folder / "small", 1024) as small:
        w.state, w.spool = small, small / "spool"
        weather = w.first_episode()
        fill(small / "rubbish")
        for _ in range(12):
            time.sleep(0.3)
            w.kill_device()
            w.start_device()
        w.wait_raised(5)
        weather.stop()
        w.settle()
        problems = w.verdict() + not_raised(w, 1)
        w.stop_device()
    tap.check("a disk that fills up later costs nothing: raised = seen exactly once",
              problems + at_least("alarms", len(w.raised), 5))


def fill(path):
    with open(path, "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass


def flip(path, bits):
    raw = bytearray(path.read_bytes())
    for _ in range(bits):
        raw[random.randrange(len(raw))] ^= 1 << random.randrange(8)
    path.write_bytes(raw)


def cut(path):
    os.truncate(path, random.randrange(path.stat().st_size))


def damage(w, turn):
    """Between two runs; what survives it must arrive."""
    lost_before = spool_reader.damaged(w.spool)
    if turn % 4 == 3:
        cut(w.spool)
    else:
        flip(w.spool, random.choice([1, 8, 64, 512]))
    return set(spool_reader.alarms(w.spool)), spool_reader.damaged(w.spool) - lost_before


def one_damage(w, turn):
    """Raised while no server is there; damaged; sent. (what must be seen, how much was void)"""
    weather = Weather(w)
    w.start_device(servers=[f"{servers.HOST}:{w.nowhere}"])
    time.sleep(0.6)
    w.wait_raised(len(w.raised) + 2)
    w.kill_device()
    weather.stop()
    whole, void = damage(w, turn)
    since = len(w.fleet.lines)
    w.start_device()
    w.wait_online(since)  # who is killed before that has told nobody of the damage
    spare_room(w)
    w.kill_device()
    return whole, void


def spare_room(w, seconds=30.0):
    """Alarms give way to newer ones where a spool is full, as they should; here none may."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and w.waiting() > SLOTS / 4:
        time.sleep(0.05)


def damaged():
    must, voids, told = set(), 0, 0
    with ChaosWorld({"spool_slots": SLOTS}) as w:
        w.nowhere = servers.free_port()
        for turn in range(DAMAGES):
            before = len(w.fleet.lines)
            whole, void = one_damage(w, turn)
            must |= whole
            voids += void > 0
            told += void > 0 and said_damage(w, before)
        w.start_device()
        w.settle(is_whole=False)
        must |= set(spool_reader.alarms(w.spool))
        problems = w.verdict(must)
        w.stop_device()
    print(f"# {DAMAGES} damages, {len(w.raised)} alarms raised, {len(must)} of them whole afterwards")
    tap.check("spool flipped and truncated: what is whole is seen once, nothing is invented",
              problems + at_least("whole alarms", len(must), 20) + at_least("damages", voids, 5))
    tap.check("and each damage is said", expect(said=(told, voids)))


def said_damage(w, since):
    """In a state message of the run that found it."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        for line in w.fleet.lines[since:]:
            if line.get("message", {}).get("data", {}).get("spool", {}).get("damaged"):
                return True
        time.sleep(0.05)
    return False


reason = servers.missing("mosquitto") or chaos_world.enter_private_namespaces()
print(f"# FAILSOFT_SEED={SEED}")
random.seed(SEED)
if servers.missing("mosquitto"):
    tap.skip_all(reason)
killed_at_random()
damaged()
if reason:
    tap.skip("network cut, loss and delay", reason)
    tap.skip("disk full", reason)
else:
    network()
    disk_full()
tap.done()
