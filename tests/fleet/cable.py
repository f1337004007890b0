#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A network cable between two network namespaces that can lose, delay and cut: two tun devices, and
this process between them, which moves every packet. So there is real packet loss, and real TCP that
copes with it, also where the kernel has no netem.

usage: cable.py PEER-PID        our end is 10.77.0.1, that of PEER-PID's namespace 10.77.0.2
Commands on stdin, one a line:  set LOSS DELAY-MS JITTER-MS | cut | mend
"""

import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import sys
import time

HERE, THERE = "10.77.0.1", "10.77.0.2"
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
CLONE_NEWNET = 0x40000000
PACKET_MAX = 65536
IP = ("/sbin/ip", "/usr/sbin/ip", "/bin/ip", "/usr/bin/ip")


def open_tun(address, peer):
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", b"cable", IFF_TUN | IFF_NO_PI))
    ip = next(p for p in IP if os.path.exists(p))
    for words in (f"addr add {address} peer {peer} dev cable", "link set cable up"):
        subprocess.run([ip, *words.split()], check=True)
    return fd


def enter(namespace):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, CLONE_NEWNET) < 0:
        raise OSError(ctypes.get_errno(), "setns")


class Cable:
    def __init__(self, peer):
        own = os.open("/proc/self/ns/net", os.O_RDONLY)
        here = open_tun(HERE, THERE)
        enter(os.open(f"/proc/{peer}/ns/net", os.O_RDONLY))
        there = open_tun(THERE, HERE)
        enter(own)
        self.other = {here: there, there: here}
        self.loss, self.delay, self.jitter, self.is_cut = 0.0, 0.0, 0.0, False
        self.waiting, self.count = [], 0

    def take(self, fd):
        while True:
            try:
                packet = os.read(fd, PACKET_MAX)
            except BlockingIOError:
                return
            if self.is_cut or random.random() < self.loss:
                continue
            due = time.monotonic() + self.delay + random.uniform(-1, 1) * self.jitter
            self.count += 1
            heapq.heappush(self.waiting, (due, self.count, self.other[fd], packet))

    def give(self):
        while self.waiting and self.waiting[0][0] <= time.monotonic():
            _, _, fd, packet = heapq.heappop(self.waiting)
            if not self.is_cut:
                os.write(fd, packet)

    def obey(self, line):
        word, *values = line.split()
        if word == "set":
            self.loss, self.delay, self.jitter = float(values[0]), float(values[1]) / 1e3, float(values[2]) / 1e3
        self.is_cut = word == "cut"

    def run(self):
        print("ready", flush=True)
        while True:
            left = max(0.0, self.waiting[0][0] - time.monotonic()) if self.waiting else 10.0
            for fd in select.select([*self.other, sys.stdin], [], [], left)[0]:
                if fd is not sys.stdin:
                    self.take(fd)
                    continue
                line = sys.stdin.readline()
                if not line:
                    return
                self.obey(line)
            self.give()


if __name__ == "__main__":
    Cable(int(sys.argv[1])).run()
