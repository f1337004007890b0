# SPDX-License-Identifier: MIT
"""What the checks share: TAP lines, where things are, a private bus with the real broker on it."""

import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile
import time

SOURCE = pathlib.Path(os.environ.get('FAILSOFT_SOURCE', pathlib.Path(__file__).parents[2]))
BUILD = pathlib.Path(os.environ.get('FAILSOFT_BUILD', SOURCE / 'build'))
NAME = 'org.failsoft.Broker1'
PATH = '/org/failsoft/Broker1'

_count = 0
_failed = 0


def check(name, problems):
    """One result; `problems` is a list of sentences, empty when all is well."""
    global _count, _failed
    _count += 1
    _failed += bool(problems)
    print(f'{"not ok" if problems else "ok"} {_count} - {name}')
    for problem in problems:
        print(f'# {problem}')
    sys.stdout.flush()


def skip(name, reason):
    global _count
    _count += 1
    print(f'ok {_count} - {name} # SKIP {reason}')


def is_sanitized():
    """A sanitizer's memory says nothing of the program's."""
    return b'__asan_init' in pathlib.Path(BUILD, 'failsoftd').read_bytes()


def check_memory(name, problems):
    """As check(), of a figure in bytes or pages."""
    if is_sanitized():
        skip(name, "a sanitizer's memory says nothing of the program's")
    else:
        check(name, problems)


def skip_all(reason):
    print(f'1..0 # SKIP {reason}')
    sys.exit(0)


def done():
    print(f'1..{_count}')
    sys.exit(1 if _failed else 0)


def sources(*suffixes, under=''):
    """Files of the project with one of the suffixes, without what was built."""
    for directory, names, files in os.walk(SOURCE / under):
        names[:] = [n for n in names if not n.startswith(('.git', 'build', '__pycache__'))
                    and not (pathlib.Path(directory, n) / 'meson-private').exists()]
        for file in sorted(files):
            if file.endswith(suffixes):
                yield pathlib.Path(directory, file)


def relative(path):
    return str(path.relative_to(SOURCE))


def program(name):
    """A program of the build tree; without it there is nothing to check."""
    # os.walk() and not rglob(): folders of other tests come and go meanwhile
    for folder, _, files in sorted(os.walk(BUILD)):
        path = pathlib.Path(folder, name)
        if name in files and os.access(path, os.X_OK):
            return path
    return skip_all(f'{name} is not built')


def run(*command, **more):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=60,
                          check=False, **more)


def output_of(*command):
    result = run(*command)
    if result.returncode != 0:
        raise RuntimeError(f'{command} ended with {result.returncode}: {result.stderr.strip()}')
    return result.stdout


def unwritten(name, *options):
    """What the program says where nothing can be written: a full output, and none."""
    for option in options:
        for to in ('>/dev/full', '>&-'):
            result = run('sh', '-c', f'exec "$0" "$@" {to}', program(name), *option.split())
            if result.returncode != 1 or f'{name}: standard output: ' not in result.stderr:
                yield f'{name} {option} {to}: {result.returncode}, {result.stderr.strip()!r}'


BUS_CONFIG = '''<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={directory}/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"/>
  </policy>
  <policy user="root">
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
  <include>{policy}</include>
</busconfig>
'''


def stop(process):
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def bus():
    """A private dbus-daemon with the rules of Debian's system bus and our policy: its address."""
    with tempfile.TemporaryDirectory(prefix='failsoft-check-') as name:
        directory = pathlib.Path(name)
        directory.chmod(0o711)
        config = directory / 'bus.conf'
        policy = policy_for_this_user(directory)
        config.write_text(BUS_CONFIG.format(directory=directory, policy=policy))
        daemon = subprocess.Popen(['dbus-daemon', '--nofork', '--nopidfile', f'--config-file={config}'])
        try:
            wait_for(lambda: (directory / 'bus').exists(), 'dbus-daemon')
            yield f'unix:path={directory}/bus', directory
        finally:
            stop(daemon)


def policy_for_this_user(directory):
    """The policy as it is installed; who is not root stands in for root."""
    text = (SOURCE / f'interfaces/{NAME}.conf').read_text()
    policy = directory / 'policy.conf'
    policy.write_text(text.replace('user="root"', f'user="{os.getuid()}"'))
    return policy


def wait_for(is_there, what, seconds=20):
    end = time.monotonic() + seconds
    while not is_there():
        if time.monotonic() > end:
            raise RuntimeError(f'{what} did not come up within {seconds} s')
        time.sleep(0.02)


@contextlib.contextmanager
def broker(failsoftd):
    """The real broker on such a bus: the address."""
    with bus() as (address, directory):
        state = directory / 'state'
        state.mkdir()
        config = directory / 'failsoft.json'
        config.write_text('{"dry_run": true}\n')
        process = subprocess.Popen([failsoftd, f'--bus={address}', f'--state-dir={state}',
                                    f'--config={config}', '--dry-run'])
        try:
            wait_for(lambda: process.poll() is not None or busctl(
                address, 'call', 'org.freedesktop.DBus', '/', 'org.freedesktop.DBus',
                'NameHasOwner', 's', NAME).stdout.strip() == 'b true', 'failsoftd')
            if process.poll() is not None:
                raise RuntimeError(f'failsoftd ended with {process.returncode}')
            yield address
        finally:
            stop(process)


def busctl(address, *arguments, before=()):
    return run(*before, 'busctl', f'--address={address}', '--timeout=10', *arguments)
