# SPDX-License-Identifier: MIT
"""A recording's records, read by what the file says of itself: a second reader beside tape_read.c."""
import struct
import zlib

MAGIC = b'\x89FSREC\r\n'
KIND_SHAPE, KINDS_RESERVED = 1, 8


class Damaged(Exception):
    """It is no recording, or not a whole one up to here."""


class Bytes:
    """Numbers and texts one after the other."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        if self.at + size > len(self.data):
            raise Damaged('it ends within a record')
        self.at += size
        return self.data[self.at - size:self.at]

    def number(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def text(self):
        return self.take(self.number()).decode(errors='replace')

    def is_over(self):
        return self.at == len(self.data)


class Shape:
    """A kind of record: its fields and what they were last."""

    def __init__(self, body):
        self.name = body.text()
        self.fields = [(chr(body.take(1)[0]), body.text()) for _ in range(body.number())]
        self.previous = [0] * len(self.fields)

    def record(self, body):
        changed = body.take((len(self.fields) + 7) // 8)
        values = {}
        for i, (kind, name) in enumerate(self.fields):
            values[name] = self._field(i, kind, body, changed[i // 8] >> i % 8 & 1)
        return values

    def _field(self, i, kind, body, is_changed):
        if kind == 't':
            return body.text() if is_changed else ''
        if is_changed and kind == 'd':
            self.previous[i] = struct.unpack('<d', body.take(8))[0]
        elif is_changed:
            step = body.number()
            value = self.previous[i] + (step >> 1 ^ -(step & 1)) & (1 << 64) - 1
            self.previous[i] = value - (1 << 64) if kind == 'i' and value >> 63 else value
        return self.previous[i]


def records(data):
    """Yields (kind's name, {field: value}); raises Damaged where it cannot be read on."""
    if not data.startswith(MAGIC):
        raise Damaged('it does not begin as a recording does')
    file, shapes = Bytes(data), {}
    file.take(len(MAGIC))
    while not file.is_over():
        content = file.take(file.number())
        if zlib.crc32(content) != struct.unpack('<I', file.take(4))[0]:
            raise Damaged('a check sum is wrong')
        body = Bytes(content)
        kind = body.number()
        if kind == KIND_SHAPE:
            number = body.number()
            shapes[number] = Shape(body)
        elif kind >= KINDS_RESERVED:
            yield shapes[kind].name, shapes[kind].record(body)
