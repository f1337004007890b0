# SPDX-License-Identifier: MIT
"""failsoft-fleet as a test uses it: a process that prints JSON Lines, and perhaps a web page."""

import json
import os
import pathlib
import threading

import servers
import tap


SUBSCRIPTIONS = 5  # clients/fleet/fleet_part.h


class Fleet:
    """is_live: on this terminal, for a person, and started by hand."""

    def __init__(self, lab, addresses, name="fleet", listen=False, options=(), is_live=False):
        self.lab, self.name, self.client = lab, f"failsoft-{name}", name
        self.port = servers.free_port() if listen else 0
        self.argv = [tap.program("failsoft-fleet"), f"--client-id={name}", *([] if is_live else ["--json"]),
                     *(f"--server={a}" for a in addresses), *options]
        if listen:
            self.argv.append(f"--listen={servers.HOST}:{self.port}")
        self.lines, self.bad, self.is_live = [], [], is_live
        if not is_live:
            self.start()

    def start(self):
        """Again: as the same client, so that the server gives it what it missed."""
        if self.is_live:
            self.process = self.lab.child(self.argv, self.name, stdin=None, stdout=None)
            return
        read, write = os.pipe()
        self.process = self.lab.child(self.argv, self.name, stdout=write)
        os.close(write)
        self.thread = threading.Thread(target=self.follow, args=(os.fdopen(read),), daemon=True)
        self.thread.start()

    def follow(self, stream):
        for line in stream:
            try:
                self.lines.append(json.loads(line))
            except ValueError:  # it was killed in the middle of a line
                self.bad.append(line)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.thread.join(30)

    def shown(self, what):
        return [line for line in list(self.lines) if line["what"] == what]

    def alarm_ids(self):
        """Of the alarms in its log, each time one is shown."""
        return [line["message"]["id"] for line in self.shown("alarm")]

    def connected(self, server=None):
        """Until it is; and, at a Mosquitto, until that has heard what it wants: it is told after the figure is 1."""
        log = pathlib.Path(self.lab.folder, f"{server.name}.log") if server else None
        servers.wait_for(lambda: self.metric("failsoft_fleet_connected") == 1, "failsoft-fleet", 40)
        if log:
            servers.wait_for(lambda: log.read_text(errors="replace").count(f": {self.client} 1 ") >= SUBSCRIPTIONS,
                             "its subscriptions")

    def get(self, path):
        return servers.fetch(f"http://{servers.HOST}:{self.port}{path}", seconds=10)

    def metric(self, start):
        """The sum over all series whose line begins so."""
        text = self.get("/metrics") or ""
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(start))
