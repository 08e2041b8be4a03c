#!/usr/bin/env python3
"""check_models.py BUILD [--long] [--jobs N] [--trace MODEL RULE]: searches the models of the lock with spin.

Every row of rows.py is searched to its end; every broken rule must be found. Prints a table. Ends non-zero if anything
else was found than a row says, or if a search was not complete. --trace prints the shortest counter-example against a
broken rule (or against a known row: give its settings in place of the rule), system call by system call.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import rows

HERE = pathlib.Path(__file__).resolve().parent
# Breadth first: what is found is found by as few calls as can be. Without partial order reduction: each call counts.
SAFETY = ["-O1", "-w", "-DSAFETY", "-DBFS", "-DCOLLAPSE", "-DNOREDUCE", "-DMEMLIM=6000"]
LOOPS = ["-O1", "-w", "-DNP", "-DCOLLAPSE", "-DNOREDUCE", "-DMEMLIM=6000"]
TRUNCATED = re.compile(r"max search depth too small|out of memory|exceeded|aborting|interrupted", re.I)


def build(model, folder, name, flags):
    """The search of one model, as a program."""
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    for source in HERE.glob("*.pml"):
        (place / source.name).write_bytes(source.read_bytes())
    made = subprocess.run(["spin", "-a", f"{model}.pml"], cwd=place, text=True, capture_output=True)
    if made.returncode or not (place / "pan.c").exists():
        sys.exit(f"spin: {made.stdout}{made.stderr}")
    subprocess.run(["gcc", *flags, "-o", "pan", "pan.c"], cwd=place, check=True)
    return place / "pan"


def environment(settings, rule=""):
    values = dict(pair.split("=") for pair in settings.split())
    return {**{k: v for k, v in os.environ.items() if k in {"PATH", "HOME"}}, **values, "BROKEN": rule}


class Search:
    """One search: a row, perhaps with a rule broken."""

    def __init__(self, row, rule="", loops=False):
        self.row, self.rule, self.loops = row, rule, loops
        self.expected = row.broken[rule] if rule else row.finds
        self.found = self.fault = ""
        self.states = self.depth = self.calls = self.seconds = 0

    def run(self, program):
        with tempfile.TemporaryDirectory() as place:
            began = time.monotonic()
            options = ["-l"] if self.loops else []
            done = subprocess.run([program, *options, "-m10000000", "-E", "-w20"], cwd=place, text=True,
                                  env=environment(self.row.settings, self.rule), capture_output=True)
            self.seconds = time.monotonic() - began
            self.judge(done)
            if self.found:
                self.calls = len(self.trace(program, place))
        return self

    def judge(self, done):
        text = done.stdout + done.stderr
        violation = re.search(r"^pan:1: (.*) \(at depth", text, re.M)
        counts = re.search(r"depth reached (\d+), errors: (\d+)\s+(\d+) states, stored", text)
        self.found = violation[1] if violation else ""
        stopped = "Search not completed" in text and not self.found
        if not counts or stopped or TRUNCATED.search(text) or done.returncode != 0:
            self.fault = "not complete: " + text[-1500:]
            return
        self.depth, self.states = int(counts[1]), int(counts[3])
        if int(counts[2]) != (1 if self.found else 0):
            self.fault = "errors without a name: " + text[-1500:]
        elif self.found != self.expected:
            self.fault = f"expected {self.expected or 'nothing'}, found {self.found or 'nothing'}"

    def trace(self, program, place):
        """The calls of the counter-example, replayed."""
        done = subprocess.run([program, "-r", "-n"], cwd=place, text=True,
                              env=environment(self.row.settings, self.rule), capture_output=True)
        lines = done.stdout.splitlines()
        end = next((i for i, line in enumerate(lines) if re.match(r"spin: trail ends|pan", line)), len(lines))
        return [line.strip() for line in lines[:end] if line.strip()]

    def name(self):
        if self.loops:
            return f"{self.row.what}: nobody goes round for ever"
        return f"without {self.rule}" if self.rule else self.row.what

    def line(self):
        verdict = "FAILED" if self.fault else "found: " + self.found if self.found else "none"
        depth = f"{self.calls} calls" if self.found else str(self.depth)
        return (f"{self.row.model:12} {self.name():50.50} {self.row.settings:58.58} {self.states:>9,} {depth:>9} "
                f"{self.seconds:7.1f}  {verdict}")


def searches(long):
    for row in rows.ROWS:
        if row.long and not long:
            continue
        yield Search(row)
        for rule in row.broken:
            yield Search(row, rule)
    for model in rows.ENDING if long else []:
        clean = [row for row in rows.ROWS if row.model == model and not row.finds and not row.long]
        yield from (Search(row, loops=True) for row in clean)


def show_trace(folder, model, which):
    row = next((row for row in rows.ROWS if row.model == model and (which in row.broken or which == row.settings)), None)
    if not row:
        sys.exit("no such row")
    program = build(model, folder, model, SAFETY)
    search = Search(row, which if which in row.broken else "")
    with tempfile.TemporaryDirectory() as place:
        env = environment(row.settings, search.rule)
        subprocess.run([program, "-m10000000", "-E", "-w20"], cwd=place, env=env, capture_output=True)
        for number, call in enumerate(search.trace(program, place), 1):
            print(f"{number:3}  {call}")
    print(f"     {search.expected}")


def main():
    options = argparse.ArgumentParser()
    options.add_argument("build", type=pathlib.Path)
    options.add_argument("--long", action="store_true")
    options.add_argument("--jobs", type=int, default=os.cpu_count())
    options.add_argument("--trace", nargs=2)
    given = options.parse_args()
    if given.trace:
        return show_trace(given.build, *given.trace)
    long = given.long or "LOCKKIT_TEST_LONG" in os.environ
    wanted = list(searches(long))
    needed = dict.fromkeys((search.row.model, search.loops) for search in wanted)
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
        programs = {key: pool.submit(build, key[0], given.build, key[0] + "-loops" * key[1], LOOPS if key[1] else SAFETY)
                    for key in needed}
        work = [pool.submit(lambda one: one.run(programs[one.row.model, one.loops].result()), one) for one in wanted]
        print(f"{'model':12} {'search':50} {'settings':58} {'states':>9} {'depth':>9} {'seconds':>7}  violation")
        for done in work:
            print(done.result().line(), flush=True)
    failed = [search for search in wanted if search.fault]
    for search in failed:
        print(f"\nFAILED {search.row.model}, {search.name()}, {search.row.settings}: {search.fault}")
    print(f"{len(wanted)} searches, {len(failed)} failed, {time.monotonic() - began:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
