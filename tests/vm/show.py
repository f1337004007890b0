# SPDX-License-Identifier: MIT
"""The demonstration inside the small machine, for hosts whose own memory cannot be limited.

The same leak first without failsoft, then with it, then a leak in another program; what the kernel
and failsoftd say is shown while it happens, what was lost is counted from the disk afterwards.
"""
import textwrap

import judge
import scenarios

ACTS = (('own_slow', 'alone', 'A data logger leaks 5 MiB/s. The kernel alone:'),
        ('own_slow', 'failsoft', 'The same leak, with failsoft:'),
        ('other_fast', 'failsoft', 'Another program leaks 40 MiB/s, with failsoft:'))
DULL = ('broker_started', 'source_absent', 'domain_added', 'shield')
WIDTH = 79


class Follower:
    """Prints the new lines of a machine's serial files, with the guest's time."""

    def __init__(self):
        self.seen = {'console': 0, 'events': 0}

    def __call__(self, machine):
        for line in self._new(machine, 'events'):
            event = next(iter(judge.read_events(line)), None)
            if event and event['event'] not in DULL:
                say(f'{event["time_us"] / 1e6:7.2f} s  {event["text"]}')
        for line in self._new(machine, 'console'):
            killed = judge.KILLED.search(line)
            if killed:
                time_s = line.partition(']')[0].strip('[ ')
                say(f'{float(time_s):7.2f} s  KERNEL: out of memory, {killed[1]} is killed')

    def _new(self, machine, name):
        text = machine.text(name)
        end = text.rfind('\n') + 1
        lines = text[self.seen[name]:end].splitlines()
        self.seen[name] = end
        return lines


def say(line):
    print(textwrap.fill(line, WIDTH, subsequent_indent=' ' * 11), flush=True)


def act(lab, name, mode, title):
    print(f'\n{title}', flush=True)
    row = lab.run_scenario(scenarios.find(name), mode, 0, watch=Follower())
    print(f'  on the disk: {row["on_disk"]} of {row["produced"]} records, {row["lost"]} lost')
    for words in row['failed']:
        print(f'  not true: {words}')
    return row


def show(lab):
    """Exit status: 0 only if failsoft lost nothing and everything else held, too."""
    print('A small Linux: 128 MiB, one CPU, an SD card. A data logger keeps 1000 records\n'
          'a second in RAM; times are seconds since its start-up.')
    rows = [act(lab, *a) for a in ACTS]
    protected = [r for r in rows if r['mode'] == 'failsoft']
    lost = sum(r['lost'] for r in protected)
    total = sum(r['produced'] for r in protected)
    good = total and not lost and not any(r['failed'] for r in rows)
    print(f'\ndemo: lost {lost} of {total} records')
    return 0 if good else 1
