#!/usr/bin/env python3
"""board_judge_test.py JUDGE: the third act's judge sees each broken promise."""
import os
import subprocess
import sys
import tempfile

JUDGE = sys.argv[1]
ZEROS = "0" * 40


class Scene:
    """Two jobs of ten updates, two old scripts of five, three commits of the other project, all well."""

    def __init__(self):
        self.commits = [(f"data/status/{job}.json", "done" if n == count else "running", str(n), f"status: {job}")
                        for job, count in [("alpha", 10), ("beta", 10), ("old-bash", 5), ("old-dash", 5)]
                        for n in range(1, count + 1)]
        self.commits += [(f"other-{n}", "", "", f"other project {n}") for n in (1, 2, 3)]
        self.codes = {"alpha": ["0"] * 10, "beta": ["0"] * 10}
        self.said = {"alpha": ["waits for pid 7 (status_board, sync)", "waited 0.100 s for pid 7 (status_board, sync)"],
                     "beta": ["lock not had in 2.000 s: held by a script, pid 9"],
                     "sync": ["push refused: [rejected] (fetch first); try 2 of 10 in 0.1 s"]}
        self.deny, self.lock, self.stash, self.rewrite_log = "true", False, False, lambda ids: ids

    def import_commits(self, remote):
        stream = []
        for path, state, message, subject in self.commits:
            text = f'{{"state": "{state}", "message": "{message}"}}'
            stream.append(f"commit refs/heads/main\ncommitter x <x@y> 1700000000 +0000\ndata {len(subject)}\n{subject}\n"
                          f"M 100644 inline {path}\ndata {len(text)}\n{text}\n")
        subprocess.run(["git", "-C", remote, "fast-import", "--quiet"], input="".join(stream), text=True, check=True)

    def make(self, run):
        def git(where, *arguments):
            return subprocess.run(["git", "-C", where, *arguments], check=True, capture_output=True, text=True).stdout

        remote, checkout = f"{run}/remote.git", f"{run}/checkout"
        for where, bare in ((remote, True), (checkout, False)):
            os.makedirs(where)
            git(where, "-c", "init.defaultBranch=main", "init", "-q", *(["--bare"] if bare else []))
        git(remote, "config", "receive.denyNonFastForwards", self.deny)
        self.import_commits(remote)
        ids = [ZEROS] + git(remote, "rev-list", "--reverse", "main").split()
        if self.stash:
            git(remote, "update-ref", "refs/stash", ids[-1])
        os.makedirs(f"{remote}/logs/refs/heads", exist_ok=True)
        pairs = self.rewrite_log(list(zip(ids, ids[1:])))
        self.write(f"{remote}/logs/refs/heads/main", [f"{old} {new} x <x@y> 1700000000 +0000\tpush" for old, new in pairs])
        for job, codes in self.codes.items():
            self.write(f"{run}/witness/{job}", [f"{n} running {code}" for n, code in enumerate(codes, 1)])
        self.write(f"{run}/witness/pushed", ["3"])
        for who, lines in self.said.items():
            self.write(f"{run}/said/{who}", [f"status_board: {who} (pid 1): {line}" for line in lines])
        if self.lock:
            self.write(f"{checkout}/.git/status_board.lock", ["4711"])

    @staticmethod
    def write(path, lines):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as out:
            out.write("".join(line + "\n" for line in lines))

    def judge(self):
        with tempfile.TemporaryDirectory() as run:
            self.make(run)
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


def forced(pairs):
    return pairs[:5] + [(pairs[4][1], pairs[2][1]), (pairs[2][1], pairs[-1][1])]


for variable in [name for name in os.environ if name.startswith("GIT_")]:
    del os.environ[variable]
expect(None, lambda scene: None)
expect("alpha: the remote's history has the updates 1, 2, 3, 5", lambda scene: scene.commits.pop(3))
expect("beta: the remote's history", lambda scene: scene.commits.insert(12, scene.commits.pop(13)))
expect("beta is not done", lambda scene: scene.commits.pop(19))
expect("old-dash is not done", lambda scene: scene.commits.pop(29))
expect("alpha: exit statuses", lambda scene: scene.codes["alpha"].__setitem__(4, "1"))
expect("nobody met the limit", lambda scene: scene.said["beta"].clear())
expect("has a stash", lambda scene: setattr(scene, "stash", True))
expect("speaks of a stash", lambda scene: scene.commits.append(("x", "", "", "WIP on main: 1234 x")))
expect("would take what is forced", lambda scene: setattr(scene, "deny", "false"))
expect("was forced from", lambda scene: setattr(scene, "rewrite_log", forced))
expect("has a gap", lambda scene: setattr(scene, "rewrite_log", lambda pairs: pairs[:7] + pairs[8:]))
expect("was given up", lambda scene: scene.said["sync"].append("not sent: push refused: [rejected] (fetch first)"))
expect("of the other project's 3 commits 2 are there", lambda scene: scene.commits.pop())
expect("a lock file is left", lambda scene: setattr(scene, "lock", True))
expect("nobody said who waited", lambda scene: [lines.clear() for lines in scene.said.values()])
