#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""vm.py - failsoft in a small real Linux (128 MiB, one CPU) that really runs out of memory.

  vm.py list                          the scenarios
  vm.py run NAME [--alone|--tripwire|--earlyoom]
                                      one scenario, or what others make of it; a line of JSON
  vm.py run --script FILE --timeout S a shell script of yours inside the guest; its output
  vm.py play                          a console in the machine, broker and examples running
  vm.py demo                          the demonstration, inside the machine
  vm.py build                         only the images

The programs come from a build directory: --build DIR, else $FAILSOFT_BUILD, else ./build.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
import judge
import qemu
import scenarios
import show

GUEST_PROGRAMS = ['failsoftd', 'failsoftctl', 'failsoft-logger', 'failsoft-hog',
                  'failsoft-controller', 'failsoft-viewer', 'failsoft-minimal',
                  'failsoft-load', 'failsoft-loop', 'failsoft-nasty', 'failsoft-crash',
                  'failsoft-responder', 'failsoft-save', 'failsoft-alarm', 'failsoft-barebone', 'failsoft-hold',
                  'failsoft-telemetry']
HOST_PROGRAMS = ['stress-ng', 'earlyoom']     # Debian's; what needs one is skipped without it
NEEDED = ['failsoft-logger', 'failsoft-hog']
CACHE = 'tests/vm/cache'


def programs(build):
    """Paths of what the guest gets, from the build tree; libfailsoft comes with its users."""
    found = {}
    cache = pathlib.Path(build) / CACHE     # holds copies of what it once was given
    for path in sorted(pathlib.Path(build).rglob('*failsoft*')):
        if path.is_file() and os.access(path, os.X_OK) and cache not in path.parents:
            found.setdefault(path.name, path)
    for name in NEEDED:
        if name not in found:
            raise qemu.Missing(f'{name} is not in {build}: build it first (ninja -C {build})')
    libs = [n for n in found if re.fullmatch(r'libfailsoft\.so[.0-9]*', n)]
    return [found[n] for n in GUEST_PROGRAMS + libs if n in found], found.get('failsoft-logcheck')


class Lab:
    """Images and host tools for any number of runs."""

    def __init__(self, build, extra=()):
        self.build = pathlib.Path(build)
        binaries, self.logcheck = programs(build)
        host = [qemu.find_program(n) for n in HOST_PROGRAMS]
        self.images = qemu.Images(self.build / CACHE, [*binaries, *extra, *filter(None, host)])

    def has(self, program):
        return any(b.name == program for b in self.images.binaries)

    def run_job(self, text, keep=None, watch=None):
        """Runs a job in a fresh machine; returns its result row and what its console said.
        `keep`: directory for its files; `watch`: called with the machine while it runs."""
        work = pathlib.Path(keep or tempfile.mkdtemp(prefix='failsoft-vm-'))
        work.mkdir(parents=True, exist_ok=True)
        memory = work / 'ram'
        try:
            qemu.run('cp', '--sparse=always', self.images.dir / 'booted.ram', memory)
            write_job(self.images, memory, text)
            with qemu.Machine(self.images, work, memory) as m:
                m.start(incoming=True)
                verdict = m.wait_end(watch)
                cpu_s = m.last_cpu_s
            row = judge.judge(work, memory, self.logcheck, verdict)
            said = (work / 'console').read_text(errors='replace').replace('\r', '')
            return {**self.images.booted(), **row, 'host_cpu_s': round(cpu_s, 1)}, said
        finally:
            memory.unlink(missing_ok=True)
            if not keep:
                shutil.rmtree(work, ignore_errors=True)

    def run_scenario(self, scenario, mode, run, keep=None, watch=None):
        row, _ = self.run_job(scenarios.job_text(scenario, mode, run), keep, watch)
        wanted = {'failsoft': scenario.failsoft, 'tripwire': scenario.tripwire, 'alone': scenario.alone}
        failed = [words for words, condition in wanted.get(mode) or [] if not condition(row)]
        return {'scenario': scenario.name, 'mode': mode, 'run': run, 'failed': failed, **row}


