# SPDX-License-Identifier: MIT
"""What happened, decided from the memory file and the serial lines of a machine that is gone.

Nothing here believes a process: records produced come from the DAX disk, records durable from the
data disk after its journal was replayed, the dead from the kernel's own lines. Only what failsoftd
asked and was told comes from its event export, which a serial port kept.
"""
import collections
import json
import pathlib
import re
import subprocess

import lateness
import qemu

BEAT_S = 0.1    # of guest/beat
LOOPS = ('locked', 'ordinary')
PANIC = re.compile(r'^\[ *(\d+\.\d+)\] Kernel panic', re.M)
KILLED = re.compile(r'[Kk]illed process \d+ \(([^)]*)\)')
EARLYOOM = re.compile(r'sending SIG(?:TERM|KILL) to process \d+ uid \d+ "([^"]*)"')
BEAT = re.compile(r'^(\d+\.\d+) (\S+) ?(.*)$', re.M)
ORDER = ['normal', 'warning', 'imminent', 'shutdown']


def cut_disk(memory, name, target):
    """Copies a disk out of the machine's memory file and replays its journal."""
    qemu.run('dd', f'if={memory}', f'of={target}', 'bs=1M', f'skip={qemu.OFFSET[name]}',
                f'count={qemu.SIZE[name]}', 'conv=sparse')
    # 0 clean, 1 corrected: an unclean file system is what a power cut leaves.
    done = subprocess.run([qemu.find_program('e2fsck'), '-fy', str(target)], check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode > 1:
        raise RuntimeError(f'disk {name} is damaged:\n{done.stdout.decode()}')
    return target


def take_out(image, path, target):
    """Copies a file out of a disk image; False: it is not there."""
    pathlib.Path(target).unlink(missing_ok=True)
    qemu.run('debugfs', '-R', f'dump {path} {target}', image)
    return pathlib.Path(target).exists()


def count_records(work, memory, logcheck):
    """{produced, on_disk, lost, gaps}; None when no logger ran."""
    data = cut_disk(memory, 'data', work / 'data.ext4')
    status = cut_disk(memory, 'status', work / 'status.ext4')
    if not take_out(status, '/logger', work / 'logger.status'):
        return None
    if not take_out(data, '/log', work / 'logger.data'):
        (work / 'logger.data').write_bytes(b'')     # not even its directory entry was durable
    # logcheck's exit status tells loss, which is a result here
    argv = [str(logcheck), f'--file={work}/logger.data', f'--status-file={work}/logger.status']
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)
    found = re.search(r'produced (\d+) on_disk (\d+) lost (\d+) gaps (\d+)', done.stdout)
    if not found:
        raise RuntimeError(f'failsoft-logcheck says: {done.stdout}')
    return dict(zip(('produced', 'on_disk', 'lost', 'gaps'), map(int, found.groups())))


def end_of_run(console, beats, marks):
    """Uptime at which the run was over; a machine that never said so has stood still since."""
    panic = PANIC.search(console)
    if panic:
        return float(panic[1])
    return marks.get('finish', (beats[-1] if beats else 0.0) + lateness.LAST_S)


def read_loops(work, end_s):
    """{name: how late it was}; without the loops that were not started."""
    loops = {}
    for name in LOOPS:
        if take_out(work / 'status.ext4', f'/{name}', work / name):
            loops[name] = lateness.sum_up(lateness.read(work / name), end_s)
    return loops


def stood(loops, beats, end_s):
    """Percent of the last 4 s in which the machine did not serve the ordinary loop. A loop that was
    ended cannot tell, and that is no stall: then the heartbeat does, which is as ordinary."""
    if loops.get('ordinary', {}).get('alive'):
        return loops['ordinary']['stood_last_percent']
    late = [(a + BEAT_S, b) for a, b in zip(beats, [*beats[1:], end_s])]
    return round(100 * lateness.standing(late, end_s - lateness.LAST_S, end_s) / lateness.LAST_S, 1)


