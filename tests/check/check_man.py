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


def bus_page():
    root = ET.parse(INTERFACES / f'{tap.NAME}.xml').getroot()
    text = plain(page(f'{tap.NAME}.5'))
    words = [e.get('name') for i in root.iter('interface') for e in i if e.tag in ('method', 'signal', 'property')]
    comment = (INTERFACES / f'{tap.NAME}.xml').read_text()
    words += re.search(r'NAME is one of\s+(.*?)-->', comment, re.DOTALL).group(1).split()
    return [f'{w}: not in {tap.NAME}.5' for w in words if not re.search(rf'\b{w}\b', text)]


tap.check('failsoftd.8 and --help agree', options_differ('failsoftd', 'failsoftd.8'))
tap.check('failsoftctl.1 and --help agree', options_differ('failsoftctl', 'failsoftctl.1'))
if list(tap.BUILD.rglob('failsoft-telemetry')):
    tap.check('failsoft-telemetry.8 and --help agree', options_differ('failsoft-telemetry', 'failsoft-telemetry.8'))
if any(tap.BUILD.rglob('failsoft-fleet')):
    tap.check('failsoft-fleet.1 and --help agree', options_differ('failsoft-fleet', 'failsoft-fleet.1'))
tap.check('failsoftctl.1 names every verb', verbs_missing('failsoftctl.1'))
tap.check('the bus page names every member and error', bus_page())
pages = sorted(p for p in list(INTERFACES.glob('*.[1-8]')) + list(tap.BUILD.glob('interfaces/*.[1-8]')))
tap.check(f'{len(pages)} pages render without a warning',
          [line for p in pages for line in render(p)] if len(pages) >= 4 else ['pages are missing'])
tap.done()
