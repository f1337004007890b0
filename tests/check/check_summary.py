#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tests/summary.py and ./dev: the verdict must not be better than the results. Rows of what meson
logged and the last line that must follow."""

import contextlib
import json
import pathlib
import tempfile

import tap

SUMMARY = tap.SOURCE / 'tests/summary.py'
BAD, GOOD = '1..1\nnot ok 1 - b\n', '1..1\nok 1 - b\n'


def entry(stdout='', result='OK', code=0, stderr='', name='a'):
    return {'name': name, 'stdout': stdout, 'stderr': stderr, 'result': result, 'returncode': code}


ROWS = [
    # name, tests, last line, exit status
    ('TAP lines count', [entry('1..2\nok 1 - a\nok 2 - b\n')], '2 passed, 0 failed, 0 skipped', 0),
    ('cmocka writes to stderr', [entry(stderr='1..1\nok 1 - a\n')], '1 passed, 0 failed, 0 skipped', 0),
    ('a plan at the end', [entry('ok 1 - a\n1..1\n')], '1 passed, 0 failed, 0 skipped', 0),
    ('no TAP counts one', [entry('hello\n')], '1 passed, 0 failed, 0 skipped', 0),
    ('a failure', [entry('1..2\nok 1 - a\nnot ok 2 - b\n', 'FAIL', 1)], '1 passed, 1 failed, 0 skipped', 1),
    ('a failure that meson took for success', [entry('1..1\nnot ok 1 - b\n')], '0 passed, 1 failed, 0 skipped', 1),
    ('a skip with reason', [entry('1..2\nok 1 - a # SKIP no root\nok 2\n')], '1 passed, 0 failed, 1 skipped', 0),
    ('a skip as cmocka writes it', [entry('1..2\nok 1 - a\nnot ok 2 # SKIP b\n', 'FAIL', 0)],
     '1 passed, 0 failed, 1 skipped', 0),
    ('all skipped', [entry('1..0 # SKIP no kernel\n', 'SKIP'), entry()], '1 passed, 0 failed, 1 skipped', 0),
    ('nothing but skips is no success', [entry('1..0 # SKIP no kernel\n', 'SKIP')],
     '0 passed, 0 failed, 1 skipped', 1),
    ('it stopped early', [entry('1..3\nok 1 - a\n', 'ERROR', -11)], '1 passed, 1 failed, 0 skipped', 1),
    ('it crashed after its last line', [entry('1..1\nok 1 - a\n', 'FAIL', -6)], '1 passed, 1 failed, 0 skipped', 1),
    ('it took too long', [entry('', 'TIMEOUT', -15)], '0 passed, 1 failed, 0 skipped', 1),
    ('exit status 77', [entry('no bus\n', 'SKIP', 77), entry()], '1 passed, 0 failed, 1 skipped', 0),
    ('no log', None, '0 passed, 1 failed, 0 skipped', 1),
]


def failed(*names):
    return [entry(BAD, 'FAIL', 1, name=name) for name in names]


AGAIN = [
    # name, tests, those that get a second run
    ('nothing failed', [entry(GOOD)], []),
    ('one of bus', [*failed('p:bus / bus_x'), entry(GOOD)], ['bus_x']),
    ('bus and fleet', failed('p:bus / bus_x', 'p:fleet / fleet_y'), ['bus_x', 'fleet_y']),
    ('three are no accident', failed('p:bus / bus_x', 'p:bus / bus_y', 'p:bus / bus_z'), []),
    ('what needs no time is not repeated', failed('p:unit / x'), []),
    ('nor what failed beside it', failed('p:bus / bus_x', 'p:unit / x'), []),
    ('no log', None, []),
]
SECOND = [
    # name, second run, last line, exit status
    ('passed alone', entry(GOOD, name='p:bus / bus_x'), '2 passed, 0 failed, 0 skipped', 0),
    ('failed twice', entry(BAD, 'FAIL', 1, name='p:bus / bus_x'), '1 passed, 1 failed, 0 skipped', 1),
]


@contextlib.contextmanager
def logged(**runs):
    with tempfile.TemporaryDirectory(prefix='failsoft-check-') as name:
        logs = pathlib.Path(name, 'meson-logs')
        logs.mkdir()
        for base, tests in runs.items():
            if tests is not None:
                (logs / f'{base}.json').write_text(''.join(json.dumps(t) + '\n' for t in tests))
        yield name


def verdict(tests, last, status, again=None):
    with logged(testlog=tests, again=again) as name:
        result = tap.run('/usr/bin/python3', SUMMARY, name)
    *above, line = result.stdout.splitlines()
    said = 'SECOND: p:bus / bus_x: b; the second run, alone, counts' in above
    return [] if (line, result.returncode, said) == (last, status, again is not None) else [
        f'{line}, exit status {result.returncode}', *above]


def repeated(tests, names):
    with logged(testlog=tests) as name:
        result = tap.run('/usr/bin/python3', SUMMARY, '--again', name)
    return [] if (result.stdout.splitlines(), result.returncode) == (names, 0) else [result.stdout, result.stderr]


for row_name, row_tests, row_last, row_status in ROWS:
    tap.check(f'summary: {row_name}', verdict(row_tests, row_last, row_status))
for row_name, row_tests, row_names in AGAIN:
    tap.check(f'second run: {row_name}', repeated(row_tests, row_names))
for row_name, row_second, row_last, row_status in SECOND:
    tap.check(f'second run: {row_name}', verdict([*failed('p:bus / bus_x'), entry(GOOD)], row_last, row_status, [row_second]))
result = tap.run(tap.SOURCE / 'dev')
tap.check('./dev lists its verbs', [f'{v}: missing' for v in ('setup', 'build', 'test', 'demo', 'vm', 'bench')
                                    if f'\n  {v} ' not in result.stdout])
result = tap.run(tap.SOURCE / 'dev', 'no-such-verb')
tap.check('./dev refuses what it does not know', [] if result.returncode == 1 and result.stderr else ['it did not'])
result = tap.run('bash', '-n', tap.SOURCE / 'dev')
tap.check('./dev is valid bash', result.stderr.splitlines())
tap.done()
