#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs every scenario in the small machine, with failsoft, and some with the tripwire; prints TAP.

One test per scenario and mode, which must meet all its expectations. The result rows are kept as
JSON Lines in tests/vm/results.jsonl of the build directory. Two machines run at a time, the longest
first; their clocks count instructions, so neither disturbs the other. The kernel alone is measured
in two scenarios, so that a lab in which nothing is ever lost shows; in all of them, three runs each
and beside other daemons, by proof.py. Scenarios that are named run in all their modes; those that are open
only then.

  run_tests.py [--build DIR] [SCENARIO...]
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
CONTROLS = ['own_fast', 'other_fast']   # with the kernel alone, too


def plan(names, lab):
    """[(scenario, mode)], the longest first; and those left out because their program is not installed."""
    chosen = [s for s in scenarios.SCENARIOS if (s.name in names if names else not s.is_open)]
    there = [s for s in chosen if not s.needs or lab.has(s.needs)]
    tests = [(s, mode) for s in there for mode in ('failsoft', 'alone', 'tripwire')
             if getattr(s, mode) and (names or mode != 'alone' or s.name in CONTROLS)]
    return (sorted(tests, key=lambda test: -test[0].seconds), [s for s in chosen if s not in there])


def row_text(row):
    """One line for a person."""
    dead = [f'kernel killed {n} x{c}' for n, c in row['kernel_killed'].items()]
    dead += [f'failsoft ended {n}' for n in row['ended']]
    loops = [f'{name} loop at most {loop["longest_ms"]:.0f} ms late{"" if loop["alive"] else ", dead"}'
             for name, loop in row.get('loops', {}).items()]
    return (f'lost {row.get("lost", "?")} of {row.get("produced", "?")}, '
            f'{row["end"]}{", stalled" if row["stalled"] else ""}, '
            f'stood still {row.get("stood_percent", "?")} % of the last 4 s, {", ".join(loops)}, '
            f'highest stage {row["highest"]}, {", ".join(dead) or "nobody ended"}')


def report(number, scenario, row):
    """Prints the test's TAP line and what came of it; True if all is well."""
    print(f'{"not ok" if row["failed"] else "ok"} {number} - {scenario.name} {row["mode"]}: {scenario.what}')
    print(f'# {row_text(row)}')
    for words in row['failed']:
        print(f'#   not met: {words}')
    sys.stdout.flush()
    return not row['failed']


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
    args = p.parse_args(argv)
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
    tests, left_out = plan(args.names, lab)
    print(f'1..{len(tests) + len(left_out)}')
    print(f'# boots in {booted["boot_s"]} s of guest time, '
          f'MemAvailable {booted["available_kib"]} KiB')
    good = True
    with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool, \
            open(lab.build / 'tests/vm/results.jsonl', 'w', encoding='utf-8') as kept:
        waiting = [pool.submit(attempt, lab, s, mode, 0) for s, mode in tests]
        for number, ((scenario, _), future) in enumerate(zip(tests, waiting), 1):
            row = future.result()
            kept.write(json.dumps(row) + '\n')
            good = report(number, scenario, row) and good
    for number, scenario in enumerate(left_out, len(tests) + 1):
        print(f'ok {number} - {scenario.name} # SKIP {scenario.needs} is not installed; ./dev proof installs it')
    return 0 if good else 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
