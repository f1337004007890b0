#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The recordings of the small real Linux through failsoftctl backtest and replay: what must be true of
every run-out and of everything harmless, and how good the forecasts are on those held out.
test_recordings.py --update writes the tables of tests/data/recordings/README.md again."""

import json
import lzma
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path += [str(HERE.parent / 'check'), str(HERE.parent / 'vm')]
import recordings  # noqa: E402
import tap  # noqa: E402

DATA = HERE.parent / 'data' / 'recordings'
CTL = next(p for p in pathlib.Path(os.environ['FAILSOFT_BUILD']).rglob('failsoftctl') if p.is_file()
           and 'cache' not in p.parts)


BELOW = '<!-- tests/flow/test_recordings.py --update writes what follows -->'
# So slow that our warning has all the lead that is needed; 20 % of memory is nearer to the beginning.
POLL_IS_EARLIER = {'steady_1', 'steady_2', 'cgroup_2', 'swap_5', 'zram_5'}
SAME_US = 10000
# 40 of 51 MiB of headroom at a steady 10 MiB/s for 4 s, given back with 1.1 s left.
LIKE_A_LEAK = {'harmless_saw_40_4000'}


def run(*arguments):
    return subprocess.run([CTL, *map(str, arguments)], capture_output=True, text=True, timeout=120,
                          check=False)


def backtest():
    done = run('backtest', '--json', DATA)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    for row in rows:
        row['at'] = {(w['rule'], w['word']): w['time_us'] for w in row['words']}
    return rows


def backtest_of(**files):
    """Rows of these alone: name to bytes of a recording that is not compressed."""
    with tempfile.TemporaryDirectory(prefix='failsoft-backtest-') as folder:
        for name, data in files.items():
            (pathlib.Path(folder) / f'{name}.fsr').write_bytes(data)
        rows = [json.loads(line) for line in run('backtest', '--json', folder).stdout.splitlines()]
        return {row['recording']: row for row in rows}, run('backtest', folder).stdout


def what_is_cut():
    """Whatever has no end and no kill so far is not harmless; with the kill in it, it is a run-out."""
    out = lzma.decompress((DATA / 'steady_20.fsr.xz').read_bytes())
    calm = lzma.decompress((DATA / 'harmless_saw_8_500.fsr.xz').read_bytes())
    turned = bytearray(out[:len(out) // 2])
    turned[len(turned) * 3 // 4] ^= 0x40
    rows, table = backtest_of(whole=out, cut=out[:len(out) // 2], damaged=bytes(turned), calm=calm,
                              calm_cut=calm[:-40])
    have = {name: (bool(row['kill_us']), row['unknown']) for name, row in rows.items()}
    want = {'whole': (True, False), 'cut': (False, True), 'damaged': (False, True),
            'calm': (False, False), 'calm_cut': (False, True)}
    tap.check('a run-out that was cut is unknown, not harmless', [] if have == want else [f'{have}'])
    sums = [line for line in table.splitlines() if line.startswith('| failsoft | warning |')]
    tap.check('... and in no sum', [] if len(sums) == 1 and '1 of 1' in sums[0] and
              sums[0].endswith('1 of 1 |') else sums)


def names_and_packings():
    """A name may have dots; what was packed and damaged is damaged, what is only cut is not."""
    packed = (DATA / 'harmless_saw_8_500.fsr.xz').read_bytes()
    calm, turned = lzma.decompress(packed), bytearray(packed)
    turned[-30] ^= 0x40
    rows, table = backtest_of(**{'calm.1.2': calm, 'calm': calm})
    tap.check('a recording with dots in its name is taken, and named', [] if set(rows) == {'calm.1.2', 'calm'} else list(rows))
    tap.check('without a kill no forecast is good or bad', [] if '| all | - | - | - | - | - |' in table and
              'factor' not in table else table.splitlines())
    with tempfile.TemporaryDirectory(prefix='failsoft-packed-') as folder:
        for name, data, status, said in (('whole', packed, 0, ''), ('cut', packed[:-40], 0, 'ends too early: the file is cut'),
                                         ('damaged', bytes(turned), 3, 'compression is damaged')):
            path = pathlib.Path(folder) / f'{name}.fsr.xz'
            path.write_bytes(data)
            done = run('replay', path)
            tap.check(f'packed, {name}: status {status}', [] if done.returncode == status and
                      said in done.stderr and bool(done.stderr) == bool(said) else [done.returncode, done.stderr])


def redecide():
    """By the rules of today, with a client, as a new recording: that one is replayed to the byte."""
    problems, decisions = [], 0
    program = next(p for p in pathlib.Path(os.environ['FAILSOFT_BUILD']).rglob('redecide') if p.is_file())
    with tempfile.TemporaryDirectory(prefix='failsoft-redecide-') as folder:
        new = pathlib.Path(folder) / 'new.fsr'
        for name in table:
            made = subprocess.run([program, DATA / f'{name}.fsr.xz', new], check=False).returncode
            done = run('replay', new)
            said = re.search(r'# all (\d+) decisions are the recorded ones', done.stdout)
            if made or done.returncode or done.stderr or not said:
                problems.append(f'{name}: {made} {done.returncode} {done.stderr} {done.stdout[-200:]}')
            decisions += int(said[1]) if said else 0
    tap.check('each, decided anew and recorded again, is replayed to the very same decisions', problems[:3])
    tap.check('... of which there are many', [] if decisions > 500 else [f'{decisions}'])


def warns_later():
    """warning_share_percent: what README.md says of it."""
    with tempfile.TemporaryDirectory(prefix='failsoft-share-') as folder:
        later = pathlib.Path(folder) / 'later.json'
        later.write_text('{"warning_share_percent": 50}', encoding='utf-8')
        done = run('backtest', '--json', f'--config={later}', DATA)
    some = [json.loads(line) for line in done.stdout.splitlines()]
    false = sum(not r['kill_us'] and any(w['time_us'] for w in r['words'] if w['word'] == 'warning')
                for r in some)
    tap.check('with warning_share_percent 50 only four of 25 harmless ones warn',
              [] if false == 4 else [f'{false}'])


def backtest_tables(names):
    """What failsoftctl backtest prints of these recordings alone."""
    with tempfile.TemporaryDirectory(prefix='failsoft-backtest-') as folder:
        for name in names:
            (pathlib.Path(folder) / f'{name}.fsr.xz').symlink_to(DATA / f'{name}.fsr.xz')
        return run('backtest', folder).stdout


def page(table, aside):
    """README.md with its tables of today."""
    head = (DATA / 'README.md').read_text(encoding='utf-8').split(BELOW)[0]
    return (f'{head}{BELOW}\n\n## Held out: nothing was tuned on these\n\n{backtest_tables(aside)}\n'
            f'## Used for tuning\n\n{backtest_tables(set(table) - aside)}')


def inside(rows):
    """Share of the time with a forecast in which the truth lay in its 80 % interval."""
    scores = [s for r in rows for s in r['forecasts']]
    return sum(s['inside_us'] for s in scores) / sum(s['stated_us'] for s in scores)


def in_time(row):
    """Warned with the lead that was needed, or with nine tenths of all the time there was."""
    had = row['kill_us'] - row['at'][('failsoft', 'warning')]
    return had >= min(row['needed_us'], 0.9 * (row['kill_us'] - row['mark_us']))


table = {r.name: r for r in recordings.table()}
aside = set(recordings.held_out(recordings.table()))
if '--update' in sys.argv:
    (DATA / 'README.md').write_text(page(table, aside), encoding='utf-8')
rows = backtest()
tap.check('every recording of the table is there, and no other',
          sorted(set(table) ^ {r['recording'] for r in rows}))
tap.check('at least 40 of them', [] if len(rows) >= 40 else [f'{len(rows)}'])
run_outs = [r for r in rows if not table[r['recording']].is_harmless]
harmless = [r for r in rows if table[r['recording']].is_harmless]
tap.check('each run-out ends with a kill, nothing harmless does',
          [r['recording'] for r in run_outs if not r['kill_us']]
          + [r['recording'] for r in harmless if r['kill_us']])
tap.check('each run-out is imminent or more before the kill',
          [r['recording'] for r in run_outs if not r['at'][('failsoft', 'imminent')]])
tap.check('nothing harmless is ever imminent, but for the one that cannot be told from a leak',
          sorted({r['recording'] for r in harmless if r['at'][('failsoft', 'imminent')]} ^ LIKE_A_LEAK))
# What takes 15-80 % of the headroom at 20 MiB/s and more looks like a leak while it lasts.
warned = [r['recording'] for r in harmless if r['at'][('failsoft', 'warning')]]
tap.check('of the harmless no more than half warn', warned if len(warned) > len(harmless) / 2 else [])
late = [r['recording'] for r in run_outs if not in_time(r)]
tap.check('three of four run-outs warn in time', late if len(late) > len(run_outs) / 4 else [])
for name, some in (('held out', [r for r in rows if r['recording'] in aside]),
                   ('used for tuning', [r for r in rows if r['recording'] not in aside])):
    share = inside(some)
    tap.check(f'the 80 % interval holds for 70 to 90 % of the time: {name}',
              [] if 0.7 <= share <= 0.9 else [f'{share:.0%}'])
def lead_of(row, rule):
    """Of a rule's first word before the kill; None: it says nothing."""
    times = [t for (name, _), t in row['at'].items() if name == rule and t]
    return row['kill_us'] - min(times) if times else None


