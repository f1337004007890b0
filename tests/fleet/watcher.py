# SPDX-License-Identifier: MIT
"""MQTT 3.1.1 as far as a test needs it: a client that connects, publishes, subscribes, and keeps
what it saw; written without our code, so that it can judge it."""

import os
import socket
import struct
import threading
import time

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK = 1, 2, 3, 4, 8, 9
PINGREQ, PINGRESP, DISCONNECT = 12, 13, 14


class Refused(Exception):
    """The server said no; the code of its CONNACK."""


def text(value):
    raw = value if isinstance(value, bytes) else value.encode()
    return struct.pack("!H", len(raw)) + raw


def packet(kind, flags, body):
    length, head = len(body), bytearray([kind << 4 | flags])
    while True:
        head.append(length & 127 | (128 if length > 127 else 0))
        length >>= 7
        if not length:
            return bytes(head) + body


class Client:
    """One connection. Blocking; `receive` has a deadline."""

    def __init__(self, address, name, clean=True, will=None, keepalive=60, seconds=5.0):
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()
        self.next = 0
        self.sending = threading.Lock()
        flags, tail = (2 if clean else 0), b""
        if will:
            topic, payload = will
            flags |= 4 | 1 << 3 | 1 << 5  # QoS 1, retained
            tail = text(topic) + text(payload)
        self.send(CONNECT, 0, text("MQTT") + bytes([4, flags]) + struct.pack("!H", keepalive)
                  + text(name) + tail)
        kind, _, body = self.receive(seconds)
        if kind != CONNACK or body[1]:
            raise Refused(body[1])
        self.has_session = bool(body[0] & 1)

    def send(self, kind, flags, body):
        with self.sending:
            self.socket.sendall(packet(kind, flags, body))

    def number(self):
        self.next = self.next % 65535 + 1
        return self.next

    def fill(self, deadline):
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("nothing came")
        self.socket.settimeout(left)
        chunk = self.socket.recv(1 << 16)
        if not chunk:
            raise ConnectionError("the server closed the connection")
        self.buffer += chunk

    def take(self):
        """One whole packet from the buffer, None: not there yet."""
        length = shift = 0
        for at in range(1, min(len(self.buffer), 5)):
            length |= (self.buffer[at] & 127) << shift
            shift += 7
            if self.buffer[at] < 128:
                if len(self.buffer) < at + 1 + length:
                    return None
                head, body = self.buffer[0], bytes(self.buffer[at + 1:at + 1 + length])
                del self.buffer[:at + 1 + length]
                return head >> 4, head & 15, body
        return None

    def receive(self, seconds):
        deadline = time.monotonic() + seconds
        while True:
            found = self.take()
            if found:
                return found
            self.fill(deadline)

    def publish(self, topic, payload, qos=1, retain=False, seconds=5.0):
        """QoS 1: returns when the server has it, else raises."""
        number = self.number()
        mark = struct.pack("!H", number) if qos else b""
        self.send(PUBLISH, qos << 1 | retain, text(topic) + mark
                  + (payload if isinstance(payload, bytes) else payload.encode()))
        deadline = time.monotonic() + seconds
        while qos:
            kind, _, body = self.receive(deadline - time.monotonic())
            if kind == PUBACK and struct.unpack("!H", body[:2])[0] == number:
                return

    def subscribe(self, topic, qos=1, seconds=5.0, early=None):
        """Returns what came before the answer; `early`: a list that gets it at once, as it is acknowledged."""
        self.send(SUBSCRIBE, 2, struct.pack("!H", self.number()) + text(topic) + bytes([qos]))
        deadline = time.monotonic() + seconds
        early = [] if early is None else early
        while True:
            kind, flags, body = self.receive(deadline - time.monotonic())
            if kind == SUBACK:
                return early
            if kind == PUBLISH:
                early.append(self.message(flags, body))

    def message(self, flags, body, acknowledge=True):
        """(topic, payload, retained, duplicate) of a PUBLISH, which is acknowledged."""
        length = struct.unpack("!H", body[:2])[0]
        topic, rest = body[2:2 + length].decode(errors="replace"), body[2 + length:]
        if flags >> 1 & 3:
            number, rest = rest[:2], rest[2:]
            if acknowledge:
                self.send(PUBACK, 0, number)
        return topic, rest, bool(flags & 1), bool(flags & 8)

    def messages(self, seconds=1.0):
        """All that come until nothing came for so long."""
        found = []
        while True:
            try:
                kind, flags, body = self.receive(seconds)
            except TimeoutError:
                return found
            if kind == PUBLISH:
                found.append(self.message(flags, body))

    def ping(self):
        self.send(PINGREQ, 0, b"")

    def close(self):
        try:
            self.send(DISCONNECT, 0, b"")
        except OSError:
            pass
        self.socket.close()

    def drop(self):
        """Without goodbye: the server publishes the will."""
        self.socket.close()


class Watcher(threading.Thread):
    """A subscriber with a persistent session and a list of servers that keeps all it sees."""

    def __init__(self, addresses, topics=("failsoft/v1/#",), name=None, clean=False):
        super().__init__(daemon=True)
        self.addresses, self.topics, self.clean = list(addresses), list(topics), clean
        self.name_of_client = name or f"watcher-{os.getpid()}-{id(self):x}"
        self.seen, self.connects, self.errors = [], 0, []
        self.ended = threading.Event()
        self.is_up = threading.Event()
        self.start()

    def run(self):
        turn = 0
        while not self.ended.is_set():
            address = self.addresses[turn % len(self.addresses)]
            try:
                self.follow(address)
            except (OSError, Refused, ConnectionError) as error:
                self.errors.append(f"{address}: {error!r}")
            self.is_up.clear()
            turn += 1
            self.ended.wait(0.1)

    def follow(self, address):
        client = Client(address, self.name_of_client, clean=self.clean, keepalive=10)
        try:
            for topic in self.topics:
                client.subscribe(topic, seconds=10, early=self.seen)
            self.connects += 1
            self.is_up.set()
            asked = time.monotonic()
            while not self.ended.is_set():
                try:
                    kind, flags, body = client.receive(0.2)
                    if kind == PUBLISH:
                        self.seen.append(client.message(flags, body))
                except TimeoutError:
                    pass
                if time.monotonic() - asked > 3:
                    client.ping()
                    asked = time.monotonic()
        finally:
            client.drop()

    def stop(self):
        self.ended.set()
        self.join(10)

    def payloads(self, ending=""):
        return [(t, p) for t, p, _, _ in list(self.seen) if t.endswith(ending)]
