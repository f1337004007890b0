#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What is installed for systemd and D-Bus: syntax, hardening score, message ids against the code."""

import pathlib
import re
import tempfile
import xml.etree.ElementTree as ET

import tap

INTERFACES = tap.SOURCE / 'interfaces'
# On a scale to 10. It was 2.2 with PrivateNetwork and without CAP_NET_ADMIN, but the kernel tells
# births and ends of processes in the first network namespace only, before Linux 6.6 only to who has
# that capability, and delays never without it; then 2.9, until CAP_SYS_PTRACE: without it nobody knows
# who fills a tmpfs. PrivateIPC is of no weight here, but hides who made System V shared memory.
EXPOSURE_MAX = 3.1
# What is left: it may speak to any host, read /sys, and lock memory.
TELEMETRY_EXPOSURE_MAX = 1.2
# What is left: it is root, and reads what root's files say.
LAST_WORDS_EXPOSURE_MAX = 1.1
# What closes the network without a namespace of its own.
NETWORK_CLOSED = {'IPAddressDeny': 'any', 'RestrictAddressFamilies': 'AF_UNIX AF_NETLINK'}
ID = re.compile(r'[0-9a-f]{32}')


def unit(directory):
    """The unit as installed, with a program that exists."""
    text = (INTERFACES / 'failsoftd.service.in').read_text()
    path = pathlib.Path(directory, 'failsoftd.service')
    path.write_text(text.replace('@sbindir@/failsoftd', '/bin/true'))
    return path


def exposure(directory):
    result = tap.run('systemd-analyze', 'security', '--offline=yes', '--no-pager', unit(directory))
    match = re.search(r'Overall exposure level for \S+: ([\d.]+)', result.stdout)
    if not match:
        return [f'systemd-analyze says: {result.stderr.strip()}']
    return [] if float(match.group(1)) <= EXPOSURE_MAX else [f'{match.group(1)}, at most {EXPOSURE_MAX}']


def network_open():
    """systemd takes the last line of a kind here, and a second one would add to it."""
    lines = (INTERFACES / 'failsoftd.service.in').read_text().splitlines()
    return [f'{setting} is {found}, not {value}' for setting, value in NETWORK_CLOSED.items()
            if (found := [line for line in lines if line.startswith(f'{setting}=')]) != [f'{setting}={value}']]


def own_view():
    """What would hide from the broker what it must see: comment lines say why each is left out."""
    hides = re.compile(r'(PrivateIPC|PrivateNetwork|PrivateUsers|ProtectProc|ProtectKernelLogs|ProtectControlGroups)=(?!no\b)')
    return [f'{path.name} has {line}' for path in (INTERFACES / 'failsoftd.service.in', INTERFACES / 'failsoftd.reboot.conf')
            for line in path.read_text().splitlines() if hides.match(line)]


def unknown_settings(directory):
    result = tap.run('systemd-analyze', 'verify', '--man=no', unit(directory))
    return [line for line in result.stderr.splitlines()
            if 'failsoftd.service' in line and re.search(r'Unknown|Failed to parse|Invalid|ignoring', line)]


def strict(name, program, exposure_max, wanted, directory):
    """Of a unit: systemd knows all, it is closed that far, and has a line for each of `wanted`."""
    text = (INTERFACES / f'{name}.in').read_text()
    path = pathlib.Path(directory, name)
    path.write_text(text.replace(program, '/bin/true'))
    verify = tap.run('systemd-analyze', 'verify', '--man=no', path)
    security = tap.run('systemd-analyze', 'security', '--offline=yes', '--no-pager', path)
    match = re.search(r'Overall exposure level for \S+: ([\d.]+)', security.stdout)
    lines = text.splitlines()
    return ([line for line in verify.stderr.splitlines() if name in line
             and re.search(r'Unknown|Failed to parse|Invalid|ignoring', line)]
            + ([] if match and float(match.group(1)) <= exposure_max else
               [f'exposure {match and match.group(1)}, at most {exposure_max}'])
            + [f'{k}: no line that says {v}' for k, v in wanted.items()
               if not any(re.fullmatch(f'{k}={v}', line) for line in lines)]
            + ([f'{program} is not what it runs'] if program not in text else []))


