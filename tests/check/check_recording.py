#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R30: interfaces/recording.schema against recordings and code. A recording describes every kind that
its writer knows, used or not, so one of this very build tells all kinds and fields; the stored ones
tell what earlier versions wrote. Read by tests/vm/tape.py, which shares nothing with the writer."""

import json
import lzma
import pathlib
import re
import sys
import tempfile

import tap

sys.path.insert(0, str(tap.SOURCE / 'tests/vm'))
import tape  # noqa: E402

SCHEMA = tap.SOURCE / 'interfaces/recording.schema'
STORED = sorted((tap.SOURCE / 'tests/data/recordings').glob('*.fsr.xz'))
HEAD_BYTES = 1 << 16  # tape.h: 64 KiB hold any head

# Words of the schema: header, enum, what its members begin with.
WORDS = {
    'stage': ('judge/stage.h', 'stage_word', 'STAGE_'),
    'why': ('judge/stage.h', 'stage_why', 'STAGE_WHY_'),
    'limit': ('judge/estimate.h', 'estimate_limit', 'ESTIMATE_LIMIT_'),
    'step': ('ask/session.h', 'session_step', 'STEP_'),
    'result': ('ask/session.h', 'session_result', 'RESULT_'),
    'hold': ('act/hold.h', 'hold_phase', 'HOLD_'),
    'tripwire': ('act/tripwire.h', 'tripwire_phase', 'TRIPWIRE_'),
    'last': ('act/last.h', 'last_policy', 'LAST_'),
    'last_phase': ('act/last.h', 'last_phase', 'LAST_'),
    'outcome': ('act/procedure.h', 'procedure_outcome', 'PROCEDURE_'),
    'rung': ('act/escalate.h', 'escalate_rung', 'RUNG_'),
    'victim': ('act/victim.h', 'victim_kind', 'VICTIM_'),
    'grower': ('judge/growth.h', 'grower_kind', 'GROWER_'),
    'pool': ('judge/growth.h', 'growth_pool', 'GROWTH_POOL_'),
    'witness': ('judge/evidence.h', 'witness', 'WITNESS_'),
    'window': ('judge/trend.h', 'trend_window', 'TREND_'),
    'event': ('keep/event.h', 'event_kind', 'EVENT_'),
    'has': ('sense/sample.h', 'sample_has', 'SAMPLE_HAS_'),
    'distress': ('sense/sample.h', 'sample_distress', 'DISTRESS_'),
    'rival_trigger': ('sense/sample.h', 'sample_rival_trigger', 'RIVAL_TRIGGER_'),
}


def broker_text(path):
    """Without comments, which name members, too."""
    return re.sub(r'/\*.*?\*/', '', (tap.SOURCE / 'broker' / path).read_text(), flags=re.DOTALL)


# ---- the schema ----

def numbered(name):
    """x[1..3] is x[1], x[2], x[3]."""
    match = re.search(r'\[(\d+)\.\.(\d+)\]', name)
    if not match:
        return [name]
    return [name[:match.start()] + f'[{i}]' + name[match.end():]
            for i in range(int(match.group(1)), int(match.group(2)) + 1)]


def expand(schema, description):
    """A kind's or a group's fields, each under its full name."""
    fields = dict(expand(schema, {'fields': schema['groups'][description['group']]})
                  if 'group' in description else {})
    for name, field in description.get('fields', {}).items():
        if isinstance(field, dict):
            inner = expand(schema, {'fields': schema['groups'][field['group']]})
            fields.update({name + key: value for key, value in inner.items()})
        else:
            fields.update({one: field for one in numbered(name)})
    return fields


def malformed(schema, kinds):
    known = set(schema['units']) | set(schema['enums']) | set(schema['bits'])
    problems = []
    for kind, fields in {**kinds, **{f'retired {k}': v for k, v in schema['retired'].items()}}.items():
        for name, field in fields.items():
            if len(field) != 3 or field[0] not in schema['types'] or not field[2]:
                problems.append(f'{kind} {name}: is not [type, unit, meaning]')
            elif field[1] not in known:
                problems.append(f'{kind} {name}: nobody says what "{field[1]}" is')
    used = {field[1] for fields in kinds.values() for field in fields.values()}
    return problems + [f'{unit}: used by no field' for unit in sorted(known - used - {'witness', 'window'})]


# ---- recordings ----

def head_of(data):
    """Format, and {kind: {field: type}} of all shapes before the first other record."""
    if not data.startswith(tape.MAGIC):
        raise tape.Damaged('it does not begin as a recording does')
    file, kinds, number = tape.Bytes(data), {}, None
    file.take(len(tape.MAGIC))
    while not file.is_over():
        body = tape.Bytes(file.take(file.number()))
        file.take(4)
        kind = body.number()
        if kind >= tape.KINDS_RESERVED:
            break
        if kind == tape.KIND_SHAPE:
            body.number()
            shape = tape.Shape(body)
            kinds[shape.name] = {name: type_ for type_, name in shape.fields}
        else:
            number = body.number()
    return number, kinds


def fresh():
    """A recording of this build and this machine."""
    with tempfile.TemporaryDirectory(prefix='failsoft-check-') as directory:
        path = pathlib.Path(directory, 'fresh.fsr')
        result = tap.run(tap.program('failsoftctl'), 'record', '--stand-alone', '--seconds=1', path)
        return path.read_bytes() if path.exists() else b'', result


def pairs(kinds):
    return {(kind, name, field[0]) for kind, fields in kinds.items() for name, field in fields.items()}


def say(triples, words):
    return [f'{kind}: {name} ({type_}): {words}' for kind, name, type_ in sorted(triples)]


def readable(data):
    """Every record, by the second reader."""
    names = [kind for kind, _ in tape.records(data)]
    problems = [] if names[:1] == ['machine'] else ['does not begin with machine']
    return problems + ([] if names[-1:] == ['end'] else ['does not end with end']) + (
        [] if 'sample' in names else ['has no sample'])


def stored_differ(schema, kinds, written):
    """What earlier versions wrote is in the schema, or retired; what is retired was once written."""
    retired, once, problems = pairs(schema['retired']), set(), []
    for path in STORED:
        with lzma.open(path) as file:
            number, heads = head_of(file.read(HEAD_BYTES))
        if number != schema['format']:
            problems.append(f'{path.name}: format {number}')
        found = pairs(heads)
        once |= found
        problems += say(found - pairs(kinds) - retired, f'in {path.name}, not in the schema')
    return (problems + say(retired - once, 'retired, but no stored recording has it')
            + say(retired & written, 'retired, but still written'))


# ---- the code ----

def members(path, enum, prefix):
    """Names in order; for bits the order is that of their values."""
    body = re.search(rf'enum {enum} \{{(.*?)\}}', broker_text(path), re.DOTALL).group(1)
    names = re.findall(rf'\b{prefix}(\w+)\s*(?:=\s*1\s*<<\s*(\d+))?', body)
    names = [(name, shift) for name, shift in names if not name.endswith('COUNT')]
    for place, (name, shift) in enumerate(names):
        if shift and int(shift) != place:
            raise RuntimeError(f'{path}: {prefix}{name} is not bit {place}')
    return [name.lower() for name, _ in names]


def words_differ(schema):
    problems = []
    for word, (path, enum, prefix) in WORDS.items():
        listed, coded = {**schema['enums'], **schema['bits']}.get(word), members(path, enum, prefix)
        if listed != coded:
            problems.append(f'{word}: {listed} in the schema, {coded} in {path}')
    listed = set(schema['enums']) | set(schema['bits'])
    return problems + [f'{word}: held against no code' for word in sorted(listed - set(WORDS))]


def figures_differ(schema):
    """The table of event.c: [EVENT_X] = { "x", { "pid", NULL } }."""
    rows = re.findall(r'\[EVENT_\w+\] = \{ "(\w+)", \{(.*?)\} \}', broker_text('keep/event.c'), re.DOTALL)
    coded = {}
    for name, figures in rows:
        words = [None if w == 'NULL' else w.strip('"') for w in re.findall(r'"\w+"|NULL', figures)]
        while words and words[-1] is None:
            words.pop()
        coded[name] = words
    if len(coded) != len(schema['enums']['event']):
        return [f'found {len(coded)} kinds of events in event.c']
    return [f'{name}: {schema["events"].get(name)} in the schema, {coded.get(name)} in event.c'
            for name in sorted(set(coded) | set(schema['events']))
            if coded.get(name) != schema['events'].get(name)]


def bytes_differ(schema):
    header = broker_text('keep/tape.h')
    limits = schema['bytes']['limits']
    coded = {name: int(re.search(rf'#define {macro}\s+(\d+)u', header).group(1)) for name, macro in {
        'format': 'TAPE_FORMAT', 'body_bytes': 'TAPE_BODY_MAX', 'kinds': 'TAPE_KINDS_MAX',
        'fields': 'TAPE_FIELDS_MAX'}.items()}
    coded['first_kind'] = int(re.search(r'TAPE_KINDS_RESERVED = (\d+)', header).group(1))
    listed = {**limits, 'format': schema['format']}
    types = set(re.findall(r"TAPE_\w+ = '(\w)'", header))
    return ([f'{name}: {listed.get(name)} in the schema, {value} in tape.h' for name, value in coded.items()
             if listed.get(name) != value]
            + ([] if types == set(schema['types']) else [f'types {sorted(types)} in tape.h'])
            + ([] if bytes.fromhex(schema['bytes']['magic']) == tape.MAGIC else ['the magic is another']))


the_schema = json.loads(SCHEMA.read_text())
the_kinds = {kind: expand(the_schema, description) for kind, description in the_schema['kinds'].items()}
recording, recorder = fresh()
if not recording:
    tap.check('a recording is made', [f'failsoftctl ended with {recorder.returncode}: {recorder.stderr.strip()}'])
    tap.done()
made_format, made_kinds = head_of(recording)
made, listed_fields = pairs(made_kinds), pairs(the_kinds)

tap.check('every field of the schema has a type, a unit and a meaning', malformed(the_schema, the_kinds))
tap.check(f'{len(made_kinds)} kinds with {len(made)} fields: recording and schema agree',
          say(made - listed_fields, 'recorded, not in the schema')
          + say(listed_fields - made, 'in the schema, not recorded')
          + ([] if made_format == the_schema['format'] else [f'the recording has format {made_format}']))
tap.check('a fresh recording is read to its end by the second reader',
          readable(recording) if recorder.returncode == 0 else [recorder.stderr.strip()])
tap.check(f'{len(STORED)} stored recordings and the schema agree',
          stored_differ(the_schema, the_kinds, made) if STORED else ['there are none'])
tap.check('words and bits are those of the code', words_differ(the_schema))
tap.check('figures of events are those of the code', figures_differ(the_schema))
tap.check('magic, types and limits are those of the code', bytes_differ(the_schema))
tap.done()
