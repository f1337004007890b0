# SPDX-License-Identifier: MIT
"""Real servers for the fleet's tests: Mosquitto, a cluster of nats-server, Prometheus, Alertmanager.

All on 127.0.0.1, on ports that were free, with their files in a temporary folder. They are ended
when the lab is left, and by the kernel if the test itself is killed.
"""

import ctypes
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from ports import HOST, free_port

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)
PROGRAMS = {"mosquitto": "mosquitto", "nats-server": "nats-server", "prometheus": "prometheus",
            "prometheus-alertmanager": "prometheus-alertmanager"}


def find(program):
    """Debian puts servers where an ordinary user's PATH does not look."""
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def missing(*programs):
    """A reason to skip, "" if all are there."""
    lacking = [p for p in programs if not find(p)]
    return f"not installed: {', '.join(lacking)}: run ./dev setup" if lacking else ""


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def is_open(port, host=HOST):
    try:
        with socket.create_connection((host, port), 0.3):
            return True
    except OSError:
        return False


def wait_for(is_there, what, seconds=20.0, pause=0.02):
    end = time.monotonic() + seconds
    while True:
        found = is_there()
        if found:
            return found
        if time.monotonic() > end:
            raise RuntimeError(f"{what}: not within {seconds} s")
        time.sleep(pause)


def fetch(url, data=None, seconds=3.0):
    """The body as text, None while the server does not answer or says no."""
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:
            return answer.read().decode()
    except (OSError, urllib.error.HTTPError):
        return None


def fetch_json(url):
    text = fetch(url)
    return json.loads(text) if text else None


def memory_kib(pid, key="Pss"):
    """Of /proc/PID/smaps_rollup; RssAnon and VmHWM are in status."""
    name = "smaps_rollup" if key in ("Rss", "Pss", "Private_Dirty") else "status"
    for line in pathlib.Path(f"/proc/{pid}/{name}").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1])
    return 0


def cpu_s(pid):
    """User and system time that a process has used."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Server:
    """One process that can be ended in any way and started again on the same files and ports."""

    def __init__(self, lab, name, argv, is_ready):
        self.lab, self.name, self.argv, self.is_ready = lab, name, argv, is_ready
        self.process = None
        self.start()

    @property
    def pid(self):
        return self.process.pid

    def start(self, wait=True):
        self.process = self.lab.child(self.argv, self.name)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, seconds=30.0):
        def there():
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self.process.returncode}:\n"
                                   + self.lab.log(self.name)[-2000:])
            return self.is_ready()
        wait_for(there, self.name, seconds)

    def kill(self):
        """As the power would: nothing is written any more."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()

    def save(self):
        """Mosquitto writes to disk what it holds now; it would by itself each autosave_interval."""
        store = self.lab.folder / self.name / "mosquitto.db"
        before = store.stat().st_mtime_ns if store.exists() else 0
        self.process.send_signal(signal.SIGUSR1)
        wait_for(lambda: store.exists() and store.stat().st_mtime_ns != before, "mosquitto.db")

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)


