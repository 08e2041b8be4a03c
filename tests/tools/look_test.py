#!/usr/bin/env python3
"""lockkit status, wait, break and clean: looking at locks, and removing what is dead."""
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import unittest

from command_support import LOCKKIT, CommandTest, is_root, main, read_line

HOLDER = {"pid", "host", "command", "label", "since", "token", "boot_id", "pid_namespace", "start_time"}


def dead_pid():
    gone = subprocess.Popen(["true"])
    gone.wait()
    return gone.pid


class Status(CommandTest):
    def test_json_has_one_shape_whatever_the_state(self):
        runner = self.start_holder("held", "--label", "a b")
        killed = self.start_holder("stale")
        killed.kill()
        killed.wait()
        (self.place / "foreign").write_text("4711\nweb1\n")
        (self.place / "empty").touch()
        os.mkfifo(self.place / "pipe")
        found = self.answer("status", "--json", "free", "held", "stale", "foreign", "empty", "pipe", ".")
        self.assertEqual([each["state"] for each in found],
                         ["free", "held", "stale", "foreign", "foreign", "foreign", "unknown"])
        for each in found[:-1]:
            self.assertEqual(list(each), ["path", "state", "holder", "for", "age_seconds", "processes", "waiting"])
        self.assertEqual(set(found[1]["holder"]), HOLDER)
        self.assertEqual(found[1]["holder"]["pid"], runner.pid)
        self.assertEqual(found[1]["holder"]["label"], "a b")
        self.assertEqual(found[1]["processes"], [runner.pid])
        self.assertRegex(found[1]["holder"]["since"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertGreater(int(found[1]["holder"]["token"]), 10**18)
        self.assertEqual((found[3]["holder"]["pid"], found[3]["holder"]["host"], found[3]["holder"]["label"]), (4711, "web1", None))
        self.assertIsNone(found[4]["holder"])
        self.assertEqual(set(found[6]), {"path", "state", "error"})
        self.assertGreaterEqual(found[1]["age_seconds"], 0)
        self.check(self.run_it("status", "held", "."), 64, "'.'")

    def test_it_names_those_who_wait_for_every_kind_of_lock(self):
        self.start_holder("l")
        self.start_holder("m", "--kernel")
        (self.place / "s").write_text("4711\n")
        for path, kind in (("l", []), ("m", ["--kernel"]), ("m", ["--shared"]), ("s", []), ("s", [])):
            before = self.answer("status", "--json", path)[0]["waiting"]
            waiting = self.start(LOCKKIT, "run", path, *kind, "--timeout", "never", "--", "true")
            expected = sorted(before + [waiting.pid])
            self.wait_until(lambda p=path, e=expected: self.answer("status", "--json", p)[0]["waiting"] == e, "it waits")
        self.assertIn(f"waiting: {waiting.pid}", self.run_it("status", "s").stdout.replace(f"{before[0]}, ", ""))

    def test_for_people(self):
        self.start_holder("l", "--label", "tester")
        shown = self.run_it("status", "l", "no").stdout
        self.assertIn("l: held\n  owner: pid ", shown)
        self.assertIn("tester", shown)
        self.assertIn("no: free\n", shown)


class Wait(CommandTest):
    def test_free_or_dead_is_no_wait_and_held_is_75_with_the_holder(self):
        self.check(self.run_it("wait", "l", "--timeout", "0"), 0)
        runner = self.start_holder()
        self.check(self.run_it("wait", "l", "--timeout", "0"), 75, "not free at once", f"pid {runner.pid}")
        self.check(self.run_it("wait", "l", "--timeout", "20ms"), 75, "within 0.02 s")
        runner.kill()
        runner.wait()
        self.check(self.run_it("wait", "l", "--timeout", "0"), 0)
        self.assertTrue((self.place / "l").exists())  # it takes nothing, also no leftover
        (self.place / "s").write_text("1\n")
        self.check(self.run_it("wait", "s", "--timeout", "0"), 75, "pid 1", "not by lockkit")

    def test_it_ends_with_the_hold_or_the_holder_and_never_holds(self):
        for end in (lambda each: each.communicate(), lambda each: (each.kill(), each.wait())):
            for kind in ([], ["--kernel"]):
                path = "m" if kind else "l"
                runner = self.start_holder(path, *kind)
                waiting = self.start(LOCKKIT, "wait", path)
                self.assertIsNone(waiting.poll())
                end(runner)
                self.assertEqual(waiting.wait(timeout=60), 0)
        self.assertNotIn("m.guard", " ".join(os.listdir(self.place)))

    def test_it_takes_nothing_a_try_beside_it_always_succeeds(self):
        stop = threading.Event()

        def look():
            while not stop.is_set():
                self.run_it("wait", "l", "--timeout", "1ms")

        looking = threading.Thread(target=look)
        looking.start()
        for _ in range(50):
            self.check(self.run_it("run", "l", "--try", "--", "true"), 0)
        stop.set()
        looking.join()


class Break(CommandTest):
    def test_a_free_lock_needs_no_breaking_and_a_dead_holders_is_removed(self):
        self.check(self.run_it("break", "l"), 0, "'l' is free")
        runner = self.start_holder()
        runner.kill()
        runner.wait()
        self.check(self.run_it("break", "l"), 0, "'l' removed", f"pid {runner.pid}", "dead")
        self.assertFalse((self.place / "l").exists())

    def test_a_living_holder_is_named_and_stays(self):
        runner = self.start_holder()
        self.check(self.run_it("break", "l"), 75, "'l' not broken", f"pid {runner.pid}", "--force")
        self.check(self.run_it("run", "l", "--try", "--", "true"), 75)
        (self.place / "s").write_text(f"{os.getpid()}\n")
        self.check(self.run_it("break", "s"), 75, f"pid {os.getpid()}", "not by lockkit", "--force")
        self.assertTrue((self.place / "s").exists())

    def test_a_dead_scripts_lock_is_removed_one_of_another_host_is_not(self):
        pid = dead_pid()
        for text in (f"{pid}\n", f"{pid}\n{socket.gethostname()}\n", str(pid)):
            (self.place / "s").write_text(text)
            self.check(self.run_it("break", "s"), 0, "'s' removed", f"pid {pid}", "dead")
            self.assertFalse((self.place / "s").exists())
        for text in (f"{pid}\nother.example\n", "0\n", "-5\n", "soon\n", f"{pid} {pid}\n"):
            (self.place / "s").write_text(text)
            self.check(self.run_it("break", "s"), 75, "'s' not broken")
            self.assertTrue((self.place / "s").exists())

    def test_an_empty_file_is_somebodys_until_the_age_that_is_named(self):
        (self.place / "s").touch()
        self.check(self.run_it("break", "s"), 75, "does not say whose", "--empty-after")
        self.check(self.run_it("break", "s", "--empty-after", "1h"), 75)
        os.utime(self.place / "s", (0, 0))  # as cp -p does: that says nothing of when it came here
        self.check(self.run_it("break", "s", "--empty-after", "1h"), 75)
        self.check(self.run_it("break", "s", "--empty-after", "0"), 0)
        self.assertFalse((self.place / "s").exists())

    def test_a_dead_scripts_file_that_somebody_has_locked_stays(self):
        (self.place / "s").write_text(f"{dead_pid()}\n")
        flock = self.start("flock", "s", "sh", "-c", "echo in; read line")
        self.assertEqual(read_line(flock), "in")
        self.check(self.run_it("break", "s"), 75)
        self.assertTrue((self.place / "s").exists())

    def test_by_force_newcomers_get_in_and_it_says_what_that_risks(self):
        runner = self.start_holder()
        done = self.run_it("break", "l", "--force")
        self.check(done, 0, "broken by force", f"by uid {os.getuid()}", f"held by pid {runner.pid}", "two may be inside")
        self.check(self.run_it("run", "l", "--try", "--", "true"), 0)
        self.assertEqual(runner.wait(timeout=60) if runner.stdin.close() is None else None, 0)
        self.assertIn("was removed or replaced", runner.stderr.read().decode())
        (self.place / "s").write_text("1\nother.example\n")
        self.check(self.run_it("break", "s", "--force"), 0, "broken by force", "pid 1")
        self.assertFalse((self.place / "s").exists())

    @unittest.skipUnless(is_root(), "a log of its own is mounted over /dev/log, which needs root")
    def test_force_is_recorded_in_the_systems_log(self):
        program = """
import os, socket, subprocess, sys
os.makedirs("dev"); log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); log.bind("dev/log")
null = os.open("/dev/null", os.O_RDWR)
open("dev/null", "w").close()
subprocess.run(["mount", "--bind", "/dev/null", "dev/null"], check=True)
subprocess.run(["mount", "--bind", "dev", "/dev"], check=True)
open("s", "w").write("1\\n")
subprocess.run([sys.argv[1], "break", "s", "--force"], check=True, stdin=null, stderr=null)
log.settimeout(30)
print(log.recv(4096).decode())
"""
        done = subprocess.run(["unshare", "--mount", sys.executable, "-c", program, LOCKKIT], cwd=self.place, text=True,
                              capture_output=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"^<12>.*lockkit\[\d+\]: lock 's' broken by force by uid 0, .*held by pid 1, not by lockkit")

    def test_what_is_no_lock_file_is_never_removed(self):
        (self.place / "folder").mkdir()
        (self.place / "victim").write_text(f"{dead_pid()}\n")
        (self.place / "link").symlink_to("victim")
        os.mkfifo(self.place / "pipe")
        holder = self.start_holder("m", "--kernel")
        for force in ([], ["--force"]):
            for name in ("folder", "link", "pipe", "m"):
                self.check(self.run_it("break", name, *force), 75, "not broken")
        holder.communicate()
        self.check(self.run_it("break", "m", "--force"), 0, "free")
        self.assertLessEqual({"folder", "victim", "link", "pipe", "m"}, set(os.listdir(self.place)))


class Clean(CommandTest):
    def leave_things(self):
        """Files that are dead, files that live, and files that are somebody's."""
        for name in ("idle", "n" * 255):
            self.run_it("run", name, "--", "true")
        killed = self.start_holder("stale")
        killed.kill()
        killed.wait()
        self.start_holder("held")
        (self.place / "script").write_text("4711\n")
        waiting = self.start(LOCKKIT, "run", "script", "--timeout", "never", "--", "true")
        self.wait_until(lambda: self.answer("status", "--json", "script")[0]["waiting"] == [waiting.pid], "it waits")
        (self.place / ".mine.guard").write_text("data")
        (self.place / ".empty.guard").touch()
        shutil.copy(self.place / ".idle.guard", self.place / ".linked.guard")
        os.link(self.place / ".linked.guard", self.place / "another name")
        self.run_it("run", ".m.guardian", "--kernel", "--", "true")
        (self.place / f".x.{'a' * 26}.lkt").write_text("staged")
        os.utime(self.place / f".x.{'a' * 26}.lkt", (0, 0))
        (self.place / f".y.{'a' * 26}.lkt").write_text("staged just now")
        (self.place / ".idle.guard.12.0.tmp").write_text("prepared")

    def test_it_removes_what_is_dead_and_nothing_else(self):
        self.leave_things()
        before = set(os.listdir(self.place))
        long_guard = next(name for name in before if name.startswith(".nnn"))
        dead = {".idle.guard", ".idle.guard.12.0.tmp", ".stale.guard", "stale", f".x.{'a' * 26}.lkt", long_guard}
        dry = self.answer("clean", ".", "--dry-run", "--json")
        self.assertEqual(dry["dry_run"], True)
        self.assertEqual(set(os.listdir(self.place)), before)
        done = self.answer("clean", ".", "--json")
        self.assertEqual({os.path.basename(each["path"]) for each in done["removed"]}, dead)
        self.assertEqual(done["removed"], dry["removed"])
        kinds = {os.path.basename(each["path"]): each["kind"] for each in done["removed"]}
        self.assertEqual((kinds["stale"], kinds[".stale.guard"]), ("lock_file", "guard"))
        self.assertEqual(before - set(os.listdir(self.place)), dead)
        self.assertEqual(self.answer("clean", ".", "--json"), {"dry_run": False, "removed": []})
        self.check(self.run_it("clean", ".", "--minimum-age", "0"), 0)
        self.assertNotIn(f".y.{'a' * 26}.lkt", os.listdir(self.place))

    def test_for_people(self):
        self.run_it("run", "l\n", "--", "true")
        self.assertEqual(self.run_it("clean", ".", "--dry-run").stdout,
                         "would remove ./.l\\x0a.guard: guard of a lock that nobody uses\n")
        self.assertIn("removed ./", self.run_it("clean", ".").stdout)

    def test_cleaning_beside_those_who_lock_breaks_nothing(self):
        (self.place / "count").write_text("0\n")
        crowd = [self.start("sh", "-c", f"for i in 1 2 3 4 5 6 7 8 9 10; do '{LOCKKIT}' run l --timeout never -- "
                            "sh -c 'read n < count; echo $((n + 1)) > count' || exit; done") for _ in range(6)]
        while any(each.poll() is None for each in crowd):
            self.check(self.run_it("clean", "."), 0)
        self.assertEqual([each.wait() for each in crowd], [0] * 6)
        self.assertEqual((self.place / "count").read_text(), "60\n")

    def test_what_is_no_directory_is_73(self):
        self.check(self.run_it("clean", "no"), 73, "'no'")
        (self.place / "file").touch()
        self.check(self.run_it("clean", "file"), 73, "'file'")


if __name__ == "__main__":
    main()
