#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R27: every public function is documented, exported, and nothing else is; R26: every header of the
broker begins with what it is for and says pure or edge."""

import re

import tap

PROTOTYPE = re.compile(r'(/\*(?:(?!\*/).)*\*/)?\s*FAILSOFT_API\s+([^;]*?\b(failsoft_\w+)\s*\(([^;]*)\))\s*;', re.DOTALL)
header = tap.SOURCE / 'include/failsoft/client.h'
functions = {m.group(3): m for m in PROTOTYPE.finditer(header.read_text().replace('#define FAILSOFT_API', ''))}


def undocumented(name, match):
    comment, text = match.group(1) or '', match.group(2)
    problems = []
    if len(comment) < 40:
        problems.append(f'{name}: no comment before it')
    if text.startswith('int') and not re.search(r'\bErrors:', comment):
        problems.append(f'{name}: returns int, but its comment has no "Errors:"')
    if not re.search(r'\b(Errors:|Returns|[Rr]eturns|true:|: not registered)', comment):
        problems.append(f'{name}: the comment does not say what it returns')
    if not re.search(r'Since: \d+\.\d+', comment):
        problems.append(f'{name}: the comment has no "Since:"')
    return problems


def exported(library):
    text = tap.output_of('nm', '-D', '--defined-only', library)
    return {line.split()[-1].split('@')[0] for line in text.splitlines() if line.split()[-2] in 'TDBRVWi'}


def library():
    found = sorted(p for p in tap.BUILD.rglob('libfailsoft.so*') if p.is_file() and not p.is_symlink()
                   and p.suffix != '.symbols' and '.p' not in p.suffixes)
    return found[0] if found else tap.skip_all('libfailsoft is not built')


def compiles():
    """The headers stand alone."""
    problems = []
    for path in tap.sources('.h', under='include'):
        result = tap.run('gcc', '-x', 'c', '-std=c11', '-Wall', '-Wextra', '-pedantic', '-Werror', '-fsyntax-only',
                         '-I', tap.SOURCE / 'include', path)
        if result.returncode != 0:
            problems.append(f'{tap.relative(path)}: {result.stderr.splitlines()[0]}')
    return problems


def headers():
    problems = []
    for path in tap.sources('.h', under='broker'):
        head = '\n'.join(path.read_text().splitlines()[1:14])
        if not re.match(r'/\*\s', head) or not re.search(r'\b(Pure|Edge|pure|edge)\b', head):
            problems.append(f'{tap.relative(path)}: does not begin with its purpose and pure or edge')
    return problems


responder = tap.SOURCE / 'include/failsoft/responder.h'
others = {m.group(3): m for m in PROTOTYPE.finditer(responder.read_text().replace('#define FAILSOFT_API', ''))}
so = library()
tap.check(f'{len(functions)} public functions were found', [] if 10 <= len(functions) <= 20 else ['see the pattern'])
for function_name, function in {**functions, **others}.items():
    tap.check(f'{function_name} is documented', undocumented(function_name, function))
exports = exported(so)
tap.check('the library exports what the header declares',
          [f'{n}: in the header, not exported' for n in sorted(set(functions) - exports)]
          + [f'{n}: exported, not in the header' for n in sorted(exports - set(functions))])
tap.check('public headers stand alone in C', compiles())
tap.check('headers of the broker say what they are', headers())
tap.done()
