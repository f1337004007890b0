#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""failsoft-telemetry between a real broker of memory and a real server of messages: the alarm is out before the
deadline, kept, cleared, counted once; nothing is lost when either side is killed."""

import collections
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time
from random import Random

import mqtt
import tap
from device_world import PREFIX, DeviceWorld
from world import LOW, LOWER, LOWEST, PLENTY, expect, true


def ids_of(w, *types):
    """How often each message of these types came on a log."""
    return collections.Counter(m[2]["id"] for m in w.messages() if m[2] and m[1] in ("event", "report")
                               and m[2]["type"] in [f"org.failsoft.{t}.v1" for t in types])


def alarms(w):
    return [(m[2]["data"]["kind"], m[2]["data"]["raised"]) for m in w.messages("event")
            if m[2]["type"] == "org.failsoft.alarm.v1"]


def crisis(w):
    """Down to the end and back; returns when it is over."""
    w.slide(LOW, LOWER, LOWEST)
    w.wait("state", stage="shutdown")
    w.slide(LOW, PLENTY)


def alarm_leaves_before_the_deadline():
    with DeviceWorld() as w:
        w.start_device()
        w.wait_online()
        w.slide(LOW, LOWER, LOWEST)
        w.wait("alarm/shutdown", raised=True)
        late = w.child(["mosquitto_sub", "-p", str(w.port), "-F", "%r %t %p", "-t", f"{PREFIX}/alarm/#"],
                       stdout=-1)
        late.lines = mqtt.Lines(late.stdout)
        kept = late.lines.wait(f"{PREFIX}/alarm/imminent"), late.lines.wait(f"{PREFIX}/alarm/shutdown")
        w.set_free(PLENTY)
        report = w.wait("report", episode=1)
        w.wait_empty("alarm/shutdown", "alarm/imminent")
        requests, answers = w.wait_answer("resume")
        after = tap.run("timeout", "1", "mosquitto_sub", "-p", w.port, "-F", "%r %t %p", "-t", f"{PREFIX}/alarm/#").stdout
        log, told = w.device_log(), alarms(w)
    asked = {r["sequence"]: r for r in requests}
    given = {s: r["deadline_us"] - r["time_us"] for s, r in asked.items()}  # longer on a busy machine
    results = [(a["step"], a["result"], a["taken_us"] < 0.3 * given[a["sequence"]]) for a in answers
               if a["step"] != "resume"]
    print(f"# order to answer: {[a['taken_us'] for a in answers if a['step'] != 'resume']} us of 1000000")
    tap.check("each order is answered when the server has the alarm, long before the deadline",
              expect(results=({r[1:] for r in results}, {("done", True)}), last=(results[-1][0], "shutdown"),
                     asked=(len(asked), len(results) + 1)))
    tap.check("raised and cleared, each once",
              expect(alarms=(sorted(told), [("imminent", False), ("imminent", True), ("shutdown", False),
                                            ("shutdown", True)]), first=([r for _, r in told], [True] * 2 + [False] * 2),
                     twice=([i for i, n in ids_of(w, "alarm", "report", "event").items() if n > 1], [])))
    tap.check("the alarm is kept for who comes later, and gone when it is over",
              true(imminent=kept[0].startswith("1 "), shutdown=kept[1].startswith("1 ")) +
              ([] if not after.strip() else [f"still kept: {after}"]))
    tap.check("the report says how it ended", true(report=bool(report)) +
              ([] if not report else expect(end=(report[2]["data"].get("ended_by", report[2]["data"].get("end")),
                                                 "cleared"))))
    with_alarm = sum(step in ("degrade", "shutdown") for step, _, _ in results)
    tap.check("the log says how long it took, of the orders that an alarm went out for",
              true(told=f"us before the deadline (the slowest of {with_alarm})" in log))


def server_away():
    """Stored, then sent; the device is killed in between; each alarm comes once."""
    with DeviceWorld(server=False) as w:
        device = w.start_device()
        tap.wait_for(lambda: "not connected" in w.device_log(), "an attempt")
        w.slide(LOW, LOWER, LOWEST)
        _, answers = w.wait_answer("shutdown")
        device.kill()
        device.wait()
        device = w.start_device()  # nothing is new to it, and nobody has it
        tap.wait_for(lambda: len(w.ask_orders()[1]) > len(answers), "another answer")
        again = w.ask_orders()[1][len(answers):]
        device.kill()
        device.wait()
        w.set_free(PLENTY)
        tap.wait_for(lambda: any(e["event"] == "episode_closed" for e in w.events()), "the end of the episode")
        said = w.device_log().count("not connected")
        w.start_device()
        tap.wait_for(lambda: w.device_log().count("not connected") > said, "another attempt")
        w.serve()
        for kind in ("imminent", "shutdown"):
            w.wait("event", kind=kind, raised=True)
            w.wait("event", kind=kind, raised=False)
        report = w.wait("report", episode=1)
        w.wait("event", event="stage", to="normal")
        time.sleep(0.5)  # what comes again comes now
        sent = alarms(w)
        ids = ids_of(w, "alarm")
        stages = [m[2]["data"]["to"] for m in w.data("event", event="stage")]
    tap.check("without a server the answer is partial, at once",
              expect(results=({a["result"] for a in answers if a["step"] in ("degrade", "shutdown")}, {"partial"})))
    tap.check("nor is it another one from the next process", expect(again=({a["result"] for a in again}, {"partial"})))
    tap.check("what was raised before the kill arrives after it, and what is over is cleared",
              expect(raised=(sorted(k for k, r in sent if r), ["imminent", "shutdown"]),
                     cleared=(sorted(k for k, r in sent if not r), ["imminent", "shutdown"]),
                     twice=([i for i, n in ids.items() if n > 1], [])))
    tap.check("what the broker said while the device was dead arrives, and what it said before not again",
              expect(normal=(stages.count("normal"), 1), shutdown=(stages.count("shutdown"), 1),
                     highest=(report and report[2]["data"]["highest"], "shutdown")))


def server_stands_still():
    """Connected, and no acknowledgement comes: the broker has its answer before the deadline all the same."""
    with DeviceWorld() as w:
        w.start_device()
        w.wait_online()
        w.mosquitto.process.send_signal(signal.SIGSTOP)
        w.slide(LOW, LOWER, LOWEST)
        requests, answers = w.wait_answer("shutdown")
        early = alarms(w)
        w.mosquitto.process.send_signal(signal.SIGCONT)
        w.wait("event", kind="shutdown", raised=True)
        w.wait("event", kind="imminent", raised=True)
        time.sleep(0.5)
        twice = [i for i, n in ids_of(w, "alarm").items() if n > 1]
        missed = [e for e in w.events() if e["event"] == "answer" and e.get("result") == "missed"]
    orders = [a for a in answers if a["step"] in ("degrade", "shutdown")]
    given = {r["sequence"]: r["deadline_us"] - r["time_us"] for r in requests}  # longer on a busy machine
    budget = given.get(orders[-1]["sequence"], 0) if orders else 0
    print(f"# answered after {[a['taken_us'] for a in orders]} us of {budget}")
    tap.check("a server that stands still: partial, shortly before the deadline, and nothing is missed",
              expect(early=(early, []), last=(orders and orders[-1]["result"], "partial"), missed=(missed, []),
                     twice=(twice, [])) +
              true(in_time=orders and budget * 0.8 < orders[-1]["taken_us"] < budget))


def killed_at_random():
    """The device is killed at some moment of a crisis, ten times: what was raised is there by its id, and whoever
    cleared it, it is cleared in the end."""
    random = Random(7)
    problems = []
    with DeviceWorld() as w:
        device = w.start_device()
        w.wait_online()
        for turn in range(10):
            seen = len(w.data("state", stage="imminent") + w.data("state", stage="shutdown"))
            w.set_free(LOWEST)
            tap.wait_for(lambda: any(e["event"] == "episode_opened" and e["episode"] > turn for e in w.events()),
                         "a crisis")
            time.sleep(random.uniform(0, 0.1))
            device.kill()
            device.wait()
            device = w.start_device()
            end = time.monotonic() + 10
            while len(w.data("state", stage="imminent") + w.data("state", stage="shutdown")) == seen and \
                    time.monotonic() < end:
                time.sleep(0.05)
            if time.monotonic() >= end:
                problems.append(f"turn {turn}: the stage was not told")
            w.set_free(PLENTY)
            tap.wait_for(lambda: sum(e["event"] == "episode_closed" for e in w.events()) > turn, "the end", 20)
            # what ends and begins anew while nobody watches is one alarm
            tap.wait_for(lambda: w.wait_empty("alarm/imminent", "alarm/shutdown"), "the all-clear")
        time.sleep(1.5)
        kept = tap.run("timeout", "1", "mosquitto_sub", "-p", w.port, "-F", "%t %p", "-t",
                       f"{PREFIX}/alarm/#").stdout.strip()
        raised = {m[2]["data"]["episode"] for m in w.messages("event") if m[2]["type"] == "org.failsoft.alarm.v1"
                  and m[2]["data"]["kind"] == "imminent" and m[2]["data"]["raised"]}
        payloads = collections.defaultdict(set)
        for m in w.messages("event") + w.messages("report"):
            payloads[m[2]["id"]].add(json.dumps(m[2], sort_keys=True))
        opened = {e["episode"] for e in w.events() if e["event"] == "stage" and e["to"] in ("imminent", "shutdown")}
    tap.check("killed ten times in a crisis: each alarm is there, none stays, no id means two things",
              problems + expect(raised=(sorted(raised), sorted(opened)), kept=(kept, ""),
                                ids=([i for i, p in payloads.items() if len(p) > 1], [])))


def server_killed():
    """A server that forgets: what it acknowledged within the window before it was lost comes again, with the same id,
    however long it is away."""
    with DeviceWorld({"resend_window_s": 8}) as w:  # longer than a crisis of a busy machine
        w.start_device()
        w.wait_online()
        crisis(w)
        w.wait("event", kind="shutdown", raised=False)
        w.wait("event", kind="imminent", raised=False)
        first = ids_of(w, "alarm")
        w.mosquitto.stop(signal.SIGKILL)
        time.sleep(8.1)
        w.serve()  # another watcher: it has seen nothing
        w.wait("event", kind="shutdown", raised=False)
        w.wait("report", episode=1)
        time.sleep(0.3)
        again = ids_of(w, "alarm")
        sessions = {m[2]["data"]["session"] for m in w.data("state", online=True)}
    tap.check("after the server was killed, alarms come again under the same ids",
              expect(ids=(sorted(again), sorted(first)), count=(len(first), 4)) + true(newer=min(sessions) > 1))


def device_killed():
    """The last will, and a birth with a newer session."""
    with DeviceWorld() as w:
        device = w.start_device()
        birth = w.wait_online()
        device.kill()
        device.wait()
        will = w.wait("state", online=False)
        w.start_device()
        tap.wait_for(lambda: w.device_log().count("connected to") == 2, "the second connection")
        tap.wait_for(lambda: w.data("state", online=True)[-1][2]["data"]["session"] != birth[2]["data"]["session"],
                     "its birth")
        again = w.data("state", online=True)[-1]

        def span():
            """Of its births: 1.5 keepalives and 5 s after connecting it is once more, over a late will."""
            session = again[2]["data"]["session"]
            came = [m[0] for m in w.data("state", online=True) if m[2]["data"]["session"] == session]
            return came[-1] - came[0]
        w.wait_until(lambda: span() > 12, 30)
        twice = span() > 12
    tap.check("who is killed leaves a will of its session", true(will=bool(will)) +
              ([] if not will else expect(session=(will[2]["data"]["session"], birth[2]["data"]["session"]))))
    tap.check("the next one is born with a higher session, and says so twice",
              true(newer=again[2]["data"]["session"] > birth[2]["data"]["session"], twice=twice))


def broker_lost():
    with DeviceWorld() as w:
        w.start_device()
        w.wait_online()
        w.kill_broker()
        raised = w.wait("alarm/broker-lost", raised=True)
        state = w.wait("state", broker=False)
        w.start_broker()
        cleared = w.wait_empty("alarm/broker-lost")
        time.sleep(0.3)  # what is too much comes now
        told = alarms(w)
    tap.check("a broker that is gone is an alarm, until it is back",
              true(raised=bool(raised), state=bool(state), cleared=bool(cleared)) +
              expect(told=(told, [("broker-lost", True), ("broker-lost", False)])))


def goodbye():
    rows = (("service", signal.SIGTERM, None), ("shutdown", signal.SIGTERM, "shutdown"), ("shutdown", signal.SIGINT, None))
    for means, how, said in rows:
        with DeviceWorld(telemetry={"stop_means": means}) as w:
            device = w.start_device()
            w.wait_online()
            device.send_signal(how)
            status = device.wait(20)
            last = w.wait("state", online=False)
        tap.check(f"stop_means {means}, {how.name}: {said or 'no end of the machine'} is expected",
                  expect(status=(status, 0), said=(last and last[2]["data"].get("expect"), said)))


def goodbye_is_the_last_word():
    """A server that stands still has not acknowledged it when the stage becomes another."""
    with DeviceWorld() as w:
        device = w.start_device()
        w.wait_online()
        w.mosquitto.process.send_signal(signal.SIGSTOP)
        device.send_signal(signal.SIGTERM)
        tap.wait_for(lambda: "ending" in w.device_log(), "the goodbye")
        w.set_free(LOW)
        w.wait_event(event="stage", to="warning")
        time.sleep(0.3)
        w.mosquitto.process.send_signal(signal.SIGCONT)
        status = device.wait(20)
        w.wait("state", online=False)
        time.sleep(0.2)
        last = w.messages("state")[-1]
    tap.check("nothing is said after the goodbye", expect(status=(status, 0), online=(last[2]["data"]["online"], False)))


def systemd_does_not_answer():
    """A bus that takes nobody any more, as late in a shutdown: the goodbye comes all the same."""
    if os.geteuid() != 0 or tap.run("unshare", "-m", "true").returncode:
        tap.skip("systemd does not answer", "no mount namespace without root")
        return
    with DeviceWorld(telemetry={"stop_means": "ask"}) as w, socket.socket(socket.AF_UNIX) as bus:
        bus.bind(str(w.folder / "deaf"))
        bus.listen(8)
        w.before_device = ["unshare", "-m", "sh", "-c", "mount -t tmpfs none /run && mkdir -p /run/systemd/system && "
                           f'export DBUS_SYSTEM_BUS_ADDRESS=unix:path={w.folder}/deaf && exec "$@"', "sh"]
        device = w.start_device()
        w.wait_online()
        past = w.boot_id.replace("-", "")
        began = time.time()
        device.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            device.wait(8)
        ended = device.poll() is not None
        last = w.wait("state", online=False)
        took = last[0] - began if last else 0  # the goodbye's: a sanitizer takes its time at the end
        device.kill()
        device.wait()
        w.boot()
        w.before_device = []
        w.start_device()
        report = w.wait("report", past_boot=past)
        state = w.data("state", online=True)[-1]
    print(f"# ended after {took:.2f} s; {report and report[2]['data'].get('text')}")
    tap.check("a systemd that does not answer holds nobody up",
              true(goodbye=bool(last), ended=ended, took=0.4 < took < 2) +
              expect(said=(last and last[2]["data"].get("expect"), None)))
    tap.check("what came after a stop on purpose is not known, and no reset",
              expect(end=(report and report[2]["data"]["ended_by"], "unknown"),
                     resets=(state[2]["data"]["counts"]["resets"], 0)) +
              true(said=report and "stopped on purpose" in report[2]["data"]["text"]))


def past_boot():
    """Killed with the machine in stage shutdown, and the next boot finds it."""
    with DeviceWorld() as w:
        device = w.start_device()
        w.wait_online()
        w.slide(LOW, LOWER, LOWEST)
        w.wait("alarm/shutdown", raised=True)
        w.wait_answer("shutdown")  # by then it is on the disk
        past = w.boot_id.replace("-", "")
        device.kill()
        device.wait()
        w.kill_broker()
        w.set_free(PLENTY)
        w.boot()
        shutil.rmtree(w.folder / "state")  # it is below /run
        w.start_broker()
        device = w.start_device()
        report = w.wait("report", past_boot=past)
        w.wait_empty("alarm/shutdown", "alarm/imminent")
        tap.wait_for(lambda: w.device_log().count("connected to") == 2, "the second connection")
        state = w.wait("heartbeat", 0.1) or w.data("state", online=True)[-1]
        device.kill()
        device.wait()
        w.start_device()  # the same boot: no second report
        tap.wait_for(lambda: w.device_log().count("connected to") == 3, "the third connection")
        time.sleep(4)
        reports = {m[2]["id"] for m in w.data("report", past_boot=past)}
        cleared = {m[2]["id"]: m[2]["data"]["kind"] for m in w.messages("event") if m[2]["data"].get("raised") is False}
        last = w.data("state", online=True)[-1]
    print(f"# {report and report[2]['data'].get('text')}")
    tap.check("the next boot reports how the last one ended, once", true(report=bool(report)) +
              expect(reports=(len(reports), 1)) +
              ([] if not report else expect(highest=(report[2]["data"]["highest"], "shutdown"),
                                            other=(report[2]["bootid"] != past, True))))
    tap.check("its alarms are cleared, in the log, too, and the end is counted",
              expect(cleared=(sorted(cleared.values()), ["imminent", "shutdown"]),
                     resets=(last[2]["data"]["counts"]["resets"], 1)) + true(there=bool(state)))


def panicked(root):
    """What is in pstore after that, shut as it is, and read by root's step of the boot."""
    pstore, words = root / "sys/fs/pstore", root / "run/failsoft-last-words"
    for folder in (pstore, words):
        folder.mkdir(parents=True)
    (pstore / "dmesg-ramoops-0").write_text("Panic#1 Part1\n<0>[ 8.1] Kernel panic - not syncing: System is deadlocked\n")
    tap.output_of(tap.program("failsoft-last-words"), f"--root={root}", words)
    pstore.chmod(0o750)


