#!/usr/bin/env python3
"""callbacks_judge_test.py JUDGE: the fourth act's judge sees each broken promise."""
import json
import os
import subprocess
import sys
import tempfile

JUDGE = sys.argv[1]
STEPS = ["OPT", "SP", "BAND", "DOSS"]


class Scene:
    """Three materials, four steps each, all well."""

    def __init__(self):
        self.log, self.jobs, self.integrity = [], [], "ok"
        self.status = {"steps": []}
        number = 0
        for m in range(3):
            for place, step in enumerate(STEPS):
                number += 1
                begin = 100.0 + 10 * min(place, 2)
                self.log.append([begin, "begin", step, f"m{m}", str(number)])
                self.log.append([begin + 9, "end", step, f"m{m}", str(number)])
                self.jobs.append([str(number), f"lockkit-{number}-1-aa", "COMPLETED", "0:0"])
                self.status["steps"].append({"id": number, "step": step, "material": f"m{m}", "state": "done",
                                             "job": str(number)})

    def judge(self):
        with tempfile.TemporaryDirectory() as run:
            os.makedirs(run + "/witness")
            lines = [f"{kind} {step} {material} {job}" + ("" if kind == "shared" else f" {time}")
                     for time, kind, step, material, job in sorted(self.log, key=lambda line: line[0])]
            for name, text in {"witness/log": "\n".join(lines), "status.json": json.dumps(self.status),
                               "sacct": "\n".join("|".join(row) for row in self.jobs), "integrity": self.integrity,
                               "killed": "7\n", "callbacks.log": "", "managers.log": ""}.items():
                with open(f"{run}/{name}", "w") as out:
                    out.write(text + "\n")
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


expect(None, lambda scene: None)
expect(None, lambda scene: scene.jobs.append(["99", "lockkit-1-1-bb", "FAILED", "75:0"]))
expect("OPT of m0 ran 2 times", lambda scene: scene.log.extend([[300, "begin", "OPT", "m0", "77"],
                                                                [301, "end", "OPT", "m0", "77"]]))
expect("DOSS of m2 ran 0 times", lambda scene: scene.log.__delitem__(slice(-2, None)))
expect("DOSS of m2 began and never ended", lambda scene: scene.log.pop())
expect("found its directory in use", lambda scene: scene.log.append([105, "shared", "SP", "m1", "6"]))
expect("SP of m0 began before OPT had ended", lambda scene: scene.log[2].__setitem__(0, 105.0))
expect("sacct knows 2 completed jobs", lambda scene: scene.jobs.append(["99", "lockkit-1-1-bb", "COMPLETED", "0:0"]))
expect("sacct knows 0 completed jobs", lambda scene: scene.jobs.pop())
expect("sacct says of job 99: FAILED 1:0", lambda scene: scene.jobs.append(["99", "lockkit-1-1-bb", "FAILED", "1:0"]))
expect("the database says of OPT of m0: failed", lambda scene: scene.status["steps"][0].update(state="failed"))
expect("the database says of OPT of m0: done, job 8", lambda scene: scene.status["steps"][0].update(job="8"))
expect("the database is damaged", lambda scene: setattr(scene, "integrity", "row 7 missing"))
