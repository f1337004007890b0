#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What comes to failsoft-fleet from a hostile network: refused with a reason, counted, shown cleaned; and the
schemas of interfaces/telemetry/ say the same of every message as the program does."""

import copy
import json
import pathlib
import tempfile

import mqtt
import sender
import side
import tap

try:
    import jsonschema
except ImportError:
    jsonschema = None

mqtt.need("mosquitto")
TEN_MIB = 10 << 20
HOSTILE = "\x1b]0;owned\x07\x1b[31m\u202e<img src=x onerror=alert(1)>\"\\\n\u009b"


# ---- schemas and program agree ----

def whole():
    """A message of each type with every member there is, and the place where it belongs."""
    d = sender.Device()
    d.session = 7
    forecast = {"headroom_bytes": 1, "tte_usec": 2, "tte_early_usec": 1, "tte_late_usec": 3, "came_after_usec": 4}
    return {
        "state": ("state", d.state_data(domain="system", tte_usec=5)),
        "will": ("state", {"online": False, "session": 7}),
        "heartbeat": ("heartbeat", d.state_data(domain="system", tte_usec=5)),
        "event": ("event", d.event_data(name="hog", pid=4, headroom_bytes=1, limit_bytes=2, tte_usec=3, drill=True, dry_run=True)),
        "alarm": ("event", d.alarm_data(name="hog", pid=4, deadline_usec=9)),
        "report": ("report", d.report_data(**{
            "of": "hog", "pid": 4, "duration_usec": 1, "asked": 1, "missed": 1, "victims": 1, "oom_kills": 1, "stopped": 1,
            "freed_bytes": 1, "lowest_headroom_bytes": 1, "limit_bytes": 2, "forecast": forecast, "past_boot": "ab" * 16,
            "past_firmware": "0.9"}))}


VALUES = [None, True, False, 0, 1, -1, 1.5, 2**63 - 1, 2**63, 2**64 + 1, "", "x", "normal", "reboot", "x" * 24, "ä" * 64,
          "ä" * 65, "y" * 127, "z" * 128, "w" * 160, "v" * 161, "ü" * 600, "u" * 601, [], {}, [1], "ab" * 16, "AB" * 16,
          "0" * 20, "1.0", "2.0"]
BOUND = {"id", "source", "sequence", "bootid", "type", "time", "clock", "kind"}  # are held against each other, too


def paths(value, before=()):
    for name, inner in value.items():
        yield (*before, name)
        if isinstance(inner, dict):
            yield from paths(inner, (*before, name))


def at(message, path):
    for name in path[:-1]:
        message = message[name]
    return message, path[-1]


def changed(message):
    yield "as it is", message
    for path in paths(message):
        one = copy.deepcopy(message)
        inside, name = at(one, path)
        del inside[name]
        yield f"without {'.'.join(path)}", one
        one = copy.deepcopy(message)
        inside, name = at(one, path)
        inside[name + "_x"] = 1
        yield f"with {'.'.join(path)}_x", one
        for value in VALUES if path[-1] not in BOUND else []:
            one = copy.deepcopy(message)
            inside, name = at(one, path)
            inside[name] = value
            yield f"{'.'.join(path)} = {str(value)[:20]!r}", one


def cases():
    for word, (place, data) in whole().items():
        device = sender.Device("N", "agree")
        for what, message in changed(device.envelope("state" if word == "will" else word, data)):
            yield word, place, what, message


def agree(folder):
    schemas = {word: jsonschema.Draft7Validator(json.loads(
        (tap.SOURCE / f"interfaces/telemetry/{word}.v1.schema.json").read_text())) for word in
        ("state", "heartbeat", "event", "alarm", "report")}
    file, expected = pathlib.Path(folder, "messages"), []
    with file.open("w") as out:
        for word, place, what, message in cases():
            name, message = f"n{len(expected)}", copy.deepcopy(message)
            if message.get("source") == "/failsoft/agree/N":
                message["source"] = f"/failsoft/agree/{name}"
            payload = json.dumps(message, ensure_ascii=False)
            if len(payload.encode()) <= 1984:
                out.write(f"failsoft/v1/agree/{name}/{place} {payload}\n")
                expected.append((word, what, schemas["state" if word == "will" else word].is_valid(message)))
    result = tap.run(tap.program("failsoft-fleet"), "--json", f"--read={file}", "--devices=100000")
    refused = {}
    for line in map(json.loads, result.stdout.splitlines()):
        if line["what"] == "refused":
            refused[line["topic"].split("/")[3]] = line["why"]
    problems = [f"{word} {what}: the schema says {'yes' if valid else 'no'}, the program {refused.get(f'n{i}', 'yes')}"
                for i, (word, what, valid) in enumerate(expected) if valid == (f"n{i}" in refused)]
    valid = sum(v for _, _, v in expected)
    tap.check(f"schemas and program agree on {len(expected)} messages, of which {valid} are good",
              problems[:20] or ([] if 100 < valid < len(expected) - 100 else ["too few of one kind"]))


# ---- hostile bytes over a real server ----

def alarm(d, **more):
    return d.envelope("alarm", d.alarm_data(), **more)


def hostile_rows():
    """Name, topic, payload, reason."""
    d = sender.Device("evil", "bad")
    event, dumps = d.topic("event"), json.dumps
    other = sender.Device("other", "bad")
    late = alarm(d)
    late["sequence"] = f"{d.sequence + 1:020}"
    return [
        ("10 MiB", event, b"x" * TEN_MIB, "too-long"),
        ("one byte too long", event, b" " * 1985, "too-long"),
        ("nothing", event, b"", "empty"),
        ("no JSON", event, b"hello", "json"),
        ("half of it", event, dumps(alarm(d))[:-9], "json"),
        ("something behind it", event, dumps(alarm(d)) + "x", "json"),
        ("an array", event, b"[]", "json"),
        ("a NUL behind it", event, dumps(alarm(d)) + "\0", "json"),
        ("nested 1000 deep", event, b"[" * 1000, "json"),
        ("NaN", event, dumps(alarm(d)).replace("4000000", "NaN"), "data"),
        ("a broken UTF-8 text", event, dumps(alarm(d)).encode().replace(b"system", b"sys\xc3\x28em"), "utf-8"),
        ("UTF-8 of a surrogate", event, dumps(alarm(d)).encode().replace(b"system", b"sys\xed\xa0\x80em"), "utf-8"),
        ("a NUL in a text", event, dumps(alarm(d)).replace("system", "sys\\u0000em"), "data"),
        ("another device's source", event, dumps(alarm(other)), "source"),
        ("a version that will be", event, dumps({**alarm(d), "type": "org.failsoft.alarm.v2"}), "version"),
        ("CloudEvents 2.0", event, dumps({**alarm(d), "specversion": "2.0"}), "version"),
        ("a topic that will be", "failsoft/v2/bad/evil/event", dumps(alarm(d)), None),
        ("an unknown type", event, dumps({**alarm(d), "type": "org.failsoft.joke.v1"}), "type"),
        ("a state among events", event, dumps(d.envelope("state", d.state_data())), "type"),
        ("another alarm's topic", d.topic("alarm/shutdown"), dumps(alarm(d)), "kind"),
        ("an unknown alarm", d.topic("alarm/joke"), dumps(alarm(d)), "topic"),
        ("another sequence than the id's", event, dumps(late), "id"),
        ("a sequence of 0", event, dumps({**alarm(d), "id": d.boot + "-0", "sequence": "0" * 20}), "id"),
        ("a time without a clock", event, dumps(alarm(d, time="2026-01-01T00:00:00Z")), "clock"),
        ("a time that is none", event, dumps({**alarm(d, time="2026-13-01T00:00:00Z"), "clock": "synced"}), "clock"),
        ("a control character in a name", "failsoft/v1/bad/e\u009b\u0001il/state", b"{}", None),
        ("a fleet with a blank", "failsoft/v1/b ad/evil/event", dumps(alarm(d)), "topic"),
        ("a quotation mark", 'failsoft/v1/b"}ad/evil/event', dumps(alarm(d)), "topic"),
        ("a state that is true twice", d.topic("state"), b'{"online":true}', "version"),
    ]


def hostile(fleet, server):
    for name, topic, payload, reason in hostile_rows():
        connection = sender.Mqtt(server.port)
        try:
            connection.publish(topic, payload)
        except (ConnectionError, AssertionError):
            pass  # the server itself refused it: that is one wall more
        connection.socket.close()
        if reason is None:
            continue
        line = fleet.wait(lambda l, n=len(fleet.lines("refused")): l["what"] == "refused" and l.get("topic") == topic
                          and l["reason"] == reason and l["bytes"] == len(payload), 20)
        tap.check(f"{name}: refused as {reason}", [] if line and line["why"] else
                  [f"{[l for l in fleet.lines('refused')][-3:]}, {fleet.err.all()}"])
    good = sender.Device("good", "bad").connect(server.port)
    tap.check("a good device is heard after all that", [] if fleet.settled("good") else fleet.err.all())
    good.mqtt.close()
    count = sum(row[3] is not None for row in hostile_rows())
    counted = sum(fleet.json("/api/devices")["totals"]["refused"].values())
    tap.check("all are counted", [] if counted >= count else [f"{counted} of {count}"])
    tap.check("10 MiB did not stay in memory", [] if rss_kib(fleet) < 60 << 10 else [f"{rss_kib(fleet)} KiB"])


def rss_kib(fleet):
    text = pathlib.Path(f"/proc/{fleet.process.pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0])


def texts(fleet, server):
    """What is JSON, and a text, but not nice."""
    d = sender.Device("rude", "bad", firmware='1"} 1\\\n' + HOSTILE[:20]).connect(server.port)
    d.alarm(text=HOSTILE, domain=HOSTILE[:40], name=HOSTILE[:30])
    seen = fleet.wait(lambda l: l["what"] == "raised" and l["device"] == "rude")
    raw = [line for line in fleet.out.all() if "rude" in line]
    tap.check("a hostile text is passed on as JSON's escapes only",
              [] if seen and all(c.isprintable() for line in raw for c in line) else [raw])
    page = fleet.get("/api/device/bad/rude")[2]
    tap.check("what the page gets is clean", [] if "onerror" in page and not any(
        bad in page for bad in ("\\u001b", "\\u0007", "\x1b", "\u202e", "\u009b", "\\n")) else [page[:600]])
    metrics = tap.run("promtool", "check", "metrics", input=fleet.get("/metrics")[2]) if has_promtool() else None
    tap.check("a hostile firmware is one label", [] if fleet.figure("devices", fleet="bad", firmware='1\\"} 1\\\\?') is not None
              or '1\\"} 1\\\\??' in fleet.get("/metrics")[2] else [fleet.get("/metrics")[2][:800]])
    if metrics:
        tap.check("promtool takes the metrics", [] if metrics.returncode == 0 else [metrics.stderr])
    d.mqtt.close()


def has_promtool():
    return tap.run("sh", "-c", "command -v promtool").returncode == 0


def plain_text(server):
    """The lines for people, on whose terminal they are."""
    with side.Fleet(server, output="--no-color") as fleet:
        fleet.connected()
        d = sender.Device("loud", "bad").connect(server.port)
        d.alarm(text=HOSTILE)
        line = fleet.out.wait("loud alarm raised")
        tap.check("a line for people does not steer their terminal",
                  [] if line and all(c.isprintable() for c in line) else [repr(line)])
        d.mqtt.close()


def web(fleet):
    rows = [("GET", "/", {}, 200), ("HEAD", "/", {}, 200), ("POST", "/", {}, 405), ("DELETE", "/api/devices", {}, 405),
            ("GET", "/api/device/bad/../../etc", {}, 404), ("GET", "/api/device/bad/nobody", {}, 404),
            ("GET", "/nothing", {}, 404), ("GET", "/api/devices?since=x&run=-1", {}, 200),
            ("GET", "/", {"Host": "evil.example"}, 403), ("GET", "/", {"Host": "localhost:1"}, 200)]
    for method, path, headers, status in rows:
        got, answer, _ = fleet.get(path, method, headers)
        tap.check(f"{method} {path} {headers or ''}: {status}", [] if got == status and
                  "default-src 'none'" in answer.get("Content-Security-Policy", "") else [f"{got} {answer}"])


def main():
    with tempfile.TemporaryDirectory(prefix="failsoft-fleet-") as folder:
        if jsonschema:
            agree(folder)
        else:
            tap.skip("schemas and program agree", "python3-jsonschema is not installed")
        with mqtt.Mosquitto(folder, more=("message_size_limit 0",)) as server, \
                side.Fleet(server, listen=True) as fleet:
            fleet.connected()
            hostile(fleet, server)
            texts(fleet, server)
            web(fleet)
            plain_text(server)
    tap.done()


main()
