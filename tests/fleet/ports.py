# SPDX-License-Identifier: MIT
"""Ports of loopback for servers that are started later, or again."""

import contextlib
import pathlib
import random
import socket

HOST = "127.0.0.1"
FIRST = 10240
_held = []


def limit():
    """Where the ports begin that the kernel gives to whoever connects: one of those could be gone in between."""
    with contextlib.suppress(OSError, ValueError):
        lowest = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
        if lowest > 2 * FIRST:
            return lowest
    return 32768


def is_ours(port):
    """The name of a socket keeps other tests, which look for one at the same time, away until this process ends."""
    holder = socket.socket(socket.AF_UNIX)
    try:
        holder.bind(f"\0failsoft-test-port-{port}")
    except OSError:
        holder.close()
        return False
    _held.append(holder)
    return True


def free_port():
    """One that nobody has now, and that no test gets again while this process lives."""
    end = limit()
    while True:
        port = random.SystemRandom().randrange(FIRST, end)
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind((HOST, port))
            if is_ours(port):
                return port
