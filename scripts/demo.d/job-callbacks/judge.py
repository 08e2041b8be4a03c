#!/usr/bin/env python3
"""judge.py RUN: compares what the jobs of the fourth act wrote down with what was planned, with what sacct says and with
the database, prints a table, and ends with 1 if a promise was broken.

  1. Each step of each material ran exactly once, to its end, though managers were killed and sbatch lied.
  2. Each began after the step before it had ended, in a directory of its own.
  3. Slurm's accounting tells the same: one completed job per step. A job too many was refused by its first line (75).
  4. The database says so, too, and is whole.
"""
import collections
import json
import sys

AFTER = {"OPT": None, "SP": "OPT", "BAND": "SP", "DOSS": "SP"}
REFUSED = "75:0"

run_dir = sys.argv[1]


def read(name):
    with open(f"{run_dir}/{name}") as text:
        return text.read()


def read_witness():
    """(step, material) -> list of [begin, end, job], and complaints."""
    runs, complaints = collections.defaultdict(list), []
    for line in read("witness/log").splitlines():
        kind, step, material, job, *time = line.split()
        if kind == "shared":
            complaints.append(f"{step} of {material} found its directory in use")
        elif kind == "begin":
            runs[step, material].append([float(time[0]), None, job])
        else:
            mine = [run for run in runs[step, material] if run[2] == job and run[1] is None]
            if mine:
                mine[0][1] = float(time[0])
            else:
                complaints.append(f"{step} of {material} ended without having begun")
    return runs, complaints


def judge_once(runs, status):
    planned = {(row["step"], row["material"]) for row in status["steps"]}
    for step, material in sorted(planned | set(runs)):
        times = runs.get((step, material), [])
        if len(times) != 1 or (step, material) not in planned:
            yield f"{step} of {material} ran {len(times)} times"
        elif times[0][1] is None:
            yield f"{step} of {material} began and never ended"


def judge_order(runs):
    for (step, material), times in runs.items():
        before = runs.get((AFTER[step], material), [])
        if before and before[0][1] and times[0][0] < before[0][1]:
            yield f"{step} of {material} began before {AFTER[step]} had ended"


def judge_accounting(runs, jobs, status):
    completed = collections.Counter(name.split("-")[1] for _, name, state, _ in jobs if state == "COMPLETED")
    for row in status["steps"]:
        if completed[str(row["id"])] != 1:
            yield f"sacct knows {completed[str(row['id'])]} completed jobs of {row['step']} of {row['material']}"
    for job, _, state, code in jobs:
        if state != "COMPLETED" and code != REFUSED:
            yield f"sacct says of job {job}: {state} {code}"


def judge_database(runs, status):
    for row in status["steps"]:
        jobs = [run[2] for run in runs.get((row["step"], row["material"]), [])]
        if row["state"] != "done" or [row["job"]] != jobs:
            yield f"the database says of {row['step']} of {row['material']}: {row['state']}, job {row['job']}"
    if read("integrity").strip() != "ok":
        yield "the database is damaged: " + read("integrity").strip()


def print_table(runs, jobs):
    print(f"\n{'step':<6}{'jobs':>6}{'first begin':>13}{'last begin':>12}{'last end':>10}   seconds since the first began")
    start = min(run[0] for times in runs.values() for run in times)
    for step in AFTER:
        mine = [run for (name, _), times in runs.items() if name == step for run in times]
        ends = [run[1] for run in mine if run[1]]
        print(f"{step:<6}{len(mine):>6}{min(run[0] for run in mine) - start:>13.1f}"
              f"{max(run[0] for run in mine) - start:>12.1f}{max(ends) - start:>10.1f}")
    log = read("callbacks.log") + read("managers.log")
    refused = sum(code == REFUSED for *_, code in jobs)
    facts = [("managers killed", len(read("killed").split())),
             ("callbacks that left their event to a manager at work", log.count("a manager is at work")),
             ("submissions that sbatch reported as failed", log.count("though it ended so") + log.count("asking Slurm")),
             ("jobs too many, refused by their first line", refused)]
    print()
    for text, number in facts:
        print(f"{text:<58}{number:>4}")


runs, complaints = read_witness()
status = json.loads(read("status.json"))
jobs = [line.split("|") for line in read("sacct").splitlines()]
complaints += [*judge_once(runs, status), *judge_order(runs), *judge_accounting(runs, jobs, status),
               *judge_database(runs, status)]
if all(any(name == step for name, _ in runs) for step in AFTER):
    print_table(runs, jobs)
for complaint in complaints[:20]:
    print(f"BROKEN: {complaint}", file=sys.stderr)
print("""
How to read it: times are the jobs' own words. All OPT jobs ended in one moment, and each called back; one manager at a time
submitted what came next, and who was killed was succeeded by the next who called. Every step ran once.""")
if complaints:
    print(f"\ndemo: {len(complaints)} promises broken", file=sys.stderr)
sys.exit(1 if complaints else 0)
