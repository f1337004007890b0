#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The demo keeps its promise: ends within 90 s with status 0 and the last line that it owes."""

import os
import pathlib
import re
import subprocess
import sys
import time

SOURCE = pathlib.Path(__file__).parents[2]
BUILD = os.environ.get("FAILSOFT_BUILD", str(SOURCE / "build"))


def main():
    began = time.monotonic()
    result = subprocess.run(["/usr/bin/python3", str(SOURCE / "clients/demo/demo.py"), "--build", BUILD],
                            capture_output=True, text=True, timeout=300, check=False)
    lines = result.stdout.rstrip("\n").split("\n")
    lost_nothing = re.fullmatch(r"demo: lost 0 of [1-9]\d* records", lines[-1])
    facts = {"exit status 0": result.returncode == 0, "last line": bool(lost_nothing),
             "within 90 s": time.monotonic() - began < 90}
    for number, (name, fact) in enumerate(facts.items(), 1):
        print(f"{'ok' if fact else 'not ok'} {number} - demo: {name}")
    if not all(facts.values()):
        for line in lines[-40:] + result.stderr.split("\n")[-10:]:
            print("# " + line)
    print(f"1..{len(facts)}")
    return 0 if all(facts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
