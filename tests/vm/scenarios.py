# SPDX-License-Identifier: MIT
"""Ways to run out of memory, and what must come of each. A scenario is a row of the table.

`job` is shell run inside the guest (guest/lib is there: start_all, say, pause). The machine is
deterministic, so that the runs of one scenario would be the same to the bit; $START, the seconds
from "all is up" to the villain, moves against everything periodic, differently in every run. The
test suite makes one run of each, proof.py three, each with its own $START.

An expectation is (words, condition on the result row): see judge.py for the row's keys.
"""
import random
from dataclasses import dataclass

SHIFT_S = 1.0                       # the broker's longest sleep: every phase of it can be met
STOOD_PERCENT = 40                  # of the last 4 s, at most
START_S = 3.0
LOGGER_HEAD_S = 0.5                 # the pause at the end of start_logger in guest/lib


@dataclass
class Scenario:
    """`seconds`: guest time from the start of the job to the end of the run."""
    name: str
    what: str
    seconds: int
    job: str
    failsoft: list
    alone: list
    tripwire: list = None   # with the programs in its cgroup; None: not a case for it
    needs: str = ''         # a program of the host that must be in the machine
    rivals: bool = False    # is one to be won: other daemons are measured there, too
    why: str = ''           # a wanted limit that physics forbids, for the table
    is_open: bool = False   # not met in every build: proof.py shows it, the test command leaves it out


def nothing_lost(r):
    return r.get('produced', 0) > 0 and r.get('lost') == 0 and r.get('gaps') == 0


def everything_lost(r):
    return r.get('produced', 0) > 0 and r.get('on_disk') == 0


FEW_LOST = ('at most 50 records lost', lambda r: r.get('produced', 0) > 0 and r.get('lost', 51) <= 50)
NOTHING_LOST = ('no record lost', nothing_lost)
EVERYTHING_LOST = ('every record lost', everything_lost)
NO_PANIC = ('no panic', lambda r: not r['panic'])
NO_STALL = ('not stalled', lambda r: not r['stalled'])
NO_HANG = ('no hang', lambda r: r['end'] == 'power' and r['heart_alive'])
MOVING = (f'the ordinary loop stood still for at most {STOOD_PERCENT} % of the last 4 s',
          lambda r: r['stood_percent'] <= STOOD_PERCENT)
KERNEL_IDLE = ('the kernel killed nobody', lambda r: not r['kernel_killed'])
ANSWERED = ('the logger was asked and answered before anybody was ended',
            lambda r: r['asked'] > 0 and r['answered_before_end'])
ONLY_HOG = ('nobody but the hog was ended', lambda r: set(r['ended']) <= {'failsoft-hog'}
            and set(r['kernel_killed']) <= {'failsoft-hog'})
ONLY_WRITER = ('nobody but the writer was ended', lambda r: set(r['ended']) <= {'failsoft-load'}
               and set(r['kernel_killed']) <= {'failsoft-load'})
NOBODY = ('nobody was ended', lambda r: not r['ended'] and not r['kernel_killed'])
UP_TO_WARNING = ('no stage beyond warning', lambda r: r['highest'] in ('normal', 'warning'))
ENDED_HOG = ('failsoft ended the hog', lambda r: 'failsoft-hog' in r['ended'])
RAN_OUT = ('the kernel killed the hog', lambda r: 'failsoft-hog' in r['kernel_killed'])
KERNEL_ACTED = ('the kernel killed somebody', lambda r: bool(r['kernel_killed']))
ENDED_SOMEBODY = ('somebody was ended', lambda r: r['ended'] or r['kernel_killed'])
NEVER_NEAR = ('never nearer to the cliff than 2 MiB', lambda r: r['least_headroom_kib'] >= 2048)
LIMITS = [NOTHING_LOST, NO_PANIC, NO_HANG, MOVING]
SAVED = [*LIMITS, NO_STALL, ANSWERED]
HARMLESS = [*LIMITS, NOBODY, UP_TO_WARNING]
SPARED = [*LIMITS, NOBODY]


def own_leak(rate):
    return (f'start_all --leak={rate} --leak-after=$LEAK_AFTER\n'
            'pause $START\nsay villain\npause 60\n')


# The way to the disk was never gone, and what of it can be dropped is not in memory.
def own_cold(rate):
    return own_leak(rate).replace('say villain', 'echo 3 >/proc/sys/vm/drop_caches\nsay villain')


