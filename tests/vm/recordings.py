#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""recordings.py - the recordings in tests/data/recordings, made again in the small real Linux.

  recordings.py list [--tuning|--held-out]   the table
  recordings.py make [NAME...] [--out DIR]   makes all or some of them

Each one is `failsoftctl record --stand-alone` in a machine of 128 MiB with one CPU and no broker: in
the end the kernel decides alone. The first two seconds are calm; a note "mark" says when the harm
begins. Those of a run-out end shortly after the kernel's kill. The programs come from a build
directory: --build DIR, else $FAILSOFT_BUILD, else ./build.
"""
import argparse
import concurrent.futures
import lzma
import os
import pathlib
import sys
import tempfile
from dataclasses import dataclass

sys.dont_write_bytecode = True
import judge
import qemu
import tape
import vm

OUT = qemu.HERE.parent / 'data' / 'recordings'
LONGEST_S = 40
TAIL_S = 1.0             # of a run-out, after the kernel's kill
LEAST_AVAILABLE = 0.12  # of a harmless one's memory: the brink is at 5 to 9 %

ZRAM = '''for m in lzo-rle zsmalloc zram; do insmod /mod/$m.ko; done
echo 48M >/sys/block/zram0/disksize
mkswap /dev/zram0 >/dev/null && swapon /dev/zram0
'''
SWAP = '''dd if=/dev/zero of=/data/swap bs=1M count=24 2>/dev/null
mkswap /data/swap >/dev/null && swapon /data/swap
'''
BOX = '''mkdir /sys/fs/cgroup/box; echo 48M >/sys/fs/cgroup/box/memory.max
'''
BIG_FILE = '''truncate -s 200M /data/big
'''

# Nothing was tuned on these: a third, of every kind some. New ones go to either side as they come.
HELD_OUT = set('''
    accelerate_1_3000 cached_100 cgroup_50 cgroup_max fork_20 harmless_burst_12_50
    harmless_burst_25_max harmless_burst_40_100 harmless_burst_8_20 harmless_compile_2
    harmless_saw_12_2000 harmless_scan harmless_storm_big pipes_100
    saw_12_1000 second_10 sockets_20 stairs_4_500 steady_10 steady_20 steady_max thrash_10
    tmpfs_100 tmpfs_max zram_5
'''.split())


@dataclass
class Recording:
    """`load` is failsoft-load's arguments, or shell when it begins with "!"."""
    name: str
    load: str
    is_harmless: bool = False
    before: str = ''            # shell, before the recorder starts
    seconds: int = LONGEST_S    # of the recorder, at most
    cgroup: str = ''            # where the load lives

    @property
    def needs_swap(self):
        return 'swapon' in self.before


def run_outs():
    for rate in (1, 2, 5, 10, 20, 50, 100, 0):
        yield Recording(f'steady_{rate or "max"}', f'steady --rate={rate}', seconds=90)
    for rate, doubling in ((1, 1), (1, 3), (5, 0.5)):
        yield Recording(f'accelerate_{rate}_{int(doubling * 1000)}',
                        f'accelerate --rate={rate} --every={doubling}')
    for step, period in ((1, 0.1), (4, 0.5), (8, 1), (2, 1)):
        yield Recording(f'stairs_{step}_{int(period * 1000)}', f'stairs --step={step} --every={period}')
    for height, period, rise in ((8, 0.4, 2), (12, 1, 3), (6, 0.2, 5)):
        yield Recording(f'saw_{height}_{int(period * 1000)}', f'saw --step={height} --every={period} --rise={rise}')
    for rate, after in ((2, 4), (5, 3), (10, 2)):
        yield Recording(f'second_{rate}', f'steady --rate={rate} --second={rate * 3} --after={after}')
    for rate in (5, 20, 100):
        yield Recording(f'fork_{rate}', f'steady --rate={rate} --fork=0.5')
    for rate in (5, 20, 100, 0):
        yield Recording(f'tmpfs_{rate or "max"}', f'steady --rate={rate} --in=tmpfs --file=/run/t2/fill',
                        before='mkdir /run/t2; mount -t tmpfs -o size=200m tmpfs /run/t2\n')
    for rate in (5, 20, 100):
        yield Recording(f'pipes_{rate}', f'steady --rate={rate} --in=pipes')
    yield Recording('sockets_20', 'steady --rate=20 --in=sockets')
    for rate in (2, 10, 50):
        yield Recording(f'thrash_{rate}', f'steady --rate={rate} --readers=2 --file=/data/small',
                        before='dd if=/dev/zero of=/data/small bs=1M count=16 2>/dev/null\n')
    for rate in (10, 100):
        yield Recording(f'cached_{rate}', f'steady --rate={rate}',
                        before=BIG_FILE + 'dd if=/data/big of=/dev/null bs=1M count=40 2>/dev/null\n')
    for rate in (5, 20, 100, 0):
        yield Recording(f'zram_{rate or "max"}', f'steady --rate={rate}', before=ZRAM, seconds=60)
    for rate in (5, 50):
        yield Recording(f'swap_{rate}', f'steady --rate={rate}', before=SWAP, seconds=60)
    for rate in (2, 10, 50, 0):
        yield Recording(f'cgroup_{rate or "max"}', f'steady --rate={rate}', before=BOX, cgroup='/box')
    yield Recording('cgroup_fork_10', 'steady --rate=10 --fork=0.5', before=BOX, cgroup='/box')
    yield Recording('cgroup_accelerate', 'accelerate --rate=1 --every=1', before=BOX, cgroup='/box')
    yield Recording('cgroup_stairs', 'stairs --step=4 --every=0.5', before=BOX, cgroup='/box')