def telemetry(directory):
    """A program that speaks to the internet: nearly nothing is open to it, and it cannot cause the shortage."""
    last_words = r'.*\bfailsoft-last-words\.service\b.*'
    wanted = {'User': 'failsoft-telemetry', 'MemoryMax': r'\d+M', 'OOMScoreAdjust': r'[1-9]\d*', 'CPUWeight': r'\d\d?',
              'Nice': r'[1-9]\d*', 'Type': 'notify', 'WatchdogSec': r'\d+s', 'LimitMEMLOCK': r'\d+M',
              'CapabilityBoundingSet': '', 'After': last_words, 'Wants': last_words}
    return strict('failsoft-telemetry.service', '@sbindir@/failsoft-telemetry', TELEMETRY_EXPOSURE_MAX, wanted,
                  directory)


def last_words(directory):
    """Root, so: one capability, no network, nowhere to write but in a directory that is nobody else's, and that
    is where the program's reader looks."""
    path = re.search(r'^#define WORDS_PATH\s+"run/([^/"]+)/"', tap.SOURCE.joinpath(
        'clients/telemetry/words.h').read_text(), re.MULTILINE).group(1)
    wanted = {'Type': 'oneshot', 'RemainAfterExit': 'yes', 'CapabilityBoundingSet': 'CAP_SYSLOG',
              'RuntimeDirectory': re.escape(path), 'RuntimeDirectoryMode': '0755', 'RuntimeDirectoryPreserve': 'yes',
              'PrivateNetwork': 'yes', 'ProtectSystem': 'strict', 'NoNewPrivileges': 'yes', 'MemoryMax': r'\d+M',
              'User': 'root', 'After': r'.*\bsystemd-pstore\.service\b.*',
              'Before': 'failsoft-telemetry\\.service'}
    return strict('failsoft-last-words.service', '@libexecdir@/failsoft/failsoft-last-words',
                  LAST_WORDS_EXPOSURE_MAX, wanted, directory)


def neighbours(directory):
    """The drop-ins for the bus, on a bus's unit; and who holds it. systemd must know each setting."""
    place = pathlib.Path(directory, 'neighbours')
    for name, source in (('dbus.service.d', 'failsoft.bus.conf'), ('system.slice.d', 'failsoft.slice.conf')):
        (place / name).mkdir(parents=True)
        (place / name / '50-failsoft.conf').write_text((INTERFACES / source).read_text())
    (place / 'dbus.service').write_text('[Service]\nExecStart=/bin/true\n')
    (place / 'system.slice').write_text('[Unit]\nDescription=x\n')
    text = (INTERFACES / 'failsoft-bus.service.in').read_text()
    (place / 'failsoft-bus.service').write_text(text.replace('@libexecdir@/failsoft/failsoft-hold', '/bin/true'))
    result = tap.run('env', f'SYSTEMD_UNIT_PATH={place}:', 'systemd-analyze', 'verify', '--man=no',
                     place / 'dbus.service', place / 'failsoft-bus.service', place / 'system.slice')
    return [line for line in result.stderr.splitlines()
            if 'failsoft' in line and re.search(r'Unknown|Failed to parse|Invalid|ignoring', line)]


def reboot_rights(directory):
    """The drop-in on the unit: systemd must know each setting, and the call must be allowed by it."""
    place = pathlib.Path(directory, 'reboot')
    (place / 'failsoftd.service.d').mkdir(parents=True)
    (place / 'failsoftd.service').write_text(unit(directory).read_text())
    (place / 'failsoftd.service.d/reboot.conf').write_text((INTERFACES / 'failsoftd.reboot.conf').read_text())
    result = tap.run('env', f'SYSTEMD_UNIT_PATH={place}:', 'systemd-analyze', 'verify', '--man=no',
                     place / 'failsoftd.service')
    security = tap.run('env', f'SYSTEMD_UNIT_PATH={place}:', 'systemd-analyze', 'security', '--offline=true',
                       place / 'failsoftd.service').stdout
    return ([line for line in result.stderr.splitlines()
             if 'reboot.conf' in line and re.search(r'Unknown|Failed to parse|Invalid|ignoring', line)]
            + [f'{name} is closed in spite of it' for name in ('CAP_SYS_BOOT', '@reboot')
               if not re.search(rf'✗[^\n]*{name}', security)])


def sysctl():
    """Each line is one that the kernel has, or a comment."""
    lines = (INTERFACES / 'failsoft.sysctl.conf').read_text().splitlines()
    settings = [line for line in lines if line and not line.startswith('#')]
    return ([f'{line}: no setting of the kernel' for line in settings
             if not re.fullmatch(r'vm\.[a-z_]+=\d+', line)
             or not pathlib.Path('/proc/sys', line.split('=')[0].replace('.', '/')).exists()]
            + ([] if settings else ['sets nothing']))


