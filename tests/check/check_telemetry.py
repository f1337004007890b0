#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R30: what the device's envelope writes against interfaces/telemetry/*.schema.json, also with the worst
that others can put into it: each line valid JSON (UTF-8), valid by its schema, and short enough."""

import collections
import json

import tap

try:
    import jsonschema
except ImportError:
    tap.skip_all('python3-jsonschema is not installed')

SCHEMAS = {path.name.split('.')[0]: json.loads(path.read_text())
           for path in sorted((tap.SOURCE / 'interfaces/telemetry').glob('*.v1.schema.json'))}
HEADER = (tap.SOURCE / 'clients/telemetry/topic.h').read_text()
BYTES_MAX = int(HEADER.split('#define TOPIC_PAYLOAD_MAX')[1].split()[0])


def messages():
    result = tap.subprocess.run([tap.program('print_messages')], capture_output=True, timeout=60, check=False)
    if result.returncode:
        return [], [result.stderr.decode(errors='replace')]
    return [line.split(b' ', 2) for line in result.stdout.split(b'\n') if line], []


def strict_number(text):
    raise ValueError(f'{text} is no JSON')


def parse(raw):
    def pairs(items):
        twice = [key for key, count in collections.Counter(key for key, _ in items).items() if count > 1]
        if twice:
            raise ValueError(f'{twice} stands there twice')
        return dict(items)
    return json.loads(raw.decode(), object_pairs_hook=pairs, parse_constant=strict_number)


def problems_of(lines, validators):
    problems, longest = [], collections.Counter()
    for kind, name, raw in lines:
        kind, name = kind.decode(), name.decode()
        longest[kind] = max(longest[kind], len(raw))
        if len(raw) > BYTES_MAX:
            problems.append(f'{kind} {name}: {len(raw)} bytes, at most {BYTES_MAX}')
        try:
            message = parse(raw)
        except ValueError as error:
            problems.append(f'{kind} {name}: {error}')
            continue
        problems += [f'{kind} {name}: {"/".join(map(str, e.path))}: {e.message}'
                     for e in validators[kind].iter_errors(message)]
        if message['id'] != f'{message["bootid"]}-{int(message["sequence"])}':
            problems.append(f'{kind} {name}: the id is not BOOTID-SEQUENCE')
        if ('time' in message) != (message['clock'] == 'synced'):
            problems.append(f'{kind} {name}: time and clock say different things')
    return problems, longest


def controls(lines):
    """Nothing that a terminal would obey, escaped or not."""
    return [f'{kind.decode()} {name.decode()}: holds {bad}' for kind, name, raw in lines
            for bad in (b'\\u00', b'\\n', b'\\b', b'\\r', b'\x7f') if bad in raw]


def kept(lines):
    """The sentence gives way, no figure does: the same keys as where all texts are short."""
    usual = {(kind, name.split(b'-', 1)[1]): parse(raw) for kind, name, raw in lines if name.startswith(b'usual-')}
    problems = []
    for kind, name, raw in lines:
        how, what = name.split(b'-', 1)
        if how not in (b'quotes', b'controls', b'greek'):
            continue
        missing = set(usual[kind, what]['data']) - set(parse(raw)['data'])
        problems += [f'{kind.decode()} {name.decode()}: {key} is gone' for key in sorted(missing)]
        if len(raw) == BYTES_MAX - 1 and not parse(raw)['data']['text'].endswith('...'):
            problems.append(f'{kind.decode()} {name.decode()}: the sentence is cut and does not say so')
    return problems


checkers = jsonschema.FormatChecker()
validators = {kind: jsonschema.Draft7Validator(schema, format_checker=checkers) for kind, schema in SCHEMAS.items()}
lines, failures = messages()
tap.check('schemas are schemas', [f'{kind}: {e}' for kind, schema in SCHEMAS.items()
                                  for e in jsonschema.Draft7Validator(jsonschema.Draft7Validator.META_SCHEMA)
                                  .iter_errors(schema)])
tap.check('every message can be written', failures)
tap.check('messages of all types are there', [f'{kind}: only {n}' for kind in SCHEMAS
                                              if (n := sum(k.decode() == kind for k, _, _ in lines)) < 6])
problems, longest = problems_of(lines, validators)
for kind, size in sorted(longest.items()):
    print(f'# {kind}: the longest of them is {size} bytes')
tap.check(f'{len(lines)} messages are what their schema says', problems)
tap.check('no control character goes out', controls(lines))
tap.check('no figure gives way to a long text', kept(lines))
tap.done()
