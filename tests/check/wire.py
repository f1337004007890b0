# SPDX-License-Identifier: MIT
"""As much of the D-Bus wire as it takes to be a bystander: connect, subscribe, read raw bytes. The
tools at hand either monitor (and see what the bus refuses) or need an event loop."""

import os
import socket
import struct
import time

HEADER = {'PATH': (1, 'o'), 'INTERFACE': (2, 's'), 'MEMBER': (3, 's'), 'DESTINATION': (6, 's')}


def _align(data, to=8):
    return data + b'\0' * (-len(data) % to)


def _string(text):
    return struct.pack('<I', len(text)) + text.encode() + b'\0'


def _call(serial, member, argument=None):
    """A method call to the bus daemon, with one string or nothing as its body."""
    body = b'' if argument is None else _string(argument)
    names = {'PATH': '/org/freedesktop/DBus', 'INTERFACE': 'org.freedesktop.DBus', 'MEMBER': member,
             'DESTINATION': 'org.freedesktop.DBus'}
    fields = b''
    for name, text in names.items():
        code, kind = HEADER[name]
        fields = _align(fields) + bytes([code, 1, ord(kind), 0]) + _string(text)
    if argument is not None:
        fields = _align(fields) + bytes([8, 1, ord('g'), 0, 1, ord('s'), 0])
    head = struct.pack('<cBBBIII', b'l', 1, 0, 1, len(body), serial, len(fields))
    return _align(head + fields) + body


class Bystander:
    """Gets every signal of an interface that the bus delivers to anybody."""

    def __init__(self, address, interface):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(address.removeprefix('unix:path='))
        self.socket.settimeout(0.2)
        uid = str(os.getuid()).encode().hex().encode()
        self.socket.sendall(b'\0AUTH EXTERNAL ' + uid + b'\r\n')
        self.seen = b''
        self.read_until(b'OK ')
        self.socket.sendall(b'BEGIN\r\n' + _call(1, 'Hello')
                            + _call(2, 'AddMatch', f"type='signal',interface='{interface}'")
                            + _call(3, 'GetId'))
        # the answers come in order: 32 hexadecimal digits are the last one's
        self.read_until(b'NameAcquired')
        time.sleep(0.2)

    def read_until(self, wanted, seconds=5):
        """Whether the bytes came."""
        end = time.monotonic() + seconds
        while wanted not in self.seen and time.monotonic() < end:
            try:
                self.seen += self.socket.recv(65536)
            except TimeoutError:
                pass
        return wanted in self.seen

    def close(self):
        self.socket.close()