def against(rival):
    """Both medians over what that rule sees before the kill, for both halves, and where it is earlier."""
    problems, earlier = [], set()
    for held in (True, False):
        some = [r for r in run_outs if (r['recording'] in aside) == held]
        pairs = [(lead_of(r, 'failsoft'), lead_of(r, rival)) for r in some if lead_of(r, rival) is not None]
        if pairs and statistics.median(o for o, _ in pairs) <= statistics.median(t for _, t in pairs):
            problems.append(f'held out {held}: {pairs}')
        if statistics.median(lead_of(r, 'failsoft') for r in some) <= statistics.median(
                lead_of(r, rival) or 0 for r in some):
            problems.append(f'held out {held}, over all')
    for r in run_outs:
        theirs = lead_of(r, rival)
        if theirs is not None and theirs > lead_of(r, 'failsoft') + SAME_US:
            earlier.add(r['recording'])
    return problems, earlier


for rival in ('earlyoom', 'earlyoom 1.7', 'low-memory-monitor', 'systemd-oomd', 'poll20'):
    worse, earlier = against(rival)
    tap.check(f'{rival}: our median lead is larger', worse)
    tap.check(f'{rival}: earlier than we are only where README.md says so',
              sorted(earlier ^ (POLL_IS_EARLIER if rival == 'poll20' else set())))
