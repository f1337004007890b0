#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The fleet hears of a device that dies for lack of memory before it dies, and how it died when it is back.

Two devices in the small machine, at once, on a real Mosquitto: a leak in which neither failsoft nor the
kernel may end anybody, so that the kernel panics. One keeps the kernel's last words over the reset, one
does not. The first is then cut from its power in its next crisis. Judged is what a subscriber got, and
when; what is measured is printed beside it.

  test_telemetry.py [--build DIR] [--keep DIR]
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import shutil
import sys
import tempfile
import time

sys.dont_write_bytecode = True
import device
import qemu
import vm

try:
    import jsonschema
except ImportError:
    jsonschema = None

SCHEMAS = pathlib.Path(__file__).resolve().parents[2] / 'interfaces/telemetry'
PATIENCE_S = 90         # for what takes 5 to 15 s on a host that has nothing else to do
SYNC_BEATS = 8          # 0.8 s, more on a busy host: a device sends an alarm first, and then waits for its disk
LAST_LOOK_S = 2         # for a second report, which must not come
STAGE = r'"time_us":(\d+),"event":"stage".*"to":"(?:imminent|shutdown)"'
DEADLOCK = 'System is deadlocked on memory'


def of_boot(messages, boot, place=None):
    return [m for m in messages if m.boot == boot and place in (None, m.place)]


def alarms(messages, boot, kind, is_raised):
    """As logged, once per id."""
    found = {m.id: m for m in reversed(of_boot(messages, boot, 'event'))
             if m.data.get('kind') == kind and m.data.get('raised') is is_raised}
    return sorted(found.values(), key=lambda m: m.at_s)


def births(messages):
    return [m for m in messages if m.place == 'state' and m.data.get('online')]


def wills(messages, session):
    return [m for m in messages if m.place == 'state' and m.data.get('online') is False
            and m.data.get('session') == session]


def reports_of(messages, boot):
    """{id: report} of how a boot ended."""
    return {m.id: m for m in messages if m.place == 'report' and m.data.get('past_boot') == boot}


def stale(messages):
    """Retained alarms that nobody cleared."""
    last = {m.place: m for m in messages if m.place.startswith('alarm/')}
    return sorted(place for place, m in last.items() if not m.is_empty)


def settled(messages, past):
    """The device is back and has said all it owes: report, no alarm left; and the last will of the boot that
    is over has come, and not stayed: it may be later than the next birth, which is then said again."""
    states = [m for m in messages if m.place == 'state']
    return (reports_of(messages, past) and not stale(messages) and wills(messages, session_of(messages, past))
            and states[-1].data.get('online') and states[-1].boot != past)


def session_of(messages, boot):
    return max(m.data['session'] for m in births(messages) if m.boot == boot)


# ---- what is measured ----

def measure(d, boots, boot, end_s):
    """Host's times of one boot's alarm; all that is relative to the guest's clock is exact to 10 ms."""
    messages, offset_s = d.messages(), d.offset_s(boots)
    raised = alarms(messages, boot, 'imminent', True)
    row = {'boot': boot, 'end_s': end_s, 'raised': raised[:1], 'memory': memory_of(d, boots)}
    if not raised:
        return row
    stages = [offset_s + int(match[1]) / 1e6 for at_s, match in d.said('events', STAGE) if at_s > d.booted_s(boots)]
    first = raised[0]
    log = [m for m in messages if m.place == 'event']
    topic = f'failsoft/v1/{device.FLEET}/{d.name}/event'
    acknowledged_s = d.server.acknowledged(topic, log.index(first))
    made_s = offset_s + int(first.json['boottimeusec']) / 1e6
    row.update(arrived_s=first.at_s, acknowledged_s=acknowledged_s, made_s=made_s,
               stage_s=min(stages, default=None),
               deadline_s=offset_s + first.data['deadline_usec'] / 1e6 if first.data.get('deadline_usec') else None)
    return row


def memory_of(d, boots):
    boot, figures = 0, []
    for _, match in d.said('beat', r'^\d+\.\d+ (?:boot (\d+)|memory (.*))'):
        boot = int(match[1]) if match[1] else boot
        if match[2] and boot == boots:
            figures.append(match[2])
    return figures


def ms(row, later, earlier):
    if row.get(later) is None or row.get(earlier) is None:
        return '?'
    return f'{(row[later] - row[earlier]) * 1000:.0f} ms'


