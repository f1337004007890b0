#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R2, R6, R38: sizes, the first line, unique stems, width, no leftovers."""

import ast
import re

import tap

FILE_LINES = 500
FUNCTION_LINES = 60
COLUMNS = 100
LICENSED = ('.c', '.h', '.py', '.sh', '.xml', '.conf', '.service', '.in', 'meson.build',
            'meson_options.txt', '.catalog', '.8', '.5', '.1', '.3', '.ini')
LEFTOVER = re.compile(r'\b(TODO|FIXME|XXX|HACK)\b')


def functions(lines):
    """House style: a function's braces stand in the first column."""
    start = None
    for number, line in enumerate(lines, 1):
        if line == '{':
            start = number
        elif line == '}' and start:
            yield start, number - start - 1
            start = None


def sizes():
    problems = []
    for path in tap.sources('.c', '.h'):
        lines = path.read_text().splitlines()
        if len(lines) > FILE_LINES:
            problems.append(f'{tap.relative(path)}: {len(lines)} lines, at most {FILE_LINES}')
        for start, length in functions(lines):
            if length > FUNCTION_LINES:
                problems.append(f'{tap.relative(path)}:{start}: a function of {length} lines, '
                                f'at most {FUNCTION_LINES}')
    return problems


def licences():
    problems = []
    files = list(tap.sources(*LICENSED)) + [tap.SOURCE / 'dev']
    for path in files:
        head = path.read_text().splitlines()[:4]
        # below a #! line or an XML prologue
        plain = path.suffix not in ('.xml', '.conf') and not head[:1] == [] and not head[0].startswith('#!')
        if not any('SPDX-License-Identifier: MIT' in line for line in head[:1 if plain else 4]):
            problems.append(f'{tap.relative(path)}: no SPDX line at the top')
    return problems if len(files) > 20 else ['found hardly any file: the check looks in the wrong place']


def stems():
    seen, problems = {}, []
    for path in tap.sources('.c', under='broker'):
        if path.stem in seen:
            problems.append(f'{tap.relative(path)}: the stem is taken by {tap.relative(seen[path.stem])}')
        seen[path.stem] = path
    return problems


def widths():
    problems = []
    for path in tap.sources('.c', '.h'):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if len(line.expandtabs(8)) > COLUMNS + 10:
                problems.append(f'{tap.relative(path)}:{number}: {len(line.expandtabs(8))} columns')
    return problems


def leftovers():
    return [f'{tap.relative(path)}:{number}: {line.strip()}'
            for path in tap.sources('.c', '.h', '.py', '.sh', 'meson.build')
            if path.name != 'check_style.py'
            for number, line in enumerate(path.read_text().splitlines(), 1) if LEFTOVER.search(line)]


def unreadable():
    """For the Python of Debian 12: a program that no test starts is found broken when a person needs it."""
    problems = []
    for path in tap.sources('.py'):
        try:
            ast.parse(path.read_text())
        except SyntaxError as error:
            problems.append(f'{tap.relative(path)}:{error.lineno}: {error.msg}')
    return problems


tap.check('files and functions are short', sizes())
tap.check('every file names its licence first', licences())
tap.check('stems are unique in the broker', stems())
tap.check('lines are not wide', widths())
tap.check('no leftovers', leftovers())
tap.check('Python reads what is written in it', unreadable())
tap.done()