def harmless():
    def row(name, load, before='', seconds=12, cgroup=''):
        return Recording(f'harmless_{name}', load, True, before, seconds, cgroup)

    yield row('storm', 'storm --size=8 --file=/data/storm --seconds=8')
    yield row('storm_big', 'storm --size=24 --file=/data/storm --seconds=10', seconds=16)
    for mib, rate, hold in ((5, 0, 0.5), (8, 20, 1), (12, 50, 0.2), (20, 5, 1)):
        yield row(f'burst_{mib}_{rate or "max"}', f'burst --size={mib} --rate={rate} --hold={hold} '
                  '--every=0.5 --seconds=10', seconds=16)
    for mib, rate, hold in ((25, 0, 1), (25, 20, 2), (40, 0, 1), (40, 100, 0.5)):
        yield row(f'burst_{mib}_{rate or "max"}', f'burst --size={mib} --rate={rate} --hold={hold} '
                  '--every=1 --seconds=10', seconds=16)
    yield row('saw_30_1000', 'saw --step=30 --every=1 --seconds=10', seconds=16)
    yield row('saw_40_4000', 'saw --step=40 --every=4 --seconds=14', seconds=20)
    for height, period in ((8, 0.5), (12, 2), (20, 4)):
        yield row(f'saw_{height}_{int(period * 1000)}', f'saw --step={height} --every={period} --seconds=14',
                  seconds=20)
    for mib in (2, 6):
        yield row(f'compile_{mib}', f'compile --times=3 --size={mib} --seconds=8')
    yield row('copy', 'copy --file=/data/from --seconds=8', seconds=16,
              before='dd if=/dev/zero of=/data/from bs=1M count=16 2>/dev/null\n')
    yield row('scan', 'scan --file=/data/big --rate=50 --seconds=8', before=BIG_FILE)
    yield row('scan_zram', 'scan --file=/data/big --rate=0 --seconds=6', before=ZRAM + BIG_FILE)
    for mib, rate in ((10, 10), (20, 50)):
        yield row(f'tmpfs_{mib}', f'!for i in 1 2 3; do failsoft-load steady --in=tmpfs '
                  f'--file=/tmp/f --rate={rate} --size={mib} --seconds=2; rm /tmp/f*; pause 0.5; done',
                  seconds=16)
    yield row('boot', '!start_bus; start_logger --no-failsoft; failsoft-controller --bus=$BUS '
              '>/dev/null 2>&1 & pause 2', seconds=8)
    yield row('cgroup_burst', 'burst --size=10 --rate=20 --hold=0.5 --every=0.5 --seconds=8',
              before=BOX, cgroup='/box')
    yield row('cgroup_scan', 'scan --file=/data/big --rate=50 --seconds=6', before=BOX + BIG_FILE,
              cgroup='/box')


def table():
    rows = sorted([*run_outs(), *harmless()], key=lambda r: r.name)
    assert len({r.name for r in rows}) == len(rows)
    return rows


def held_out(rows):
    """Those that nothing was tuned on."""
    assert HELD_OUT <= {r.name for r in rows}
    return HELD_OUT


JOB = '''#go
#seconds {limit}
MODE=alone
. /guest/lib
{before}
failsoftctl record --stand-alone {cgroup} --seconds={seconds} --note={name} /status/r.fsr &
rec=$!
pause 2
export FAILSOFT_MARK=$rec
{start} &
load=$!
{end}
kill -INT $rec 2>/dev/null
wait $rec
exit
'''
# By a locked program that ends the recorder itself: after a run-out the shell may be gone, and a full
# tmpfs stays full, so that it would be the next to go.
UNTIL_KILL = '''echo -900 >/proc/$$/oom_score_adj
FAILSOFT_MARK= failsoft-load until-kill --hold=0.5 --seconds={seconds} --recorder=$rec'''
UNTIL_DONE = '''wait $load
pause 1'''


