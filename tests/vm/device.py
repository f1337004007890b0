# SPDX-License-Identifier: MIT
"""A device of a fleet in the small machine, and what its operator's side saw of it, with the time of each.

The device has a network (QEMU's user network: the host's loopback is 10.0.2.2 in there) and its guest
clock is the wall's, not the count of instructions: with skipped idle time a server on the host would be
any time away. So these runs are not the same to the bit, and a busy host makes the device a slow one.

At a panic the kernel resets the machine, and QEMU lets it boot again with what is in its memory. One
mebibyte of that is kept out of the kernel's way, for its last words (ramoops).
"""
import json
import pathlib
import re
import socket
import subprocess
import threading
import time

import qemu
import vm

LAST_WORDS_MIB = qemu.LOW_RAM + qemu.TOOLS + qemu.DATA + qemu.STATUS    # the first of the high RAM
LOOK_S = 0.01           # how exact the time of a line on a serial port is
FLEET = 'test'
PUBLISH = re.compile(r"Received PUBLISH from (\S+) \(d\d, q\d, r\d, m(\d+), '([^']*)'")
PUBACK = re.compile(r'Sending PUBACK to (\S+) \(m(\d+),')


def need(lab):
    """Raises qemu.Missing if this host cannot be a device's surroundings."""
    if not lab.has('failsoft-telemetry'):
        raise qemu.Missing('failsoft-telemetry is not built: install libmosquitto-dev')
    for tool, package in (('mosquitto', 'mosquitto'), ('mosquitto_sub', 'mosquitto-clients')):
        if not qemu.find_program(tool):
            raise qemu.Missing(f'{tool} is not installed: install {package}')
    for module in qemu.MODULES_NET + qemu.MODULES_LAST_WORDS:
        if not lab.images.has_module(module):
            raise qemu.Missing(f'{lab.images.kernel} has no module {module}')


class Lines:
    """Lines of a pipe or of a file that grows, each with the host's time at which it was there."""

    def __init__(self, stream=None, path=None):
        self.lines, self.is_over = [], False
        self.thread = threading.Thread(target=self._pipe if stream else self._file, daemon=True,
                                       args=(stream or path,))
        self.thread.start()

    def _take(self, line):
        self.lines.append((time.monotonic(), line.decode(errors='replace').rstrip('\r\n')))

    def _pipe(self, stream):
        for line in stream:
            self._take(line)

    def _file(self, path):
        rest, size = b'', 0
        while not self.is_over:
            time.sleep(LOOK_S)
            if not path.exists() or path.stat().st_size == size:
                continue
            with open(path, 'rb') as f:
                f.seek(size)
                got = f.read()
            size += len(got)
            *whole, rest = (rest + got).split(b'\n')
            for line in whole:
                self._take(line)

    def close(self):
        self.is_over = True
        self.thread.join(5)


class Server:
    """A Mosquitto on loopback and a subscriber to all of the fleet."""

    def __init__(self, work):
        self.work, self.processes = pathlib.Path(work).resolve(), []
        with socket.socket() as s:
            s.bind(('127.0.0.1', 0))
            self.port = s.getsockname()[1]

    def __enter__(self):
        conf = self.work / 'mosquitto.conf'
        conf.write_text(f'listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\n'
                        'user root\n')
        self.log = self._start('mosquitto', '-v', '-c', str(conf))
        self._wait(self.log, ' running')
        self.heard = self._start('mosquitto_sub', '-h', '127.0.0.1', '-p', str(self.port), '-q', '1',
                                 '-t', f'failsoft/v1/{FLEET}/#', '-F', '%r %t %p')
        self._wait(self.log, 'Sending SUBACK')
        return self

    def _start(self, *argv):
        out = subprocess.Popen([qemu.find_program(argv[0]), *argv[1:]], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=self.work)
        self.processes.append(out)
        return Lines(stream=out.stdout)

    def _wait(self, lines, text):
        end = time.monotonic() + 10
        while not any(text in line for _, line in list(lines.lines)):
            if time.monotonic() > end:
                raise RuntimeError(f'mosquitto never said {text!r}: {lines.lines[-5:]}')
            time.sleep(0.02)

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.kill()
            process.wait()

    def messages(self, name):
        """[Message] of a device, in the order of their arrival."""
        got = []
        for at_s, line in list(self.heard.lines):
            retained, topic, payload = (line.split(' ', 2) + [''])[:3]
            if topic.startswith(f'failsoft/v1/{FLEET}/{name}/'):
                got.append(Message(at_s, topic.split('/', 4)[4], payload, retained == '1'))
        return got

    def acknowledged(self, topic, count):
        """When the server sent the PUBACK for the count-th message (from 0) of a topic; None: it did not."""
        seen, wanted = 0, None
        for at_s, line in list(self.log.lines):
            publish, puback = PUBLISH.search(line), PUBACK.search(line)
            if publish and publish[3] == topic:
                wanted = publish.groups()[:2] if seen == count else wanted
                seen += 1
            elif puback and puback.groups() == wanted:
                return at_s
        return None


