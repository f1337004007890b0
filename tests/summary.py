#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Adds up what meson's test logs say: prints failures, skips with their reasons and, as the last
line, `N passed, N failed, N skipped`. Every TAP line counts; a test without TAP counts as one.
Usage: summary.py BUILD_DIRECTORY...  Exit status 1 if anything failed or there was no test.

The programs of bus and fleet wait in real time for other processes, on a machine that others share.
`summary.py --again BUILD_DIRECTORY` prints the names of those that failed, if they are few, for one
run alone; that run counts then, and it is said that it was the second."""

import json
import pathlib
import re
import sys

LINE = re.compile(r'(not )?ok\b\s*(\d+)?\s*(?:- )?([^#]*?)\s*(?:#\s*skip\S*\s*(.*))?$', re.IGNORECASE)
PLAN = re.compile(r'1\.\.(\d+)\s*(?:#\s*skip\S*\s*(.*))?$', re.IGNORECASE)


REAL_TIME = re.compile(r'\S*:(?:bus|fleet) / (\S+)$')
FEW = 2


class Sum:
    def __init__(self):
        self.passed, self.failed, self.skipped = 0, [], []

    def add_tap(self, name, lines):
        """Returns whether the lines were TAP, that is had a plan."""
        planned, seen, failed_before = None, 0, len(self.failed)
        for line in lines:
            plan, result = PLAN.match(line), LINE.match(line)
            if plan and planned is None:
                planned = int(plan.group(1))
                if planned == 0:
                    self.skipped.append(f'{name}: {plan.group(2) or "no reason given"}')
            elif result and planned is not None or result and result.group(2):
                seen += 1
                self.add_line(name, result)
        if planned is None and not seen:
            return None
        if planned is None or seen < planned:
            self.failed.append(f'{name}: {seen} of {planned} results, then it ended')
        return len(self.failed) == failed_before

    def add_line(self, name, result):
        bad, _, what, reason = result.groups()
        if reason is not None:
            # cmocka writes the name of a skipped test where the reason stands
            self.skipped.append(f'{name}: {what + ": " if what else ""}{reason or "no reason given"}')
        elif bad:
            self.failed.append(f'{name}: {what}')
        else:
            self.passed += 1

    def add(self, where, test):
        name = f'{where}{test["name"]}'
        lines = (test.get('stdout', '') + '\n' + test.get('stderr', '')).splitlines()
        clean = self.add_tap(name, lines)
        result = test['result']
        only_skips = any('# SKIP' in line for line in lines) and test.get('returncode', 0) == 0
        if clean is None and result == 'OK':
            self.passed += 1
        elif clean is None and result == 'SKIP':
            self.skipped.append(f'{name}: {" ".join(lines).strip() or "no reason given"}')
        elif clean is not False and result not in ('OK', 'SKIP', 'EXPECTEDFAIL') and not only_skips:
            self.failed.append(f'{name}: {result.lower()}, exit status {test.get("returncode")}')


def read(build, base):
    """What a run of meson has logged, if it has."""
    log = pathlib.Path(build, 'meson-logs', f'{base}.json')
    lines = log.read_text(errors='replace').splitlines() if log.exists() else []
    return [json.loads(line) for line in lines]


def failures_of(test):
    alone = Sum()
    alone.add('', test)
    return alone.failed


def again(build):
    """Many failures, or one elsewhere, are no accident of a busy machine."""
    failed = [REAL_TIME.match(test['name']) for test in read(build, 'testlog') if failures_of(test)]
    if len(failed) <= FEW and all(failed):
        print(''.join(match.group(1) + '\n' for match in failed), end='')


def main(builds):
    total, second = Sum(), []
    for build in builds:
        where = '' if len(builds) == 1 else f'{pathlib.Path(build).name}/'
        tests, repeated = read(build, 'testlog'), {test['name']: test for test in read(build, 'again')}
        if not tests:
            total.failed.append(f'{build}: no test has run')
        for test in tests:
            if test['name'] in repeated:
                second += [f'{where}{failure}; the second run, alone, counts' for failure in failures_of(test)]
            total.add(where, repeated.get(test['name'], test))
    for word, rows in (('skipped', total.skipped), ('SECOND', second), ('FAILED', total.failed)):
        for row in rows:
            print(f'{word}: {row}')
    print(f'{total.passed} passed, {len(total.failed)} failed, {len(total.skipped)} skipped')
    return 1 if total.failed or not total.passed else 0


if __name__ == '__main__':
    sys.exit(again(sys.argv[2]) if sys.argv[1:2] == ['--again'] else main(sys.argv[1:]))