class Lab:
    """A temporary folder and the processes that were started in it."""

    def __init__(self, prefix="failsoft-fleet-"):
        self.temporary = tempfile.TemporaryDirectory(prefix=prefix)
        self.folder = pathlib.Path(self.temporary.name)
        self.folder.chmod(0o755)
        self.children, self.at_end = [], []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for child in reversed(self.children):
            if child.poll() is None:
                child.send_signal(signal.SIGCONT)
                child.kill()
            child.wait()
        for action in self.at_end:
            action()
        self.temporary.cleanup()

    def child(self, argv, name, enter=None, **more):
        """Its output goes to NAME.log, unless it is to go elsewhere; it calls `enter` before it begins."""
        def before():
            die_with_parent()
            if enter:
                enter()
        with open(self.folder / f"{name}.log", "ab") as log:
            more = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, **more}
            child = subprocess.Popen([str(a) for a in argv], preexec_fn=before, **more)
        self.children.append(child)
        return child

    def log(self, name):
        path = self.folder / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    # ---- the servers ----

    def mosquitto(self, autosave=None, port=None, lines=(), host=HOST):
        """autosave: None, nothing outlives the process; "default", Debian's setting, saved each 1800 s:
        what is acknowledged between is lost with a killed process; "each", saved with every change."""
        name, port = f"mosquitto-{len(self.children)}", port or free_port()
        store = self.folder / name
        store.mkdir()
        saving = {None: [], "default": [], "each": ["autosave_on_changes true", "autosave_interval 1"]}
        config = [f"listener {port} {host}", "allow_anonymous true", "user root", "max_queued_messages 0",
                  "log_type error", "log_type warning", "log_type subscribe", "set_tcp_nodelay true",
                  f"persistence {'true' if autosave else 'false'}", f"persistence_location {store}/",
                  *saving[autosave], *lines]
        path = self.write(f"{name}.conf", "\n".join(config) + "\n")
        server = Server(self, name, [find("mosquitto"), "-c", path], lambda: is_open(port, host))
        server.port, server.address = port, f"{host}:{port}"
        return server

    def nats(self, nodes=3):
        return Cluster(self, nodes)

    def alertmanager(self):
        port = free_port()
        config = self.write("alertmanager.yml", ALERTMANAGER)
        store = self.folder / "alertmanager"
        argv = [find("prometheus-alertmanager"), f"--config.file={config}", f"--storage.path={store}",
                f"--web.listen-address={HOST}:{port}", "--cluster.listen-address=", "--log.level=warn"]
        url = f"http://{HOST}:{port}"
        server = Server(self, "alertmanager", argv, lambda: fetch(f"{url}/-/ready"))
        server.port, server.url = port, url
        return server

    def prometheus(self, targets, alertmanager=None, rules=()):
        port = free_port()
        config = {"global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                  "rule_files": [str(r) for r in rules],
                  "scrape_configs": [{"job_name": "failsoft-fleet",
                                      "static_configs": [{"targets": list(targets)}]}]}
        if alertmanager:
            target = {"static_configs": [{"targets": [f"{HOST}:{alertmanager.port}"]}]}
            config["alerting"] = {"alertmanagers": [target]}
        path = self.write("prometheus.yml", json.dumps(config))  # JSON is YAML
        argv = [find("prometheus"), f"--config.file={path}", "--log.level=warn",
                f"--storage.tsdb.path={self.folder / 'prometheus'}",
                f"--web.listen-address={HOST}:{port}"]
        url = f"http://{HOST}:{port}"
        server = Server(self, "prometheus", argv, lambda: fetch(f"{url}/-/ready"))
        server.port, server.url = port, url
        return server


ALERTMANAGER = """route:
  receiver: nobody
  group_by: [fleet, alertname]
  group_wait: 1s
  group_interval: 1s
receivers:
  - name: nobody
"""

NATS = """server_name: "{name}"
listen: "{host}:{client}"
http: "{host}:{monitor}"
max_connections: 100000
max_pending: 256MB
jetstream {{ store_dir: "{store}", max_memory_store: 1GB, max_file_store: 4GB }}
cluster {{ name: "fleet", listen: "{host}:{route}", routes: [{routes}] }}
mqtt {{ listen: "{host}:{mqtt}", stream_replicas: {replicas}, ack_wait: "2s", max_ack_pending: 8192 }}
"""


class Cluster:
    """nats-server nodes with JetStream and MQTT; what is stored has a copy on each of three."""

    def __init__(self, lab, nodes):
        self.lab = lab
        ports = [{k: free_port() for k in ("client", "monitor", "route", "mqtt")} for _ in range(nodes)]
        routes = ", ".join(f'"nats://{HOST}:{p["route"]}"' for p in ports)
        self.nodes = []
        for number, port in enumerate(ports):
            name = f"nats-{number}"
            config = lab.write(f"{name}.conf", NATS.format(
                name=name, host=HOST, store=lab.folder / name, routes=routes,
                replicas=min(nodes, 3), **port))
            node = object.__new__(Server)
            node.lab, node.name, node.argv = lab, name, [find("nats-server"), "-c", config]
            node.port, node.address = port["mqtt"], f"{HOST}:{port['mqtt']}"
            node.monitor = f"http://{HOST}:{port['monitor']}"
            node.is_ready = lambda n=node: self.is_healthy(n) and is_open(n.port)
            node.start(wait=False)
            self.nodes.append(node)
        for node in self.nodes:
            node.wait_ready()
        wait_for(self.leader, "a leader of the cluster")

    @staticmethod
    def is_healthy(node):
        return '"ok"' in (fetch(f"{node.monitor}/healthz") or "")

    @property
    def addresses(self):
        return [n.address for n in self.nodes]

    def stream_leader(self, name):
        """The node that a stream's other copies follow, None: nobody says it now."""
        for node in self.nodes:
            if node.process.poll() is None:
                state = fetch_json(f"{node.monitor}/jsz?accounts=1&streams=1") or {}
                for account in state.get("account_details", []):
                    for stream in account.get("stream_detail", []):
                        if stream["name"] == name:
                            leader = stream["cluster"]["leader"]
                            return next(n for n in self.nodes if n.name == leader)
        return None

    def leader(self):
        """The node that the others follow in all that concerns the cluster as a whole."""
        for node in self.nodes:
            if node.process.poll() is None:
                state = fetch_json(f"{node.monitor}/jsz") or {}
                name = (state.get("meta_cluster") or {}).get("leader")
                if name:
                    return next((n for n in self.nodes if n.name == name), None)
        return None
