# SPDX-License-Identifier: MIT
"""Real mosquitto servers for the telemetry's tests, and certificates made for one test."""

import contextlib
import getpass
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
for folder in ("check", "bus"):
    sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / folder))

import tap  # noqa: E402
from ports import free_port  # noqa: E402


def need(*programs):
    for name in programs:
        if tap.run("sh", "-c", f"command -v {name}").returncode != 0:
            tap.skip_all(f"{name} is not installed")


class Mosquitto:
    """One server on a port of loopback. `tls`: (CA, its name as a certificate of it)."""

    def __init__(self, folder, port=None, tls=None, more=()):
        self.port = port or free_port()
        self.folder = pathlib.Path(folder)
        self.config = self.folder / f"mosquitto-{self.port}.conf"
        lines = [f"listener {self.port} 127.0.0.1", "persistence false", "log_type all", "max_queued_messages 0",
                 "max_inflight_messages 0", f"user {getpass.getuser()}", *more]
        if not any(line.startswith("allow_anonymous") for line in lines):
            lines.append("allow_anonymous true")
        if tls:
            authority, name = tls
            lines += [f"cafile {authority.file}", f"certfile {authority.folder}/{name}.crt",
                      f"keyfile {authority.folder}/{name}.key", "require_certificate true",
                      "use_identity_as_username true"]
        self.config.write_text("\n".join(lines) + "\n")
        self.log = self.folder / f"mosquitto-{self.port}.log"
        self.process = None
        self.start()

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(["mosquitto", "-c", str(self.config)], stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL)

        def is_up():
            if self.process.poll() is not None:
                raise RuntimeError(f"mosquitto: {self.log.read_text()}")
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", self.port)) == 0

        tap.wait_for(is_up, "mosquitto")

    def said(self, since=0):
        """Its log, from so many bytes on."""
        with open(self.log, "rb") as log:
            log.seek(since)
            return log.read().decode(errors="replace")

    def stop(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop(signal.SIGKILL)


class Authority:
    """A certificate authority of its own folder, made with openssl. key: as openssl req names its kind."""

    EC = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")
    RSA = ("rsa:2048",)

    def __init__(self, folder, name="ca", key=EC):
        self.key = key
        self.folder = pathlib.Path(folder) / name
        self.folder.mkdir()
        self.file = self.folder / "ca.crt"
        self.openssl("req", "-x509", "-newkey", *key, "-nodes", "-days", "2", "-keyout", self.folder / "ca.key",
                     "-out", self.file, "-subj", f"/CN=test authority {name}")

    @staticmethod
    def openssl(*arguments):
        tap.output_of("openssl", *arguments)

    def sign(self, name, alternative, days=1):
        """days < 0: expired as long ago."""
        key, request = self.folder / f"{name}.key", self.folder / f"{name}.csr"
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={alternative}\n")
        self.openssl("req", "-newkey", *self.key, "-nodes", "-keyout", key, "-out", request,
                     "-subj", f"/CN={name}")
        self.openssl("x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self.folder / "ca.key",
                     "-CAcreateserial", "-days", str(days), "-out", self.folder / f"{name}.crt", "-extfile", extensions)
        return self.folder / f"{name}.crt", key


@contextlib.contextmanager
def silent_server():
    """Accepts, reads, and never says a word: its port."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(16)
    taken = []

    def serve():
        with contextlib.suppress(OSError):
            while True:
                taken.append(listener.accept()[0])

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()
        for s in taken:
            s.close()


class Lines:
    """What a child prints, as it comes."""

    def __init__(self, stream):
        self.lines = []
        self.lock = threading.Lock()
        threading.Thread(target=self.follow, args=(stream,), daemon=True).start()

    def follow(self, stream):
        for line in stream:
            with self.lock:
                self.lines.append(line.rstrip("\n"))

    def all(self):
        with self.lock:
            return list(self.lines)

    def wait(self, is_it, seconds=10.0):
        """The first line that is it, or ""."""
        end = time.monotonic() + seconds
        while True:
            for line in self.all():
                if is_it in line if isinstance(is_it, str) else is_it(line):
                    return line
            if time.monotonic() > end:
                return ""
            time.sleep(0.01)
