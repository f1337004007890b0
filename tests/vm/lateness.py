# SPDX-License-Identifier: MIT
"""How late two control loops of 20 ms were, from what they noted on the DAX disk (see loop.c)."""
import struct

MAGIC = 0x31706f6f6c736661
HEAD, ROUND = struct.Struct('<QQQQ'), struct.Struct('<QQ')
LAST_S = 4.0        # of the run: over these the machine must not have stood still too long
LATE_S = 0.020      # a round that is late by a whole period was missed


def read(path):
    """[(due, done)] in seconds of uptime; a round that was due and never done has done 0."""
    data = path.read_bytes()
    magic, _, count, _ = HEAD.unpack_from(data)
    if magic != MAGIC:
        raise RuntimeError(f'{path.name} holds no rounds')
    rounds = [ROUND.unpack_from(data, HEAD.size + i * ROUND.size) for i in range(count + 1)]
    return [(due / 1e6, done / 1e6) for due, done in rounds if due]


def standing(rounds, begin_s, end_s):
    """Seconds within [begin, end] in which a round was due, missed by a period, and not done."""
    total = 0.0
    for due, done in rounds:
        done = done or end_s
        if done - due >= LATE_S:
            total += max(0.0, min(done, end_s) - max(due, begin_s))
    return total


def sum_up(rounds, end_s):
    """Longest lateness, share of the last seconds and of the worst such window.
    Time after `end_s` is the shutting down, which is no part of the run."""
    rounds = [r for r in rounds if r[0] < end_s]
    ends = [min(done or end_s, end_s) for _, done in rounds]
    worst = max((standing(rounds, e - LAST_S, e) for e in ends), default=LAST_S)
    return {
        'longest_ms': round(max((e - due for (due, _), e in zip(rounds, ends)), default=0) * 1e3, 1),
        'stood_last_percent': round(100 * standing(rounds, end_s - LAST_S, end_s) / LAST_S, 1),
        'stood_worst_percent': round(100 * worst / LAST_S, 1),
    }
