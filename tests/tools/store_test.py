#!/usr/bin/env python3
"""Publishing, caches, claims and tasks from Python: every JSON shape, hostile names, many at once, and kill -9."""
import json
import os
import pathlib
import re
import signal
import sqlite3
import subprocess
import threading
import unittest

from command_support import LOCKKIT, CommandTest, main, read_line

TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
KEY = re.compile(r"^[0-9a-f]{32}$")
DIGITS = re.compile(r"^\d+$")

# Names as nobody should choose them. What may be refused is refused; what is taken is taken byte for byte.
HOSTILE = [b"new\nline", b"semi;colon", b"$(touch planted)", b"`touch planted`", b"it's \"quoted\"", b"..", b"../up", b"/abs",
           b"a" * 255, b"\xff\xfe\x80", b"--json", b"-rf", b"--", b"[x,y]", b"{}", b"'); DROP TABLE claim; --", b"%s%n",
           b"\x1b[31mred", b"comma,comma", b" ", "\u00e9\u4e2d".encode(), b"a\xc3", b"null", b"\\u0000"]


class Shapes(CommandTest):
    """Each --json has these members, in this order, and these kinds of values."""

    def setUp(self):
        super().setUp()
        self.db = ("--db", str(self.place / "db"))

    def claim(self, *words, **how):
        return self.run_it("claim", *self.db, *words, **how)

    def task(self, *words, **how):
        return self.run_it("task", *self.db, *words, **how)

    def test_claim_list(self):
        self.check(self.claim("add", "gpu", "g", "--capacity", "2", "--group", "left", "--memory", "2GiB", "--attributes",
                              '{"arch": ["x"]}'), 0)
        inside = self.claim("--label", "mine", "run", "gpu", "--", LOCKKIT, "claim", *self.db, "list", "--json")
        document = json.loads(inside.stdout)
        self.assertEqual(list(document), ["resources", "claims"])
        [resource] = document["resources"]
        token = resource.pop("token")
        self.assertRegex(token, DIGITS)
        self.assertEqual(list(resource.items()), list({
            "pool": "gpu", "name": "g", "state": "up", "capacity": 2, "used": 1, "group": "left", "memory": 2 ** 31,
            "attributes": {"arch": ["x"]}}.items()))
        [claim] = document["claims"]
        self.assertEqual(list(claim), ["claim", "pool", "items", "life", "alive", "pid", "host", "command", "label", "since"])
        self.assertRegex(claim["claim"], KEY)
        self.assertEqual(claim["items"], [{"name": "g", "group": "left", "token": token}])
        self.assertEqual((claim["life"], claim["alive"], claim["command"], claim["label"]), ("job", True, "lockkit", "mine"))
        self.assertRegex(claim["since"], TIME)
        self.claim("drain", "gpu", "g")
        self.assertEqual(self.answer("claim", *self.db, "list", "--json")["resources"][0]["state"], "drained")
        self.assertEqual(self.answer("claim", *self.db, "list", "none", "--json"), {"resources": [], "claims": []})

    def test_claim_events_and_acquire(self):
        self.claim("add", "gpu", "g")
        with self.start("sleep", "100") as process:
            got = json.loads(self.claim("acquire", "gpu", "--for-pid", str(process.pid), "--json").stdout)
            self.assertEqual(list(got), ["claim", "items"])
            self.assertRegex(got["claim"], KEY)
            self.assertEqual([item["name"] for item in got["items"]], ["g"])
            events = self.answer("claim", *self.db, "events", "--json")
            process.kill()
        self.assertEqual([list(each) for each in events],
                         [["id", "at", "kind", "pool", "name", "claim", "token", "pid", "task"]] * 2)
        self.assertEqual([each["kind"] for each in events], ["added", "claimed"])
        self.assertEqual((events[0]["claim"], events[0]["token"], events[0]["pid"], events[0]["task"]), (None,) * 4)
        self.assertEqual(events[1]["claim"], got["claim"])
        self.assertRegex(events[1]["at"], TIME)

    def test_tasks(self):
        self.claim("add", "gpu", "g")
        submitted = json.loads(self.task("submit", "--key", "k", "--pool", "gpu", "--match", "{}", "--json").stdout)
        self.assertEqual(submitted, {"task": 1, "fresh": True})
        self.assertEqual(json.loads(self.task("submit", "--key", "k", "--json").stdout), {"task": 1, "fresh": False})
        self.assertEqual(json.loads(self.task("why", "1", "--json").stdout), [])
        taken = json.loads(self.task("take", "--unattended", "--json").stdout)
        self.assertEqual(list(taken), ["attempt", "task", "key", "payload", "items"])
        self.assertRegex(taken["attempt"], r"^1\.1\.[0-9a-f]{32}$")
        [reason] = json.loads(self.task("why", "1", "--json").stdout)
        self.assertEqual(list(reason), ["kind", "text"])
        self.task("finish", taken["attempt"], "--result", "fine")
        [row] = json.loads(self.task("list", "--json").stdout)
        self.assertEqual(list(row), ["task", "queue", "key", "payload", "state", "priority", "attempt", "max_attempts",
                                     "cancel_wanted", "claim", "external", "result", "needs", "submitted", "ended"])
        self.assertEqual(row["needs"], {"pool": "gpu", "count": 1, "memory": 0, "group": "", "one_group": False, "match": {}})
        self.assertEqual((row["state"], row["result"], row["external"]), ("done", "fine", None))
        self.assertRegex(row["ended"], TIME)
        self.assertEqual(json.loads(self.task("show", taken["attempt"]).stdout), row)
        self.assertEqual(json.loads(self.task("list", "--state", "failed", "--json").stdout), [])
        self.assertEqual(json.loads(self.task("why", "1", "--json").stdout)[0]["kind"], "over")

    def test_cache(self):
        cache = ("cache", "--cache", str(self.place / "c"))
        for key in ("b", "a"):
            self.check(self.run_it(*cache, "get", key, "--", "sh", "-c", 'printf same > "$LOCKKIT_FILE"'), 0)
        rows = self.answer(*cache, "list", "--json")
        self.assertEqual([list(row) for row in rows], [["key", "sha256", "size", "fetched_at"]] * 2)
        self.assertEqual([row["key"] for row in rows], ["a", "b"])
        self.assertRegex(rows[0]["fetched_at"], TIME)
        stats = self.answer(*cache, "stats", "--json")
        self.assertEqual(list(stats), ["keys", "contents", "bytes", "oldest", "newest", "oldest_use", "newest_use",
                                       "unnamed_contents", "unnamed_bytes", "leased", "partials", "partial_bytes"])
        self.assertEqual((stats["keys"], stats["contents"], stats["bytes"]), (2, 1, 4))
        self.assertRegex(stats["oldest_use"], TIME)
        self.assertEqual(self.answer(*cache, "verify", "--json"), [])
        path = pathlib.Path(self.run_it(*cache, "get", "a").stdout.rstrip("\n"))
        path.chmod(0o600)
        path.write_text("evil")
        damages = self.run_it(*cache, "verify", "--json")
        self.check(damages, 65, "'a' is damaged")
        found = json.loads(damages.stdout)
        self.assertEqual([list(row) for row in found], [["key", "error", "removed"]] * 2)
        self.assertEqual([(row["key"], row["removed"]) for row in found], [("a", False), ("b", False)])
        self.run_it(*cache, "verify", "--repair")
        nothing = dict.fromkeys(stats, 0) | dict.fromkeys(["oldest", "newest", "oldest_use", "newest_use"])
        self.assertEqual(self.answer(*cache, "stats", "--json"), nothing)


