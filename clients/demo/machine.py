# SPDX-License-Identifier: MIT
"""What the demo needs of this machine: a memory cgroup with a limit, a private bus, processes."""

import contextlib
import os
import signal
import subprocess
import time

MIB = 1024 * 1024


class NoCgroup(Exception):
    """This machine has no memory controller that we may use."""


def mounts():
    with open("/proc/self/mounts", encoding="ascii", errors="replace") as file:
        for line in file:
            fields = line.split()
            yield fields[1], fields[2], fields[3].split(",")


def own_path(controller):
    """Our own cgroup in the v1 hierarchy of a controller, or in v2 with controller ''."""
    with open("/proc/self/cgroup", encoding="utf-8") as file:
        for line in file:
            _, controllers, path = line.rstrip("\n").split(":", 2)
            if controller in controllers.split(","):
                return path
    return "/"


class Cgroup:
    """A child cgroup with a memory limit; version 2 or 1, whichever the machine has."""

    def __init__(self, name, limit):
        self.version, parent = self.find_parent()
        self.path = os.path.join(parent, name)
        self.limit = limit
        self.sweep(parent, name.rpartition("-")[0])
        try:
            os.mkdir(self.path)
            self.set_limit()
        except OSError as error:
            self.remove()
            raise NoCgroup(f"{self.path}: {error.strerror}") from error

    @staticmethod
    def find_parent():
        for point, kind, options in mounts():
            if kind == "cgroup" and "memory" in options:
                return 1, Cgroup.writable(point, own_path("memory"))
        for point, kind, _ in mounts():
            if kind != "cgroup2":
                continue
            with open(f"{point}/cgroup.controllers", encoding="ascii") as file:
                if "memory" in file.read().split():
                    return 2, Cgroup.enable(point)
        raise NoCgroup("no cgroup hierarchy with the memory controller is mounted")

    @staticmethod
    def sweep(parent, family):
        """Removes FAMILY-PID of processes that were killed; one that holds processes stays by itself."""
        for name in os.listdir(parent) if family else []:
            start, _, pid = name.rpartition("-")
            if start == family and pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
                with contextlib.suppress(OSError):
                    os.rmdir(os.path.join(parent, name))

    @staticmethod
    def writable(point, path):
        own = point + path
        return own if path != "/" and os.path.isdir(own) else point

    @staticmethod
    def enable(point):
        """A v2 cgroup with processes cannot have limited children, so the root is the parent."""
        try:
            with open(f"{point}/cgroup.subtree_control", "w", encoding="ascii") as file:
                file.write("+memory")
        except OSError as error:
            raise NoCgroup(f"{point}: {error.strerror}") from error
        return point

    def write(self, name, value):
        with open(os.path.join(self.path, name), "w", encoding="ascii") as file:
            file.write(str(value))

    def set_limit(self):
        if self.version == 2:
            self.write("memory.max", self.limit)
            if os.path.exists(os.path.join(self.path, "memory.swap.max")):
                self.write("memory.swap.max", 0)
        else:
            self.write("memory.limit_in_bytes", self.limit)

    def enter(self):
        """For subprocess' preexec_fn: the child itself moves in."""
        self.write("cgroup.procs", os.getpid())

    def processes(self):
        with open(os.path.join(self.path, "cgroup.procs"), encoding="ascii") as file:
            return [int(pid) for pid in file.read().split()]

    def remove(self):
        for _ in range(50):
            try:
                os.rmdir(self.path)
                return
            except FileNotFoundError:
                return
            except OSError:
                time.sleep(0.05)


class Processes:
    """Everything we started, so that it is ended whatever happens."""

    def __init__(self, log_path):
        self.log = open(log_path, "ab")
        self.children = []

    def start(self, argv, cgroup=None, env=None):
        child = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            env={**os.environ, **(env or {})}, preexec_fn=cgroup.enter if cgroup else None)
        self.children.append(child)
        return child

    def end(self, child, timeout=3.0):
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
            try:
                child.wait(timeout)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        if child in self.children:
            self.children.remove(child)

    def end_all(self):
        for child in list(reversed(self.children)):
            self.end(child)


BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={path}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_type="method_call"/>
    <allow send_type="signal"/><allow send_type="method_return"/><allow send_type="error"/>
    <allow receive_type="method_call"/><allow receive_type="signal"/>
    <allow receive_type="method_return"/><allow receive_type="error"/>
  </policy>
</busconfig>
"""


def start_bus(processes, folder):
    """A private bus; returns its address when it accepts connections."""
    path = os.path.join(folder, "bus")
    config = os.path.join(folder, "bus.conf")
    with open(config, "w", encoding="ascii") as file:
        file.write(BUS_CONFIG.format(path=path))
    child = processes.start(["dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile"])
    for _ in range(100):
        if os.path.exists(path):
            return f"unix:path={path}"
        if child.poll() is not None:
            break
        time.sleep(0.02)
    raise RuntimeError("the private dbus-daemon did not start")
