#!/usr/bin/env python3
"""peers.py --worker PROGRAM --directory DIR [--seconds S] [--largest MIB] [--only publish|cache]: publishing and caching
beside other makers' libraries.

One process per maker; all are asked in turn, round by round, so that all see the same machine and the same disk. Each
round's median of a variant is divided by the floor's and by lockkit's of the same round; printed are the medians of these
ratios. Prints Markdown; docs/benchmarks.md keeps it.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
KIB, MIB = 1 << 10, 1 << 20


class Maker:
    """A process that does one maker's operations."""

    def __init__(self, *command):
        environment = {**os.environ, "NODE_PATH": "/usr/share/nodejs"}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)

    def times(self, operation, size, count):
        self.process.stdin.write(f"{operation} {size} {count}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        if len(answer) != count:
            sys.exit(f"peers.py: {operation} has failed")
        return [int(each) / 1000 for each in answer]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Variant:
    def __init__(self, label, maker, operation, goal=None):
        self.label, self.maker, self.operation, self.goal = label, maker, operation, goal
        self.all, self.medians = [], []


class Goal:
    """A bound on the ratio of two variants' medians, for the median of the rounds. Reported, never enforced."""

    def __init__(self, of, limit, at_least=False):
        self.of, self.limit, self.at_least = of, limit, at_least

    def judge(self, mine, other):
        ratio = ratio_of(other, mine) if self.at_least else ratio_of(mine, other)
        met = ratio >= self.limit if self.at_least else ratio <= self.limit
        how = "faster, wanted ≥" if self.at_least else "wanted ≤"
        return f"{readable(ratio)} × {'' if self.at_least else other.label + ', '}{how} {self.limit}: {'yes' if met else 'no'}"


def ratio_of(one, other):
    return statistics.median(a / b for a, b in zip(one.medians, other.medians))


def spread(one, other):
    ratios = [a / b for a, b in zip(one.medians, other.medians)]
    if len(ratios) < 2:
        return readable(ratios[0])
    low, middle, high = statistics.quantiles(ratios, n=4)
    return f"{readable(middle)} ({readable(low)}–{readable(high)})"


def readable(value):
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def measure(variants, size, seconds):
    """A turn takes about 5 ms for the floor; at least three rounds. Before a large content is copied, what the turns before
    left to be written is written: else who comes later pays for it."""
    quiet = os.sync if size >= 64 * MIB else lambda: None
    floor = variants[0].maker.times(variants[0].operation, size, 5)
    for each in variants[1:]:
        each.maker.times(each.operation, size, 1)
    count = max(1, min(100, round(5000 / statistics.median(floor))))
    until, number = time.monotonic() + seconds, 0
    while number < 3 or time.monotonic() < until:
        first = number % len(variants)
        for each in variants[first:] + variants[:first]:
            quiet()
            times = each.maker.times(each.operation, size, count if statistics.median(each.all or floor) < 5000 else 1)
            each.all += times
            each.medians.append(statistics.median(times))
        number += 1


def print_table(title, variants, ours):
    print(f"\n#### {title}\n")
    print("| | median µs | × floor | × lockkit | goal |")
    print("|---|--:|--:|--:|---|")
    for each in variants:
        goal = ""
        if each.goal:
            other = next(v for v in variants if v.operation == each.goal.of)
            goal = each.goal.judge(each, other)
        print(f"| {each.label} | {readable(statistics.median(each.all))} | {spread(each, variants[0])} | "
              f"{readable(ratio_of(each, ours))} | {goal} |", flush=True)


def compare(title, variants, size, seconds, ours):
    measure(variants, size, seconds)
    print_table(title, variants, next(v for v in variants if v.operation == ours))


def publish_tables(lockkit, python, node, seconds):
    levels = {"visible": 1.15, "consistent": None, "durable": 1.05}
    for level, limit in levels.items():
        variants = [
            Variant("naked system calls (floor)", lockkit, f"naked-{level}"),
            Variant("lockkit `publish`", lockkit, f"publish-{level}", limit and Goal(f"naked-{level}", limit)),
            Variant("Python, mkstemp and os.replace", python, f"replace-{level}"),
        ]
        if level != "durable":  # it never syncs the directory
            variants.append(Variant("npm `write-file-atomic`", node, f"write-file-atomic-{level}"))
        else:
            variants.append(Variant("lockkit `publish`, durable_path", lockkit, "publish-durable-path"))
        compare(f"publish 4 KiB, {level}", variants, 4 * KIB, seconds, f"publish-{level}")
    compare("publish 100 files of 4 KiB, durable", [
        Variant("naked system calls, one by one (floor)", lockkit, "naked-one-by-one"),
        Variant("lockkit `publish`, one by one", lockkit, "publish-one-by-one"),
        Variant("lockkit `publish_batch`", lockkit, "publish-batch", Goal("publish-one-by-one", 2.5, at_least=True)),
    ], 4 * KIB, seconds, "publish-batch")


def cache_tables(lockkit, python, node, seconds, sizes, reflinks):
    for size in sizes:
        name = f"{size // MIB} MiB" if size >= MIB else f"{size // KIB} KiB"
        hit_goal = Goal("pooch-hit", 1000, at_least=True) if size == sizes[-1] else None
        compare(f"Cache hit, {name}", [
            Variant("open, fstat, close of the content (floor)", lockkit, "open-look-close"),
            Variant("lockkit `get`", lockkit, "hit", hit_goal),
            Variant("lockkit `get`, content read and checked", lockkit, "hit-checked"),
            Variant("Python `pooch`", python, "pooch-hit"),
            Variant("npm `cacache`, content read and checked", node, "cacache-hit"),
            Variant("npm `cacache`, its index only", node, "cacache-info"),
        ], size, seconds, "hit")
        mirrors = [
            Variant("copy_file_range, rename (floor)", lockkit, "naked-copy"),
            Variant("lockkit `mirror`, isolated", lockkit, "mirror", Goal("cp", 0.95, at_least=True)),
            Variant("lockkit `mirror`, hard link", lockkit, "mirror-link"),
            Variant("cp", lockkit, "cp"),
            Variant("Python `pooch`, then shutil.copyfile", python, "pooch-mirror"),
            Variant("npm `cacache` get.copy", node, "cacache-mirror"),
        ]
        if reflinks:
            mirrors.insert(4, Variant("cp --reflink", lockkit, "cp-reflink"))
        compare(f"Mirror, {name}", mirrors, size, seconds, "mirror")


def versions():
    wanted = ["node-write-file-atomic", "node-cacache", "python3-pooch", "coreutils"]
    listed = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}, ", *wanted], capture_output=True, text=True)
    return listed.stdout.rstrip(", ")


