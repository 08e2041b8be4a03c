#!/usr/bin/env python3
"""The demo's judge accepts what keeps the promises, and each broken promise is seen."""
import hashlib
import os
import subprocess
import sys
import tempfile

JUDGE = sys.argv[1]
FILE = b"content of the real file\n"


class Scene:
    """What a short run of the demo leaves: times in seconds, requests and fetches as dictionaries to be spoilt."""

    def __init__(self):
        self.digest = hashlib.sha256(FILE).hexdigest()
        self.fetches = [
            {"began": 100.000, "took": 0.050, "status": 200, "uri": "/real", "id": "if-missing.real.0.1.0.1"},
            {"began": 200.001, "took": 0.010, "status": 200, "uri": "/changing", "id": "always.changing.0.1.0.2"},
        ]
        self.requests = [
            {"set": "real", "policy": "if-missing", "began": 99.9, "id": "if-missing.real.0.1.0.1", "at": 1, "error": ""},
            {"set": "real", "policy": "if-missing", "began": 99.95, "id": "-", "at": 1, "error": ""},
            {"set": "changing", "policy": "always", "began": 200.0, "id": "always.changing.0.1.0.2", "at": 2, "error": ""},
            {"set": "changing", "policy": "always", "began": 199.0, "id": "-", "at": 2, "error": ""},
        ]
        self.mirrors = {0: FILE, 1: FILE, 2: b"fetch always.changing.0.1.0.2\n", 3: b"fetch always.changing.0.1.0.2\n"}

    def write(self, work):
        os.makedirs(work + "/run/nginx")
        os.makedirs(work + "/run/load")
        with open(work + "/digests", "w") as out:
            out.write(f"{self.digest}  real\n")
        with open(work + "/run/nginx/access.log", "w") as out:
            out.write("90.000 0.001 200 10 /real -\n")  # the tool's own
            for f in self.fetches:
                out.write(f"{f['began'] + f['took']:.3f} {f['took']:.3f} {f['status']} 10 {f['uri']} {f['id']}\n")
        with open(work + "/run/load/requests.1.0", "w") as out:
            for number, r in enumerate(self.requests):
                mirror = f"{work}/run/mirror.{number}"
                if number in self.mirrors:
                    with open(mirror, "wb") as content:
                        content.write(self.mirrors[number])
                row = [r["set"], r["policy"], "0", round(r["began"] * 1e9), "50.0", mirror, r["id"], r["at"], r["error"]]
                out.write("\t".join(map(str, row)) + "\n")

    def judge(self):
        with tempfile.TemporaryDirectory() as work:
            self.write(work)
            return subprocess.run([sys.executable, JUDGE, work], capture_output=True, text=True)


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
expect("began 49.0 ms before it", lambda scene: scene.requests[2].update(began=200.050))
expect("has not seen", lambda scene: scene.requests[3].update(at=3))
expect("fetched 2 times", lambda scene: scene.fetches.append(dict(scene.fetches[0], id="if-missing.real.0.2.0.1")))
expect("fetched 2 times", lambda scene: scene.fetches.append(scene.fetches[0]))
expect("HTTP 404", lambda scene: scene.fetches[0].update(status=404))
expect("another digest", lambda scene: scene.mirrors.update({1: FILE + b"x"}))
expect("another digest", lambda scene: scene.mirrors.pop(1))
expect("the cache says", lambda scene: scene.mirrors.update({3: b"fetch always.changing.0.9.0.9\n"}))
expect("disk full", lambda scene: scene.requests[0].update(error="disk full"))
