#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""failsoft-logger and failsoft-logcheck without a broker: what is counted, what a crash leaves, what
wrong options say."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / 'check'))
import tap

LOGGER, LOGCHECK = tap.program('failsoft-logger'), tap.program('failsoft-logcheck')
RECORD = 64


class Log:
    """A folder with a log and its status file."""

    def __init__(self, folder):
        self.log, self.status = folder / 'log', folder / 'status'
        self.options = [f'--file={self.log}', f'--status-file={self.status}', '--no-failsoft']

    def run(self, *options):
        return tap.run(LOGGER, *self.options, *options)

    def start(self, *options):
        return subprocess.Popen([LOGGER, *self.options, *options], stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)

    def check(self, *options):
        """(produced, on_disk, lost, gaps, exit status)"""
        options = options or [f'--status-file={self.status}']
        result = tap.run(LOGCHECK, f'--file={self.log}', *options)
        match = re.search(r'^produced (\d+) on_disk (\d+) lost (\d+) gaps (\d+)$', result.stdout, re.M)
        return (*map(int, match.groups()), result.returncode) if match else result.stderr

    def produced(self):
        have = self.check()
        return have[0] if isinstance(have, tuple) else 0

    def wait(self, is_so):
        """Until the counts are so: a start takes its time on a busy machine."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            have = self.check()
            if isinstance(have, tuple) and is_so(have):
                return
            time.sleep(0.02)

    def some(self):
        """A run, or as many as it takes until there are 150 records more."""
        before = self.produced()
        for _ in range(20):
            self.run('--seconds=0.3')
            if self.produced() >= before + 150:
                break
        return self.produced()

    def cut(self, size):
        os.truncate(self.log, size)


def expect(what, got, good):
    return [] if good else [f'{what}: {got}']


def ends_in_order(log):
    for _ in range(5):  # until it had a CPU when its second ended
        for path in (log.log, log.status):
            path.unlink(missing_ok=True)
        result = log.run('--seconds=1', '--rate=1000')
        produced, on_disk, lost, gaps, status = log.check()
        if 900 <= produced <= 1100:
            break
    return (expect('exit status', result.returncode, result.returncode == 0)
            + expect('about 1000 records', produced, 900 <= produced <= 1100)
            + expect('all on disk', log.check(), (on_disk, lost, gaps, status) == (produced, 0, 0, 0))
            + expect('64 bytes each', log.log.stat().st_size, log.log.stat().st_size == produced * RECORD))


def sigterm_saves(log):
    child = log.start('--flush-interval=60')
    log.wait(lambda have: have[0] > 300)
    child.terminate()
    return (expect('exit status', child.wait(60), child.returncode == 0)
            + expect('nothing lost', log.check(), log.check()[0] > 300 and log.check()[2:] == (0, 0, 0)))


def sigkill_loses_what_was_in_memory(log):
    child = log.start('--flush-interval=60')
    log.wait(lambda have: have[0] > 300)
    child.kill()
    child.wait()
    produced, on_disk, lost, _, status = log.check()
    return expect('all lost, and said so', log.check(),
                  child.returncode == -signal.SIGKILL and produced > 300 and on_disk == 0
                  and lost == produced and status == 1)


def written_now_and_then(log):
    child = log.start('--flush-interval=0.1')
    log.wait(lambda have: have[1] > 500)
    child.kill()
    child.wait()
    produced, on_disk, lost, gaps, _ = log.check()
    return expect('at most what an interval holds is lost', log.check(),
                  on_disk > 500 and lost == produced - on_disk and lost < 400 and gaps == 0)


def a_torn_record(log):
    produced = log.some()
    log.cut(produced * RECORD - 20)
    return expect('one lost', log.check(), log.check() == (produced, produced - 1, 1, 0, 1))


def a_broken_record(log):
    produced = log.some()
    with open(log.log, 'r+b') as file:
        file.seek(10 * RECORD + 40)
        file.write(b'\xff')
    return expect('one lost', log.check(),
                  log.check()[:3] == (produced, produced - 1, 1) and log.check()[3] > 0 and log.check()[4] == 1)


def records_twice(log):
    produced = log.some()
    data = log.log.read_bytes()
    log.log.write_bytes(data + data[-5 * RECORD:])
    return expect('seen, and none counted twice', log.check(),
                  log.check()[:3] == (produced, produced, 0) and log.check()[4] == 1)


def produced_by_number(log):
    produced = log.some()
    return (expect('enough', '', log.check(f'--produced={produced}')[2:] == (0, 0, 0))
            + expect('one more was', '', log.check(f'--produced={produced + 1}')[2:] == (1, 0, 1)))


def a_second_run_keeps_the_first(log):
    before = log.some()
    log.some()
    return expect(f'more than {before}, no gap', log.check(), log.check()[0] > before + 100
                  and log.check()[2:] == (0, 0, 0))


def a_full_disk(log):
    """A limit on the file's size stands in for it: write() comes back short, then fails."""
    limit = 100 * RECORD + 10
    subprocess.run(['prlimit', f'--fsize={limit}', LOGGER, *log.options, '--seconds=1.5',
                    '--flush-interval=0.05'], capture_output=True, check=False, timeout=30,
                   preexec_fn=lambda: signal.signal(signal.SIGXFSZ, signal.SIG_IGN))
    produced, on_disk, lost, gaps, status = log.check()
    return expect('what fits is there, the rest is counted as lost', log.check(),
                  on_disk == 100 and lost == produced - 100 and gaps == 0 and status == 1)