def other(command):
    return f'start_all\npause $START\nsay villain\n{command} &\npause 60\n'


# Holes of a sparse file fill the page cache at the speed of memory: harder than any disk could.
CACHE_STORM = '''for i in 1 2 3; do
	truncate -s 96M /data/sparse$i
done
for i in 1 2 3 1 2 3 1 2 3; do
	cat /data/sparse$i >/dev/null
	pause 0.2
done'''

TMPFS = 'mkdir /run/t2; mount -t tmpfs -o size=200m tmpfs /run/t2; '
SPARE_ALL = 'for p in /proc/[0-9]*; do echo -1000 >$p/oom_score_adj; done 2>/dev/null; '
BOX = '''mkdir /sys/fs/cgroup/box
echo 24M >/sys/fs/cgroup/box/memory.max
in_box() { echo 0 >/sys/fs/cgroup/box/cgroup.procs; exec "$@"; }
[ "$MODE" = alone ] || sed '1,/{/s|{|{"domains": ["/box"],|' /guest/$MODE.json >/run/box.json
CONFIG=/run/box.json
'''
BOX_OWN = '''mkdir /sys/fs/cgroup/box
echo 24M >/sys/fs/cgroup/box/memory.max
echo 0 >/sys/fs/cgroup/box/cgroup.procs
'''
BOX_BOTH = '''mkdir /sys/fs/cgroup/box
echo 48M >/sys/fs/cgroup/box/memory.max
echo 0 >/sys/fs/cgroup/box/cgroup.procs
'''
BOX_GROUP = '''mkdir /sys/fs/cgroup/box
echo 48M >/sys/fs/cgroup/box/memory.max
echo 1 >/sys/fs/cgroup/box/memory.oom.group
echo 0 >/sys/fs/cgroup/box/cgroup.procs
'''

ZRAM = '''for m in lzo-rle zsmalloc zram; do insmod /mod/$m.ko; done
echo 48M >/sys/block/zram0/disksize
mkswap /dev/zram0 >/dev/null && swapon /dev/zram0
'''
SWAP = '''fallocate -l 48M /data/swap
chmod 600 /data/swap
mkswap /data/swap >/dev/null && swapon /data/swap
'''
# As if the broker was started again at the worst moment.
LATE = '''start_bus
start_loops
start_logger
while read -r name kib unused; do
	case $name in MemAvailable:) available=$kib; break ;; esac
done </proc/meminfo
say villain
failsoft-hog --rate=max --limit=$((available / 1024 - 24)) &
pause 1
failsoft-hog --rate=5 &
start_broker
pause 60
'''
# Free memory at its least: 15 % of all. In use is what is not available.
BURST_85 = '''while read -r name kib unused; do
	case $name in MemTotal:) total=$kib ;; MemAvailable:) available=$kib; break ;; esac
done </proc/meminfo
failsoft-hog --rate=max --limit=$(((available - total * 15 / 100) / 1024)) --free-after=1'''
# Written through and read back, and beside it as fast as the page cache takes it.
IO_STORM = '''for i in 1 2; do
	failsoft-load storm --size=8 --file=/data/storm$i --seconds=9 &
done
for i in 1 2 3 4 5 6; do
	dd if=/dev/zero of=/data/dirty bs=64k count=256 2>/dev/null
done'''
ONLY_STRESS = ('nobody but stress-ng was ended', lambda r: all(
    n.startswith('stress-ng') for n in [*r['ended'], *r['kernel_killed']]))
ONLY_NASTY = ('nobody but the nasty program was ended', lambda r: all(
    n.startswith('failsoft-nasty') for n in [*r['ended'], *r['kernel_killed']]))

ONLY_CROWD = ('nobody but the crowd was ended', lambda r: all(
    n.startswith('crowd-') for n in [*r['ended'], *r['kernel_killed']]))
ONLY_PILE = ('nobody but the jobs and who makes them was ended', lambda r: all(
    n.startswith(('job-', 'failsoft-nasty')) for n in [*r['ended'], *r['kernel_killed']]))

FROZEN_DONE = ('the broker was killed while a cgroup was frozen',
               lambda r: any(w[:2] == ['frozen', 'done'] for w in r['rounds']))
