#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs every scenario in the small machine, with failsoft, with the kernel alone and some with the
tripwire; prints TAP.

One test per scenario and mode: all its runs must meet all its expectations. The result rows are
kept as JSON Lines in tests/vm/results.jsonl of the build directory. Two machines run at a time;
their clocks count instructions, so neither disturbs the other.

  run_tests.py [--build DIR] [--runs N] [SCENARIO...]
"""
import argparse
import concurrent.futures
import json
import os
import sys

sys.dont_write_bytecode = True
import qemu
import scenarios
import vm

AT_A_TIME = 2


def plan(names, runs):
    chosen = [s for s in scenarios.SCENARIOS if not names or s.name in names]
    # What the kernel alone makes of it is for comparison: one run.
    return [(s, mode, range(min(runs, s.runs if mode == 'failsoft' else 1))) for s in chosen
            for mode in ('failsoft', 'alone', 'tripwire') if mode == 'failsoft' or getattr(s, mode)]


def row_text(row):
    """One line for a person."""
    dead = [f'kernel killed {n} x{c}' for n, c in row['kernel_killed'].items()]
    dead += [f'failsoft ended {n}' for n in row['ended']]
    return (f'run {row["run"]}: lost {row.get("lost", "?")} of {row.get("produced", "?")}, '
            f'{row["end"]}{", stalled" if row["stalled"] else ""}, highest stage {row["highest"]}, '
            f'{", ".join(dead) or "nobody ended"}')


def report(number, scenario, mode, rows):
    """Prints the test's TAP line and its runs; True if all is well."""
    failed = sorted({words for r in rows for words in r['failed']})
    print(f'{"not ok" if failed else "ok"} {number} - {scenario.name} {mode}: {scenario.what}')
    for row in rows:
        print(f'# {row_text(row)}')
        for words in row['failed']:
            print(f'#   not met: {words}')
    sys.stdout.flush()
    return not failed


def attempt(lab, scenario, mode, run):
    try:
        return lab.run_scenario(scenario, mode, run)
    except (RuntimeError, OSError) as e:
        return {'scenario': scenario.name, 'mode': mode, 'run': run,
                'failed': [f'{e}'.split('\n', maxsplit=1)[0]], 'kernel_killed': {}, 'ended': [],
                'end': 'error', 'stalled': False, 'highest': '?'}


def main(argv):
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument('names', nargs='*')
    p.add_argument('--build', default=os.environ.get('FAILSOFT_BUILD', 'build'))
    p.add_argument('--runs', type=int, default=scenarios.RUNS)
    args = p.parse_args(argv)
    tests = plan(args.names, args.runs)
    try:
        lab = vm.Lab(args.build)
        lab.images.make()
    except qemu.Missing as missing:
        print(f'1..0 # SKIP {missing}')
        return 0
    except (RuntimeError, OSError) as failure:
        print('Bail out! ' + str(failure).replace('\n', ' | '))
        return 1
    booted = lab.images.booted()
    print(f'1..{len(tests)}')
    print(f'# boots in {booted["boot_s"]} s of guest time, '
          f'MemAvailable {booted["available_kib"]} KiB')
    good = True
    with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool, \
            open(lab.build / 'tests/vm/results.jsonl', 'w', encoding='utf-8') as kept:
        waiting = [[pool.submit(attempt, lab, s, mode, r) for r in runs] for s, mode, runs in tests]
        for number, ((scenario, mode, _), futures) in enumerate(zip(tests, waiting), 1):
            rows = [f.result() for f in futures]
            kept.writelines(json.dumps(r) + '\n' for r in rows)
            good = report(number, scenario, mode, rows) and good
    return 0 if good else 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