class Message:
    def __init__(self, at_s, place, payload, is_retained):
        self.at_s, self.place, self.is_retained = at_s, place, is_retained
        self.is_empty = not payload
        self.json = json.loads(payload) if payload else {}
        self.data = self.json.get('data', {})
        self.id, self.boot = self.json.get('id'), self.json.get('bootid')


class Device:
    """The machine over all its boots; context manager that leaves nothing running."""

    def __init__(self, lab, server, work, **settings):
        self.lab, self.server, self.name = lab, server, settings['DEVICE']
        self.work = pathlib.Path(work).resolve()
        self.work.mkdir(parents=True)
        self.memory = self.work / 'ram'
        self.settings = {'SERVER': f'10.0.2.2:{server.port}', 'FLEET': FLEET,
                         'LAST_WORDS_AT': LAST_WORDS_MIB * qemu.MIB, **settings}
        self.serial, self.machine, self.starts = {}, None, 0
        lab.images.fill_disks(self.memory)
        self.cue(0)

    def cue(self, number):
        """In its boot of this number it now runs out of memory."""
        words = ' '.join(f'{key}={value}' for key, value in self.settings.items())
        vm.write_job(self.lab.images, self.memory, f'#go\n#seconds 600\n#cue {number}\nMODE=failsoft {words}\n'
                     '. /guest/lib\n. /guest/device\n')

    def start(self):
        self.starts += 1
        work = self.work / f'start{self.starts}'
        self.machine = m = qemu.Machine(self.lab.images, work, self.memory)
        # Translations of the code that ran before a reset slow down who writes over it: with as many as fit
        # into the default (1 GiB) a second boot takes 4.7 s, with 16 MiB 1.9 s.
        m.accel = 'tcg,tb-size=16'
        m.clock = []
        m.cmdline += f' memmap=1M${LAST_WORDS_MIB}M'
        m.more = ['-netdev', 'user,id=net', '-device', 'virtio-net-pci,netdev=net,romfile=']
        self.serial = {name: Lines(path=m.work / name) for name in ('console', 'beat', 'events', 'log')}
        m.start(incoming=False)

    def cut_power(self):
        self.machine.process.kill()
        self.machine.process.wait()
        self.stop()

    def stop(self):
        if self.machine:
            self.machine.__exit__()
            self.machine = None
        for lines in self.serial.values():
            lines.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        self.memory.unlink(missing_ok=True)

    def said(self, port, pattern):
        """[(host's time, match)] of the lines of a serial port since its last start."""
        found = [(at_s, re.search(pattern, line)) for at_s, line in list(self.serial[port].lines)]
        return [(at_s, match) for at_s, match in found if match]

    def messages(self):
        return self.server.messages(self.name)

    def wait(self, what, condition, seconds):
        """Until condition(messages) is true, which is returned."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.machine.process.poll() is None:
            found = condition(self.messages())
            if found:
                return found
            time.sleep(0.02)
        tail = '\n'.join(line for _, line in self.serial['console'].lines[-15:] + self.serial['log'].lines[-15:])
        raise RuntimeError(f'{self.name}: no {what} within {seconds} s\n{tail}')

    def booted_s(self, boots):
        return next(at_s for at_s, match in self.said('beat', r' boot (\d+)$') if int(match[1]) == boots)

    def offset_s(self, boots):
        """The host's time at which the uptime of this boot was 0: of all heartbeats the least late one."""
        boot, least = 0, []
        for at_s, match in self.said('beat', r'^(\d+\.\d+) (?:beat|boot (\d+))'):
            boot = int(match[2]) if match[2] else boot
            least += [at_s - float(match[1])] if boot == boots else []
        return min(least)
