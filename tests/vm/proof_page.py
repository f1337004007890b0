# SPDX-License-Identifier: MIT
"""The page of proof.py: result rows as Markdown tables."""
import scenarios

HEAD = '''<!-- Written by tests/vm/proof.py. -->
# What was measured

A 128 MiB Linux on one CPU without swap ({available_kib} KiB available after boot), its disk as slow as
an SD card. Beside every run: a logger that keeps 1000 records/s in RAM, and two control loops of 20 ms,
one locked into memory, one ordinary. Decided from the disk when the machine is gone (`judge.py`,
`lateness.py`). `./dev proof` runs it all again and writes this page. Figures are the worst of the runs.

- **lost**: records that were produced and are not on the disk.
- **late**: how late the locked and the ordinary loop were at most, in milliseconds; *dead*: it was ended.
- **stood**: share of the last 4 s of the run in which the ordinary loop was due, had missed a whole
  period, and was not served; in brackets of the worst 4 s of the whole run. At most {stood} % is wanted.
- **ended**: by failsoft; *kernel:* by the kernel.
'''
RIVALS_HEAD = '''
## The cases that others lose

Without failsoft the logger runs as it is (a flush once a minute). earlyoom is Debian's with its defaults.
systemd-oomd cannot be run here: it takes its orders from systemd as process 1, which this machine has
not. By its rule (60 % memory pressure of a whole cgroup for 30 s, or swap at 90 %) it would have had
nothing to say in any of these runs: none lasts 30 s, and there is no swap.

'''


def worst(rows, value):
    return max((value(r) for r in rows), default=0)


def late(rows, name):
    loops = [r['loops'][name] for r in rows if name in r.get('loops', {})]
    if not loops:
        return '?'
    dead = '' if all(loop['alive'] for loop in loops) else ' dead'
    return f'{max(loop["longest_ms"] for loop in loops):.0f}{dead}'


def stood(rows):
    whole = worst(rows, lambda r: r.get('loops', {}).get('ordinary', {}).get('stood_worst_percent', 0))
    return f'{worst(rows, lambda r: r.get("stood_percent", 100)):.0f} ({whole:.0f})'


def lost(rows):
    at_worst = max(rows, key=lambda r: r.get('lost', 0))
    return f'{at_worst.get("lost", "?")} of {at_worst.get("produced", "?")}'


def end(rows):
    ends = sorted({'panic' if r['panic'] else 'hang' if r['end'] != 'power' or not r['heart_alive'] else
                   'lives' for r in rows if 'panic' in r} | {r['end'] for r in rows if 'panic' not in r})
    return ', '.join(ends)


def dead(rows):
    ours = sorted({n for r in rows for n in r['ended']})
    kernel = sorted({n for r in rows for n in r['kernel_killed']})
    return ', '.join(ours + [f'kernel: {n}' for n in kernel]) or 'nobody'


def not_met(scenario, rows):
    words = sorted({w for r in rows for w in r['failed']})
    return '; '.join(['**not met**: ' + ', '.join(words)] * bool(words) + [scenario.why] * bool(scenario.why)) \
        or 'all met'


def of(rows, scenario, mode):
    return [r for r in rows if r['scenario'] == scenario.name and r['mode'] == mode]


def ours(rows, mode):
    yield '| way to run out | runs | lost | end | late ms: locked, ordinary | stood % | ended | wanted |'
    yield '|---|---|---|---|---|---|---|---|'
    for s in scenarios.SCENARIOS:
        mine = of(rows, s, mode)
        if mine:
            yield (f'| `{s.name}` {s.what} | {len(mine)} | {lost(mine)} | {end(mine)} | '
                   f'{late(mine, "locked")}, {late(mine, "ordinary")} | {stood(mine)} | {dead(mine)} | '
                   f'{not_met(s, mine)} |')


def cell(rows):
    if not rows:
        return 'not run'
    percents = [100 * r.get('lost', 0) / max(r.get('produced', 0), 1) for r in rows]
    span = f'{min(percents):.0f}' if round(min(percents)) == round(max(percents)) else \
        f'{min(percents):.0f} to {max(percents):.0f}'
    return f'{span} % lost, {end(rows)}, stood {stood(rows)} %'


def against(rows):
    yield '| way to run out | the kernel alone | earlyoom | failsoft |'
    yield '|---|---|---|---|'
    for s in scenarios.SCENARIOS:
        if of(rows, s, 'alone'):
            yield (f'| `{s.name}` | {cell(of(rows, s, "alone"))} | {cell(of(rows, s, "earlyoom"))} | '
                   f'{cell(of(rows, s, "failsoft"))} |')


def page(rows, booted):
    text = HEAD.format(stood=scenarios.STOOD_PERCENT, **booted)
    text += '\n## With failsoft\n\n' + '\n'.join(ours(rows, 'failsoft')) + '\n'
    text += '\n## With its tripwire, the villain in its cgroup\n\n' + '\n'.join(ours(rows, 'tripwire')) + '\n'
    return text + RIVALS_HEAD + '\n'.join(against(rows)) + '\n'