def show(name, row):
    print(f'# {name}: alarm made {ms(row, "made_s", "stage_s")} after the stage, at the subscriber after '
          f'{ms(row, "arrived_s", "stage_s")}, acknowledged after {ms(row, "acknowledged_s", "stage_s")}; '
          f'{ms(row, "deadline_s", "acknowledged_s")} before the deadline, '
          f'{ms(row, "end_s", "acknowledged_s")} before the end (+-10 ms)')
    print(f'# {name}: telemetry before the crisis {row["memory"][:1]}, last seen in it {row["memory"][-1:]}')


# ---- the two lives ----

def live_to_panic(d):
    """Boot, crisis, panic, boot: the row of what was seen."""
    d.start()
    born = d.wait('birth', births, PATIENCE_S)[0]
    d.cue(1)
    end_s, _ = d.wait('panic', lambda _: d.said('console', 'Kernel panic'), PATIENCE_S)[0]
    said = d.said('console', r'Kernel panic - not syncing: (.*)')[0][1][1]
    d.wait('report of the panic', lambda messages: settled(messages, born.boot), PATIENCE_S)
    return {**measure(d, 1, born.boot, end_s), 'said': said}


def live_on(d, beats):
    """For some of the guest's heartbeats: what takes an ordinary program there as long as on any host."""
    before = len(d.said('beat', ' beat$'))
    d.wait('heartbeats', lambda _: len(d.said('beat', ' beat$')) >= before + beats, PATIENCE_S)


def live_to_power_cut(d):
    """The crisis of the second boot; the power goes when its alarm is at the subscriber."""
    boot = births(d.messages())[-1].boot
    d.cue(2)
    d.wait('alarm in the second boot', lambda messages: alarms(messages, boot, 'imminent', True), PATIENCE_S)
    live_on(d, SYNC_BEATS)
    row = measure(d, 2, boot, time.monotonic())
    d.cut_power()
    d.start()
    d.wait('report of the power cut', lambda messages: settled(messages, boot), PATIENCE_S)
    return row


def live(lab, server, work, name, last_words):
    with device.Device(lab, server, work / name, DEVICE=name, LAST_WORDS=last_words, RATE=7) as d:
        rows = [live_to_panic(d)]
        if last_words == 'yes':
            rows.append(live_to_power_cut(d))
        time.sleep(LAST_LOOK_S)
        return rows, d.messages()


# ---- the judge ----

def judge_alarm(row, messages):
    """Problems with what left before the end."""
    problems = []
    if not row['raised'] or row['arrived_s'] >= row['end_s']:
        problems.append('no alarm "imminent" arrived before the end')
    elif row['acknowledged_s'] is None or row['acknowledged_s'] >= row['end_s']:
        problems.append('the alarm was not acknowledged before the end')
    elif row['deadline_s'] is None:
        problems.append('the alarm has no deadline')
    elif row['acknowledged_s'] > row['deadline_s']:
        problems.append(f'the alarm left {ms(row, "acknowledged_s", "deadline_s")} after the deadline')
    kept = [m for m in messages if m.place == 'alarm/imminent' and m.boot == row['boot']]
    if row['raised'] and row['raised'][0].id not in {m.id for m in kept}:
        problems.append('the retained alarm has not the id of the logged one')
    return problems


def judge_will(row, messages):
    session = session_of(messages, row['boot'])
    came = wills(messages, session)
    states = [m for m in messages if m.place == 'state']
    problems = [] if came else [f'no last will of session {session} came']
    # without memory the device may lose its connection before its life, but not before it has told
    problems += ['the last will came before the alarm' for m in came if m.at_s < row.get('arrived_s', row['end_s'])]
    if not states[-1].data.get('online') or states[-1].data['session'] <= session:
        problems.append(f'the state that stays is not of a later session: {states[-1].data}')
    return problems


def judge_report(row, messages, ended_by, of):
    reports = list(reports_of(messages, row['boot']).values())
    if len(reports) != 1:
        return [f'{len(reports)} reports of how the boot ended']
    data = reports[0].data
    problems = []
    if data['ended_by'] != ended_by:
        problems.append(f'ended by {data["ended_by"]}, not {ended_by}: {data["text"]}')
    if of and of not in data.get('of', ''):
        problems.append(f'of {data.get("of")!r}, not {of!r}')
    if data['highest'] not in ('imminent', 'shutdown') or data['episode'] < 1:
        problems.append(f'it knows of no episode: {data}')
    if not data.get('forecast', {}).get('tte_usec'):
        problems.append(f'it has no forecast: {data}')
    if data['near_miss'] or data['false_alarm']:
        problems.append('such an end is no near miss and no false alarm')
    return problems


