# SPDX-License-Identifier: MIT
"""Ways to run out of memory, and what must come of each. A scenario is a row of the table.

`job` is shell run inside the guest (guest/lib is there: start_all, say, pause). The machine is
deterministic, so that the runs of one scenario would be the same to the bit; $START, the seconds
from "all is up" to the villain, moves against everything periodic, differently in every run.

An expectation is (words, condition on the result row): see judge.py for the row's keys.
"""
from dataclasses import dataclass

SHIFTS_S = (0.0, 0.137, 0.391)      # within the broker's longest sleep, not on its grid
RUNS = len(SHIFTS_S)
START_S = 3.0
LOGGER_HEAD_S = 0.5                 # the pause at the end of start_logger in guest/lib


@dataclass
class Scenario:
    """`seconds`: guest time from the start of the job to the end of the run. `runs`: fewer where the
    time of the whole suite would not allow more; vm.py run --run=1 and 2 are the others."""
    name: str
    what: str
    seconds: int
    job: str
    failsoft: list
    alone: list
    runs: int = RUNS
    tripwire: list = None   # with the programs in its cgroup; None: not a case for it


def nothing_lost(r):
    return r.get('produced', 0) > 0 and r.get('lost') == 0 and r.get('gaps') == 0


def everything_lost(r):
    return r.get('produced', 0) > 0 and r.get('on_disk') == 0


NOTHING_LOST = ('no record lost', nothing_lost)
EVERYTHING_LOST = ('every record lost', everything_lost)
NO_PANIC = ('no panic', lambda r: not r['panic'])
NO_STALL = ('not stalled', lambda r: not r['stalled'])
KERNEL_IDLE = ('the kernel killed nobody', lambda r: not r['kernel_killed'])
ANSWERED = ('the logger was asked and answered before anybody was ended',
            lambda r: r['asked'] > 0 and r['answered_before_end'])
ONLY_HOG = ('nobody but the hog was ended', lambda r: set(r['ended']) <= {'failsoft-hog'}
            and set(r['kernel_killed']) <= {'failsoft-hog'})
ONLY_WRITER = ('nobody but the writer was ended', lambda r: set(r['ended']) <= {'failsoft-load'}
               and set(r['kernel_killed']) <= {'failsoft-load'})
NOBODY = ('nobody was ended', lambda r: not r['ended'] and not r['kernel_killed'])
UP_TO_WARNING = ('no stage beyond warning', lambda r: r['highest'] in ('normal', 'warning'))
RAN_OUT = ('the kernel killed the hog', lambda r: 'failsoft-hog' in r['kernel_killed'])
KERNEL_ACTED = ('the kernel killed somebody', lambda r: bool(r['kernel_killed']))
NEVER_NEAR = ('never nearer to the cliff than 2 MiB', lambda r: r['least_headroom_kib'] >= 2048)
SAVED = [NOTHING_LOST, NO_PANIC, NO_STALL, ANSWERED]
HARMLESS = [NOTHING_LOST, NO_PANIC, NOBODY, UP_TO_WARNING]


