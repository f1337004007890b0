#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The bus policy, with the real broker on a private bus: what anybody may do, what nobody but root
may. Rows of who, call, and the error that comes back, from the broker or from the bus."""

import json
import os
import shutil

import tap
import wire

NOBODY = ('setpriv', '--reuid=65534', '--regid=65534', '--clear-groups')
PROPERTIES = 'org.freedesktop.DBus.Properties'
DENIED = 'org.freedesktop.DBus.Error.AccessDenied'
OURS = 'org.failsoft.Broker1.Error.'
# Calls and prints the error's name; "" for success.
CALL = '''
import json, sys, dbus, dbus.bus
address, interface, member, signature, arguments = json.loads(sys.argv[1])
try:
    dbus.bus.BusConnection(address).call_blocking("org.failsoft.Broker1", "/org/failsoft/Broker1",
        interface, member, signature, arguments, timeout=10)
    print()
except dbus.DBusException as error:
    print(error.get_dbus_name(), error.get_dbus_message())
'''
ROWS = [
    # name, interface, member, signature, arguments, error to anybody, error to root (None: not asked)
    ('introspect', 'org.freedesktop.DBus.Introspectable', 'Introspect', '', [], '', None),
    ('ping', 'org.freedesktop.DBus.Peer', 'Ping', '', [], '', None),
    ('get a property', PROPERTIES, 'Get', 'ss', [tap.NAME, 'Stage'], '', None),
    ('get all properties', PROPERTIES, 'GetAll', 's', [tap.NAME], '', None),
    ('register', tap.NAME, 'Register', 'sa{sv}', ['somebody', {}], '', ''),
    ('unregister', tap.NAME, 'Unregister', '', [], OURS + 'NotRegistered', None),
    ('acknowledge', tap.NAME, 'Acknowledge', 'tsa{sv}', [1, 'done', {}], OURS + 'NotRegistered', None),
    ('report', tap.NAME, 'Report', 'a{sv}', [{}], OURS + 'NotRegistered', None),
    ('list clients', tap.NAME, 'ListClients', '', [], '', None),
    ('list domains', tap.NAME, 'ListDomains', '', [], '', None),
    ('list sources', tap.NAME, 'ListSources', '', [], '', None),
    ('list episodes', tap.NAME, 'ListEpisodes', '', [], '', None),
    ('explain', tap.NAME, 'Explain', 't', [999], OURS + 'UnknownEpisode', None),
    ('monitor', tap.NAME, 'Monitor', 'a{sv}', [{}], '', None),
    ('reload', tap.NAME, 'Reload', '', [], DENIED, ''),
    ('list procedures', tap.NAME, 'ListProcedures', '', [], '', None),
    ('add a procedure', tap.NAME, 'AddProcedure', 'sssasa{sv}', ['name', 'a', '/bin/true', [], {}], DENIED, None),
    ('remove a procedure', tap.NAME, 'RemoveProcedure', 'u', [9], DENIED, OURS + 'InvalidArgument'),
    ('set a property', PROPERTIES, 'Set', 'ssv', [tap.NAME, 'Stage', 'normal'], DENIED, None),
    ('an unknown method', tap.NAME, 'Surprise', '', [], DENIED, 'org.freedesktop.DBus.Error.UnknownMethod'),
]


def problems(address, row, expected, before=()):
    text = json.dumps([address, *row[1:5]])
    result = tap.run(*before, '/usr/bin/python3', '-c', CALL, text)
    name = result.stdout.split(' ')[0].strip()
    if result.returncode == 0 and name == expected:
        return []
    return [f'expected {expected or "success"}, got {result.stdout.strip() or "success"} {result.stderr.strip()}']


def emit(address, reason, before=()):
    return tap.busctl(address, 'emit', tap.PATH, tap.NAME, 'PressureShutdown', 'ttstsa{sv}', '1', '1', 'system',
                      '1', reason, '0', before=before)


def forgery(address):
    """Root's signal, sent after it, arrives; somebody else's does not."""
    bystander = wire.Bystander(address, tap.NAME)
    forged = emit(address, 'forged-by-nobody', NOBODY)
    emit(address, 'sent-by-root')
    arrived = bystander.read_until(b'sent-by-root')
    bystander.close()
    return ([] if forged.returncode == 0 else [f'busctl could not even try: {forged.stderr.strip()}']) + (
        [] if arrived else ['root\'s signal did not arrive: the check sees nothing']) + (
        ['it was delivered'] if b'forged-by-nobody' in bystander.seen else [])


failsoftd = tap.program('failsoftd')
if os.getuid() != 0 or not shutil.which('setpriv'):
    tap.skip_all('needs root and setpriv, to call as another user')
with tap.broker(failsoftd) as bus_address:
    for case in ROWS:
        refused = case[5] == DENIED
        tap.check(f'anybody {"may not" if refused else "may"}: {case[0]}',
                  problems(bus_address, case, case[5], NOBODY))
        if case[6] is not None:
            tap.check(f'root, {case[0]}: {case[6] or "may"}', problems(bus_address, case, case[6]))
    taken = tap.busctl(bus_address, 'call', 'org.freedesktop.DBus', '/', 'org.freedesktop.DBus',
                       'RequestName', 'su', tap.NAME, '0', before=NOBODY)
    tap.check('nobody may take the name', [] if 'Access denied' in taken.stderr else [
        taken.stdout + taken.stderr])
    tap.check('nobody may forge a signal', forgery(bus_address))
tap.done()
