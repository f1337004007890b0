#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R30: interfaces/org.failsoft.Broker1.xml against what the running broker says of itself."""

import xml.etree.ElementTree as ET

import tap

EMITS = 'org.freedesktop.DBus.Property.EmitsChangedSignal'


def annotations(element):
    found = {a.get('name'): a.get('value') for a in element.findall('annotation')}
    if element.tag == 'property':
        found.setdefault(EMITS, 'true')
    return found


def describe(text):
    interface = next(i for i in ET.fromstring(text).iter('interface') if i.get('name') == tap.NAME)
    table = {}
    for element in interface:
        if element.tag not in ('method', 'signal', 'property'):
            continue
        arguments = [(a.get('name'), a.get('type'), a.get('direction', 'in') if element.tag == 'method' else '')
                     for a in element.findall('arg')]
        table[f'{element.tag} {element.get("name")}'] = {
            'arguments': arguments, 'type': element.get('type'), 'access': element.get('access'),
            'annotations': annotations(element)}
    return table


def differences(written, live):
    problems = [f'{name}: in the XML, not in the service' for name in written if name not in live]
    problems += [f'{name}: in the service, not in the XML' for name in live if name not in written]
    for name in sorted(set(written) & set(live)):
        for what, value in written[name].items():
            if live[name][what] != value:
                problems.append(f'{name}: {what} {value} in the XML, {live[name][what]} in the service')
    return problems


failsoftd = tap.program('failsoftd')
written_text = (tap.SOURCE / f'interfaces/{tap.NAME}.xml').read_text()
with tap.broker(failsoftd) as address:
    live_text = tap.busctl(address, '--xml-interface', 'introspect', tap.NAME, tap.PATH).stdout
written_table, live_table = describe(written_text), describe(live_text)
for kind in ('method', 'signal', 'property'):
    written_part = {k: v for k, v in written_table.items() if k.startswith(kind)}
    live_part = {k: v for k, v in live_table.items() if k.startswith(kind)}
    tap.check(f'{len(written_part)} x {kind}: XML and service agree', differences(written_part, live_part))
tap.done()
