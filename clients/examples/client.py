#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Example: a client of failsoftd in Python, with nothing but a D-Bus library.

It registers, keeps the lifeline open, and is asked by the signal StepRequested, which the broker
sends to this connection only. Each answer is a call of Acknowledge.
"""

import argparse
import os
import sys
import time

import dbus
import dbus.bus
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib

NAME, PATH = "org.failsoft.Broker1", "/org/failsoft/Broker1"


class Client:
    def __init__(self, bus):
        self.bus = bus
        self.lifeline = None
        self.owner = None
        bus.add_signal_receiver(self.on_step, "StepRequested", NAME, NAME, PATH,
                                sender_keyword="sender")

    def broker(self):
        return dbus.Interface(self.bus.get_object(NAME, PATH, introspect=False), NAME)

    def register(self):
        options = dbus.Dictionary({"FlushUSec": dbus.UInt64(300000)}, signature="sv")
        _, granted, lifeline = self.broker().Register("python-example", options,
                                                      signature="sa{sv}")
        self.owner = self.bus.get_name_owner(NAME)
        self.lifeline = lifeline.take()
        print("registered; granted", {str(k): f"{int(v) / 1000:.0f} ms" for k, v in granted.items()},
              flush=True)

    def on_step(self, _client, sequence, domain, step, deadline, detail, sender=None):
        if sender != self.owner:
            return  # any user may send a signal that looks like this one
        left = int(deadline) / 1000 - time.monotonic() * 1000
        final = ", then we are ended" if detail.get("Final") else ""
        print(f"{domain}: {step} within {left:.0f} ms{final}", flush=True)
        self.broker().Acknowledge(sequence, "done", dbus.Dictionary({}, signature="sv"),
                                  signature="tsa{sv}", ignore_reply=True)
        if detail.get("Final"):
            os._exit(0)  # a callback cannot end the main loop with an exception


def read_lifeline(fd):
    """The orders are on the lifeline, too; here only its end matters. False: the broker is gone."""
    return bool(os.read(fd, 1024))


def serve(client, loop):
    client.register()
    GLib.io_add_watch(client.lifeline, GLib.IO_IN | GLib.IO_HUP,
                      lambda fd, _: read_lifeline(fd) or loop.quit())
    loop.run()
    os.close(client.lifeline)
    print("the broker is gone", flush=True)


def main():
    parser = argparse.ArgumentParser(description="example: a client in Python")
    parser.add_argument("--bus", help="D-Bus address; default: the system bus")
    address = parser.parse_args().bus
    DBusGMainLoop(set_as_default=True)
    client = Client(dbus.bus.BusConnection(address) if address else dbus.SystemBus())
    loop = GLib.MainLoop()
    while True:
        try:
            serve(client, loop)
        except dbus.DBusException as error:
            print(error.get_dbus_message(), file=sys.stderr, flush=True)
        time.sleep(1)


if __name__ == "__main__":
    main()
