#!/usr/bin/env python3
"""contention.py --taker PROGRAM --directory DIR [--seconds S] [--rounds N]: locks of several makers under contention.

Every kind of lock, 2 to 64 processes, two ways of using it. The processes of all kinds are started first and then take
turns, phase by phase, so that all kinds see the same machine; each phase's processes log when they got the lock and when
they began to give it back, on the monotonic clock that they share. From these logs come the figures, and the proof that
no two held the lock at once. Prints Markdown; docs/benchmarks.md keeps it and plot.py draws it.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).parent
COUNTS = [2, 4, 8, 16, 64]
# What a holder does, and what it does between two turns, in nanoseconds; negative: busy instead of asleep.
USES = {
    "200 µs inside, asleep; again at once": (200_000, 0),
    "20 µs inside, busy; 100 µs outside, asleep": (-20_000, 100_000),
}
NAMES = {
    "flock": "blocking flock, naked (floor)",
    "file_mutex": "lockkit `file_mutex`",
    "lock_file": "lockkit `lock_file`",
    "FileLock": "Python `FileLock`",
    "SoftFileLock": "Python `SoftFileLock`",
    "fasteners": "Python `fasteners`",
    "proper-lockfile": "npm `proper-lockfile`",
    "dotlockfile": "`dotlockfile`",
}


def command(kind, path, taker):
    if kind in ("FileLock", "SoftFileLock", "fasteners"):
        return ["/usr/bin/python3", "-B", HERE / "taker.py", kind, path]
    if kind == "proper-lockfile":
        return ["node", HERE / "taker.js", kind, path]
    return [taker, kind, path]


class Crowd:
    """So many processes for one lock of one kind."""

    def __init__(self, kind, count, place, taker):
        self.kind, self.path = kind, place / f"{kind}.{count}"
        environment = {**os.environ, "NODE_PATH": "/usr/share/nodejs"}
        self.takers = [
            subprocess.Popen(command(kind, self.path, taker), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             text=True, env=environment)
            for _ in range(count)
        ]

    def phase(self, seconds, use):
        if self.kind == "dotlockfile":  # one that was ended at a phase's end may have left its file
            self.path.unlink(missing_ok=True)
        begin = time.monotonic_ns() + 50_000_000
        end = begin + int(seconds * 1e9)
        for taker in self.takers:
            taker.stdin.write(f"{begin} {end} {use[0]} {use[1]}\n")
            taker.stdin.flush()
        answers = [taker.stdout.readline().split() for taker in self.takers]
        if not all(answers):
            sys.exit(f"contention.py: a process of {self.kind} has ended")
        turns = [[tuple(map(int, turn.split(":"))) for turn in answer[1:]] for answer in answers]
        return Phase(self.kind, turns, sum(int(answer[0]) for answer in answers), begin, end)

    def close(self):
        for taker in self.takers:
            taker.stdin.close()
        for taker in self.takers:
            taker.wait()


def longest_wait(turns, begin, end):
    """Of one process, with the time that it stays away: to its next turn, or to the end if that did not come."""
    left = [begin, *(releasing for _, releasing in turns)]
    entered = [*(acquired for acquired, _ in turns), max(end, left[-1])]
    return max(there - then for then, there in zip(left, entered))


class Phase:
    def __init__(self, kind, turns, cpu_us, begin, end):
        self.longest_wait = max(longest_wait(one, begin, end) for one in turns) / 1_000_000
        self.turns = [sum(1 for acquired, _ in one if acquired < end) for one in turns]
        self.cpu_us = cpu_us
        log = sorted((acquired, releasing, who) for who, one in enumerate(turns) for acquired, releasing in one)
        self.all, self.another = [], []
        for (_, releasing, who), (acquired, _, heir) in zip(log, log[1:]):
            if acquired < releasing:
                sys.exit(f"contention.py: {kind}: two held the lock at once")
            if acquired < end:
                self.all.append((acquired - releasing) / 1000)
                if who != heir:
                    self.another.append(self.all[-1])


def quantile(values, part):
    return sorted(values)[int(part * (len(values) - 1))] if values else None


class Row:
    """One kind's figures over its phases."""

    def __init__(self, phases, seconds):
        everything = [value for phase in phases for value in phase.all]
        another = [value for phase in phases for value in phase.another]
        turns = [sum(numbers) for numbers in zip(*(phase.turns for phase in phases))]
        self.figures = [
            quantile(everything, 0.5), quantile(everything, 0.99), max(everything, default=None), quantile(another, 0.5),
            sum(turns) / seconds, sum(phase.cpu_us for phase in phases) / max(1, sum(turns)),
            max(phase.longest_wait for phase in phases), min(turns) / max(1, max(turns)),
        ]

    def cells(self):
        *figures, fairness = self.figures
        return [readable(value) for value in figures] + [f"{fairness:.2f}"]


def readable(value):
    if value is None:
        return "–"
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def measure(count, options):
    place = pathlib.Path(options.directory)
    crowds = [Crowd(kind, count, place, options.taker) for kind in NAMES]
    phases = {(use, kind): [] for use in USES for kind in NAMES}
    for crowd in crowds:
        crowd.phase(0.1, (200_000, 1_000_000))  # everything loaded
    for use, times in USES.items():
        for first in range(options.rounds):
            for crowd in crowds[first:] + crowds[:first]:
                phases[use, crowd.kind].append(crowd.phase(options.seconds, times))
    for crowd in crowds:
        crowd.close()
    return {key: Row(found, options.seconds * options.rounds) for key, found in phases.items()}


def print_table(use, rows):
    print(f"\n#### {use}\n")
    print("| processes | | p50 µs | p99 µs | max µs | to another: p50 µs | turns/s | CPU µs per turn | longest wait ms | fewest / most turns |")
    print("|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    for count in COUNTS:
        for number, kind in enumerate(NAMES):
            label = count if number == 0 else ""
            print("| " + " | ".join([str(label), NAMES[kind], *rows[count][use, kind].cells()]) + " |")


def describe(directory):
    filesystem = subprocess.run(["findmnt", "-n", "-o", "FSTYPE", "-T", directory], capture_output=True, text=True).stdout.split()[-1]
    commit = subprocess.run(["git", "-C", HERE, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    print(f"{time.strftime('%Y-%m-%d')}, commit {commit}, Linux {os.uname().release}, {os.cpu_count()} processors, {filesystem}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--taker", required=True)
    parser.add_argument("--directory", required=True)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    describe(options.directory)
    rows = {}
    for count in COUNTS:
        load = os.getloadavg()[0]
        rows[count] = measure(count, options)
        print(f"{count} processes: load {load:.1f} before, {os.getloadavg()[0]:.1f} after", file=sys.stderr)
    for use in USES:
        print_table(use, rows)


if __name__ == "__main__":
    main()