class Hostile(CommandTest):
    """Nothing is executed, nothing outside is touched, and every --json stays valid."""

    def setUp(self):
        super().setUp()
        self.work = self.place / "work"
        self.work.mkdir()
        (self.place / "outside").write_text("untouched")

    def call(self, *words, **how):
        how = {"cwd": self.work, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "timeout": 60} | how
        done = subprocess.run([LOCKKIT, *words], **how)
        self.assertFalse((self.work / "planted").exists())
        self.assertEqual((self.place / "outside").read_text(), "untouched")
        self.assertGreaterEqual(done.returncode, 0, done.stderr)
        self.assertNotIn(b"\x1b", done.stderr)
        return done

    def test_files_to_publish(self):
        for name in HOSTILE:
            done = self.call("publish", b"--", name.replace(b"/", b"_"), input=b"data")
            with self.subTest(name=name):
                if name == b"..":
                    self.assertEqual(done.returncode, 64)
                else:
                    self.assertEqual((done.returncode, done.stderr), (0, b""))
                    self.assertEqual((self.work / os.fsdecode(name.replace(b"/", b"_"))).read_bytes(), b"data")

    def test_links_planted_in_the_way(self):
        (self.work / "f").symlink_to(self.place / "outside")
        self.assertEqual(self.call("publish", "f", input=b"x").returncode, 0)
        (self.work / "d").symlink_to(self.place / "elsewhere")  # leads nowhere
        self.assertEqual(self.call("publish", "d/f", input=b"x").returncode, 73)
        self.assertEqual(self.call("mkdir", "d").returncode, 73)
        self.assertEqual(self.call("mkdir", "d/e").returncode, 73)
        self.assertFalse((self.place / "elsewhere").exists())
        loop = self.work / "loop"
        loop.symlink_to(loop)
        self.assertEqual(self.call("publish", "loop/f", input=b"x").returncode, 73)

    def test_directories(self):
        for name in HOSTILE:
            name = name.replace(b"/", b"_")
            with self.subTest(name=name):
                self.assertEqual(self.call("mkdir", b"--", name).returncode, 0)
                self.assertTrue((self.work / os.fsdecode(name)).is_dir())
                unique = self.call("mkdir", "--unique", "u", b"--prefix=" + name[:200])
                self.assertEqual(unique.returncode, 0)
                self.assertTrue(os.path.isdir(self.work / os.fsdecode(unique.stdout[:-1])))

    def test_resources(self):
        db = ("--db", str(self.place / "db"))
        taken = set()
        for name in HOSTILE:
            done = self.call("claim", *db, "add", "--", "pool", name)
            with self.subTest(name=name):
                self.assertIn(done.returncode, (0, 65))
            if done.returncode == 0:
                taken.add(name.decode())
                self.call("claim", *db, "add", "--", name, "only")
                told = self.call("claim", *db, "run", "--", name, "--", "sh", "-c", 'printf %s "$LOCKKIT_RESOURCES"')
                self.assertEqual(told.stdout, b"only", told.stderr)
        self.assertNotIn("comma,comma", taken)
        listed = json.loads(self.call("claim", *db, "list", "pool", "--json").stdout)
        self.assertEqual({row["name"] for row in listed["resources"]}, taken)
        json.loads(self.call("claim", *db, "events", "--json").stdout)

    def test_names_that_another_program_has_put_into_the_database(self):
        db = ("--db", str(self.place / "db"))
        self.call("claim", *db, "add", "pool", "good")
        with sqlite3.connect(self.place / "db") as base:
            for name in (b"a,b", b"\xff", b"new\nline"):
                base.execute("INSERT INTO resource(pool, name, capacity, grp, memory, attributes) "
                             "VALUES('bad', CAST(? AS TEXT), 1, '', 0, '{}')", (name,))
        base.close()
        listed = json.loads(self.call("claim", *db, "list", "--json").stdout)
        self.assertEqual([row.get("name_hex") for row in listed["resources"] if row["name"] == "\ufffd"], ["ff"])
        self.assertEqual(len(self.call("claim", *db, "list").stdout.splitlines()), 4)
        done = self.call("claim", *db, "run", "bad", "-n", "3", "--", "touch", "ran")
        self.assertEqual(done.returncode, 65)
        self.assertIn(b"a comma in a name separates two of them", done.stderr)
        self.assertFalse((self.work / "ran").exists())
        self.assertEqual(json.loads(self.call("claim", *db, "list", "--json").stdout)["claims"], [])

    def test_tasks(self):
        db = ("--db", str(self.place / "db"))
        for number, text in enumerate(HOSTILE, 1):
            with self.subTest(text=text):
                done = self.call("task", *db, "submit", b"--key=" + text, b"--payload=" + text)
                self.assertEqual(done.stdout, b"%d\n" % number, done.stderr)
                attempt = self.call("task", *db, "take", "--unattended", b"--label=" + text).stdout.strip()
                self.assertEqual(self.call("task", *db, "show", attempt, "--field", "payload").stdout, text)
                done = self.call("task", *db, "finish", attempt, b"--result=" + text)
                self.assertEqual(done.returncode, 0, done.stderr)
        rows = json.loads(self.call("task", *db, "list", "--json").stdout)
        for row, text in zip(rows, HOSTILE, strict=True):
            for field in ("key", "payload", "result"):
                self.assertEqual(row[field], text.decode(errors="replace") if f"{field}_hex" not in row else row[field])
                self.assertEqual(bytes.fromhex(row.get(f"{field}_hex", text.hex())), text)
        self.assertEqual(len(self.call("task", *db, "list").stdout.splitlines()), len(HOSTILE))

    def test_attributes_and_matches_that_are_no_objects(self):
        db = ("--db", str(self.place / "db"))
        deep = "[" * 100000
        for text in ("", "7", "[]", "null", '"x"', "{", '{"a":}', "{'a': 1}", '{"a": 1} x', deep, b'{"a": "\xff"}'):
            with self.subTest(text=text[:20]):
                self.assertEqual(self.call("claim", *db, "add", "p", "n", "--attributes", text).returncode, 64)
                self.assertEqual(self.call("claim", *db, "run", "p", "--match", text, "--", "true").returncode, 64)
                self.assertEqual(self.call("task", *db, "submit", "--key", "k", "--match", text).returncode, 64)

    def test_keys_of_a_cache(self):
        cache = ("cache", "--cache", str(self.place / "c"))
        fetch = ("--", "sh", "-c", 'printf "%s" "$KEY" > "$LOCKKIT_FILE"')
        for key in HOSTILE:
            with self.subTest(key=key):
                got = self.call(*cache, "get", "--", key, *fetch, env={**os.environ, "KEY": os.fsdecode(key)})
                self.assertEqual(got.returncode, 0, got.stderr)
                self.assertEqual(pathlib.Path(os.fsdecode(got.stdout[:-1])).read_bytes(), key)
        rows = json.loads(self.call(*cache, "list", "--json").stdout)
        self.assertEqual(len(rows), len(HOSTILE))
        for key in HOSTILE:
            self.assertEqual(self.call(*cache, "remove", "--", key).returncode, 0)

    def test_urls(self):
        cache = ("cache", "--cache", str(self.place / "c"))
        for url in ("http://", "https://user:secret@example.org/", "file://host/etc/passwd", "file:///dev/zero", "dict://x/",
                    "http://[::1", "http://exa mple/", b"http://127.0.0.1:1/\xff\n", "-o/etc/passwd"):
            with self.subTest(url=url):
                done = self.call(*cache, "get", "--attempts", "1", "--", url)
                self.assertIn(done.returncode, (64, 65, 69))
                self.assertNotIn(b"secret\xff", done.stderr)
        self.assertEqual(json.loads(self.call(*cache, "list", "--json").stdout), [])