def judge_cleared(row, messages):
    problems = [f'{place} is still there' for place in stale(messages)]
    for kind in {m.data['kind'] for m in messages if m.place.startswith('alarm/') and m.boot == row['boot']}:
        told = [m for m in messages if m.place == 'event' and m.data.get('kind') == kind
                and m.data.get('raised') is False and m.at_s > row['end_s']]
        if not told:
            problems.append(f'that alarm {kind} is over was not logged')
    return problems


def judge_words(said):
    return [] if DEADLOCK in said else [f'the kernel said {said!r}: not the end that was wanted']


def judge_ids(messages):
    """One id, one message."""
    texts = {}
    for m in messages:
        if m.id and m.place in ('event', 'report'):
            texts.setdefault(m.id, set()).add(str(m.json))
    return [f'{len(t)} messages with the id {name}' for name, t in texts.items() if len(t) > 1]


def judge_schemas(messages):
    """Against interfaces/telemetry; of each type the first that does not fit."""
    problems = {}
    for m in (m for m in messages if not m.is_empty):
        word = m.json.get('type', '').removeprefix('org.failsoft.').removesuffix('.v1')
        path = SCHEMAS / f'{word}.v1.schema.json'
        if not path.exists():
            problems.setdefault(word, f'{m.place}: no such type: {m.json.get("type")!r}')
            continue
        for error in jsonschema.Draft7Validator(json.loads(path.read_text())).iter_errors(m.json):
            problems.setdefault(word, f'{m.place}: {error.json_path}: {error.message}')
    return sorted(problems.values())


def judge(lives):
    """[(name, problems)] of {name: (rows, messages)}."""
    wanted = [('with last words, panic', 'kept', 0, 'panic', DEADLOCK),
              ('with last words, power cut', 'kept', 1, 'power-loss', ''),
              ('without last words, panic', 'silent', 0, 'unknown', '')]
    results = []
    for title, name, number, ended_by, of in wanted:
        row, messages = lives[name][0][number], lives[name][1]
        results += [(f'{title}: the kernel died of memory', judge_words(row['said']))] if 'said' in row else []
        results += [(f'{title}: the alarm was out before', judge_alarm(row, messages)),
                    (f'{title}: the last will came, and does not beat the next birth', judge_will(row, messages)),
                    (f'{title}: one report, ended by {ended_by}', judge_report(row, messages, ended_by, of)),
                    (f'{title}: no alarm is left', judge_cleared(row, messages))]
    for name, (_, messages) in lives.items():
        results.append((f'{name}: an id names one message', judge_ids(messages)))
        if jsonschema:
            results.append((f'{name}: all it said fits the schemas', judge_schemas(messages)))
    return results


def main(argv):
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument('--build', default=os.environ.get('FAILSOFT_BUILD', 'build'))
    p.add_argument('--keep', help='directory for serial lines and the server\'s log')
    args = p.parse_args(argv)
    try:
        lab = vm.Lab(args.build)
        device.need(lab)
        lab.images.make()
    except qemu.Missing as missing:
        print(f'1..0 # SKIP {missing}')
        return 0
    work = pathlib.Path(args.keep or tempfile.mkdtemp(prefix='failsoft-vm-'))
    work.mkdir(parents=True, exist_ok=True)
    began_s = time.monotonic()
    try:
        with device.Server(work) as server, concurrent.futures.ThreadPoolExecutor(2) as pool:
            waiting = {name: pool.submit(live, lab, server, work, name, words)
                       for name, words in (('kept', 'yes'), ('silent', 'no'))}
            lives = {name: future.result() for name, future in waiting.items()}
    except (RuntimeError, OSError) as failure:
        print('Bail out! ' + str(failure).replace('\n', ' | '))
        return 1
    finally:
        if not args.keep:
            shutil.rmtree(work, ignore_errors=True)
    results = judge(lives)
    print(f'1..{len(results)}')
    for number, (name, problems) in enumerate(results, 1):
        print(f'{"not ok" if problems else "ok"} {number} - telemetry: {name}')
        for problem in problems:
            print(f'#   {problem}')
    for name, (rows, _) in lives.items():
        for row, what in zip(rows, ('panic', 'power cut')):
            show(f'{name}, {what}', row)
    print(f'# {time.monotonic() - began_s:.0f} s')
    return 1 if any(problems for _, problems in results) else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