ROUNDS_DONE = ('the broker was killed at ten transitions or more, at each that was wanted',
               lambda r: len(r['rounds']) >= 10 and all(w[1] == 'done' for w in r['rounds']))
NOTHING_LEFT = ('after each, no process is stopped, no cgroup frozen, no hog alive',
                lambda r: all(w[2:] == ['stopped=0', 'frozen=0', 'hogs=0'] for w in r['rounds']))
NOT_TWICE = ('no victim was ended twice', lambda r: not r['twice'])

SCENARIOS = [
    Scenario('own_slow', 'a leak of 5 MiB/s in the logger itself', 25, own_leak(5),
             SAVED, [EVERYTHING_LOST]),
    Scenario('own_fast', 'a leak of 20 MiB/s in the logger itself', 15, own_leak(20),
             SAVED, [EVERYTHING_LOST]),
    Scenario('fork_tree', 'a tree of hogs that never ends, 192 KiB each, 20 MiB/s in all', 24,
             other('failsoft-hog --fork=7 --each=192 --rate=max'),
             [*SAVED, ONLY_HOG], [EVERYTHING_LOST], rivals=True),
    Scenario('other_slow', 'a leak of 5 MiB/s in another program', 25,
             other('failsoft-hog --rate=5'), [*SAVED, ONLY_HOG, KERNEL_IDLE], [RAN_OUT]),
    Scenario('other_fast', 'a leak of 40 MiB/s in another program', 12,
             other('failsoft-hog --rate=40'), [*SAVED, ONLY_HOG, KERNEL_IDLE], [RAN_OUT]),
    Scenario('cache_storm', 'nine times 96 MiB of files read through the page cache', 12,
             other(f'({CACHE_STORM})'), HARMLESS, [NOBODY], tripwire=HARMLESS),
    # What fills the memory shows in no process. --adj=0: it does not offer itself to the kernel. A tmpfs
    # stays full when its writer has ended.
    Scenario('tmpfs', 'a file in a tmpfs that grows by 20 MiB/s', 12,
             other(f'{TMPFS}failsoft-load steady --adj=0 --rate=20 --in=tmpfs --file=/run/t2/fill'),
             [*SAVED, ONLY_WRITER], [KERNEL_ACTED], rivals=True),
    Scenario('pipes', 'pipes that hold the memory, 20 MiB/s', 12,
             other('failsoft-load steady --adj=0 --rate=20 --in=pipes'),
             [*SAVED, ONLY_WRITER, KERNEL_IDLE], [KERNEL_ACTED], rivals=True),
    Scenario('own_max', 'a leak at full speed in the logger itself', 10, own_leak('max'),
             LIMITS, [EVERYTHING_LOST], tripwire=[*LIMITS, NO_STALL, NEVER_NEAR],
             why='while the logger saves, the tripwire is away and it leaks on: should the kernel be first, it takes '
                 'somebody else, for who saves is shielded'),
    Scenario('other_max', 'a leak at full speed in another program', 10,
             other('failsoft-hog --rate=max'), [*SAVED, ONLY_HOG], [RAN_OUT],
             tripwire=[*SAVED, ONLY_HOG, KERNEL_IDLE, NEVER_NEAR]),
    # 64 MiB in one system call: SIGSTOP waits for its end, the tripwire does not.
    Scenario('one_call', 'a leak of 64 MiB in each of its system calls', 10,
             other('failsoft-load steady --adj=0 --rate=max --in=populate'), [*LIMITS, ONLY_WRITER],
             [KERNEL_ACTED], tripwire=[*SAVED, ONLY_WRITER, KERNEL_IDLE, NEVER_NEAR]),
    Scenario('ignores_term', 'a leak of 20 MiB/s that ignores SIGTERM', 12,
             other('failsoft-hog --rate=20 --ignore-term'), [*SAVED, ONLY_HOG], [RAN_OUT],
             tripwire=[*SAVED, ONLY_HOG, KERNEL_IDLE, NEVER_NEAR]),
    Scenario('sockets', 'sockets that hold the memory, 20 MiB/s', 20,
             other('failsoft-load steady --adj=0 --rate=20 --in=sockets'), [*SAVED, ONLY_WRITER], [KERNEL_ACTED]),
    Scenario('unkillable', 'a leak of 20 MiB/s, it and all that matters at -1000', 15,
             other(f'{SPARE_ALL}failsoft-hog --rate=20'), SAVED, [EVERYTHING_LOST], rivals=True),
    Scenario('box', 'a leak of 20 MiB/s in a cgroup limited to 24 MiB', 12,
             BOX + other('in_box failsoft-hog --rate=20'),
             [*LIMITS, NO_STALL, ONLY_HOG, ENDED_HOG, KERNEL_IDLE], [RAN_OUT]),
    Scenario('box_group', 'logger and leak in one limited cgroup with memory.oom.group', 15,
             f'{BOX_GROUP}start_all\npause $START\nsay villain\nfailsoft-hog --rate=20 &\npause 60\n',
             SAVED, [EVERYTHING_LOST], rivals=True),
    Scenario('thrash', 'a leak of 10 MiB/s beside two readers of more files than fit', 20,
             other('dd if=/dev/zero of=/data/small bs=1M count=16 2>/dev/null; '
                   'failsoft-load steady --adj=0 --rate=10 --readers=2 --file=/data/small'), SAVED, []),
    # Harmless means that it leaves something: 12 MiB or more above the cliff with all that runs.
    Scenario('burst', '24 MiB at full speed, freed after a second', 12,
             other('failsoft-hog --rate=max --limit=24 --free-after=1'), HARMLESS, [NOBODY], tripwire=HARMLESS),
    Scenario('own_cold', 'a leak of 20 MiB/s in the logger itself, what is cold dropped before', 15,
             own_cold(20), SAVED, [EVERYTHING_LOST]),
    Scenario('box_both', 'logger and leak in one limited cgroup', 15,
             f'{BOX_BOTH}start_all\npause $START\nsay villain\nfailsoft-hog --rate=20 &\npause 60\n',
             SAVED, [KERNEL_ACTED]),
    Scenario('zram', 'a leak of 20 MiB/s with 48 MiB of zram', 20,
             ZRAM + other('failsoft-load steady --adj=0 --rate=20'), [*SAVED, ONLY_WRITER], [KERNEL_ACTED]),
    Scenario('stress_bigheap', 'stress-ng --bigheap, which starts again what is killed', 20,
             other('cd /tmp; stress-ng --bigheap 2 --timeout 60 >/dev/null 2>&1'), [*LIMITS, ONLY_STRESS],
             [], needs='stress-ng'),
    Scenario('stress_vm', 'stress-ng --vm with all of memory, which starts again what is killed', 20,
             other('cd /tmp; stress-ng --vm 2 --vm-bytes 100% --vm-keep --timeout 60 >/dev/null 2>&1'),
             [*LIMITS, ONLY_STRESS], [], needs='stress-ng'),
    Scenario('io_storm', 'files written through, read back, and dirtied at full speed', 16,
             other(f'({IO_STORM})'), SPARED, [NOBODY]),
    Scenario('burst_85', 'a burst at full speed up to 85 % of memory in use, freed after a second', 12,
             other(f'({BURST_85})'), SPARED, [NOBODY]),
    # Not seen before.
    Scenario('two_leaks', 'a tree of hogs and a leak of 20 MiB/s at once', 20,
             other('failsoft-hog --fork=7 --each=192 --rate=max & failsoft-hog --rate=20'),
             [*LIMITS, ONLY_HOG], []),
    Scenario('bomb', 'a fork bomb: each of 1 MiB makes two more every 0.1 s', 20,
             other('failsoft-nasty bomb --each=1'), [*LIMITS, ONLY_NASTY], []),
    Scenario('shm', 'System V shared memory, 20 MiB/s, which stays when its maker is gone', 15,
             other('failsoft-nasty shm --rate=20'), [*LIMITS, ONLY_NASTY], []),
    Scenario('crash', 'the broker killed at fourteen transitions of an episode, each another episode', 130,
             '. /guest/crash\npause 60\n', [*LIMITS, ONLY_HOG, ROUNDS_DONE, FROZEN_DONE, NOTHING_LEFT, NOT_TWICE], []),
    Scenario('memfd', 'a file without a name that grows by 20 MiB/s', 12,
             other('failsoft-load steady --adj=0 --rate=20 --in=memfd'), [*SAVED, ONLY_WRITER], []),
    Scenario('lock', 'a file larger than memory, locked into it at 20 MiB/s', 15,
             other('truncate -s 200M /data/big; failsoft-nasty lock --rate=20 --file=/data/big'),
             [*LIMITS, ONLY_NASTY], []),
    Scenario('resume', 'a leak of 20 MiB/s whose parent makes it go on whenever it is stopped', 15,
             other('failsoft-nasty resume --rate=20 --pause=0.02'), [*LIMITS, ONLY_NASTY], []),
    Scenario('realtime', 'a leak at full speed in a program of real-time priority', 10,
             other('failsoft-nasty realtime'), [*LIMITS, ONLY_NASTY, ENDED_SOMEBODY], []),
    Scenario('tables', 'page tables, 20 MiB/s, which show in no RSS', 15,
             other('failsoft-nasty tables --rate=20'), [*LIMITS, ONLY_NASTY], []),
    Scenario('descriptors', 'sockets that nobody closes, nothing in them: slab, 20 MiB/s', 15,
             other('failsoft-nasty sockets --rate=20'), [*LIMITS, ONLY_NASTY], []),
    Scenario('threads', 'threads that do nothing: kernel stacks, 20 MiB/s', 15,
             other('echo 30000 >/proc/sys/kernel/threads-max; failsoft-nasty threads --rate=20'), [*LIMITS, ONLY_NASTY], []),
    Scenario('pile', 'jobs that pile up: twenty a second, each of 1 MiB and a name of its own', 20,
             other('setsid failsoft-nasty pile --each=1 --pause=0.05'), [*LIMITS, ONLY_PILE], []),
    Scenario('stutter', 'a leak of 10 MiB at full speed every two seconds', 25,
             other('failsoft-load stairs --adj=0 --step=10 --every=2'), [*SAVED, ONLY_WRITER], []),
    Scenario('again', 'a leak of 20 MiB/s, and the same again after it was ended', 25,
             other('for i in 1 2 3; do failsoft-hog --rate=20; pause 2; done'), [*SAVED, ONLY_HOG, KERNEL_IDLE], []),
    Scenario('dirty', 'a leak of 20 MiB/s beside files that are dirtied at full speed', 20,
             other('(while :; do dd if=/dev/zero of=/data/dirty bs=64k count=512 2>/dev/null; done) & '
                   'pause 3; failsoft-load steady --adj=0 --rate=20'), [*LIMITS, NO_STALL, ONLY_WRITER], [],
             why='a flush waits for the disk behind what others have dirtied: the answer may come after the deadline'),
    Scenario('swap', 'a leak of 20 MiB/s with 48 MiB of swap on the slow disk', 30,
             SWAP + other('failsoft-load steady --adj=0 --rate=20'), [*SAVED, ONLY_WRITER], []),
    Scenario('late', 'a leak of 5 MiB/s that began before the broker, some MiB away from the end', 20,
             LATE, [*LIMITS, ONLY_HOG], []),
    Scenario('no_bus', 'a leak of 20 MiB/s after the end of the bus', 15,
             other('kill -KILL $(pidof dbus-daemon); failsoft-hog --rate=20'), [*SAVED, ONLY_HOG], []),
    Scenario('box_tmpfs', 'logger and a tmpfs that grows by 20 MiB/s in one limited cgroup', 15,
             f'{BOX_BOTH}start_all\npause $START\nsay villain\n{TMPFS}'
             'failsoft-load steady --adj=0 --rate=20 --in=tmpfs --file=/run/t2/fill &\npause 60\n',
             [*LIMITS, ONLY_WRITER], []),
    Scenario('box_pipes', 'logger and pipes that hold the memory in one limited cgroup', 15,
             f'{BOX_BOTH}start_all\npause $START\nsay villain\n'
             'failsoft-load steady --adj=0 --rate=20 --in=pipes &\npause 60\n', [*LIMITS, ONLY_WRITER], []),
    Scenario('crowd', 'sixty orphans of sixty names that leak 20 MiB/s together', 20,
             other('failsoft-nasty crowd --rate=20'), [*LIMITS, ONLY_CROWD], []),
    Scenario('respawn', 'a leak at full speed that is started again whenever it ends', 20,
             other('(while :; do failsoft-hog --rate=max; done)'), [*LIMITS, ONLY_HOG], [], is_open=True),
    Scenario('own_box', 'a leak of 20 MiB/s in the logger itself, in a cgroup limited to 24 MiB', 15,
             f'{BOX_OWN}{own_leak(20)}', SAVED, []),
    Scenario('own_box_max', 'a leak at full speed in the logger itself, in a cgroup limited to 24 MiB', 10,
             f'{BOX_OWN}{own_leak("max")}', [FEW_LOST, NO_PANIC, NO_HANG], [],
             is_open=True, why='16 MiB are gone in as many milliseconds: less than a flush to this disk takes'),
    Scenario('plateau', 'a program that takes 24 MiB at 20 MiB/s and keeps them', 20,
             other('failsoft-load steady --adj=0 --rate=20 --size=24'), SPARED, []),
    Scenario('start_up', 'ten programs, one after the other, that take 3 MiB each and keep them', 20,
             other('for i in 1 2 3 4 5 6 7 8 9 10; do failsoft-hog --rate=max --limit=3 & pause 0.3; done'),
             SPARED, []),
    Scenario('box_scan', 'a file read again and again through a cgroup that is smaller than it', 20,
             BOX + other('dd if=/dev/zero of=/data/small bs=1M count=32 2>/dev/null; '
                         'in_box failsoft-load scan --adj=0 --file=/data/small --seconds=12'), HARMLESS, []),
    Scenario('copy', 'a file of 32 MiB copied again and again', 20,
             other('dd if=/dev/zero of=/data/small bs=1M count=32 2>/dev/null; '
                   'failsoft-load copy --adj=0 --file=/data/small --seconds=6; rm /data/small.copy'), HARMLESS, []),
    Scenario('saw', 'a heap that goes up by 30 MiB in four seconds and down again, for ever', 25,
             other('failsoft-load saw --adj=0 --step=30 --every=4'), SPARED, []),
    Scenario('compile', 'six programs at once that live shortly and take up to 4 MiB each', 20,
             other('failsoft-load compile --adj=0 --times=6 --size=4 --seconds=14'), HARMLESS, []),
    Scenario('tmpfs_freed', 'a tmpfs that is filled with 30 MiB at 20 MiB/s and emptied, again and again', 20,
             other(f'{TMPFS}failsoft-load burst --adj=0 --size=30 --rate=20 --hold=1 --every=2 '
                   '--in=tmpfs --file=/run/t2/fill'), SPARED, []),
    Scenario('tmpfs_max', 'a file in a tmpfs that grows at full speed', 12,
             other(f'{TMPFS}failsoft-load steady --adj=0 --rate=max --in=tmpfs --file=/run/t2/fill'),
             [*LIMITS, ONLY_WRITER], []),
    Scenario('box_group_max', 'logger and a leak at full speed in one limited cgroup with memory.oom.group', 15,
             f'{BOX_GROUP}start_all\npause $START\nsay villain\nfailsoft-hog --rate=max &\npause 60\n',
             [*LIMITS, ONLY_HOG], []),
    Scenario('zram_own', 'a leak at full speed in the logger itself, with 48 MiB of zram', 15, ZRAM + own_leak('max'),
             LIMITS, []),
    Scenario('swap_max', 'a leak at full speed with 48 MiB of swap on the slow disk', 30,
             SWAP + other('failsoft-load steady --adj=0 --rate=max'), [*LIMITS, ONLY_WRITER], []),
    Scenario('liar', 'a client that leaks 5 MiB/s, may not be ended, and says it has freed', 25,
             other('failsoft-nasty liar --rate=5 --bus=$BUS'), [*LIMITS, ONLY_NASTY], []),
]


def find(name):
    return next((s for s in SCENARIOS if s.name == name), None)


def place(job):
    """The same with the villain in the tripwire's cgroup; the logger outside, unless it is the villain."""
    if '--leak=' in job:
        return job.replace('start_all', 'start_bus\nstart_broker\ninto_programs\nstart_loops\nstart_logger')
    return job.replace('say villain\n', 'into_programs\nsay villain\n')


def job_text(scenario, mode, run):
    """The guest's job file for one run; `run` counts from 0."""
    # Run 0 is at a full second; the others lie where their number's dice put them.
    start_s = START_S + (random.Random(f'{scenario.name} {run}').uniform(0, SHIFT_S) if run else 0)
    job = place(scenario.job) if mode == 'tripwire' else scenario.job
    return (f'#go\n#seconds {scenario.seconds}\nMODE={mode}\n'
            f'START={start_s:.3f}\nLEAK_AFTER={start_s + LOGGER_HEAD_S:.3f}\n'
            f'. /guest/lib\n{job}\nexit\n')
