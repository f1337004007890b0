# SPDX-License-Identifier: MIT
"""What was raised against what was seen: exactly once by id, and as the schemas say."""

import collections
import functools
import json
import pathlib

import jsonschema

SOURCE = pathlib.Path(__file__).parents[2]
TYPES = ("state", "heartbeat", "event", "alarm", "report")


@functools.lru_cache
def validator(word):
    schema = json.loads((SOURCE / f"interfaces/telemetry/{word}.v1.schema.json").read_text())
    return jsonschema.Draft7Validator(schema)


def parse(payload):
    try:
        return json.loads(payload)
    except ValueError:
        return None


def word_of(message):
    """"alarm" of "org.failsoft.alarm.v1"; "" of what is none of ours."""
    fields = str(message.get("type", "")).split(".")
    return fields[2] if len(fields) == 4 and fields[2] in TYPES else ""


def some_of_each(payloads, most):
    """(topic, payload, message) of at most so many of each place and type, from the first to the last of them: a
    storm's alarms come after thousands of births. The empty ones clear something and are well."""
    kinds = collections.defaultdict(list)
    for topic, payload in payloads:
        message = parse(payload) if payload else {}
        word = word_of(message) if isinstance(message, dict) else ""
        if payload:
            kinds["/".join(topic.split("/")[4:]), word].append((topic, payload, message))
    for found in kinds.values():
        step = max(1, -(-len(found) // most))
        yield from found[::step]


def invalid(payloads, most=150):
    """Sentences on messages that break their schema."""
    problems = []
    for topic, payload, message in some_of_each(payloads, most):
        if not isinstance(message, dict) or not word_of(message):
            problems.append(f"{topic}: none of our types: {payload[:80]!r}")
            continue
        wrong = next(validator(word_of(message)).iter_errors(message), None)
        if wrong:
            problems.append(f"{topic}: {wrong.message} at {list(wrong.path)}")
    return problems


def alarms(payloads):
    """The alarms in a log of (topic, payload), in order, as JSON."""
    found = []
    for topic, payload in payloads:
        message = parse(payload) if topic.endswith("/event") and payload else None
        if message and word_of(message) == "alarm":
            found.append(message)
    return found


def once(raised, seen, shown_once=True):
    """Sentences, none if every id of `raised` is in `seen`, nothing else is, and, where the seer is to
    recognise duplicates, none of them twice."""
    counted = collections.Counter(seen)
    lost = [i for i in raised if i not in counted]
    wanted = set(raised)
    invented = [i for i in counted if i not in wanted]
    twice = [i for i, n in counted.items() if n > 1] if shown_once else []
    return [f"{len(ids)} {what}, the first: {ids[0]}" for ids, what in
            ((lost, f"of {len(raised)} lost"), (invented, "that nobody raised"),
             (twice, "seen twice")) if ids]
