#!/usr/bin/env python3
"""judge.py WORK: compares what the processes of the demo wrote down with the web server's log, prints a table, and ends
with 1 if a promise was broken.

  1. Under `always`, the fetch that served a request began (at the server) after the request did.
  2. Under `if-missing`, a data set (each edition of it) was fetched at most once.
  3. Every mirror has the digest of what the server has; of changing data, it is what one fetch brought.
  4. No request failed.

Which fetch served a request is found by the time at which the cache says its content was fetched; data that change with
every fetch name the fetch themselves, and both must agree.
"""
import collections
import glob
import os
import statistics
import subprocess
import sys

Fetch = collections.namedtuple("Fetch", "began status bytes data_set")
Request = collections.namedtuple("Request", "data_set policy edition began took mirror id fetched_at error process")

work = sys.argv[1]


def read_log():
    """Fetches by id; times in whole milliseconds, as nginx writes them."""
    fetches = {}
    with open(f"{work}/run/nginx/access.log") as log:
        for line in log:
            end, took, status, size, uri, name = line.split()
            began = round((float(end) - float(took)) * 1000)
            while name in fetches:  # a second attempt of the same fetch counts
                name += "+"
            fetches[name] = Fetch(began, int(status), int(size), uri.lstrip("/"))
    return {name: fetch for name, fetch in fetches.items() if not name.startswith("-")}  # "-": the tool's own


def read_requests():
    requests = []
    for path in glob.glob(f"{work}/run/load/requests.*"):
        process = os.path.basename(path).split(".")[1]
        with open(path) as lines:
            for line in lines:
                data_set, policy, edition, began, took, mirror, name, at, error = line.rstrip("\n").split("\t")
                requests.append(Request(data_set, policy, edition, int(began), float(took), mirror, name, at, error, process))
    return requests


def wrong_mirrors(requests):
    """Mirrors that sha256sum finds different from what the server has."""
    with open(f"{work}/digests") as lines:
        digests = {name: digest for digest, name in (line.split() for line in lines)}
    mirrors = {r.mirror: digests[r.data_set] for r in requests if r.data_set in digests and not r.error}
    listing = "".join(f"{digest}  {mirror}\n" for mirror, digest in mirrors.items())
    check = subprocess.run(["sha256sum", "--check", "--quiet"], input=listing, capture_output=True, text=True)
    wrong = {line.rsplit(": ", 1)[0] for line in check.stdout.splitlines()}
    return wrong if check.returncode == 0 or wrong else set(mirrors)


def judge_fetches(fetches):
    """Promise 2: (None, complaint) for each time it was broken."""
    counts = collections.Counter()
    for name, fetch in fetches.items():
        policy, _, rest = name.partition(".")
        edition = rest[len(fetch.data_set) + 1:].split(".")[0]
        counts[(policy, fetch.data_set, edition)] += 1
        if fetch.status != 200:
            yield None, f"fetch {name} was answered with HTTP {fetch.status}"
    for (policy, data_set, edition), count in counts.items():
        if policy == "if-missing" and count > 1:
            yield None, f"{data_set} (edition {edition}) was fetched {count} times under if-missing"


def judge_requests(requests, fetches):
    """Promises 1, 3 and 4: (request, complaint) for each time one was broken."""
    served_by = {r.fetched_at: r.id for r in requests if r.id != "-"}
    wrong = wrong_mirrors(requests)
    for r in requests:
        if r.error:
            yield r, r.error
            continue
        name = served_by.get(r.fetched_at, "unknown")
        if r.data_set == "changing":
            with open(r.mirror) as mirror:
                content = mirror.read()
            if content != f"fetch {name}\n":
                yield r, f"{r.mirror} holds {content!r}, but the cache says that {name} brought it"
        if r.mirror in wrong:
            yield r, f"{r.mirror} has another digest than the server's file"
        if r.policy == "always":
            if name not in fetches:
                yield r, f"it was served by a fetch that the server has not seen ({name})"
            elif fetches[name].began < r.began // 1000000:
                yield r, f"it was served by fetch {name}, which began {r.began / 1e6 - fetches[name].began:.1f} ms before it"

def print_table(requests, fetches, failures):
    print(f"{'data set':<12}{'policy':<12}{'requests':>9}{'fetches':>9}{'MB fetched':>12}{'mirrors':>9}"
          f"{'median ms':>11}{'longest ms':>12}{'failures':>10}")
    groups = collections.defaultdict(list)
    for r in requests:
        groups[(r.data_set, r.policy, r.process == "0")].append(r)
    for (data_set, policy, refresher), asked in sorted(groups.items()):
        mine = [f for name, f in fetches.items() if f.data_set == data_set and name.startswith(policy + ".")
                and (name.split(".")[-3] == "0") == refresher]
        mirrors = {r.mirror for r in asked if not r.error}
        failed = sum(1 for r, _ in failures if r in asked)
        print(f"{data_set:<12}{'refresher' if refresher else policy:<12}{len(asked):>9}{len(mine):>9}"
              f"{sum(f.bytes for f in mine) / 1e6:>12.1f}{len(mirrors):>9}{statistics.median(r.took for r in asked):>11.1f}"
              f"{max(r.took for r in asked):>12.1f}{failed:>10}")
    begin = min(r.began for r in requests)
    seconds = max(r.began / 1e9 + r.took / 1000 for r in requests) - begin / 1e9
    print(f"{'together':<24}{len(requests):>9}{len(fetches):>9}{sum(f.bytes for f in fetches.values()) / 1e6:>12.1f}"
          f"{len({r.mirror for r in requests if not r.error}):>9}   in {seconds:.1f} s{len(failures):>24}")


fetches = read_log()
requests = read_requests()
failures = list(judge_fetches(fetches)) + list(judge_requests(requests, fetches))
print_table(requests, fetches, failures)
for request, complaint in failures[:20]:
    print(f"BROKEN: {complaint}" + (f" [{request.data_set}, {request.policy}]" if request else ""), file=sys.stderr)
print("""
How to read it: "fetches" are counted by the web server. Under if-missing, however many asked, each data set was fetched
once (noun.exc: once per edition; data.adv: not even that if the refresher came first). Under always, those who waited
together shared a fetch, and none was served by one that had begun before it asked: the server's log has the times.
"mirrors" are files compared with the server's by sha256sum.""")
if failures:
    print(f"\ndemo: {len(failures)} promises broken", file=sys.stderr)
sys.exit(1 if failures else 0)