def without_rights():
    """As the unit runs it: no root, no group, and the way of an alarm is the same."""
    if os.getuid() != 0:
        tap.skip("without rights", "all of this test ran without them")
        return
    with DeviceWorld() as w:
        shutil.chown(w.state, "nobody", "nogroup")
        w.before_device = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
        w.start_device()
        w.wait_online()
        w.slide(LOW, LOWER, LOWEST)
        raised = w.wait("alarm/shutdown", raised=True)
        _, answers = w.ask_orders()
        past = w.boot_id.replace("-", "")
        w.device.kill()
        w.device.wait()
        w.boot()
        panicked(w.devroot)
        w.start_device()
        report = w.wait("report", 20, past_boot=past)
    tap.check("without rights it does the same", true(raised=bool(raised)) +
              expect(results=({a["result"] for a in answers}, {"done"})))
    data = report[2]["data"] if report else {}
    print(f"# {data.get('text')}")
    tap.check("and it reports the panic that root alone may read of",
              expect(ended_by=(data.get("ended_by"), "panic"), of=(data.get("of"), "System is deadlocked")))


def machine_is_ended():
    """The broker reboots its machine (a pid namespace of its own): the end is explained before it comes, and the
    next boot says who did it."""
    with DeviceWorld(settings={"protect": ["*"], "last_after_ms": 50, "hold_ms": 200, "last_policy": "reboot"}) as w:
        w.kill_broker()
        w.prefix = ["unshare", "--pid", "--fork", "--kill-child"]
        random = w.folder / "root/proc/sys/kernel/random"
        random.mkdir(parents=True)
        (random / "boot_id").write_text(w.boot_id + "\n")
        w.start_broker()
        device = w.start_device()
        w.wait_online()
        w.slide(LOW, LOWER)
        for free in range(LOWEST + 10000, LOWEST - 10000, -1000):
            w.set_free(free)
            time.sleep(0.02)
        expected = w.wait("state", expect="reboot")
        tap.wait_for(lambda: w.broker.poll() is not None, "the reboot", 15)
        device.kill()  # goes with the machine
        device.wait()
        w.wait_gone()
        will = w.wait("state", online=False)
        past = w.boot_id.replace("-", "")
        w.set_free(PLENTY)
        w.boot()
        (random / "boot_id").write_text(w.boot_id + "\n")
        w.start_broker()
        w.start_device()
        report = w.wait("report", past_boot=past)
    print(f"# {report and report[2]['data'].get('text')}")
    tap.check("a reboot that is meant is announced before the will comes",
              true(expected=bool(expected), will=bool(will), before=bool(expected and will and expected[0] < will[0])))
    tap.check("and the next boot reports that failsoft did it",
              expect(end=(report and report[2]["data"]["ended_by"], "last-policy")))


