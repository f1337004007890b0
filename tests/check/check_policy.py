#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The bus policy, with the real broker on a private bus: what anybody may do, what nobody but root
may. Rows of who, call, and whether the bus or broker lets it through."""

import os
import shutil
import subprocess
import time

import tap

NOBODY = ('setpriv', '--reuid=65534', '--regid=65534', '--clear-groups')
PROPERTIES = 'org.freedesktop.DBus.Properties'
ROWS = [
    # name, interface, member and arguments, allowed to anybody
    ('introspect', 'org.freedesktop.DBus.Introspectable', ['Introspect'], True),
    ('ping', 'org.freedesktop.DBus.Peer', ['Ping'], True),
    ('get a property', PROPERTIES, ['Get', 'ss', tap.NAME, 'Stage'], True),
    ('get all properties', PROPERTIES, ['GetAll', 's', tap.NAME], True),
    ('register', tap.NAME, ['Register', 'sa{sv}', 'somebody', '0'], True),
    ('list clients', tap.NAME, ['ListClients'], True),
    ('list domains', tap.NAME, ['ListDomains'], True),
    ('list sources', tap.NAME, ['ListSources'], True),
    ('list episodes', tap.NAME, ['ListEpisodes'], True),
    ('monitor', tap.NAME, ['Monitor', 'a{sv}', '0'], True),
    ('reload', tap.NAME, ['Reload'], False),
    ('set a property', PROPERTIES, ['Set', 'ssv', tap.NAME, 'Stage', 's', 'normal'], False),
    ('an unknown method', tap.NAME, ['Surprise'], False),
]
# Answered by the broker: the bus let them through.
REACHES = [
    ('unregister', ['Unregister'], 'NotRegistered'),
    ('acknowledge', ['Acknowledge', 'tsa{sv}', '1', 'done', '0'], 'NotRegistered'),
    ('report', ['Report', 'a{sv}', '0'], 'NotRegistered'),
    ('explain', ['Explain', 't', '999'], 'UnknownEpisode'),
]


def call(address, interface, arguments, before=NOBODY):
    return tap.busctl(address, 'call', tap.NAME, tap.PATH, interface, *arguments, before=before)


def row_problems(address, interface, arguments, allowed):
    result = call(address, interface, arguments)
    if (result.returncode == 0) == allowed:
        return [] if allowed or 'denied' in result.stderr.lower() or 'not allowed' in result.stderr else [
            f'refused, but for another reason: {result.stderr.strip()}']
    return [f'exit status {result.returncode}: {result.stderr.strip()}']


def reach_problems(address, arguments, error):
    """busctl shows an error's sentence, not its name: anything but the bus's refusal has come through."""
    text = call(address, tap.NAME, arguments).stderr.strip()
    refused = 'sender is not authorized' in text.lower() or 'rejected send message' in text.lower()
    return [f'the bus said: {text} (the broker would have said {error})'] if refused or not text else []


def forged(address, before):
    """Does the bus refuse a signal that looks like the broker's? Seen by the error it returns."""
    monitor = subprocess.Popen(['busctl', f'--address={address}', '--json=short', 'monitor'],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        monitor.stderr.readline()  # "Monitoring bus message stream."
        emitted = tap.busctl(address, 'emit', tap.PATH, tap.NAME, 'PressureShutdown', 'ttstsa{sv}',
                             '1', '1', 'system', '1', 'forged', '0', before=before)
        time.sleep(0.5)
    finally:
        monitor.terminate()
    seen = monitor.communicate(timeout=10)[0]
    if emitted.returncode != 0 or 'forged' not in seen:
        return None
    return 'org.freedesktop.DBus.Error.AccessDenied' in seen


failsoftd = tap.program('failsoftd')
if os.getuid() != 0 or not shutil.which('setpriv'):
    tap.skip_all('needs root and setpriv, to call as another user')
with tap.broker(failsoftd) as bus_address:
    for row_name, row_interface, row_arguments, row_allowed in ROWS:
        tap.check(f'anybody {"may" if row_allowed else "may not"}: {row_name}',
                  row_problems(bus_address, row_interface, row_arguments, row_allowed))
    for row_name, row_arguments, row_error in REACHES:
        tap.check(f'anybody may: {row_name}', reach_problems(bus_address, row_arguments, row_error))
    result = call(bus_address, tap.NAME, ['Reload'], before=())
    tap.check('root may: reload', [] if result.returncode == 0 else [result.stderr.strip()])
    result = tap.busctl(bus_address, 'call', 'org.freedesktop.DBus', '/', 'org.freedesktop.DBus',
                        'RequestName', 'su', tap.NAME, '0', before=NOBODY)
    tap.check('nobody may take the name', [] if result.returncode != 0 else ['the bus gave it away'])
    verdict = forged(bus_address, NOBODY)
    tap.check('nobody may forge a signal', [] if verdict is True else [f'refused: {verdict}'])
    verdict = forged(bus_address, ())
    tap.check('root may send it', [] if verdict is False else [f'refused: {verdict}'])
tap.done()
