#!/usr/bin/env python3
"""The failures that no other test brings about, each with its exit code and what it says; and too few descriptors."""
import os
import pathlib
import resource
import signal
import subprocess

from command_support import LOCKKIT, CommandTest, main, read_line


class Messages(CommandTest):
    def setUp(self):
        super().setUp()
        self.db = ("--db", str(self.place / "db"))
        self.cache = ("--cache", str(self.place / "cache"))

    def check_all(self, table):
        for words, code, text in table:
            with self.subTest(words=words):
                done = self.run_it(*words, stdin=subprocess.DEVNULL)
                self.check(done, code, text)
                self.assertEqual(done.stdout, "")

    def test_a_wrong_word_is_named_and_what_would_be_right(self):
        see = "see 'lockkit"
        self.check_all([
            (["run"], 64, see), (["no-such"], 64, see), (["run", "l", "--", ], 64, "a command after '--'"),
            (["run", "l", "--timeout", "soon", "--", "true"], 64, "'soon' is no time: seconds, or a number with ms, s, m, h, d"),
            (["mkdir", "--mode", "999", "d"], 64, "'999' is no octal mode from 0 to 7777"),
            (["publish", "--mode", "1777", "t", "--", "true"], 64, "'1777' is no octal mode from 0 to 777"),
            (["mkdir"], 64, "DIR or --unique is required"),
            (["cache", *self.cache, "get", "k", "--policy", "later", "--", "true"], 64,
             "'later': expected if-missing, always, never, if-stale or older-than=DURATION"),
            (["cache", *self.cache, "get", "k", "--policy", "older-than=x", "--", "true"], 64, "expected a duration such as 30s"),
            (["cache", *self.cache, "get", "no url"], 64, "cannot use URL 'no url'"),
            (["claim", *self.db, "add", "gpu", "g", "--attributes", "[1]"], 64, "is no JSON object such as"),
            (["claim", *self.db, "add", "gpu", "g", "--memory", "much"], 64, "is no number of bytes such as 80GB"),
            (["claim", *self.db, "acquire", "gpu"], 64, "--for-pid or --for is required"),
            (["task", *self.db, "take"], 64, "either --for-pid or --for, or --unattended is required"),
            (["task", *self.db, "list", "--state", "odd"], 64, "'odd' is no state of a task"),
        ])

    def test_what_is_not_in_a_database_is_named_with_the_database(self):
        self.check(self.run_it("task", *self.db, "submit", "--key", "k", stdin=subprocess.DEVNULL), 0)
        none = ".1." + "0" * 32
        self.check_all([
            (["task", *self.db, "show", "77"], 65, "cannot show a task of"),
            (["task", *self.db, "begin", "--task", "77", "--attempt", "1", "--job", "j"], 65, "cannot begin a task in"),
            (["task", *self.db, "finish", "77" + none], 1, "is over, or was given to somebody else: nothing was changed"),
            (["task", *self.db, "finish", "77"], 65, "'77' is no attempt of a task; give what 'task take' printed"),
            (["claim", *self.db, "drain", "gpu", "g"], 65, str(self.place / "db")),
        ])

    def test_what_needs_no_doing_is_said(self):
        self.check(self.run_it("claim", *self.db, "add", "gpu", "g"), 0)
        self.check(self.run_it("claim", *self.db, "drain", "gpu", "g"), 0)
        self.check(self.run_it("claim", *self.db, "drain", "gpu", "g"), 0, "'g' was so already")
        self.check(self.run_it("break", "l"), 0, "'l' is free: nothing to break")

    def test_a_command_that_cannot_be_executed_is_named_with_the_reason(self):
        self.check(self.run_it("run", "l", "--", "./no-such"), 127, "cannot execute './no-such': No such file or directory")
        (self.place / "text").write_text("not a program")
        self.check(self.run_it("run", "l", "--", "./text"), 126, "cannot execute './text': Permission denied")
        self.assertEqual(self.answer("status", "--json", "l")[0]["state"], "free")

    def test_a_holder_that_does_not_end_when_asked_is_reported(self):
        # Traced, it stops before the signal reaches it; who traces it lets it go when this test has looked.
        script = self.start("sh", "-c", f"{LOCKKIT} acquire l --for-pid $$ && echo in; read line")
        self.assertEqual(read_line(script), "in")
        holder = self.answer("status", "--json", "l")[0]["holder"]["pid"]
        tracer = self.start("strace", "-qq", "-e", "trace=none", "-e", "signal=none", "-p", str(holder), "-o", "trace")
        status = pathlib.Path(f"/proc/{holder}/status")
        self.wait_until(lambda: f"TracerPid:\t{tracer.pid}\n" in status.read_text(), "traced")
        tracer.send_signal(signal.SIGSTOP)
        done = self.run_it("release", "l")
        tracer.kill()
        self.check(done, 75, "its holder, pid", "has been asked to end and has not done so within 10 s")


class Descriptors(CommandTest):
    """At each limit of open files it does its work or says what it could not do, and leaves nothing half done."""

    def starved(self, *words):
        """Its failures, from no descriptor beyond the standard ones up to the first success."""
        texts = []
        for limit in range(3, 40):
            done = self.run_it(*words, stdin=subprocess.DEVNULL,
                               preexec_fn=lambda most=limit: resource.setrlimit(resource.RLIMIT_NOFILE, (most, most)))
            if done.returncode == 0:
                return texts
            with self.subTest(limit=limit):
                self.assertIn(done.returncode, (69, 73, 74, 126, 127), done.stderr)
                self.assertTrue(done.stderr, "a failure without a word")
                texts.append(done.stderr)
        self.fail(f"never succeeds: {texts[-1]}")

    def test_run(self):
        self.assertTrue(self.starved("run", "l", "--", "true"))
        self.assertEqual(self.answer("status", "--json", "l")[0]["state"], "free")

    def test_publish(self):
        (self.place / "t").write_text("old")
        self.assertTrue(self.starved("publish", "t", "--", "echo", "new"))
        self.assertEqual((self.place / "t").read_text(), "new\n")
        self.assertEqual(os.listdir(self.place), ["t"])

    def test_cache_get_by_a_command(self):
        (self.place / "data").write_text("content")
        texts = self.starved("cache", "--cache", "c", "get", "k", "--", "cp", "data", "{}")
        self.assertTrue(any("cannot make" in text for text in texts), texts)

    def test_acquire(self):
        self.assertTrue(self.starved("acquire", "l", "--for-pid", str(os.getpid())))
        self.check(self.run_it("release", "l"), 0)

    def test_claim_run(self):
        self.check(self.run_it("claim", "--db", "db", "add", "gpu", "g"), 0)
        self.assertTrue(self.starved("claim", "--db", "db", "run", "gpu", "--timeout", "20s", "--", "true"))
        self.assertEqual(self.answer("claim", "--db", "db", "list", "--json")["claims"], [])


if __name__ == "__main__":
    main()
