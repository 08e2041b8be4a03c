#!/usr/bin/env python3
"""judge.py RUN: reads the remote's history and log, and what everybody said; prints tables; ends with 1 if a promise was
broken.

  1. Every update is in the remote's history, in its order, and the last one is the file's content: the jobs' and the old
     scripts' alike.
  2. No job failed, also where the lock was held for longer than the limit: that happened, was said, and lost nothing.
  3. Nobody stashed: no such ref, nothing of it in any log.
  4. Nobody forced: the remote refuses that, and each entry of its log leads from an ancestor to the next.
  5. Every refused push was tried again.
  6. The other project's commits are all there.
  7. Who waited for whom was said, and the lock that a killed script left is gone.
"""
import collections
import json
import os
import re
import subprocess
import sys

JOBS, OLD, UPDATES, OLD_UPDATES = ["alpha", "beta"], ["old-bash", "old-dash"], 10, 5
run_dir = sys.argv[1]
remote, checkout = f"{run_dir}/remote.git", f"{run_dir}/checkout"


def git(where, *arguments):
    return subprocess.run(["git", "-C", where, *arguments], check=True, capture_output=True, text=True).stdout


def read(name):
    path = f"{run_dir}/{name}"
    if not os.path.exists(path):
        return ""
    with open(path) as text:
        return text.read()


def history(job):
    """What the file said, oldest first."""
    path = f"data/status/{job}.json"
    ids = git(remote, "log", "--reverse", "--topo-order", "--format=%H", "main", "--", path).split()
    return [json.loads(git(remote, "show", f"{each}:{path}")) for each in ids]


def judge_updates(seen):
    for job, statuses in seen.items():
        wanted = [str(n) for n in range(1, (UPDATES if job in JOBS else OLD_UPDATES) + 1)]
        found = [status["message"] for status in statuses]
        if found != wanted:
            yield f"{job}: the remote's history has the updates {', '.join(found)}"
        if not statuses or statuses[-1]["state"] != "done":
            yield f"{job} is not done on the remote"


def judge_jobs(late):
    for job in JOBS:
        codes = [line.split()[2] for line in read(f"witness/{job}").splitlines()]
        if codes != ["0"] * UPDATES:
            yield f"{job}: exit statuses {codes}"
    if not sum(late.values()):
        yield "nobody met the limit though the lock was held for longer"


def judge_stash():
    for where in (remote, checkout):
        if git(where, "for-each-ref", "refs/stash"):
            yield f"{where} has a stash"
        if re.search(r"stash|WIP on", git(where, "reflog", "--all", "--format=%gs") + git(where, "log", "--all", "--format=%s")):
            yield f"a log of {where} speaks of a stash"


def judge_force():
    if git(remote, "config", "receive.denyNonFastForwards").strip() != "true":
        yield "the remote would take what is forced"
    before = None
    for line in read("remote.git/logs/refs/heads/main").splitlines():
        old, new = line.split()[:2]
        if before not in (None, old):
            yield "the remote's log has a gap"
        ancestor = ["git", "-C", remote, "merge-base", "--is-ancestor", old, new]
        if before is not None and subprocess.run(ancestor, capture_output=True).returncode != 0:
            yield f"the remote was forced from {old[:10]} to {new[:10]}"
        before = new


def judge_pushes():
    for line in read("said/sync").splitlines():
        if "push refused" in line and "; try " not in line:
            yield f"a refused push was given up: {line}"


def judge_others():
    pushed = int(read("witness/pushed") or 0)
    present = git(remote, "log", "--format=%s", "--grep=^other project ", "main").splitlines()
    if sorted(present) != sorted(f"other project {n}" for n in range(1, pushed + 1)):
        yield f"of the other project's {pushed} commits {len(set(present))} are there"


def judge_lock(waits):
    if os.path.exists(f"{checkout}/.git/status_board.lock"):
        yield "a lock file is left"
    if not waits:
        yield "nobody said who waited for whom"


def read_waits():
    """(who, for whom) -> seconds of each wait; who -> waits that were given up."""
    waits, late = collections.defaultdict(list), collections.Counter()
    for who in [*JOBS, "sync"]:
        for line in read(f"said/{who}").splitlines():
            for pattern in (r"waited ([0-9.]+) s for (.*)", r"lock not had in ([0-9.]+) s: held by (.*)"):
                if found := re.search(pattern, line):
                    waits[who, kind_of(found[2])].append(float(found[1]))
                    late[who] += "not had" in pattern
    return waits, late


def kind_of(holder):
    if "script" in holder:
        return "an old script"
    found = re.search(r"\(status_board, (?:update )?([^)]*)\)", holder)
    return found[1] if found else "somebody"


def print_tables(seen, waits, late):
    print(f"\n{'job':<10}{'updates':>8}{'on the remote':>15}{'late for the lock':>19}   final state")
    for job, statuses in seen.items():
        wanted = UPDATES if job in JOBS else OLD_UPDATES
        final = statuses[-1]["state"] if statuses else "-"
        print(f"{job:<10}{wanted:>8}{len(statuses):>15}{late[job] if job in JOBS else '-':>19}   {final}")
    print(f"\n{'who':<8}{'waited for':<18}{'times':>6}{'longest s':>11}{'sum s':>8}")
    for (who, whom), times in sorted(waits.items()):
        print(f"{who:<8}{whom:<18}{len(times):>6}{max(times):>11.2f}{sum(times):>8.2f}")
    refused = read("said/sync").count("push refused")
    total = git(remote, "rev-list", "--count", "main").strip()
    print(f"\n{refused} pushes refused and tried again; {read('witness/pushed').strip()} commits of the other project; "
          f"{total} commits in all; no stash, nothing forced")


seen = {job: history(job) for job in JOBS + OLD}
waits, late = read_waits()
complaints = [*judge_updates(seen), *judge_jobs(late), *judge_stash(), *judge_force(), *judge_pushes(), *judge_others(),
              *judge_lock(waits)]
print_tables(seen, waits, late)
for complaint in complaints[:20]:
    print(f"BROKEN: {complaint}", file=sys.stderr)
print("""
How to read it: "on the remote" counts the versions of a job's file in the remote's history, in their order. "Late for the
lock" are updates that met the limit: written here, exit status 0, committed by the next one or by the sync.""")
if complaints:
    print(f"\ndemo: {len(complaints)} promises broken", file=sys.stderr)
sys.exit(1 if complaints else 0)
