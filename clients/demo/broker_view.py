# SPDX-License-Identifier: MIT
"""Looks at failsoftd from outside, over the bus alone: figures by calls, events by Monitor."""

import json
import os
import threading
import time

import dbus
import dbus.bus

NAME, PATH, INTERFACE = "org.failsoft.Broker1", "/org/failsoft/Broker1", "org.failsoft.Broker1"
NEVER = 2**64 - 1


class BrokerView:
    def __init__(self, address, domain):
        self.domain = domain
        self.bus = dbus.bus.BusConnection(address)
        self.broker = None
        self.lines = []
        self.lock = threading.Lock()

    def wait(self, timeout=5.0):
        """Until the broker owns its name; then follows its events."""
        end = time.monotonic() + timeout
        while not self.bus.name_has_owner(NAME):
            if time.monotonic() > end:
                raise RuntimeError("failsoftd did not appear on the private bus")
            time.sleep(0.02)
        self.broker = dbus.Interface(self.bus.get_object(NAME, PATH, introspect=False), INTERFACE)
        fd = self.broker.Monitor(dbus.Dictionary({}, signature="sv"), signature="a{sv}").take()
        threading.Thread(target=self.follow, args=(fd,), daemon=True).start()

    def follow(self, fd):
        with os.fdopen(fd, "rb", buffering=0) as stream:
            rest = b""
            while chunk := stream.read(65536):
                *lines, rest = (rest + chunk).split(b"\n")
                with self.lock:
                    self.lines += [json.loads(line) for line in lines if line]

    def take_events(self):
        with self.lock:
            events, self.lines = self.lines, []
        return events

    def figures(self):
        """headroom, limit, tte, low, stage of our domain; None before it is known."""
        for row in self.broker.ListDomains():
            if str(row[0]) == self.domain:
                times = [None if int(t) == NEVER else int(t) for t in row[4:6]]
                return {"stage": str(row[1]), "headroom": int(row[2]), "limit": int(row[3]),
                        "tte": times[0], "low": times[1]}
        return None

    def clients(self):
        """name -> (step, deadline in usec or 0, exposure, last result)."""
        rows = {}
        for row in self.broker.ListClients():
            detail = row[8]
            rows[str(row[1])] = (str(row[6]), int(detail.get("DeadlineUSec", 0)), int(row[7]),
                                 str(detail.get("LastResult", "")))
        return rows
