#!/usr/bin/env python3
"""gpu_judge_test.py JUDGE: the second act's judge sees each broken promise."""
import hashlib
import json
import os
import subprocess
import sys
import tempfile

JUDGE = sys.argv[1]
GPUS = [("f0", "fast"), ("f1", "fast"), ("s0", "slow"), ("s1", "slow")]


class Scene:
    """Twelve cases on four GPUs, three rounds, all well."""

    def __init__(self):
        self.log, self.status = [], []
        for n in range(12):
            gpu, group = GPUS[n % 4]
            case, begin = f"case-{n:02}", 100.0 + n // 4 * 10
            self.log.append([begin, "begin", case, gpu, group])
            self.log.append([begin + 9, "end", case, gpu, group])
            self.status.append({"case": case, "state": "done", "gpus": [gpu], "attempt": 1, "waited_s": 1.0})
        self.digests = {row["case"]: hashlib.sha256(row["case"].encode()).hexdigest() for row in self.status}

    def lines(self):
        for time, kind, case, gpu, group in sorted(self.log, key=lambda line: line[0]):
            yield f"overlap {case} {gpu}" if kind == "overlap" else f"{kind} {case} {gpu} {group} {time}"

    def judge(self):
        with tempfile.TemporaryDirectory() as run:
            os.makedirs(run + "/witness")
            os.makedirs(run + "/original")
            with open(run + "/witness/log", "w") as out:
                out.write("".join(line + "\n" for line in self.lines()))
            for row in self.status:
                with open(f"{run}/original/{row['case']}.part", "w") as out:
                    out.write(row["case"])
                with open(f"{run}/witness/{row['case']}.digests", "w") as out:
                    out.write(f"{self.digests[row['case']]}  part\n")
            with open(run + "/status.json", "w") as out:
                json.dump(self.status, out)
            return subprocess.run([sys.executable, JUDGE, run], capture_output=True, text=True)


def expect(reason, spoil):
    scene = Scene()
    spoil(scene)
    result = scene.judge()
    broken = [line for line in result.stderr.splitlines() if line.startswith("BROKEN")]
    if reason is None:
        assert result.returncode == 0 and not broken, result
    else:
        assert result.returncode == 1 and any(reason in line for line in broken), (reason, result)


def only_on_fast(scene):
    for line in scene.log:
        if line[2] > "case-03" and line[4] == "slow":
            line[3], line[0] = ("f0" if line[3] == "s0" else "f1"), line[0] + 100


expect(None, lambda scene: None)
expect("case-03 ran 2 times", lambda scene: scene.log.extend([[300, "begin", "case-03", "f0", "fast"],
                                                              [301, "end", "case-03", "f0", "fast"]]))
expect("case-11 ran 0 times", lambda scene: scene.log.__delitem__(slice(-2, None)))
expect("never ended", lambda scene: scene.log.pop())
expect("held its lock", lambda scene: scene.log.append([105, "overlap", "case-01", "f1", "fast"]))
expect("before case-00 had ended there", lambda scene: scene.log[1].__setitem__(0, 110.5))
expect("was not complete", lambda scene: scene.digests.update({"case-05": "0" * 64}))
expect("had ended its last case when", only_on_fast)
expect("the database says of case-02: failed", lambda scene: scene.status[2].update(state="failed"))
expect("the database says of case-02", lambda scene: scene.status[2].update(gpus=["f0"]))
