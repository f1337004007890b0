#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every way to run out of memory three times, what others make of it beside it, and a page of it all.

  proof.py [--build DIR] [--runs N] [--page FILE] [SCENARIO...]

Each run has the villain begin at another moment (scenarios.py). The page is written when all of it
has been run (without names) or where --page says. Exit status 1: a wanted limit was not met.
Rows are kept in tests/vm/proof.jsonl of the build directory; what is there already is not run again
unless the programs have changed since, so that a run that was cut short can be gone on with.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import sys

sys.dont_write_bytecode = True
import proof_page
import qemu
import run_tests
import scenarios
import vm

RUNS = 3
PAGE = qemu.HERE / 'RESULTS.md'


def plan(names, runs, lab):
    """[(scenario, mode, run)]: ours as often as wanted, the kernel alone once where it is no case to
    be won."""
    todo = []
    for s in scenarios.SCENARIOS:
        if names and s.name not in names or s.needs and not lab.has(s.needs):
            continue
        times = {'failsoft': runs, 'tripwire': runs if s.tripwire else 0,
                 'alone': runs if s.rivals else 1,
                 'earlyoom': runs if s.rivals and lab.has('earlyoom') else 0}
        todo += [(s, mode, run) for mode, count in times.items() for run in range(count)]
    return todo


def key(row):
    return row['scenario'], row['mode'], row['run']


def kept_rows(path, images):
    """What was run with the same programs, the failed ones too: a machine repeats itself."""
    if not path.exists():
        return {}
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return {key(r): r for r in rows if r.get('images') == images and r['end'] != 'error'}


def run_all(lab, todo, path):
    """Yields every row, old and new; new ones are written down as they come."""
    rows = kept_rows(path, lab.images.dir.name)
    with concurrent.futures.ThreadPoolExecutor(run_tests.AT_A_TIME) as pool, \
            open(path, 'w', encoding='utf-8') as kept:
        kept.writelines(json.dumps(r) + '\n' for r in rows.values())
        futures = [pool.submit(run_tests.attempt, lab, *t) for t in todo
                   if (t[0].name, *t[1:]) not in rows]
        for future in concurrent.futures.as_completed(futures):
            row = {**future.result(), 'images': lab.images.dir.name}
            rows[key(row)] = row
            kept.write(json.dumps(row) + '\n')
            kept.flush()
            print(f'{"FAILED" if row["failed"] else "ok":6} {row["scenario"]} {row["mode"]} '
                  f'{row["run"]}: {run_tests.row_text(row)}', *row['failed'], sep='\n    not met: ',
                  flush=True)
    return [rows[(s.name, mode, run)] for s, mode, run in todo]


def main(argv):
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument('names', nargs='*')
    p.add_argument('--build', default=os.environ.get('FAILSOFT_BUILD', 'build'))
    p.add_argument('--runs', type=int, default=RUNS)
    p.add_argument('--page', type=pathlib.Path)
    args = p.parse_args(argv)
    unknown = [n for n in args.names if not scenarios.find(n)]
    if unknown or args.runs < 1:
        print(f'proof.py: no such scenario: {" ".join(unknown)}; see vm.py list' if unknown else
              'proof.py: --runs must be 1 or more', file=sys.stderr)
        return 2
    try:
        lab = vm.Lab(args.build)
        lab.images.make()
    except qemu.Missing as missing:
        print(f'proof.py: {missing}', file=sys.stderr)
        return 77
    rows = run_all(lab, plan(args.names, args.runs, lab), lab.build / 'tests/vm/proof.jsonl')
    page = args.page or (None if args.names else PAGE)
    if page:
        page.write_text(proof_page.page(rows, lab.images.booted()))
        print(f'written: {page}')
    ours = [r for r in rows if r['mode'] in ('failsoft', 'tripwire')]
    failed = [r for r in ours if r['failed']]
    print(f'{len(ours)} runs with failsoft, {len(failed)} of them without all that is wanted')
    return 1 if failed else 0


if __name__ == '__main__':
    try:
        sys.exit(main(sys.argv[1:]))
    except (RuntimeError, OSError) as failure:
        sys.exit(f'proof.py: {failure}')
    except KeyboardInterrupt:
        sys.exit(130)