def sysusers(directory):
    pathlib.Path(directory, 'etc').mkdir(exist_ok=True)
    result = tap.run('systemd-sysusers', f'--root={directory}', INTERFACES / 'failsoft.sysusers.conf')
    made = pathlib.Path(directory, 'etc/group'), pathlib.Path(directory, 'etc/passwd')
    if result.returncode == 0 and all(f.exists() and word in f.read_text()
                                      for f, word in zip(made, ('failsoft:', 'failsoft-telemetry:'))):
        return []
    return [f'made no group, or no user: {result.stderr.strip()}']


def tmpfiles(directory):
    result = tap.run('systemd-tmpfiles', '--create', f'--root={directory}', INTERFACES / 'failsoft.tmpfiles.conf')
    missing = [d for d in ('etc/failsoft/failsoft.d', 'var/lib/failsoft') if not pathlib.Path(directory, d).is_dir()]
    return [f'{d} was not made: {result.stderr.strip()}' for d in missing]


def message_ids():
    catalog = (INTERFACES / 'failsoft.catalog').read_text()
    listed = re.findall(r'^-- ([0-9a-f]{32})$', catalog, re.MULTILINE)
    source = tap.SOURCE / 'broker/keep/journal.c'
    if not source.exists():
        return ['broker/keep/journal.c is missing']
    used = set(ID.findall(source.read_text().replace('-', '')))
    return ([f'{i}: in journal.c, not in the catalogue' for i in sorted(used - set(listed))]
            + [f'{i}: in the catalogue, not in journal.c' for i in sorted(set(listed) - used)]
            + [f'{i}: twice in the catalogue' for i in sorted(set(listed)) if listed.count(i) > 1]
            + ([] if listed else ['the catalogue is empty']))


def silent_events():
    """A kind without a message id never reaches the journal."""
    kinds = set(re.findall(r'\b(EVENT_[A-Z_]+),', (tap.SOURCE / 'broker/keep/event.h').read_text()))
    told = set(re.findall(r'\[(EVENT_\w+)\] =', (tap.SOURCE / 'broker/keep/journal.c').read_text()))
    return [f'{kind}: has no message id in journal.c' for kind in sorted(kinds - told - {'EVENT_NONE'})]


def catalogue_compiles(directory):
    place = pathlib.Path(directory, 'usr/lib/systemd/catalog')
    place.mkdir(parents=True)
    (place / 'failsoft.catalog').write_text((INTERFACES / 'failsoft.catalog').read_text())
    pathlib.Path(directory, 'var/lib/systemd/catalog').mkdir(parents=True)
    result = tap.run('journalctl', f'--root={directory}', '--update-catalog')
    made = pathlib.Path(directory, 'var/lib/systemd/catalog/database').exists()
    return [] if result.returncode == 0 and made else [f'journalctl says: {result.stderr.strip()}']


def well_formed():
    problems = []
    for path in list(INTERFACES.glob('*.conf')) + list(INTERFACES.glob('*.xml')):
        if path.read_text().lstrip().startswith('<'):
            try:
                ET.parse(path)
            except ET.ParseError as error:
                problems.append(f'{path.name}: {error}')
    return problems


with tempfile.TemporaryDirectory(prefix='failsoft-check-') as scratch:
    tap.check(f'the unit\'s exposure is at most {EXPOSURE_MAX}', exposure(scratch))
    tap.check('the unit has no network but netlink', network_open())
    tap.check('the unit hides nothing that the broker must see', own_view())
    tap.check('systemd knows every setting of the unit', unknown_settings(scratch))
    tap.check(f'the telemetry\'s unit: bounded, below the applications, exposure at most {TELEMETRY_EXPOSURE_MAX}',
              telemetry(scratch))
    tap.check(f'root\'s eyes for it: closed, exposure at most {LAST_WORDS_EXPOSURE_MAX}', last_words(scratch))
    tap.check('systemd knows every setting for the bus', neighbours(scratch))
    tap.check('the drop-in for a reboot is known, and opens what it takes', reboot_rights(scratch))
    tap.check('the kernel has every setting of the sysctl drop-in', sysctl())
    tap.check('sysusers makes the group, and the telemetry its user', sysusers(scratch))
    tap.check('tmpfiles makes the directories', tmpfiles(scratch))
    tap.check('the catalogue compiles', catalogue_compiles(scratch))
tap.check('message ids of code and catalogue agree', message_ids())
tap.check('every kind of event reaches the journal', silent_events())
tap.check('XML is well formed', well_formed())
tap.done()
