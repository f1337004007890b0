#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""R4, R21: the pure core needs nothing but libc and libm functions that only compute, and the
broker has hardly any mutable globals."""

import re

import tap

# Computes on what it is given: no file, no memory, no clock, no locale that is ever set.
ALLOWED = set('''
memchr memrchr memcmp memcpy memmove memset memmem
strchr strcmp strcpy strcspn strlen strncmp strncpy strnlen strpbrk strrchr strspn strstr
strtol strtoll strtoul strtoull strtod
snprintf vsnprintf
ceil exp expm1 fabs floor fmax fmin fma log log1p log2 lround llround nearbyint pow round sqrt trunc
abs llabs qsort bsearch
__assert_fail __stack_chk_fail _GLOBAL_OFFSET_TABLE_
__ctype_b_loc __ctype_tolower_loc __ctype_toupper_loc __errno_location
__isoc99_sscanf __isoc23_strtol __isoc23_strtoul __isoc23_strtoull __isoc23_strtoll
'''.split())
# What may be mutable (R21): the log's level and its counts, whether there is a journal, and what a
# signal handler must find.
MUTABLE = re.compile(r'log\.c: \w+|journal\.c: known|priority\.c: \w+')


def checked(name):
    """memcpy for its fortified form __memcpy_chk."""
    match = re.fullmatch(r'__(\w+)_chk', name)
    return match.group(1) if match else name


def purity(library):
    defined, used = set(), {}
    member = ''
    for line in tap.output_of('nm', '-A', library).splitlines():
        where, _, rest = line.rpartition(': ') if ': ' in line else line.rpartition(':')
        fields = rest.split()
        member = where.split(':')[-1] or member
        kind, name = fields[-2], fields[-1]
        if kind in 'Uw':
            used.setdefault(name, member)
        else:
            defined.add(name)
    return [f'{member}: uses {name}, which is not a function that only computes'
            for name, member in sorted(used.items()) if name not in defined and checked(name) not in ALLOWED]


def globals_of(library):
    """Objects in writable sections; .data.rel.ro is constant once the program runs."""
    member, problems = '', []
    for line in tap.output_of('objdump', '-t', library).splitlines():
        if ':     file format' in line:
            member = line.split(':')[0].rsplit('_', 1)[-1].removesuffix('.o')
        match = re.match(r'\S+ .{6}O (\.t?(?:data|bss)\S*|\*COM\*)\s+\S+\s+(?:\.hidden )?(\S+)$', line)
        if match and not match.group(1).startswith('.data.rel.ro'):
            name = f'{member}: {match.group(2).split(".")[0]}'
            if not MUTABLE.fullmatch(name):
                problems.append(f'{name} is a mutable global')
    return problems


def library(name):
    found = sorted(p for p in tap.BUILD.glob(f'lib{name}.a'))
    if not found:
        tap.skip_all(f'lib{name}.a is not built')
    return found[0]


def thin_members_are_there(path):
    return [] if tap.output_of('nm', path).count(' T ') > 10 else [f'{path.name} has hardly any function']


# The telemetry's files on the disk as they are read: pure, too, but for liblzma's checksum.
keep = tap.BUILD / 'tests/fuzz/libkeep.a'
core, edge = library('core'), library('edge')
tap.check('the libraries have contents to look at', thin_members_are_there(core) + thin_members_are_there(edge))
tap.check('the core links with libc and libm alone', purity(core))
tap.check('the reading of spool and crumb links with libc and a checksum alone',
          [p for p in purity(keep) if 'uses lzma_crc32,' not in p] + thin_members_are_there(keep))
tap.check('the core has no mutable globals', globals_of(core))
tap.check('the reading of spool and crumb has no mutable globals', globals_of(keep))
tap.check('the edges have no mutable globals but those few', globals_of(edge))
tap.done()