class Together(CommandTest):
    """Many at once, and killed at any moment: never two on one unit, and nothing stays taken."""

    UNITS = 4
    WITNESS = ('set -C; : > "unit.$LOCKKIT_RESOURCES" || { echo "$LOCKKIT_RESOURCES" >> twice; exit 1; }; '
               'echo x >> turns; rm "unit.$LOCKKIT_RESOURCES"')

    def setUp(self):
        super().setUp()
        self.db = ("--db", str(self.place / "db"))
        for unit in range(self.UNITS):
            self.run_it("claim", *self.db, "add", "p", f"u{unit}")

    def test_32_claims_at_once_on_4_units(self):
        command = (LOCKKIT, "claim", *self.db, "run", "p", "--", "sh", "-c", self.WITNESS)
        running = [self.start(*command) for _ in range(32)]
        self.assertEqual([process.wait(timeout=120) for process in running], [0] * 32)
        self.assertEqual((self.place / "turns").read_text(), "x\n" * 32)
        self.assertFalse((self.place / "twice").exists())
        self.assertEqual(self.answer("claim", *self.db, "list", "--json")["claims"], [])

    def test_kill_of_the_command_of_lockkit_and_of_both(self):
        """While others wait for the same units, and each of them gets one."""
        holding = "echo $$; exec sleep 100"
        held = []
        for _ in range(self.UNITS):
            lockkit = self.start(LOCKKIT, "claim", *self.db, "run", "p", "--", "sh", "-c", holding)
            held.append((lockkit, int(read_line(lockkit))))
        command = (LOCKKIT, "claim", *self.db, "run", "p", "--", "sh", "-c", self.WITNESS)
        waiting = [self.start(*command) for _ in range(8)]
        for number, (lockkit, command_pid) in enumerate(held):
            if number % 3 != 0:
                lockkit.kill()
                lockkit.wait()
            if number % 3 != 1:
                os.kill(command_pid, signal.SIGKILL)
        self.assertEqual([process.wait(timeout=60) for process in waiting], [0] * 8)
        self.assertFalse((self.place / "twice").exists())
        used = {row["name"]: row["used"] for row in self.answer("claim", *self.db, "list", "--json")["resources"]}
        self.assertEqual(sum(used.values()), 1, "the command whose lockkit was killed has its unit still")
        os.kill(held[1][1], signal.SIGKILL)
        self.check(self.run_it("claim", *self.db, "run", "p", "-n", str(self.UNITS), "--timeout", "20", "--", "true"), 0)

    def test_a_queue_worked_off_by_scripts_that_are_killed(self):
        """Each task is done once; what a killed script had taken goes to another one."""
        tasks = 12
        for number in range(tasks):
            self.run_it("task", *self.db, "submit", "--key", f"t{number}", "--max-attempts", "99")
        script = ('while ref=$("$0" task --db db take --for-pid $$ --timeout 0.5 2> /dev/null); do '
                  'key=$("$0" task --db db show $ref --field key); echo taken; read go || exit; '
                  '"$0" task --db db finish $ref && echo $key >> done; done')
        start = lambda: self.start("sh", "-c", script, LOCKKIT)
        victims = [start() for _ in range(3)]
        for victim in victims:
            self.assertEqual(read_line(victim), "taken")
            victim.kill()
        workers = [start() for _ in range(3)]

        def feed(worker):
            while read_line(worker):
                worker.stdin.write(b"go\n")
                worker.stdin.flush()

        threads = [threading.Thread(target=feed, args=(worker,)) for worker in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        finished = (self.place / "done").read_text().split()
        self.assertEqual(sorted(finished), sorted(f"t{number}" for number in range(tasks)))
        self.assertEqual({row["state"] for row in self.answer("task", *self.db, "list", "--json")}, {"done"})


if __name__ == "__main__":
    main()