def write_job(images, memory, text):
    """Puts the job into the file /status/job in the machine's memory; the guest waits for it."""
    data = text.encode()
    if len(data) > qemu.JOB_BYTES:
        raise ValueError(f'a job may have {qemu.JOB_BYTES} bytes, this one has {len(data)}')
    blocks = qemu.run('debugfs', '-R', 'blocks /job', images.dir / 'status.ext4').split('\n')[-2]
    numbers = [int(n) for n in blocks.split()]
    if numbers != list(range(numbers[0], numbers[0] + qemu.JOB_BYTES // 4096)):
        raise RuntimeError('the job file is not in one piece')
    with open(memory, 'r+b') as f:
        f.seek(qemu.OFFSET['status'] * qemu.MIB + numbers[0] * 4096)
        f.write(data)


def play(lab):
    """The console of the machine on this terminal."""
    with tempfile.TemporaryDirectory(prefix='failsoft-vm-') as d:
        memory = pathlib.Path(d) / 'ram'
        lab.images.fill_disks(memory)    # fresh: this machine boots from its firmware
        write_job(lab.images, memory, '#go\n#seconds play\n')
        m = qemu.Machine(lab.images, d, memory)
        m.clock = []    # for a person the guest's clock must be the wall's
        argv = m.command('mon:stdio')
        print('The machine boots (about 15 s). Leave with Ctrl-A X.', flush=True)
        return subprocess.call(argv, cwd=d)


def parse(argv):
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument('verb', choices=['list', 'run', 'play', 'demo', 'build'])
    p.add_argument('name', nargs='?')
    p.add_argument('--alone', dest='mode', action='store_const', const='alone', default='failsoft',
                   help='without failsoft: the kernel alone')
    p.add_argument('--tripwire', dest='mode', action='store_const', const='tripwire',
                   help='with a tripwire, the villain in its cgroup')
    p.add_argument('--earlyoom', dest='mode', action='store_const', const='earlyoom',
                   help="with Debian's earlyoom in failsoft's place")
    p.add_argument('--build', default=os.environ.get('FAILSOFT_BUILD', 'build'))
    p.add_argument('--run', type=int, default=0, help='which of the runs, each begins elsewhere')
    p.add_argument('--keep', help='directory for the serial lines and disks of the run')
    p.add_argument('--script', help='shell script to run in the guest')
    p.add_argument('--timeout', type=int, default=60, help='its guest time, seconds')
    p.add_argument('--with', dest='extra', action='append', default=[], metavar='PROGRAM',
                   help='one more host program for the guest (in /bin, with its libraries)')
    return p.parse_args(argv)


def run_script(lab, args):
    text = pathlib.Path(args.script).read_text()
    job = f'#go\n#seconds {args.timeout}\nMODE={args.mode}\n. /guest/lib\n{text}\nexit\n'
    row, said = lab.run_job(job, args.keep)
    print(said, end='')
    print(json.dumps(row), file=sys.stderr)
    return 0 if row['end'] == 'power' else 1


def main(argv):
    args = parse(argv)
    if args.verb == 'list':
        for s in scenarios.SCENARIOS:
            print(f'{s.name:12} {s.what}')
        return 0
    try:
        lab = Lab(args.build, [pathlib.Path(e) for e in args.extra])
        lab.images.make()
    except qemu.Missing as missing:
        print(f'vm.py: {missing}', file=sys.stderr)
        return 77
    if args.verb == 'build':
        print(json.dumps(lab.images.booted()))
        return 0
    if args.verb in ('play', 'demo'):
        return play(lab) if args.verb == 'play' else show.show(lab)
    if args.script:
        return run_script(lab, args)
    scenario = scenarios.find(args.name)
    if not scenario:
        print(f'vm.py: no scenario {args.name!r}, see vm.py list', file=sys.stderr)
        return 2
    for program in filter(None, (scenario.needs, args.mode if args.mode == 'earlyoom' else '')):
        if not lab.has(program):
            print(f'vm.py: {program} is not installed: ./dev setup', file=sys.stderr)
            return 77
    row = lab.run_scenario(scenario, args.mode, args.run, args.keep)
    print(json.dumps(row))
    return 1 if row['failed'] else 0


if __name__ == '__main__':
    try:
        sys.exit(main(sys.argv[1:]))
    except (RuntimeError, OSError) as failure:
        sys.exit(f'vm.py: {failure}')
    except KeyboardInterrupt:
        sys.exit(130)