def job(r):
    if r.load.startswith('!'):
        start = '{ kill -USR1 $rec; ' + r.load[1:] + '; }'
    elif r.cgroup:
        start = (f"sh -c 'echo 500 >/proc/self/oom_score_adj; echo $$ >/sys/fs/cgroup{r.cgroup}/"
                 f"cgroup.procs; exec failsoft-load {r.load}'")
    else:
        start = f"sh -c 'echo 500 >/proc/self/oom_score_adj; exec failsoft-load {r.load}'"
    return JOB.format(limit=r.seconds + 20, before=r.before, seconds=r.seconds, name=r.name,
                      cgroup=f'--cgroup={r.cgroup}' if r.cgroup else '', start=start,
                      end=UNTIL_DONE if r.is_harmless else UNTIL_KILL.format(seconds=r.seconds))


def run(lab, r):
    """Runs it in a machine of its own; returns the recording's bytes and the console."""
    with tempfile.TemporaryDirectory(prefix='failsoft-rec-') as d:
        work = pathlib.Path(d)
        memory = work / 'ram'
        qemu.run('cp', '--sparse=always', lab.images.dir / 'booted.ram', memory)
        vm.write_job(lab.images, memory, job(r))
        with qemu.Machine(lab.images, work, memory) as m:
            m.start(incoming=True)
            end = m.wait_end()
        status = judge.cut_disk(memory, 'status', work / 'status.ext4')
        said = (work / 'console').read_text(errors='replace')
        if not judge.take_out(status, '/r.fsr', work / 'r.fsr'):
            raise RuntimeError(f'{r.name}: no recording ({end})\n{said[-2000:]}')
        return (work / 'r.fsr').read_bytes(), said


def first_kill_us(samples):
    """When a counter of kills rose first, in any domain; None: never."""
    before = {}
    for s in samples:
        if s['oom_kills'] > before.setdefault(s['domain'], s['oom_kills']):
            return s['time_us']
        before[s['domain']] = s['oom_kills']
    return None


def problems(r, data, said):
    """What is not as the table says, in sentences."""
    kept = list(tape.records(data))
    samples = [v for kind, v in kept if kind == 'sample']
    marks = [v['now_us'] for kind, v in kept if kind == 'note' and v['text'] == 'mark']
    system = [s for s in samples if s['domain'] == 0]
    kill_us = first_kill_us(samples)
    least = min(s['available_bytes'] / s['total_bytes'] for s in system)
    victims = judge.KILLED.findall(said)
    facts = {
        'nobody marked when the harm begins': not marks,
        'there is no swap': r.needs_swap and not system[0]['swap_total_bytes'],
        'the kernel killed nobody': not r.is_harmless and not kill_us,
        'the kernel killed': r.is_harmless and (kill_us or victims),
        f'only {least:.0%} of the memory was available': r.is_harmless and least < LEAST_AVAILABLE,
        f'the first to be killed was {victims[:1]}': not r.is_harmless and
        victims[:1] != ['failsoft-load'],
        'it goes on too long after the kill': kill_us and
        samples[-1]['time_us'] - kill_us > TAIL_S * 1e6,
    }
    return [words for words, is_so in facts.items() if is_so]


def make(lab, r, out):
    """Keeps it only when it is what the table says."""
    data, said = run(lab, r)
    wrong = problems(r, data, said)
    if wrong:
        return f'{r.name}: WRONG, {"; ".join(wrong)}\n{said[-1500:]}'
    path = out / f'{r.name}.fsr.xz'
    path.write_bytes(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME))
    return f'{r.name}: {len(data)} bytes, {path.stat().st_size} packed'


def main(argv):
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument('verb', choices=['list', 'make'])
    p.add_argument('names', nargs='*')
    p.add_argument('--out', default=OUT, type=pathlib.Path)
    p.add_argument('--build', default=os.environ.get('FAILSOFT_BUILD', 'build'))
    p.add_argument('--tuning', action='store_true')
    p.add_argument('--held-out', action='store_true')
    p.add_argument('--jobs', type=int, default=2, help='machines at a time')
    args = p.parse_intermixed_args(argv)
    rows = table()
    aside = held_out(rows)
    chosen = [r for r in rows if not args.names or r.name in args.names]
    unknown = set(args.names) - {r.name for r in rows}
    if unknown:
        sys.exit(f'recordings.py: no recording {", ".join(sorted(unknown))}; see recordings.py list')
    if args.verb == 'list':
        for r in chosen:
            if (args.tuning and r.name in aside) or (args.held_out and r.name not in aside):
                continue
            print(f'{r.name:28} {"held out" if r.name in aside else "":9} {r.load}')
        return 0
    args.out.mkdir(parents=True, exist_ok=True)
    lab = vm.Lab(args.build)
    lab.images.make()
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for r, done in [(r, pool.submit(make, lab, r, args.out)) for r in chosen]:
            try:
                line = done.result()
            except (RuntimeError, tape.Damaged) as error:
                line = f'{r.name}: WRONG, {error}'
            failed += 'WRONG' in line
            print(line, flush=True)
    return 1 if failed else 0


if __name__ == '__main__':
    try:
        sys.exit(main(sys.argv[1:]))
    except qemu.Missing as missing:
        sys.exit(f'recordings.py: {missing}')
