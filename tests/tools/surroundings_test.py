#!/usr/bin/env python3
"""What is wrong around the command does no harm: empty words, broken or closed streams, ignored and foreign signals."""
import os
import signal
import subprocess
import sys
import time

from command_support import LOCKKIT, CommandTest, main, read_line


def is_reaped(number):
    """Also a zombie has its entry until its parent has waited for it."""
    return not os.path.exists(f"/proc/{number}/stat")


class Surroundings(CommandTest):
    def setUp(self):
        super().setUp()
        self.db = ("--db", str(self.place / "db"))
        self.cache = ("--cache", str(self.place / "cache"))

    def with_broken(self, stream, *words, **how):
        """lockkit WORDS…, where what it writes to that stream finds no reader. Python ignores SIGPIPE, programs do not."""
        reader, writer = os.pipe()
        os.close(reader)
        try:
            return self.run_it(*words, **{stream: writer, "restore_signals": True} | how)
        finally:
            os.close(writer)

    def submit(self, key):
        self.check(self.run_it("task", *self.db, "submit", "--key", key), 0)

    def test_a_word_that_is_empty_is_wrong_usage_and_the_command_behind_it_is_not_taken_for_the_file(self):
        program = self.place / "gen"
        program.write_text("#!/bin/sh\necho ran\n")
        program.chmod(0o755)
        for words in (["publish", "", "--", "./gen"], ["publish", "--", "", "--", "./gen"],
                      ["cache", *self.cache, "mirror", "k", "", "--overwrite", "--", "./gen"],
                      ["cache", *self.cache, "get", "", "--", "./gen", "--", "touch", "ran"],
                      ["run", "", "--", "./gen", "--", "touch", "ran"],
                      ["claim", *self.db, "run", "", "--", "./gen", "--", "touch", "ran"]):
            with self.subTest(words=words):
                self.check(self.run_it(*words, stdin=subprocess.DEVNULL), 64)
                self.assertEqual(program.read_text(), "#!/bin/sh\necho ran\n")
        self.assertFalse((self.place / "ran").exists())

    def test_a_stderr_without_a_reader_does_not_end_the_command_that_runs(self):
        self.start_holder("l")
        done = self.with_broken("stderr", "run", "l", "--wait-message", "--timeout", "10ms", "--", "true")
        self.assertEqual(done.returncode, 75)
        holder = self.start_holder("m")
        reader, writer = os.pipe()
        waits = self.start(LOCKKIT, "run", "m", "--wait-message", "--timeout", "never", "--", "sh", "-c", "sleep 0.2; exit 7",
                           stderr=writer)
        os.close(writer)
        os.close(reader)
        self.wait_until(lambda: self.answer("status", "--json", "m")[0]["waiting"] == [waits.pid], "it waits")
        holder.communicate()
        self.assertEqual(waits.wait(timeout=60), 7)

    def test_a_stderr_without_a_reader_changes_nothing_about_what_is_fetched_or_broken(self):
        (self.place / "data").write_text("content")
        done = self.with_broken("stderr", "cache", *self.cache, "get", f"file://{self.place}/data")
        self.assertEqual(done.returncode, 0)
        with open(done.stdout.strip(), encoding="ascii") as cached:
            self.assertEqual(cached.read(), "content")
        (self.place / "s").write_text("1\nother.example\n")
        self.assertEqual(self.with_broken("stderr", "break", "s", "--force").returncode, 0)
        self.assertFalse((self.place / "s").exists())

    def test_an_ignored_sigchld_turns_no_failure_into_success(self):
        self.check(self.run_it("claim", *self.db, "add", "gpu", "g"), 0)
        hold = self.start(LOCKKIT, "claim", *self.db, "run", "gpu", "--", "sh", "-c", "echo in; read line || exit 0")
        self.assertEqual(read_line(hold), "in")
        self.submit("k")
        self.run_it("task", *self.db, "take", "--unattended")

        def ignored(*words):
            return subprocess.run(["env", "--ignore-signal=CHLD", LOCKKIT, *words], cwd=self.place, text=True,
                                  capture_output=True, timeout=60, check=False)

        here = str(os.getpid())
        self.check(ignored("claim", *self.db, "acquire", "gpu", "--for-pid", here, "--timeout", "0"), 75)
        self.check(ignored("task", *self.db, "take", "--for-pid", here, "--timeout", "0"), 75)
        self.assertNotIn("could not try", ignored("doctor", ".").stdout)

    def test_an_attempt_that_nobody_was_told_of_is_handed_back(self):
        self.submit("k")
        self.check(self.with_broken("stdout", "task", *self.db, "take", "--unattended"), 74)
        self.assertEqual(self.run_it("task", *self.db, "show", "1", "--field", "state").stdout.strip(), "ready")

    def test_a_closed_stdout_has_had_no_answer(self):
        self.submit("k")

        def closed(*words):
            return self.run_it(*words, preexec_fn=lambda: os.close(1), stdout=None)

        self.check(closed("status", "l"), 74, "standard output")
        self.check(closed("task", *self.db, "take", "--unattended"), 74)
        self.assertEqual(self.run_it("task", *self.db, "show", "1", "--field", "state").stdout.strip(), "ready")
        self.check(closed("mkdir", "--unique", "."), 74)
        self.check(self.with_broken("stdout", "mkdir", "--unique", "."), 74)
        self.assertEqual([each for each in self.place.iterdir() if each.is_dir()], [])
        self.check(closed("run", "l", "--", "true"), 0)

    def test_a_closed_stdin_is_no_empty_payload(self):
        done = self.run_it("task", *self.db, "submit", "--key", "k", "--payload-from-input", preexec_fn=lambda: os.close(0),
                           stdin=None)
        self.check(done, 74, "nothing was submitted")

    def test_what_a_fetching_command_prints_does_not_mix_with_the_path(self):
        done = self.run_it("cache", *self.cache, "get", "k", "--", "sh", "-c", 'echo noise; echo content > "$LOCKKIT_FILE"')
        self.check(done, 0, "noise")
        with open(done.stdout.removesuffix("\n"), encoding="ascii") as cached:
            self.assertEqual(cached.read(), "content\n")

    def test_publish_can_be_ended_while_something_left_behind_holds_its_commands_output(self):
        (self.place / "f").write_text("good")
        left = "sleep 1000 & echo $! > left.new; mv left.new left"
        for number, command, code in ((signal.SIGTERM, left, 143), (None, left + "; exit 3", 3)):
            publisher = self.start(LOCKKIT, "publish", "f", "--", "sh", "-c", command)
            try:
                self.wait_until((self.place / "left").exists, "the command has left something")
                # Sent while the command is still there it is passed on, and ends that: 143 as well, so again and again.
                for _ in range(100):
                    if number and publisher.poll() is None:
                        publisher.send_signal(number)
                        time.sleep(0.05)
                self.assertEqual(publisher.wait(timeout=30), code)
            finally:
                os.kill(int((self.place / "left").read_text()), signal.SIGKILL)
                (self.place / "left").unlink()
            self.assertEqual((self.place / "f").read_text(), "good")

    def test_a_fault_signal_that_somebody_sends_reaches_the_command_and_the_lock_is_held_until_its_end(self):
        for number in (signal.SIGABRT, signal.SIGSEGV, signal.SIGSYS):
            runner = self.start(LOCKKIT, "run", "l", "--", sys.executable, "-c",
                                f"import signal, sys; signal.signal({int(number)}, lambda *_: sys.exit(40));"
                                "print('in', flush=True); signal.pause()")
            self.assertEqual(read_line(runner), "in")
            runner.send_signal(number)
            self.assertEqual(runner.wait(timeout=60), 40, number)
            self.assertFalse((self.place / "l").exists())

    def test_orphans_that_become_ours_leave_no_zombies_while_the_command_runs(self):
        self.check(self.run_it("claim", *self.db, "add", "gpu", "g"), 0)
        runner = self.start(LOCKKIT, "claim", *self.db, "run", "gpu", "--", "sh", "-c",
                            "(sh -c 'echo $$' &); read line || exit 0")
        orphan = int(read_line(runner))
        self.wait_until(lambda: is_reaped(orphan), "the orphan is reaped")
        self.assertEqual(runner.wait(timeout=60) if runner.stdin.close() is None else None, 0)

    def test_the_present_holder_of_a_kernel_lock_is_named_and_not_the_last_one(self):
        self.check(self.run_it("run", "m", "--kernel", "--", "true"), 0)
        sharer = self.start_holder("m", "--shared")
        found = self.answer("status", "--json", "m")[0]
        self.assertEqual((found["state"], found["holder"]["pid"], found["processes"]), ("held", sharer.pid, [sharer.pid]))
        self.check(self.run_it("run", "m", "--kernel", "--try", "--", "true"), 75, f"pid {sharer.pid}")

    def test_wrong_words_are_wrong_usage(self):
        self.check(self.run_it("task", *self.db, "submit", "--key", ""), 64)
        for process in ("0", "-1", "99999999999"):
            done = self.run_it("acquire", "l", "--for-pid", process)
            self.check(done, 64, "--for-pid")
            self.assertLess(len(done.stderr), 200)


if __name__ == "__main__":
    main()
