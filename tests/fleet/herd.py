# SPDX-License-Identifier: MIT
"""The simulated fleet, tests/bench/fleet_herd.c, as an object: commands in, phases out."""

import json
import pathlib
import queue
import subprocess
import threading


class Herd:
    def __init__(self, lab, program, servers, devices, fleet="herd", **options):
        self.name = f"herd-{len(lab.children)}"
        self.ids_path = lab.folder / f"{self.name}.ids"
        argv = [program, f"--devices={devices}", f"--fleet={fleet}", f"--ids={self.ids_path}"]
        argv += [f"--server={s}" for s in servers]
        argv += [f"--{k.replace('_', '-')}" + ("" if v is True else f"={v}") for k, v in options.items()]
        self.lab = lab
        self.process = lab.child(argv, self.name, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.reports = queue.Queue()
        threading.Thread(target=self.follow, daemon=True).start()

    def follow(self):
        for line in self.process.stdout:
            self.reports.put(json.loads(line))
        self.reports.put(None)

    def say(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def wait(self, phase, seconds=60.0):
        """The next report of that phase; those before it are dropped."""
        while True:
            try:
                report = self.reports.get(timeout=seconds)
            except queue.Empty:
                self.say("stats")
                raise RuntimeError(f"{self.name}: not {phase} within {seconds} s: "
                                   f"{self.reports.get(timeout=5)}") from None
            if report is None:
                raise RuntimeError(f"{self.name} ended: {self.lab.log(self.name)}")
            if report["phase"] == phase:
                return report

    def stats(self):
        self.say("stats")
        return self.wait("stats", 5)

    def ids(self):
        path = pathlib.Path(self.ids_path)
        return path.read_text().split() if path.exists() else []

    def quit(self):
        if self.process.poll() is None:
            self.say("quit")
            self.process.wait(10)
