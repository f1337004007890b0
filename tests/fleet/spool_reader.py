# SPDX-License-Identifier: MIT
"""What a spool's file holds, read without the device's code: the truth of what a killed device had
raised. The layout is told in clients/telemetry/spool_file.h."""

import json
import struct
import zlib

HEAD_BYTES, SLOT_BYTES = 8192, 2048
RECORD = struct.Struct("=QQIIII")           # sequence, sent_s, type, alarm, is_raised, length
TAIL = struct.Struct("=QIIII")              # session_limit, instance, crc, phase, mark_crc
TAIL_AT = RECORD.size + 1984
CRC_AT = TAIL_AT + 12
TYPES = ("state", "heartbeat", "event", "alarm", "report")
WAITING, SENT = 1, 2


class Slot:
    def __init__(self, raw):
        self.sequence, _, kind, _, _, length = RECORD.unpack_from(raw)
        _, _, crc, self.phase, _ = TAIL.unpack_from(raw, TAIL_AT)
        self.is_blank = not any(raw)
        self.is_good = not self.is_blank and crc == zlib.crc32(raw[:8] + bytes(8) + raw[16:CRC_AT])
        self.word = TYPES[kind] if self.is_good and kind < len(TYPES) else ""
        self.payload = raw[RECORD.size:RECORD.size + length] if self.is_good else b""

    def message(self):
        return json.loads(self.payload)


def slots(path):
    raw = path.read_bytes()
    return [Slot(raw[at:at + SLOT_BYTES]) for at in range(HEAD_BYTES, len(raw) - SLOT_BYTES + 1, SLOT_BYTES)]


def alarms(path):
    """{id: payload} of every alarm, waiting or sent."""
    found = [s for s in slots(path) if s.word == "alarm"]
    return {s.message()["id"]: s.payload for s in found}


def raised(path):
    """The kinds whose newest alarm is not cleared."""
    newest = {}
    for slot in sorted((s for s in slots(path) if s.word == "alarm"), key=lambda s: s.sequence):
        data = slot.message()["data"]
        newest[data["kind"]] = data["raised"]
    return [kind for kind, is_raised in newest.items() if is_raised]


def damaged(path):
    """Slots that held something and are void."""
    return sum(not s.is_blank and not s.is_good for s in slots(path))


def waiting(path):
    """Not acknowledged yet, of what matters."""
    return sum(s.phase == WAITING for s in slots(path) if s.word in ("alarm", "report"))