def commands():
    def send(w, payload, *more):
        tap.output_of("mosquitto_pub", "-p", w.port, "-q", "1", "-t", f"{PREFIX}/cmd", "-m", payload, *more)

    def drills(w):
        return [e for e in w.events() if e["event"] == "drill"]

    with DeviceWorld() as w:
        w.start_device()
        w.wait_online()
        send(w, '{"drill":"imminent"}')
        time.sleep(1)
        off = len(drills(w)), "command" in w.device_log()
        subscribed = "SUBSCRIBE" in w.mosquitto.log.read_text()
    tap.check("commands off: nothing is received", expect(off=(off, (0, False))))
    with DeviceWorld(telemetry={"commands": "drill"}) as w:
        send(w, '{"drill":"warning"}', "-r")  # kept by the server: for nobody
        w.start_device()
        w.wait_online()
        for payload in ('{"drill":"reboot"}', "rm -rf /", '{"drill":"imminent","more":1}', "x" * 100000, '["drill"]',
                        '{"drill":"imminent"}{}'):
            send(w, payload)
        tap.wait_for(lambda: "7 so far" in w.device_log(), "seven refusals")
        none = len(drills(w))
        send(w, '{"drill":"imminent"}')
        tap.wait_for(lambda: drills(w), "the drill")
        send(w, '{"drill":"imminent"}')
        tap.wait_for(lambda: "less than a minute" in w.device_log(), "the refusal")
        _, answers = w.wait_answer("resume")
        time.sleep(0.5)  # another drill would begin now
        once = len(drills(w))
        told = alarms(w)
    tap.check("commands drill: a drill and nothing else, once a minute",
              expect(none=(none, 0), once=(once, 1), alarms=(told, []),
                     answers=([(a["step"], a["result"]) for a in answers], [("degrade", "done"), ("resume", "done")])))
    return subscribed


def main():
    mqtt.need("mosquitto", "mosquitto_sub", "mosquitto_pub", "dbus-daemon")
    for story in (alarm_leaves_before_the_deadline, server_away, server_stands_still, killed_at_random,
                  server_killed, device_killed, broker_lost, goodbye, goodbye_is_the_last_word,
                  systemd_does_not_answer,
                  past_boot, without_rights, machine_is_ended, commands):
        story()
    tap.done()


if __name__ == "__main__":
    assert pathlib.Path(__file__).exists()
    main()