for rival in ('earlyoom', 'low-memory-monitor', 'systemd-oomd'):
    words = [k for k in rows[0]['at'] if k[0] == rival]
    seen = sum(any(r['at'][k] for k in words) for r in run_outs)
    false = sum(any(r['at'][k] for k in words) for r in harmless)
    ours = sum(bool(r['at'][('failsoft', 'imminent')]) for r in harmless)
    tap.check(f'{rival}: does not see every run-out before the kill',
              [] if seen < len(run_outs) else [f'{seen} seen, {false} false, {ours} of ours'])
tap.check('the tables of tests/data/recordings/README.md are those of today; else run me with --update',
          [] if page(table, aside) == (DATA / 'README.md').read_text(encoding='utf-8') else ['they differ'])
what_is_cut()
names_and_packings()
problems = []
for row in rows:
    path = DATA / f'{row["recording"]}.fsr.xz'
    done, strict = run('replay', path), run('replay', '--strict', path)
    if done.returncode or done.stderr or ('made under other rules' in done.stdout) != bool(strict.returncode):
        problems.append(f'{row["recording"]}: {done.returncode} {done.stderr}, strictly {strict.returncode}')
tap.check('each can be replayed to its end; those of older rules say so, and are a failure with --strict', problems)
redecide()
warns_later()
tap.done()
