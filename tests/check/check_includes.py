#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R3, R4: includes point left and have no cycle; pure files include pure headers only; clients and
public headers see include/ only; every file is listed in meson.build as pure or edge."""

import re

import tap

FOLDERS = ['base', 'sense', 'judge', 'ask', 'act', 'keep']
STEMS = [('core',), ('config',), ('broker', 'peer', 'stream', 'recorder', 'outlook', 'victims', 'standby', 'respond', 'trip', 'resort', 'domains', 'warning',
    'service', 'start'), ('main',)]
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.MULTILINE)
BROKER = tap.SOURCE / 'broker'
# Clients that run the broker's own pure core: what they say is what it would decide; or read the kernel's
# files with its parsers.
BROKER_USERS = ['tape', 'doctor']
# One file that compares what failsoft.json names, as the broker does.
BROKER_READERS = {'barebone.c': ['sense/parse_process.h', 'sense/pick.h']}


def rank(name):
    """Place of a file below broker/ on the line from left to right."""
    folder, _, rest = name.rpartition('/')
    if folder:
        return FOLDERS.index(folder) if folder in FOLDERS else None
    stem = re.split(r'[_.]', rest)[0]
    place = next((i for i, stems in enumerate(STEMS) if stem in stems), None)
    return None if place is None else len(FOLDERS) + place


def includes(path, kind='"'):
    return [name for quote, name in INCLUDE.findall(path.read_text()) if quote == kind]


def resolve(path, name):
    """Below broker/; the house includes from there, next to the file is allowed too."""
    for place in (BROKER / name, path.parent / name):
        if place.exists():
            return str(place.resolve().relative_to(BROKER))
    return None


def arrows():
    problems = []
    for path in tap.sources('.c', '.h', under='broker'):
        here = str(path.relative_to(BROKER))
        if rank(here) is None:
            problems.append(f'broker/{here}: belongs to no folder or stem of the line')
            continue
        for name in includes(path):
            there = resolve(path, name)
            if there is None:
                problems.append(f'broker/{here}: includes "{name}", which is not in broker/')
            elif rank(there) is None or rank(there) > rank(here):
                problems.append(f'broker/{here}: includes {there}: an arrow to the right')
    return problems


def cycles():
    graph = {str(p.relative_to(BROKER)): [resolve(p, n) for n in includes(p)]
             for p in tap.sources('.h', under='broker')}
    state, problems = {}, []

    def visit(node, trail):
        if state.get(node) == 'open':
            problems.append(' -> '.join(trail[trail.index(node):] + [node]))
        if node in state:
            return
        state[node] = 'open'
        for child in graph.get(node, []):
            visit(child, trail + [node])
        state[node] = 'done'

    for node in graph:
        visit(node, [])
    return problems


def listed(which):
    text = (tap.SOURCE / 'meson.build').read_text()
    block = re.search(which + r'\s*=\s*\[(.*?)\]', text, re.DOTALL)
    return set(re.findall(r"'broker/([^']+\.c)'", block.group(1))) if block else set()


def lists():
    pure, edge = listed('pure_(?:names|files)'), listed('edge_(?:names|files)')
    there = {str(p.relative_to(BROKER)) for p in tap.sources('.c', under='broker')} - {'main.c'}
    return ([f'broker/{n}: in both lists' for n in sorted(pure & edge)]
            + [f'broker/{n}: in neither list of meson.build' for n in sorted(there - pure - edge)]
            + [f'broker/{n}: listed in meson.build but not there' for n in sorted((pure | edge) - there)])


def purity():
    edge_headers = {n[:-2] + '.h' for n in listed('edge_(?:names|files)')}
    problems = []
    for name in sorted(listed('pure_(?:names|files)')):
        path = BROKER / name
        for file in (path, path.with_suffix('.h')):
            for other in includes(file) if file.exists() else []:
                if resolve(file, other) in edge_headers | {'base/clock.h'}:
                    problems.append(f'{tap.relative(file)}: pure, but includes the edge header {other}')
    return problems


def outsiders():
    problems = []
    public = {f'failsoft/{p.name}' for p in tap.sources('.h', under='include')}
    for under in ('clients', 'include'):
        for path in tap.sources('.c', '.h', under=under):
            for name in includes(path):
                if name in BROKER_READERS.get(path.name, []):
                    continue
                if path.parent.name in BROKER_USERS and (BROKER / name).exists():
                    continue
                # ... and are verbs of failsoftctl, on its screen.
                if path.parent.name in BROKER_USERS and re.fullmatch(r'\.\./ctl/\w+\.h', name):
                    continue
                # The operator's side speaks the device's words, and shows them with failsoftctl's brush.
                if path.parent.name == 'fleet' and re.fullmatch(r'\.\./(ctl|telemetry)/\w+\.h', name):
                    continue
                if '..' in name or not (path.parent / name).exists():
                    problems.append(f'{tap.relative(path)}: includes "{name}": only include/ and its own folder')
            for name in includes(path, '<'):
                if name.startswith('failsoft/') and name not in public:
                    problems.append(f'{tap.relative(path)}: includes <{name}>, which is not public')
    return problems


tap.check('includes point left', arrows())
tap.check('headers have no cycle', cycles())
tap.check('every file of the broker is listed as pure or edge', lists())
tap.check('pure files include pure headers only', purity())
tap.check('clients and public headers see include/ only', outsiders())
tap.done()
