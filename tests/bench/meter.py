# SPDX-License-Identifier: MIT
"""What processes use between two moments, and how it is printed."""

import contextlib
import pathlib
import time


RAN, WAITED = 0, 1


def cpu_us(pid, what=RAN):
    """All threads' run time, exact where clock ticks are not; or how long they waited for a CPU others had."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            total += int((task / "schedstat").read_text().split()[what])
    return total / 1000


class Meter:
    def __init__(self, *processes):
        self.processes = processes
        self.began, self.cpu = time.time(), [cpu_us(p.pid) for p in processes]

    def cpu_each(self, by):
        return [(cpu_us(p.pid) - before) / by for p, before in zip(self.processes, self.cpu)]


def row(name, text):
    print(f"{name:<34} {text}", flush=True)
