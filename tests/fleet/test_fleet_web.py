#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The HTTP port of failsoft-fleet under clients that want it to be of no use: it must answer again."""

import http.client
import socket
import threading
import time

import side
import tap

IDLE_S, ANSWER_S = 15, 60  # clients/fleet/web.c


def connect(port, source):
    return socket.create_connection(("127.0.0.1", port), 10, (source, 0))


def answers(port, source="127.0.0.1", seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=min(seconds, 10), source_address=(source, 0))
        try:
            connection.request("GET", "/metrics")
            if connection.getresponse().status == 200:
                return True
        except (OSError, http.client.HTTPException):
            time.sleep(0.2)
        finally:
            connection.close()
    return False


def is_open(one):
    one.setblocking(False)
    try:
        return one.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def one_address(fleet):
    """It gets half of the places, and others get the rest."""
    many = [connect(fleet.http_port, "127.0.0.2") for _ in range(70)]
    tap.check("one address with 70 connections keeps nobody else out", [] if answers(fleet.http_port) else ["no answer"])
    for one in many:
        one.close()


def idle(fleet):
    """At the limit the library listens no more; when all of them end in one moment, it must again."""
    many = [connect(fleet.http_port, f"127.0.0.{2 + i % 3}") for i in range(66)]
    tap.check("66 idle connections are too many for another one",
              [] if not answers(fleet.http_port, seconds=2) else ["there is no limit"])
    time.sleep(IDLE_S + 3)
    for one in many:
        one.close()
    tap.check("it answers again when they have ended", [] if answers(fleet.http_port) else ["it is dead"])


def trickle(one, since):
    """A byte now and then: never idle. Returns after how many seconds it was ended, as far as anybody waits."""
    while time.monotonic() - since < ANSWER_S + 30 and is_open(one):
        try:
            one.sendall(b"x")
        except OSError:
            break
        time.sleep(1)
    return time.monotonic() - since


def hosts(fleet):
    for head, status in (("Host: localhost\r\nHost: evil.example\r\n", "403"), ("Host: [::1].evil\r\n", "403"),
                         ("Host: localhost\r\n", "200")):
        with connect(fleet.http_port, "127.0.0.1") as one:
            one.sendall(f"GET /metrics HTTP/1.1\r\n{head}\r\n".encode())
            got = one.recv(100).decode().split()[1]
        tap.check(f"{head!r}: {status}", [] if got in (status, "400") and (status == "200") == (got == "200") else [got])


def slow(fleet):
    after = []
    one, since = connect(fleet.http_port, "127.0.0.5"), time.monotonic()
    one.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
    thread = threading.Thread(target=lambda: after.append(trickle(one, since)))
    thread.start()
    return thread, after


def main():
    with side.Fleet(None, "--read=/dev/null", listen=True) as fleet, \
            side.Fleet(None, "--read=/dev/null", listen=True) as other:
        for each in (fleet, other):
            tap.wait_for(lambda each=each: answers(each.http_port, seconds=1), "the page")
        thread, after = slow(other)
        hosts(other)
        one_address(other)
        idle(fleet)
        thread.join()
        tap.check("a client that trickles is ended", [] if after[0] < ANSWER_S + 15 else [f"{after[0]:.0f} s"])
        tap.check("they live", [] if all(f.process.poll() is None and answers(f.http_port) for f in (fleet, other))
                  else [fleet.err.all()])
    tap.done()


main()
