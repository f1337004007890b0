#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One target under libFuzzer for a while, on a copy of its kept inputs: TAP, and for a failure the input
and how to keep it. FAILSOFT_FUZZ_SECONDS: how long, 30. FAILSOFT_FUZZ_KEEP: new inputs stay in the build.
Usage: run.py FUZZER TARGET"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(os.environ.get('FAILSOFT_SOURCE', pathlib.Path(__file__).parents[2]))
BUILD = pathlib.Path(os.environ.get('FAILSOFT_BUILD', SOURCE / 'build-fuzz'))
SECONDS = os.environ.get('FAILSOFT_FUZZ_SECONDS', '30')
ARTIFACT = re.compile(r'Test unit written to (\S+)')
REASON = re.compile(r'(must hold: .*|SUMMARY: .*|.*runtime error: .*|ERROR: libFuzzer: .*)')


def fuzz(fuzzer, target, corpus, failures):
    """10 s for one input is a hang: kept ones take less than 1 ms. 2 GiB: it grows without bound."""
    return subprocess.run(
        [fuzzer, f'-max_total_time={SECONDS}', '-timeout=10', '-rss_limit_mb=2048', '-print_final_stats=1',
         f'-artifact_prefix={failures}/{target}-', corpus],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors='replace', check=False)


def diagnose(target, text, replay):
    for line in dict.fromkeys(m.group(1) for m in REASON.finditer(text)):
        print(f'# {line}')
    artifact = ARTIFACT.search(text)
    if not artifact:
        print('# no input was left; the end of what it said:')
        print('\n'.join(f'# {line}' for line in text.splitlines()[-10:]))
        return
    print(f'# this input: {artifact.group(1)}')
    print(f'# again: {replay} {artifact.group(1)}')
    print(f'# mend the parser, and keep the input as a case for ever: cp {artifact.group(1)} tests/data/fuzz/{target}/')


def tell_new(fuzzer, target, corpus):
    print(f'# inputs found: {corpus}')
    print(f'# keep those that reach more code: {fuzzer} -merge=1 tests/data/fuzz/{target} {corpus}')


def number(name, text):
    found = re.search(rf'stat::{name}:\s*(\d+)', text)
    return int(found.group(1)) if found else 0


def main(fuzzer, target):
    keep = 'FAILSOFT_FUZZ_KEEP' in os.environ
    failures = BUILD / 'fuzz-failures'
    failures.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix='failsoft-fuzz-') as scratch:
        corpus = (BUILD / 'fuzz-found' if keep else pathlib.Path(scratch)) / target
        shutil.copytree(SOURCE / 'tests/data/fuzz' / target, corpus, dirs_exist_ok=True)
        result = fuzz(fuzzer, target, corpus, failures)
    inputs = number('number_of_executed_units', result.stderr)
    # Nothing that was run is no success: the kept inputs alone are some ten.
    good = result.returncode == 0 and inputs > 10
    print(f'1..1\n{"ok" if good else "not ok"} 1 - {target}: {SECONDS} s, {inputs} inputs')
    if not good:
        diagnose(target, result.stderr, fuzzer)
    elif keep:
        tell_new(fuzzer, target, corpus)
    return 0 if good else 1


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
