#!/usr/bin/env python3
"""judge.py RUN: compares what the jobs of the demo wrote down with what was copied in and with what the schedulers say,
prints tables, and ends with 1 if a promise was broken.

  1. Each case ran exactly once, to its end, though a scheduler was killed.
  2. No GPU ever had two jobs: kernel locks, held by the jobs, never met, and their times do not overlap.
  3. Each case was complete when it began: the job's digests are those of the files that were to be copied in.
  4. All GPUs, of both groups, were busy until the queue was nearly empty: when a GPU had ended its last case, no more
     cases were still to begin than there are GPUs.
  5. The database tells the same.
"""
import collections
import glob
import hashlib
import json
import os
import sys

Run = collections.namedtuple("Run", "case gpu group begin end")

run_dir = sys.argv[1]


def read_witness():
    """Runs, complaints, and the log's order of begins and ends."""
    open_runs, runs, complaints, order = {}, [], [], []
    with open(f"{run_dir}/witness/log") as log:
        for line in log:
            kind, case, gpu, *rest = line.split()
            if kind == "overlap":
                complaints.append(f"{case} began on {gpu} while another job held its lock")
                continue
            group, time = rest
            order.append((kind, gpu))
            if kind == "begin":
                open_runs.setdefault(case, []).append((gpu, group, float(time)))
            elif not open_runs.get(case):
                complaints.append(f"{case} ended without having begun")
            else:
                gpu, group, begin = open_runs[case].pop()
                runs.append(Run(case, gpu, group, begin, float(time)))
    complaints += [f"{case} began and never ended" for case, left in open_runs.items() if left]
    return runs, complaints, order


def copied_cases():
    """Case -> file -> digest, as it was to be copied in."""
    cases = collections.defaultdict(dict)
    for path in glob.glob(f"{run_dir}/original/*"):
        case, part = os.path.basename(path).split(".")
        with open(path, "rb") as content:
            cases[case][part] = hashlib.sha256(content.read()).hexdigest()
    return cases


def digests_of(case):
    with open(f"{run_dir}/witness/{case}.digests") as lines:
        return {name: digest for digest, name in (line.split() for line in lines)}


def judge_once(runs, cases):
    counts = collections.Counter(run.case for run in runs)
    for case in sorted(cases):
        if counts[case] != 1:
            yield f"{case} ran {counts[case]} times"
    for case in sorted(set(counts) - set(cases)):
        yield f"{case} ran, but was never copied in"


def judge_overlap(runs):
    last = {}
    for run in sorted(runs, key=lambda run: run.begin):
        if run.gpu in last and run.begin < last[run.gpu].end:
            yield f"{run.case} began on {run.gpu} before {last[run.gpu].case} had ended there"
        last[run.gpu] = run


def judge_complete(runs, cases):
    for run in runs:
        if run.case in cases and digests_of(run.case) != cases[run.case]:
            yield f"{run.case} was not complete when it ran"


def judge_busy(order):
    begun, at_last_end = 0, {}
    for kind, gpu in order:
        begun += kind == "begin"
        if kind == "end":
            at_last_end[gpu] = begun
    for gpu, then in sorted(at_last_end.items()):
        if begun - then > len(at_last_end):
            yield f"{gpu} had ended its last case when {begun - then} were still to begin"
    if len(at_last_end) < 4:
        yield f"only {len(at_last_end)} of 4 GPUs were used"


def judge_database(runs, status):
    told = {row["case"]: row for row in status}
    for run in runs:
        row = told.get(run.case, {})
        if row.get("state") != "done" or row.get("gpus") != [run.gpu] or row.get("attempt") != 1:
            yield f"the database says of {run.case}: {row.get('state')} on {row.get('gpus')}, attempt {row.get('attempt')}"


def print_tables(runs, status):
    ran = {run.case: run for run in runs}
    begin, end = min(run.begin for run in runs), max(run.end for run in runs)
    print(f"\n{len(runs)} cases in {end - begin:.1f} s")
    print("    ".join([f"{'case':<9}{'group':<6}{'GPU':<8}{'waited s':>9}{'ran s':>7}"] * 2))
    shown = [(ran[row["case"]], row["waited_s"]) for row in status if row["case"] in ran]
    cells = [f"{run.case:<9}{run.group:<6}{run.gpu:<8}{waited:>9.2f}{run.end - run.begin:>7.2f}" for run, waited in shown]
    half = (len(cells) + 1) // 2
    for n in range(half):  # in two columns
        print("    ".join(cells[n::half]))
    print(f"\n{'GPU':<9}{'group':<7}{'cases':>6}{'busy s':>8}{'of the time':>13}")
    by_gpu = collections.defaultdict(list)
    for run in runs:
        by_gpu[(run.gpu, run.group)].append(run.end - run.begin)
    for (gpu, group), times in sorted(by_gpu.items()):
        print(f"{gpu:<9}{group:<7}{len(times):>6}{sum(times):>8.1f}{100 * sum(times) / (end - begin):>11.0f} %")


runs, complaints, order = read_witness()
cases = copied_cases()
with open(f"{run_dir}/status.json") as text:
    status = json.load(text)
complaints += [*judge_once(runs, cases), *judge_overlap(runs), *judge_complete(runs, cases), *judge_busy(order),
               *judge_database(runs, status)]
if runs:
    print_tables(runs, status)
for complaint in complaints[:20]:
    print(f"BROKEN: {complaint}", file=sys.stderr)
print("""
How to read it: "ran" and the GPU are the jobs' own words, "waited" is from settling to start. Each case ran once, complete,
though a scheduler was killed in the middle; no GPU had two at a time; the slow group took its share to the end.""")
if complaints:
    print(f"\ndemo: {len(complaints)} promises broken", file=sys.stderr)
sys.exit(1 if complaints else 0)
