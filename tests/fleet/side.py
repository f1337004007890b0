# SPDX-License-Identifier: MIT
"""The operator's side in tests: the real failsoft-fleet, its lines, its pages."""

import http.client
import json
import pathlib
import signal
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "check"))

import mqtt  # noqa: E402
import tap  # noqa: E402


SUBSCRIPTIONS = 5  # clients/fleet/fleet_part.h


def is_subscribed(server, since, name="failsoft-fleet-"):
    """It says that it is connected before the server has heard what it wants: till then it misses what is not kept."""
    return server.said(since).count(f"Sending SUBACK to {name}") >= SUBSCRIPTIONS


class Fleet:
    """server: an mqtt.Mosquitto or a way to one; a port; None: none."""

    def __init__(self, server, *options, listen=False, output="--json"):
        self.server = server if hasattr(server, "said") else None
        self.began = self.server.log.stat().st_size if self.server else 0
        self.name = next((o.partition("=")[2] for o in options if o.startswith("--client-id=")), "failsoft-fleet-")
        self.http_port = mqtt.free_port() if listen else None
        command = [str(tap.program("failsoft-fleet")), output, *options]
        if server is not None:
            command.append(f"--server=127.0.0.1:{getattr(server, 'port', server)}")
        if listen:
            command.append(f"--listen=127.0.0.1:{self.http_port}")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        stdin=subprocess.DEVNULL, errors="replace")
        self.out, self.err = mqtt.Lines(self.process.stdout), mqtt.Lines(self.process.stderr)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop(signal.SIGKILL)

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(10)

    def connected(self, seconds=10):
        if not self.err.wait("connected to", seconds):
            raise RuntimeError(f"failsoft-fleet did not connect: {self.err.all()}")
        if self.server:
            tap.wait_for(lambda: is_subscribed(self.server, self.began, self.name), "its subscriptions")
        return self

    def lines(self, what=None):
        all_lines = [json.loads(line) for line in self.out.all()]
        return [line for line in all_lines if what in (None, line["what"])]

    def wait(self, is_it, seconds=10.0):
        """The first line of which it holds, {}: none came."""
        found = self.out.wait(lambda line: is_it(json.loads(line)), seconds)
        return json.loads(found) if found else {}

    def settled(self, device, seconds=10.0):
        """All that was sent before has come: a device of that name says so."""
        return bool(self.wait(lambda line: line.get("device") == device, seconds))

    def get(self, path, method="GET", headers=None, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=10)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read().decode()
        finally:
            connection.close()

    def json(self, path):
        return json.loads(self.get(path)[2])

    def figure(self, name, **labels):
        """One sample of /metrics, None: it is not there."""
        wanted = "failsoft_fleet_" + name
        for line in self.get("/metrics")[2].splitlines():
            head, _, value = line.rpartition(" ")
            if head.split("{")[0] == wanted and all(f'{k}="{v}"' in head for k, v in labels.items()):
                return float(value)
        return None
