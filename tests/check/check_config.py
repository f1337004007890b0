#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R30: the settings table of the running program against its help, the sample file and the man
page that were built, and against the texts that are written by hand."""

import json
import re
import tempfile
import pathlib

import tap

BOOT_WORDS = {'cgroup_enable'}

failsoftd = tap.program('failsoftd')
sample_text = tap.output_of(failsoftd, '--print-sample-config')
sample = json.loads(sample_text)
man_options = tap.output_of(failsoftd, '--print-man-options')
keys = list(sample)


def built(name):
    found = sorted(tap.BUILD.glob(f'interfaces/{name}'))
    return found[0].read_text() if found else ''


def help_text():
    text = tap.output_of(failsoftd, '--help')
    return text + (tap.output_of(failsoftd, '--help-config') if '--help-config' in text else '')


def against(found, where):
    found = list(found)
    return ([f'{k}: not in {where}' for k in keys if k not in found]
            + [f'{k}: in {where}, but no setting' for k in found if k not in keys])


def defaults_differ(text, pattern, where):
    """What the text calls a default is what the sample has."""
    shown = dict(re.findall(pattern, text, re.MULTILINE))
    return [f'{k}: {where} says {shown.get(k)}, the sample {json.dumps(v, ensure_ascii=False)}'
            for k, v in sample.items() if shown.get(k) != json.dumps(v, ensure_ascii=False)]


def check_accepts(text):
    with tempfile.TemporaryDirectory(prefix='failsoft-check-') as name:
        path = pathlib.Path(name, 'failsoft.json')
        path.write_text(text)
        return tap.run(failsoftd, f'--config={path}', '--check-config')


def unknown_words(name):
    """Words of a hand-written page in bold that look like settings but are none."""
    text = (tap.SOURCE / 'interfaces' / name).read_text()
    words = set(re.findall(r'^\.B(?:R|I)? "?([a-z]+(?:_[a-z]+)+)\b', text, re.MULTILINE))
    return [f'{name}: {w} is no setting' for w in sorted(words - BOOT_WORDS) if w not in keys]


tap.check('there are settings', [] if len(keys) > 30 else [f'only {len(keys)}'])
tap.check('--help names every setting', against(re.findall(r'^  ([a-z_]+)  ', help_text(), re.MULTILINE), 'help'))
tap.check('--help shows every default',
          defaults_differ(help_text(), r'^  ([a-z_]+)  .*, default (.*)$', 'help'))
tap.check('the man options name every setting',
          against(re.findall(r'^\.TP\n\.B ([a-z_]+)$', man_options, re.MULTILINE), 'the options'))
tap.check('the man options show every default',
          defaults_differ(man_options, r'^\.B ([a-z_]+)\n\(.*; default (.*)\)$', 'the options'))
tap.check('the built sample is the program\'s',
          [] if built('failsoft.json.sample') == sample_text else ['interfaces/failsoft.json.sample differs'])
tap.check('the built page contains the program\'s options',
          [] if man_options in built('failsoft.json.5') else ['interfaces/failsoft.json.5 differs'])
bus_page = (tap.SOURCE / f'interfaces/{tap.NAME}.5').read_text()
shown = {k: int(v) for k, v in re.findall(r'^\.I (budget_[a-z_]+)\n\(?(\d+)', bus_page, re.MULTILINE)}
wanted = {k: v for k, v in sample.items() if k.startswith('budget_') and k.endswith('_ms')}
tap.check('the bus page gives the budgets of the sample', [] if shown == wanted else [f'{shown}, not {wanted}'])
result = check_accepts(sample_text)
tap.check('--check-config accepts the sample', [] if result.returncode == 0 else [result.stderr.strip()])
result = check_accepts('{"hold_sm": 1}')
tap.check('--check-config refuses a mistake and says which',
          [] if result.returncode != 0 and 'hold_ms' in result.stderr + result.stdout else
          [f'exit status {result.returncode}: {result.stderr.strip()}'])
result = check_accepts('{"export_file": "/no/such/folder/x"}')
tap.check('--check-config warns of an export file that cannot be, and prints the settings',
          [] if result.returncode == 0 and 'export_file /no/such/folder/x' in result.stderr and
          json.loads(result.stdout)['export_file'] == '/no/such/folder/x' else
          [f'exit status {result.returncode}: {result.stderr.strip()}'])
OUTPUTS = ('--check-config', '--print-sample-config', '--print-man-options', '--help', '--version')
tap.check('what cannot be written is no success', [
    p for name in ('failsoftd', 'failsoft-telemetry') if any(tap.BUILD.rglob(name))
    for p in tap.unwritten(name, *OUTPUTS)])
tap.check('the pages name settings that exist',
          [p for page in ('failsoftd.8', 'failsoft.json.5.in') for p in unknown_words(page)])
tap.done()