def a_disk_that_was_full(log):
    """Room comes back: what was written in part must not shift or double what follows."""
    child = subprocess.Popen(['prlimit', f'--fsize={100 * RECORD + 10}:unlimited', LOGGER, *log.options,
                              '--flush-interval=0.05'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                             preexec_fn=lambda: signal.signal(signal.SIGXFSZ, signal.SIG_IGN))
    log.wait(lambda have: have[0] > 250 and have[1] == 100)
    tap.run('prlimit', f'--pid={child.pid}', '--fsize=unlimited:unlimited')
    log.wait(lambda have: have[1] > 300)
    child.terminate()
    child.wait(60)
    produced, _, _, gaps, _ = log.check()
    whole = log.log.stat().st_size % RECORD == 0
    return expect('a row of whole records', log.check(), whole and produced > 300 and gaps <= 1)


def wrong_options(log):
    rows = [(LOGGER, []), (LOGGER, ['--rate=0']), (LOGGER, ['--rate=many']), (LOGGER, ['--rate=max']),
            (LOGGER, ['--flush-interval=max']), (LOGGER, ['--flush-interval=-1']),
            (LOGGER, ['--seconds=max']), (LOGGER, ['--group=100']), (LOGGER, ['surprise']),
            (LOGGER, ['--file=/does/not/exist/log']), (LOGCHECK, []), (LOGCHECK, ['--file=/does/not/exist']),
            (LOGCHECK, [f'--file={log.log}', '--status-file=/etc/hostname'])]
    problems = []
    log.log.touch()
    for program, options in rows:
        files = [] if program == LOGCHECK or not options or '--file' in options[0] else [f'--file={log.log}']
        try:
            result = subprocess.run([program, *files, *options], capture_output=True, text=True, timeout=20,
                                    check=False)
            good = result.returncode == 2 and len(result.stderr.strip()) > 10
            problems += [] if good else [f'{program.name} {options}: {result.returncode} {result.stderr}']
        except subprocess.TimeoutExpired:
            problems.append(f'{program.name} {options}: it runs')
    return problems


TESTS = [ends_in_order, sigterm_saves, sigkill_loses_what_was_in_memory, written_now_and_then, a_torn_record,
         a_broken_record, records_twice, produced_by_number, a_second_run_keeps_the_first, a_full_disk,
         a_disk_that_was_full, wrong_options]
for test in TESTS:
    with tempfile.TemporaryDirectory(prefix='failsoft-logger-') as name:
        try:
            tap.check(test.__name__, test(Log(pathlib.Path(name))))
        except (TypeError, ValueError) as error:
            tap.check(test.__name__, [f'no counts: {error}'])
tap.done()
