#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R30: man pages name every option of --help and none besides, render without a warning, and the bus
page names every member and error of the XML."""

import re
import xml.etree.ElementTree as ET

import tap

INTERFACES = tap.SOURCE / 'interfaces'
OPTION = re.compile(r'(?<![\w-])(--[a-z][a-z-]+)')


def page(name):
    for path in (INTERFACES / name, INTERFACES / f'{name}.in'):
        if path.exists():
            return path.read_text()
    return ''


def plain(text):
    return text.replace('\\-', '-').replace('\\fB', '').replace('\\fI', '').replace('\\fR', '')


def options_differ(program, name):
    helped = set(OPTION.findall(tap.output_of(tap.program(program), '--help')))
    paged = set(OPTION.findall(plain(page(name))))
    return ([f'{o}: in {program} --help, not in {name}' for o in sorted(helped - paged)]
            + [f'{o}: in {name}, not in {program} --help' for o in sorted(paged - helped)])


def verbs_missing(name):
    """First words of the indented lines of failsoftctl --help."""
    text = tap.output_of(tap.program('failsoftctl'), '--help')
    verbs = set(re.findall(r'^  ([a-z][a-z-]+)\b', text, re.MULTILINE))
    paged = plain(page(name))
    return [f'{v}: in failsoftctl --help, not in {name}' for v in sorted(verbs)
            if not re.search(rf'^\.(?:B|BR|BI) "?{v}\b', paged, re.MULTILINE)] if verbs else ['found no verb']


def render(path):
    result = tap.run('groff', '-man', '-Tutf8', '-ww', '-z', path)
    return [f'{path.name}: {line}' for line in result.stderr.splitlines()]


def entries_missing(program, name):
    """Options without an entry of their own under OPTIONS: a mention elsewhere explains nothing."""
    heads = plain('\n'.join(re.findall(r'^\.TP\n(.*)$', page(name).split('.SH OPTIONS')[1], re.MULTILINE)))
    helped = set(OPTION.findall(tap.output_of(tap.program(program), '--help')))
    return [f'{o}: no entry in {name}' for o in sorted(helped - set(OPTION.findall(heads)))]


RESPONDERS = ('failsoft-save', 'failsoft-barebone', 'failsoft-alarm', 'failsoft-hold')


def synopsis_lacks(name):
    """Options that the ready-made procedures have and the SYNOPSIS has not."""
    text = plain(page(name).split('.SH DESCRIPTION')[0])
    shown = {o for r in RESPONDERS for o in OPTION.findall(tap.output_of(tap.program(r), '--help'))}
    return [f'{o}: not in the SYNOPSIS' for o in sorted(shown - set(OPTION.findall(text)) - {'--help'})]


def errors_of_broker():
    """Names that the broker's own source gives to its errors."""
    source = ' '.join(p.read_text() for p in tap.sources('.c', under='broker'))
    named = set(re.findall(r'service_error\(\w+,\s*"(\w+)"', source))
    text = plain(page(f'{tap.NAME}.5')).split('.SH ERRORS')[1]
    return [f'{n}: not under ERRORS' for n in sorted(named) if not re.search(rf'\b{n}\b', text)] if named else ['none']


def bus_page():
    root = ET.parse(INTERFACES / f'{tap.NAME}.xml').getroot()
    text = plain(page(f'{tap.NAME}.5'))
    words = [e.get('name') for i in root.iter('interface') for e in i if e.tag in ('method', 'signal', 'property')]
    comment = (INTERFACES / f'{tap.NAME}.xml').read_text()
    words += re.search(r'NAME is one of\s+(.*?)-->', comment, re.DOTALL).group(1).split()
    return [f'{w}: not in {tap.NAME}.5' for w in words if not re.search(rf'\b{w}\b', text)]


tap.check('failsoftd.8 and --help agree', options_differ('failsoftd', 'failsoftd.8'))
tap.check('failsoftctl.1 and --help agree', options_differ('failsoftctl', 'failsoftctl.1'))
tap.check('every option of failsoftctl has its entry', entries_missing('failsoftctl', 'failsoftctl.1'))
tap.check('failsoft-responder.8 has every option', synopsis_lacks('failsoft-responder.8'))
if list(tap.BUILD.rglob('failsoft-telemetry')):
    tap.check('failsoft-telemetry.8 and --help agree', options_differ('failsoft-telemetry', 'failsoft-telemetry.8'))
if any(tap.BUILD.rglob('failsoft-fleet')):
    tap.check('failsoft-fleet.1 and --help agree', options_differ('failsoft-fleet', 'failsoft-fleet.1'))
tap.check('failsoftctl.1 names every verb', verbs_missing('failsoftctl.1'))
tap.check('the bus page names every member and error', bus_page())
tap.check('the bus page has every error of the broker', errors_of_broker())
pages = sorted(p for p in list(INTERFACES.glob('*.[1-8]')) + list(tap.BUILD.glob('interfaces/*.[1-8]')))
tap.check(f'{len(pages)} pages render without a warning',
          [line for p in pages for line in render(p)] if len(pages) >= 4 else ['pages are missing'])
tap.done()