def describe(directory):
    found = subprocess.run(["findmnt", "-n", "-o", "FSTYPE", "-T", directory], capture_output=True, text=True)
    commit = subprocess.run(["git", "-C", HERE, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    filesystem = found.stdout.split()[-1]
    print(f"\n### {filesystem}\n\n{time.strftime('%Y-%m-%d')}, commit {commit.stdout.strip()}, Linux {os.uname().release}, "
          f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}; {versions()}")
    return filesystem


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--worker", required=True)
    parser.add_argument("--directory", required=True)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--largest", type=int, default=1024, help="MiB")
    parser.add_argument("--only", choices=["publish", "cache"])
    options = parser.parse_args()
    filesystem = describe(options.directory)
    with tempfile.TemporaryDirectory(dir=options.directory) as place:
        makers = [Maker(options.worker, place), Maker("/usr/bin/python3", "-B", HERE / "worker.py", place),
                  Maker("node", HERE / "worker.js", place)]
        if options.only != "cache":
            publish_tables(*makers, options.seconds)
        if options.only != "publish":
            sizes = [KIB, 10 * MIB, options.largest * MIB]
            cache_tables(*makers, options.seconds, sizes, filesystem in ("xfs", "btrfs"))
        for maker in makers:
            maker.close()


if __name__ == "__main__":
    main()