def read_beats(text):
    """Heartbeats and marks: (times of beats, {mark: time of the first}, [(mark, its words)])."""
    beats, marks, said = [], {}, []
    for up, word, rest in BEAT.findall(text.replace('\r', '')):
        if word == 'beat':
            beats.append(float(up))
            continue
        marks.setdefault(word, float(up))
        said.append((word, rest.split()))
    return beats, marks, said


def read_events(text):
    events = []
    for line in text.replace('\r', '').split('\n'):
        if line.startswith('{') and line.endswith('}'):
            try:
                events.append(json.loads(line))
            except ValueError:
                continue        # a line cut by the power cut
    return events


def sum_up_events(events, villain_s):
    """What failsoftd did: stages, questions, answers, whom it ended."""
    stages = [e for e in events if e.get('event') == 'stage']
    answers = [e for e in events if e.get('event') == 'answer']
    asked = [e for e in events if e.get('event') == 'request']
    ended = [e for e in events if e.get('event') == 'action']
    end_us = min((e['time_us'] for e in ended), default=None)
    flushed = [e for e in answers if e.get('step') != 'resume' and e.get('result') == 'done']
    since = {}
    for e in stages:
        since.setdefault(e['to'], round(e['time_us'] / 1e6 - villain_s, 3) if villain_s else None)
    headrooms = [e['headroom_bytes'] // 1024 for e in stages + [e for e in events if e.get('event') == 'ended']]
    acts = collections.Counter((e['pid'], e['name'], e.get('rung', 'gone')) for e in events
                               if e.get('event') == 'ended' or e.get('rung') == 'kill')
    return {
        'twice': sorted({f'{name} {pid}' for (pid, name, _), times in acts.items() if times > 1}),
        'least_headroom_kib': min(headrooms, default=None),
        'highest': max((e['to'] for e in stages), key=ORDER.index, default='normal'),
        'stage_after_s': since,
        'asked': len(asked),
        'answers': [f'{e.get("name")}:{e.get("step")}:{e.get("result")}' for e in answers],
        'answered_before_end': bool(flushed) and (
            end_us is None or min(e['time_us'] for e in flushed) <= end_us),
        # A client that is shut down for good gets no signal: it shows only as gone.
        'ended': sorted({e['name'] for e in events if e.get('event') in ('action', 'ended')}),
    }


def judge(work, memory, logcheck, verdict):
    """The row of one finished run."""
    work = pathlib.Path(work)
    console = (work / 'console').read_text(errors='replace')
    beats, marks, said = read_beats((work / 'beat').read_text(errors='replace'))
    gaps = [b - a for a, b in zip(beats, beats[1:])]
    finish = marks.get('finish')
    panic = 'Kernel panic' in console
    row = {
        'end': 'panic' if panic else 'power' if verdict == 'off' and 'end' in marks else verdict,
        'panic': panic,
        # An ordinary program did nothing for a second, or was gone at the end.
        'longest_silence_s': round(max(gaps, default=0), 2),
        'heart_alive': bool(beats) and finish is not None and finish - beats[-1] < 1.0,
        'kernel_killed': dict(collections.Counter(KILLED.findall(console))),
        'guest_s': round((finish or (beats[-1] if beats else 0)) - marks.get('start', 0), 2),
    }
    row['stalled'] = not panic and (row['end'] != 'power' or not row['heart_alive']
                                    or row['longest_silence_s'] >= 1.0)
    records = count_records(work, memory, logcheck) if logcheck else None
    row.update(records or {})
    row.update(sum_up_events(read_events((work / 'events').read_text(errors='replace')),
                             marks.get('villain')))
    row['ended'] += sorted(set(EARLYOOM.findall((work / 'log').read_text(errors='replace'))))
    end_s = end_of_run(console, beats, marks)
    row['loops'] = read_loops(work, end_s) if logcheck else {}
    for name, loop in row['loops'].items():
        loop['alive'] = ('alive', [name]) in said or panic
    row['rounds'] = [words for word, words in said if word == 'round']
    row['stood_percent'] = stood(row['loops'], beats, end_s)
    return row
