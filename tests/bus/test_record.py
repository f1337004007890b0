#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Recording a running broker, and replaying it to the same decisions."""

import os
import pathlib
import subprocess
import sys
import time

import tap_path  # noqa: F401
import tap
from world import LOW, LOWER, LOWEST, PLENTY, World, expect, true, wait_until

CTL = next(pathlib.Path(os.environ["FAILSOFT_BUILD"]).rglob("failsoftctl"))


def ctl(*arguments, **more):
    return subprocess.run([CTL, *map(str, arguments)], capture_output=True, text=True, timeout=60, **more)


def recording(w, name):
    """A `failsoftctl record` that runs, and its file."""
    path = w.folder / name
    child = subprocess.Popen([CTL, f"--bus={w.address}", "record", path])
    wait_until(lambda: path.exists() and path.stat().st_size)
    return child, path


def finish(child):
    child.terminate()
    return child.wait(timeout=30)


def episode(w):
    hog = w.child([sys.executable, "-c", "import time; time.sleep(60)"])
    time.sleep(0.2)
    w.add_process(hog.pid, "hog", 600000)
    w.slide(LOW, LOWER)
    for free in range(LOWEST + 10000, LOWEST - 10000, -1000):
        w.set_free(free)
        time.sleep(0.02)
    w.wait_event(event="ended")
    w.set_free(PLENTY)
    w.wait_event(event="episode_closed")


def whole_episode():
    with World() as w:
        w.client("logger")
        child, path = recording(w, "a.fsr")
        busy = ctl(f"--bus={w.address}", "record", w.folder / "b.fsr")
        again = ctl(f"--bus={w.address}", "record", path)
        episode(w)
        code = finish(child)
        replay = ctl("replay", path)
        lines = ctl("replay", "--json", path).stdout.splitlines()
        told = [e["text"] for e in w.events()]
        replayed = [line for line in replay.stdout.splitlines() if not line.startswith("#")]
        bytes_ = path.read_bytes()
        damaged(bytes_)
        w.kill_broker()
        nobody = ctl(f"--bus={w.address}", "record", w.folder / "c.fsr")
        left = sorted(p.name for p in w.folder.glob("*.fsr"))
    tap.check("an episode is recorded and replayed to the same decisions",
              expect(code=(code, 0), replay=(replay.returncode, 0))
              + true(same="decisions are the recorded ones" in replay.stdout,
                     episode=any("shutdown" in line for line in replayed),
                     words=all(line[12:] in told for line in replayed),
                     json=len(lines) == len(replayed)))
    tap.check("one recording at a time, and none is written over",
              true(busy="already" in busy.stderr and busy.returncode != 0,
                   again="exists" in again.stderr and again.returncode != 0))
    tap.check("what could not begin leaves no file that would refuse the next try",
              true(said=nobody.returncode == 3) + expect(left=(left, ["a.fsr"])))


def from_the_middle():
    with World() as w:
        w.client("logger")
        w.slide(LOW, LOWER)
        child, path = recording(w, "a.fsr")
        for free in range(LOWEST + 10000, LOWEST - 10000, -1000):
            w.set_free(free)
            time.sleep(0.02)
        w.set_free(PLENTY)
        w.wait_event(event="episode_closed")
        finish(child)
        replay = ctl("replay", path)
    tap.check("a recording may begin in the middle of an episode",
              expect(code=(replay.returncode, 0))
              + true(same="decisions are the recorded ones" in replay.stdout,
                     cleared="normal" in replay.stdout))


def other_policy():
    with World() as w:
        w.client("logger")
        child, path = recording(w, "a.fsr")
        w.slide(LOW, LOWER)
        w.set_free(PLENTY)
        w.wait_event(event="episode_closed")
        finish(child)
        strict = w.folder / "strict.json"
        strict.write_text('{"floor_warning_percent": 50, "floor_imminent_percent": 40}')
        wrong = w.folder / "wrong.json"
        wrong.write_text('{"floor_warning_percent": "much"}')
        what_if = ctl("replay", f"--config={strict}", path)
        plain = ctl("replay", path)
        refused = ctl("replay", f"--config={wrong}", path)
    tap.check("another configuration shows what would have been decided",
              expect(code=(what_if.returncode, 0))
              + true(words="another policy" in what_if.stdout, stages="->" in what_if.stdout,
                     other=what_if.stdout.splitlines()[:-2] != plain.stdout.splitlines()[:-2],
                     ended=not plain.stderr))
    tap.check("a wrong configuration is refused with a reason",
              true(said="floor_warning_percent" in refused.stderr, code=refused.returncode == 2))


def damaged(good):
    """Cut anywhere, flipped anywhere: what was before is shown, and nothing crashes."""
    path = pathlib.Path(os.environ.get("TMPDIR", "/tmp")) / f"failsoft-damaged-{os.getpid()}.fsr"
    problems = []
    step = max(1, len(good) // 60)
    try:
        for at in range(0, len(good), step):
            path.write_bytes(good[:at])
            cut = ctl("replay", path)
            if cut.returncode not in (0, 1, 3) or (at > 8 and not cut.stderr):
                problems.append(f"cut at {at}: {cut.returncode} {cut.stderr!r}")
            flipped = bytearray(good)
            flipped[at] ^= 1 << at % 8
            path.write_bytes(flipped)
            flip = ctl("replay", path)
            # A length that was turned over may look like the end of a recorder that was killed.
            is_cut = flip.returncode in (0, 1) and "it ends within a record" in flip.stderr
            if not is_cut and (flip.returncode != 3 or not flip.stderr):
                problems.append(f"flipped at {at}: {flip.returncode} {flip.stderr!r}")
    finally:
        path.unlink(missing_ok=True)
    tap.check("a recording that is cut or damaged says so, and shows what came before", problems)


def no_recordings():
    path = pathlib.Path(__file__)
    foreign = ctl("replay", path)
    missing = ctl("replay", "/does/not/exist")
    tap.check("what is no recording is named as such",
              true(foreign="no recording" in foreign.stderr and foreign.returncode == 3,
                   missing="No such file" in missing.stderr and missing.returncode == 3))


whole_episode()
from_the_middle()
other_policy()
no_recordings()
tap.done()
