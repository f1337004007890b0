#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""One MQTT connection with real servers: what goes through, what is said when it does not, and that no trouble
stops the loop or makes it spin."""

import contextlib
import os
import pathlib
import signal
import subprocess
import tempfile
import threading
import time

import mqtt
import tap
from mqtt import Authority, Lines, Mosquitto, free_port, silent_server

CLIENT = tap.program("link_client")


class Client:
    def __init__(self, *settings, before=()):
        # a sanitizer keeps what was freed for a while: not here, where memory is measured
        environment = {**os.environ, "ASAN_OPTIONS": "quarantine_size_mb=0:thread_local_quarantine_size_kb=0"}
        self.process = subprocess.Popen([*before, CLIENT, *settings], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=environment)
        self.lines = Lines(self.process.stdout)

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def wait(self, text, seconds=10.0):
        return self.lines.wait(text, seconds)

    def words(self, what):
        return [line.split(" ", 2) for line in self.lines.all() if line.split(" ")[1] == what]

    def turns(self):
        """How often the loop woke so far."""
        seen = len(self.words("turns"))
        self.say("turns")
        tap.wait_for(lambda: len(self.words("turns")) > seen, "an answer of the loop", 5)
        return int(self.words("turns")[-1][2])

    def wait_turning(self):
        """The second answer is of a turn after the first one: in that it has begun to connect."""
        for count in (1, 2):
            self.say("turns")
            self.wait(lambda _, n=count: len(self.words("turns")) >= n, 20)

    def turned_first(self):
        """Did it answer both before its attempt was over? So it did not stand meanwhile."""
        said = [what for _, what, *_ in (line.split(" ", 2) for line in self.lines.all()) if what in ("turns", "lost")]
        return said[:2] == ["turns", "turns"]

    def quit(self):
        with contextlib.suppress(BrokenPipeError):
            self.say("quit")
        return self.process.wait(10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


class Late:
    """How late this machine is, by a thread that wants to wake each 20 ms: a limit of time is meant without that."""

    def __init__(self):
        self.most_s, self.is_over = 0.0, threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        due = time.monotonic() + 0.02
        while not self.is_over.wait(0.02):
            self.most_s = max(self.most_s, time.monotonic() - due)
            due = time.monotonic() + 0.02

    def ms(self):
        """Of several waits one after the other."""
        return 5000 * self.most_s

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()


def lacks(lines, *wanted):
    text = "\n".join(lines.all())
    return [f"not said: {w!r} in:\n#   " + text.replace("\n", "\n#   ") for w in wanted if w not in text]


def messages_go_through(folder):
    with Mosquitto(folder) as m, Client(f"server=localhost:{m.port}", "subscribe=there/#", "will=there/will") as c:
        c.wait("connected")
        for line in ("there/a one", "+there/b kept", "-there/c zero"):
            c.say(line)
        c.wait("zero")
        big = "x" * 4000
        c.say(f"there/big {big}")
        c.wait("received there/big")
        before, cpu = c.turns(), os.times()
        time.sleep(3)
        at_rest = c.turns() - before
        with Client(f"server=127.0.0.1:{m.port}", "id=other", "subscribe=there/#") as other:
            kept = other.wait("there/b (retained) kept")
            status = c.quit()
            time.sleep(0.3)
            after_quit = other.wait("gone", 0.2)
    tap.check("a message each way at QoS 0 and 1, retained and not, acknowledged",
              lacks(c.lines, "there/a one", "there/b kept", "there/c zero", "received there/big") +
              ([] if len(c.words("acknowledged")) == 4 else [f"acknowledged {c.words('acknowledged')}"]) +
              ([] if kept else ["the retained one was not kept"]))
    tap.check("at rest the loop sleeps", [] if at_rest <= 3 else [f"woke {at_rest} times in 3 s"])
    tap.check("who says goodbye leaves no will",
              ([f"the will came: {after_quit}"] if after_quit else []) + ([] if status == 0 else [f"exit {status}"]))


def will_is_fresh(folder):
    with Mosquitto(folder) as m, Client(f"server=127.0.0.1:{m.port}", "id=watch", "subscribe=w") as watch:
        watch.wait("connected")
        with Client(f"server=127.0.0.1:{m.port}", "will=w") as c:
            c.wait("connected")
            # the server throws it out: another with its id
            with Client(f"server=127.0.0.1:{m.port}", "first_us=60000000", "last_us=60000000"):
                first = watch.wait("gone 1")
                c.wait("lost")
                c.wait(lambda line: line.split(" ")[1] == "connected" and int(line.split(" ")[0]) > 50)
            tap.wait_for(lambda: len(c.words("connected")) >= 2, "the second connection")
            c.process.kill()
            second = watch.wait("gone 2")
    tap.check("each connection has its own will", ([] if first else ["no first will"]) +
              ([] if second else ["no second will"]))
    tap.check("another client with the same id is a cause that is named",
              lacks(c.lines, 'another client came with our id "link-client"'))


def server_is_killed(folder):
    port = free_port()
    with Mosquitto(folder, port) as m, Client(f"server=127.0.0.1:{port}", "subscribe=k") as c:
        c.wait("connected")
        m.stop(signal.SIGKILL)
        lost = c.wait("lost")
        c.say("k too-late")
        refused = c.wait("published -107")
        c.wait("Connection refused: no server listens there")
        before = c.turns()
        time.sleep(2)
        spun = c.turns() - before
        m.start()
        tap.wait_for(lambda: len(c.words("connected")) == 2, "the second connection")
        c.say("k again")
        again = c.wait("received k again")
    tap.check("a killed server is noticed, waited for with pauses, and found again",
              [f"missing: {n}" for n, v in (("lost", lost), ("-ENOTCONN", refused), ("again", again)) if not v] +
              ([] if spun < 150 else [f"the loop woke {spun} times in 2 s of pauses of 40 ms and more"]))


def servers_in_turn(folder):
    dead = free_port()
    with Mosquitto(folder) as m, Mosquitto(folder) as n, \
            Client(f"server=127.0.0.1:{dead}", f"server=127.0.0.1:{m.port}", f"server=127.0.0.1:{n.port}") as c:
        first = c.wait(f"connected 127.0.0.1:{m.port}")
        m.stop(signal.SIGKILL)
        second = c.wait(f"connected 127.0.0.1:{n.port}")
    tap.check("servers are tried in turn", lacks(c.lines, f"127.0.0.1:{dead}: Connection refused") +
              ([] if first and second else [f"first {first!r}, second {second!r}"]))


def silent(folder):
    with Late() as late, silent_server() as port, Mosquitto(folder) as m, \
            Client(f"server=127.0.0.1:{port}", f"server=127.0.0.1:{m.port}", "connect_us=600000") as c:
        c.wait_turning()
        c.wait("connected", 20)
    lost = c.words("lost")
    tap.check("a server that takes the connection and says nothing is left in time, and the next one tried",
              lacks(c.lines, "the server took the connection, but did not answer in time") +
              ([] if lost and 550 <= int(lost[0][0]) <= 1500 + late.ms() else [f"lost: {lost}"]) +
              ([] if c.turned_first() else ["the loop stood meanwhile"]))


def hole(folder):
    """A network of its own where nobody answers, and a name server there."""
    resolv = pathlib.Path(folder) / "resolv.conf"
    resolv.write_text("nameserver 10.9.9.3\noptions timeout:30\n")
    script = ("ip link add hole type veth peer name far && ip addr add 10.9.9.1/24 dev hole && ip link set hole up && "
              "ip link set far up && ip neigh add 10.9.9.2 lladdr 02:00:00:00:00:99 dev hole && "
              "ip neigh add 10.9.9.3 lladdr 02:00:00:00:00:99 dev hole && "
              "ip link set lo up && mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"")
    before = ("unshare", "-nm", "sh", "-c", script, str(resolv))
    if tap.run(*before, "true").returncode != 0:
        tap.skip("an address where nobody answers", "no network namespace, or no veth, on this machine")
        return
    for what, server in (("an address where nobody answers", "10.9.9.2:1883"),
                         ("a name server that does not answer", "somewhere.example:1883")):
        with Late() as late, \
                Client(f"server={server}", "connect_us=700000", "first_us=5000000", "last_us=5000000", before=before) as c:
            c.wait_turning()
            lost = c.wait("lost", 20)
            status = c.quit()
        tap.check(f"{what} does not stop the loop",
                  ([] if c.turned_first() else ["the loop stood"]) + lacks(c.lines, "did not answer in time") +
                  ([] if lost and 650 <= int(lost.split(" ")[0]) <= 1500 + late.ms() else [f"lost: {lost}"]) +
                  ([] if status == 0 else [f"exit {status}"]))


def passwords(folder):
    file = pathlib.Path(folder) / "passwords"
    tap.output_of("mosquitto_passwd", "-b", "-c", file, "anna", "right")
    file.chmod(0o644)
    with Mosquitto(folder, more=("allow_anonymous false", f"password_file {file}")) as m:
        server = f"server=127.0.0.1:{m.port}"
        with Client(server, "user=anna", "password=right") as c:
            good = c.wait("connected")
        with Client(server, "user=anna", "password=wrong") as c:
            c.wait("lost")
            before = c.turns()
            time.sleep(1)
            spun = c.turns() - before
    tap.check("the right password is let in, the wrong one told", ([] if good else ["not let in"]) +
              lacks(c.lines, 'refuses client "link-client": not authorised') +
              ([] if spun < 150 else [f"woke {spun} times"]))


def forbidden(folder):
    acl = pathlib.Path(folder) / "acl"
    acl.write_text("topic readwrite mine/#\n")
    acl.chmod(0o644)
    with Mosquitto(folder, more=(f"acl_file {acl}",)) as m:
        with Client(f"server=127.0.0.1:{m.port}", "subscribe=yours/#") as c:
            c.wait("connected")
            c.say("turns")
            c.wait("turns")
    # mosquitto 2.0 grants such a subscription and delivers nothing: nothing can be said of it
    tap.check("a server that grants what it will not deliver is still a connection", lacks(c.lines, "connected"))


def tls(folder):
    good, other = Authority(folder), Authority(folder, "other")
    good.sign("server", "DNS:localhost,IP:127.0.0.1")
    good.sign("foreign", "DNS:elsewhere.example")
    good.sign("old", "DNS:localhost", days=-1)
    cert, key = good.sign("device", "DNS:device")
    old_cert, old_key = good.sign("old-device", "DNS:device", days=-1)
    foreign_cert, foreign_key = other.sign("device", "DNS:device")
    ours = (f"ca={good.file}", f"cert={cert}", f"key={key}")
    with Mosquitto(folder, tls=(good, "server")) as m, Mosquitto(folder, tls=(good, "foreign")) as foreign, \
            Mosquitto(folder, tls=(good, "old")) as old, Mosquitto(folder) as plain:
        rows = (
            ("by name", m, "localhost", ours, "connected"),
            ("by number", m, "127.0.0.1", ours, "connected"),
            ("a certificate for another name", foreign, "localhost", ours, "it was made for another name"),
            ("a certificate for another number", foreign, "127.0.0.1", ours, "IP address mismatch"),
            ("an expired certificate of the server's", old, "localhost", ours, "certificate has expired"),
            ("an authority that is not ours", m, "localhost", (f"ca={other.file}", f"cert={cert}", f"key={key}"),
             "no authority in the CA file signed it"),
            ("no certificate of ours", m, "localhost", (f"ca={good.file}",), "none is set"),
            ("an expired certificate of ours", m, "localhost",
             (f"ca={good.file}", f"cert={old_cert}", f"key={old_key}"), "certificate expired"),
            ("a certificate of ours that the server does not know", m, "localhost",
             (f"ca={good.file}", f"cert={foreign_cert}", f"key={foreign_key}"), "unknown CA"),
            ("TLS to a port without", plain, "localhost", ours, "is this an MQTT port with TLS"),
            ("no TLS to a port with", m, "localhost", (), "is this an MQTT port without TLS"),
        )
        for what, server, host, settings, said in rows:
            with Client(f"server={host}:{server.port}", *settings) as c:
                c.wait(said, 20)
                time.sleep(0.5)
                before = c.turns()
                time.sleep(0.5)
                spun = c.turns() - before
                tap.check(f"TLS: {what}", lacks(c.lines, said) +
                          ([] if spun < (3 if said == "connected" else 150) else [f"the loop woke {spun} times in 0.5 s"]) +
                          ([] if said == "connected" or not c.words("connected") else ["it connected all the same"]))
    return good


def renewed(folder, authority):
    """The same names, new files: taken at the next connection."""
    live = pathlib.Path(folder) / "live"
    live.mkdir()
    authority.sign("soon-old", "DNS:device", days=-1)
    for end in ("crt", "key"):
        (live / f"d.{end}").write_bytes((authority.folder / f"soon-old.{end}").read_bytes())
    with Mosquitto(folder, tls=(authority, "server")) as m, \
            Client(f"server=localhost:{m.port}", f"ca={authority.file}", f"cert={live}/d.crt", f"key={live}/d.key") as c:
        c.wait("certificate expired")
        (live / "d.crt").write_text("half written")
        c.wait("holds no certificate in PEM form")
        for end in ("key", "crt"):
            (live / f"d.{end}").write_bytes((authority.folder / f"device.{end}").read_bytes())
        connected = c.wait("connected")
    tap.check("a renewed certificate is taken without a restart, and a broken one told",
              lacks(c.lines, "certificate expired", "holds no certificate in PEM form") +
              ([] if connected else ["not connected"]))


def wrong_settings(folder, authority):
    crt, key = authority.folder / "device.crt", authority.folder / "device.key"
    rows = (
        (("server=nowhere",), 'server "nowhere" is no HOST:PORT'),
        ((), "0 servers are named"),
        (("server=a:1", "keepalive_s=4"), "keepalive is not within"),
        (("server=a:1", f"ca={folder}/missing"), "cannot read"),
        (("server=a:1", f"ca={key}"), "holds no certificate of an authority"),
        (("server=a:1", f"ca={authority.file}", f"cert={crt}"), "go together"),
        (("server=a:1", f"ca={authority.file}", f"cert={key}", f"key={key}"), "holds no certificate"),
        (("server=a:1", f"ca={authority.file}", f"cert={crt}", f"key={authority.folder}/server.key"),
         "holds no key for the certificate"),
        (("server=a:1", f"cert={crt}", f"key={key}"), "no CA file"),
        (("server=a:1", "password=x"), "no user"),
        (("server=a:1", "first_us=0"), "the first pause"),
    )
    for settings, said in rows:
        with Client(*settings) as c:
            status = c.process.wait(20)
            c.wait("refused")
        tap.check(f"settings: {said}", lacks(c.lines, said) + ([] if status == 2 else [f"exit {status}"]))


def memory_does_not_grow(folder, authority):
    """300 attempts at a TLS server that is not there, then at one that refuses."""
    def rss(pid):
        return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4

    with Mosquitto(folder, tls=(authority, "foreign")) as m, \
            Client(f"server=localhost:{m.port}", f"server=127.0.0.1:{free_port()}", f"ca={authority.file}",
                   f"cert={authority.folder}/device.crt", f"key={authority.folder}/device.key",
                   "first_us=10000", "last_us=10000") as c:
        tap.wait_for(lambda: len(c.words("lost")) > 100, "100 attempts", 30)
        early = rss(c.process.pid)
        tap.wait_for(lambda: len(c.words("lost")) > 500, "500 attempts", 60)
        grown = rss(c.process.pid) - early
    tap.check_memory("400 failed attempts cost no memory", [] if grown < 256 else [f"grown by {grown} KiB"])


def main():
    mqtt.need("mosquitto", "openssl", "mosquitto_passwd")
    with tempfile.TemporaryDirectory(prefix="failsoft-link-") as folder:
        pathlib.Path(folder).chmod(0o755)
        for story in (messages_go_through, will_is_fresh, server_is_killed, servers_in_turn, silent, hole, passwords,
                      forbidden):
            story(folder)
        authority = tls(folder)
        renewed(folder, authority)
        wrong_settings(folder, authority)
        memory_does_not_grow(folder, authority)
    tap.done()


if __name__ == "__main__":
    main()
