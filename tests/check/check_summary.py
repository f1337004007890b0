#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tests/summary.py and ./dev: the verdict must not be better than the results. Rows of what meson
logged and the last line that must follow."""

import json
import pathlib
import tempfile

import tap

SUMMARY = tap.SOURCE / 'tests/summary.py'


def entry(stdout='', result='OK', code=0, stderr=''):
    return {'name': 'a', 'stdout': stdout, 'stderr': stderr, 'result': result, 'returncode': code}


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


def verdict(tests, last, status):
    with tempfile.TemporaryDirectory(prefix='failsoft-check-') as name:
        logs = pathlib.Path(name, 'meson-logs')
        logs.mkdir()
        if tests is not None:
            (logs / 'testlog.json').write_text(''.join(json.dumps(t) + '\n' for t in tests))
        result = tap.run('/usr/bin/python3', SUMMARY, name)
    line = result.stdout.splitlines()[-1]
    return [] if (line, result.returncode) == (last, status) else [f'{line}, exit status {result.returncode}']


for row_name, row_tests, row_last, row_status in ROWS:
    tap.check(f'summary: {row_name}', verdict(row_tests, row_last, row_status))
result = tap.run(tap.SOURCE / 'dev')
tap.check('./dev lists its verbs', [f'{v}: missing' for v in ('setup', 'build', 'test', 'demo', 'vm', 'bench')
                                    if f'\n  {v} ' not in result.stdout])
result = tap.run(tap.SOURCE / 'dev', 'no-such-verb')
tap.check('./dev refuses what it does not know', [] if result.returncode == 1 and result.stderr else ['it did not'])
result = tap.run('bash', '-n', tap.SOURCE / 'dev')
tap.check('./dev is valid bash', result.stderr.splitlines())
tap.done()
