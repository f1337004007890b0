# SPDX-License-Identifier: MIT
"""The 80x24 picture of the demo, redrawn in place on a terminal, as plain lines elsewhere."""

import os
import sys
import time

WIDTH = 79  # the last column stays free: some terminals wrap there
STAGES = ["normal", "warning", "imminent", "shutdown"]
COLOURS = {"normal": 32, "warning": 33, "imminent": 35, "shutdown": 31}
ANSWERS = {"done": 32, "partial": 33, "busy": 33, "refused": 31, "missed": 31, "vanished": 33}


def size(count):
    return f"{count / 1048576:.1f} MiB"


def duration(usec):
    if usec is None:
        return "not falling"
    return f"{usec / 1e6:.1f} s" if usec >= 1e6 else f"{usec / 1e3:.0f} ms"


class Screen:
    def __init__(self, out=sys.stdout):
        self.out = out
        self.live = out.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self.colour = self.live and "NO_COLOR" not in os.environ
        self.utf8 = "utf" in (out.encoding or "").lower()
        self.rows = []
        self.history = []
        self.events = []
        self.began = time.monotonic()
        self.title = ""

    # ---- text ----

    def paint(self, text, code):
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour else text

    def bar(self, share, width):
        full, empty = ("█", "░") if self.utf8 else ("#", ".")
        filled = max(0, min(width, round(share * width)))
        return full * filled + empty * (width - filled)

    def spark(self, width):
        marks = "▁▂▃▄▅▆▇█" if self.utf8 else "_.-~=+*#"
        points = self.history[-width:]
        return "".join(marks[min(7, int(max(0.0, p) * 7.99))] for p in points)

    # ---- what is shown ----

    def act(self, title, what):
        self.title = title
        self.history.clear()
        self.events.clear()
        self.began = time.monotonic()
        if not self.live:
            print(f"\n== {title}\n   {what}", file=self.out, flush=True)
        self.what = what

    def event(self, text, code=0):
        line = f"{time.monotonic() - self.began:6.2f} s  {text}"
        short = line if len(line) <= WIDTH else line[:WIDTH - 3] + "..."
        self.events.append((short, code))
        if not self.live:
            print("   " + line, file=self.out, flush=True)

    def show(self, view):
        """view: dict of headroom, limit, tte, low, stage, apps (list of tuples)."""
        self.history.append(view["headroom"] / view["limit"] if view["limit"] else 0)
        if not self.live:
            return
        rows = [self.paint(" failsoft ", "7") + "  " + self.paint(self.title, "1"),
                " " + self.what, "-" * WIDTH]
        rows += self.memory_rows(view) + [""] + self.app_rows(view["apps"]) + ["-" * WIDTH]
        room = 23 - len(rows)
        rows += [self.paint(text, code) if code else text for text, code in self.events[-room:]]
        self.draw(rows)

    def memory_rows(self, view):
        share = view["headroom"] / view["limit"] if view["limit"] else 0
        colour = COLOURS[view["stage"]]
        low = f" (at worst {duration(view['low'])})" if view["low"] is not None else ""
        stages = " > ".join(self.paint(s.upper(), f"1;{COLOURS[s]}") if s == view["stage"] else s
                            for s in STAGES)
        return [
            f" headroom      {self.paint(self.bar(share, 40), colour)}  "
            f"{size(view['headroom'])} of {size(view['limit'])}",
            f" exhausted in  {duration(view['tte'])}{low}",
            f" stage         {stages}" if view["broker"] else " stage         (nobody watches)",
            f" the last 6 s  {self.spark(60)}",
        ]

    def app_rows(self, apps):
        rows = [self.paint(f" {'APPLICATION':<13}{'ASKED TO':<10}{'DEADLINE':<22}{'ANSWER':<12}"
                           f"{'NOT YET ON DISK':>16}", "1")]
        for name, step, left, share, answer, exposed in apps:
            gauge = f"{self.bar(share, 10)} {left}" if left else ""
            mark = self.paint(f"{answer:<12}", ANSWERS.get(answer.split(" ")[0], 0))
            rows.append(f" {name:<13}{step:<10}{gauge:<22}{mark}{exposed:>16}")
        return rows

    def draw(self, rows):
        text = "\x1b[H" + "".join(f"{row}\x1b[K\r\n" for row in rows[:23]) + "\x1b[J"
        self.out.write(text)
        self.out.flush()

    def __enter__(self):
        if self.live:
            self.out.write("\x1b[?25l\x1b[2J")
        return self

    def __exit__(self, *_):
        if self.live:
            self.out.write("\x1b[?25h\x1b[0m\n")
            self.out.flush()

    def close_act(self, lines):
        """The outcome stays on the screen for a moment, so that a person can read it."""
        for text, code in lines:
            self.event(text, code)
