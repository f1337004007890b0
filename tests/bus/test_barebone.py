#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""failsoft-barebone stops the machine but for a named set: here a machine is a pid namespace."""

import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

import tap_path  # noqa: F401
import tap

RUN = struct.Struct("=Ii QQQ I64i 16s 256s 4x")  # struct failsoft_responder_run


def state(process):
    """T: it is stopped; S: it goes on, and be it that it has just been woken for that."""
    letter = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    return "S" if letter == "R" else letter


def states(processes, wanted):
    """A signal is on its way until its process has run: on a busy machine that takes a moment."""
    end = time.monotonic() + 20
    while [state(p) for p in processes] != list(wanted) and time.monotonic() < end:
        time.sleep(0.01)
    return [state(p) for p in processes]


def sleeper(folder, name):
    path = folder / name
    shutil.copy("/bin/sleep", path)
    return subprocess.Popen([path, "60"])


def call(program, *arguments, pid=7, pids=(7,)):
    """As failsoft-responder does it; pid 0: as a last policy."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = subprocess.Popen([program, *arguments], pass_fds=[theirs.fileno()], stdout=subprocess.PIPE, text=True,
                               env={"FAILSOFT_RESPONDER_FD": str(theirs.fileno())})
    theirs.close()
    assert struct.unpack("=I", ours.recv(4)) == (1,)
    ours.send(RUN.pack(1, pid, 0, 0, 1 << 62, len(pids), *[*pids, *[0] * 64][:64], b"hog", b"/"))
    return process.communicate(timeout=20)[0].strip()


def inside(program, folder):
    """Only where process 1 is ours: nothing else of the machine is within reach."""
    if os.getpid() != 1:
        return 77
    sleepers = [sleeper(folder, name) for name in ("pump", "pump-log", "viewer", "sshd")]
    time.sleep(0.2)
    says = call(program, "pump*")
    stopped = states(sleepers, "SSTS")
    subprocess.run([program, "--continue"], check=True, stdout=subprocess.DEVNULL)
    gone_on = states(sleepers, "SSSS")
    protect = f"--protect=none\n{folder}/pump-*\nunit:none.service\ncgroup:/none"
    says += " " + call(program, "--end", protect, "none\npump", pid=0, pids=[sleepers[2].pid])
    says += " " + call(program, "--end", "--protect=uid:0", "none", pid=0, pids=())
    says += " " + call(program, "--end", "none", pid=0, pids=range(1000, 1065)).split(",")[0]
    spared = [state(p) for p in sleepers]
    sleepers[2].send_signal(signal.SIGSTOP)
    says += " " + call(program, "--term", "pump")
    sleepers[1].wait(20)
    time.sleep(0.2)  # nobody else follows
    ended = [p.poll() is not None for p in sleepers]
    says += " " + call(program, "--end", "pump")
    sleepers[2].wait(20)
    time.sleep(0.2)
    killed = [p.poll() is not None for p in sleepers]
    print(says, "|", *stopped, "|", *gone_on, "|", *spared, "|", *ended, "|", *killed)
    return 0


def main():
    program = tap.program("failsoft-barebone")
    folder = tap.BUILD / f"barebone-{os.getpid()}"
    folder.mkdir()
    try:
        result = tap.run("unshare", "--pid", "--fork", "--mount-proc", "--kill-child", sys.executable, __file__,
                         "inside", program, folder)
    finally:
        shutil.rmtree(folder)
    if result.returncode == 77 or "unshare" in result.stderr:
        tap.skip_all("no namespace of processes: " + result.stderr.strip())
    have = result.stdout.strip()
    want = ("1 processes stopped 0 processes told to end 0 processes told to end 65 clients may not be ended "
            "2 processes told to end 1 processes told to end "
            "| S S T S | S S S S | S S S S | False True False False | False True True False")
    tap.check("it stops the rest, lets it go on, tells it to end, and ends what is stopped, too; the named set, "
              "sshd and whom protect or a client's word spares run on",
              [] if have == want else [f"have {have} {result.stderr}", f"want {want}"])
    tap.done()


if sys.argv[1:2] == ["inside"]:
    sys.exit(inside(sys.argv[2], pathlib.Path(sys.argv[3])))
main()