def own_leak(rate):
    return (f'start_all --leak={rate} --leak-after=$LEAK_AFTER\n'
            'pause $START\nsay villain\npause 60\n')


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
'''
BOX_GROUP = '''mkdir /sys/fs/cgroup/box
echo 48M >/sys/fs/cgroup/box/memory.max
echo 1 >/sys/fs/cgroup/box/memory.oom.group
echo 0 >/sys/fs/cgroup/box/cgroup.procs
'''

SCENARIOS = [
    Scenario('own_slow', 'a leak of 5 MiB/s in the logger itself', 25, own_leak(5),
             SAVED, [EVERYTHING_LOST]),
    Scenario('own_fast', 'a leak of 20 MiB/s in the logger itself', 15, own_leak(20),
             SAVED, [EVERYTHING_LOST]),
    Scenario('fork_tree', 'a tree of hogs that never ends, 192 KiB each, 20 MiB/s in all', 24,
             other('failsoft-hog --fork=7 --each=192 --rate=max'),
             [*SAVED, ONLY_HOG], [EVERYTHING_LOST]),
    Scenario('other_slow', 'a leak of 5 MiB/s in another program', 25,
             other('failsoft-hog --rate=5'), [*SAVED, ONLY_HOG, KERNEL_IDLE], [RAN_OUT]),
    Scenario('other_fast', 'a leak of 40 MiB/s in another program', 12,
             other('failsoft-hog --rate=40'), [*SAVED, ONLY_HOG, KERNEL_IDLE], [RAN_OUT]),
    Scenario('cache_storm', 'nine times 96 MiB of files read through the page cache', 12,
             other(f'({CACHE_STORM})'), HARMLESS, [NOBODY], tripwire=HARMLESS),
    # What fills the memory shows in no process. A tmpfs stays full when its writer has ended.
    Scenario('tmpfs', 'a file in a tmpfs that grows by 20 MiB/s', 12,
             other(f'{TMPFS}failsoft-load steady --rate=20 --in=tmpfs --file=/run/t2/fill'),
             [*SAVED, ONLY_WRITER], [KERNEL_ACTED], runs=1),
    Scenario('pipes', 'pipes that hold the memory, 20 MiB/s', 12,
             other('failsoft-load steady --rate=20 --in=pipes'),
             [*SAVED, ONLY_WRITER, KERNEL_IDLE], [KERNEL_ACTED], runs=1),
    Scenario('own_max', 'a leak at full speed in the logger itself', 10, own_leak('max'),
             [NO_PANIC], [EVERYTHING_LOST], runs=1,
             tripwire=[NOTHING_LOST, NO_PANIC, NO_STALL, KERNEL_IDLE, NEVER_NEAR]),
    Scenario('other_max', 'a leak at full speed in another program', 10,
             other('failsoft-hog --rate=max'), [*SAVED, ONLY_HOG], [RAN_OUT], runs=1,
             tripwire=[*SAVED, ONLY_HOG, KERNEL_IDLE, NEVER_NEAR]),
    # 64 MiB in one system call: SIGSTOP waits for its end, the tripwire does not.
    Scenario('one_call', 'a leak of 64 MiB in each of its system calls', 10,
             other('failsoft-load steady --rate=max --in=populate'), [NOTHING_LOST, NO_PANIC, ONLY_WRITER],
             [KERNEL_ACTED], runs=1, tripwire=[*SAVED, ONLY_WRITER, KERNEL_IDLE, NEVER_NEAR]),
    Scenario('ignores_term', 'a leak of 20 MiB/s that ignores SIGTERM', 12,
             other('failsoft-hog --rate=20 --ignore-term'), [*SAVED, ONLY_HOG], [RAN_OUT], runs=1,
             tripwire=[*SAVED, ONLY_HOG, KERNEL_IDLE, NEVER_NEAR]),
    Scenario('sockets', 'sockets that hold the memory, 20 MiB/s', 20,
             other('failsoft-load steady --rate=20 --in=sockets'), [*SAVED, ONLY_WRITER], [KERNEL_ACTED],
             runs=1),
    Scenario('unkillable', 'a leak of 20 MiB/s, it and all that matters at -1000', 15,
             other(f'{SPARE_ALL}failsoft-hog --rate=20'), SAVED, [EVERYTHING_LOST], runs=1),
    Scenario('box', 'a leak of 20 MiB/s in a cgroup limited to 24 MiB', 12,
             BOX + other('in_box failsoft-hog --rate=20'),
             [NOTHING_LOST, NO_PANIC, NO_STALL, RAN_OUT], [RAN_OUT], runs=1),
    Scenario('box_group', 'logger and leak in one limited cgroup with memory.oom.group', 15,
             f'{BOX_GROUP}start_all\npause $START\nsay villain\nfailsoft-hog --rate=20 &\npause 60\n',
             SAVED, [EVERYTHING_LOST], runs=1),
    Scenario('thrash', 'a leak of 10 MiB/s beside two readers of more files than fit', 20,
             other('dd if=/dev/zero of=/data/small bs=1M count=16 2>/dev/null; '
                   'failsoft-load steady --rate=10 --readers=2 --file=/data/small'), SAVED, [], runs=1),
    # Harmless means that it leaves something: 12 MiB or more above the cliff with all that runs.
    Scenario('burst', '24 MiB at full speed, freed after a second', 12,
             other('failsoft-hog --rate=max --limit=24 --free-after=1'), HARMLESS, [NOBODY], tripwire=HARMLESS),
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
    start_s = START_S + SHIFTS_S[run % RUNS]
    job = place(scenario.job) if mode == 'tripwire' else scenario.job
    return (f'#go\n#seconds {scenario.seconds}\nMODE={mode}\n'
            f'START={start_s:.3f}\nLEAK_AFTER={start_s + LOGGER_HEAD_S:.3f}\n'
            f'. /guest/lib\n{job}\nexit\n')
