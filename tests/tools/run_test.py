#!/usr/bin/env python3
"""lockkit run: exclusion, exit codes, signals, job control; commands that are killed, stopped, or leave others behind."""
import os
import pty
import select
import signal
import subprocess
import sys
import time

from command_support import LOCKKIT, CommandTest, main, read_line

def state_of(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        return file.read().rpartition(")")[2].split()[0]


class Run(CommandTest):
    def test_200_at_once_on_one_path_count_to_exactly_200(self):
        for kind in ([], ["--kernel"]):
            (self.place / "count").write_text("0\n")
            command = [LOCKKIT, "run", "l" + "".join(kind), *kind, "--timeout", "never", "--", "sh", "-c",
                       "read n < count; echo $((n + 1)) > count"]
            crowd = [subprocess.Popen(command, cwd=self.place) for _ in range(200)]
            self.assertEqual([each.wait(timeout=120) for each in crowd], [0] * 200)
            self.assertEqual((self.place / "count").read_text(), "200\n")

    def test_the_exit_code_is_the_commands(self):
        for code in (0, 1, 64, 75, 126, 255):
            self.assertEqual(self.run_it("run", "l", "--", "sh", "-c", f"exit {code}").returncode, code)
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGUSR1):
            self.assertEqual(self.run_it("run", "l", "--", "sh", "-c", f"kill -{number} $$").returncode, 128 + number)
        (self.place / "text").write_text("no program")
        (self.place / "text").chmod(0o755)
        self.check(self.run_it("run", "l", "--", "./text"), 126, "./text", "Exec format error")
        self.check(self.run_it("run", "l", "--", "no-such-program"), 127, "no-such-program")
        self.assertFalse((self.place / "l").exists())

    def test_a_lock_not_had_in_time_says_who_has_it_and_what_to_do(self):
        holder = self.start_holder("l", "--label", "nightly")
        done = self.run_it("run", "l", "--try", "--", "touch", "ran")
        self.check(done, 75, "'l' was not free at once", f"pid {holder.pid}", "nightly", "--timeout", "lockkit status")
        self.check(self.run_it("run", "l", "--timeout", "50ms", "--", "touch", "ran"), 75, "within 0.05 s")
        self.check(self.run_it("run", "l", "--timeout", "0", "--conflict-exit-code", "3", "--", "touch", "ran"), 3)
        self.check(self.run_it("run", "l", "--conflict-exit-code", "256", "--", "touch", "ran"), 64)
        self.assertFalse((self.place / "ran").exists())

    def test_a_scripts_lock_is_respected_and_named(self):
        (self.place / "l").write_text("4711\n")
        self.check(self.run_it("run", "l", "--try", "--", "true"), 75, "pid 4711", "not by lockkit")
        (self.place / "l").write_text("")
        self.check(self.run_it("run", "l", "--try", "--", "true"), 75, "does not say whose")

    def test_wait_message_says_once_who_holds_it_and_without_it_nothing_is_said(self):
        holder = self.start_holder()
        loud = self.start(LOCKKIT, "run", "l", "--wait-message", "--", "true")
        quiet = self.start(LOCKKIT, "run", "l", "--", "true")
        self.assertTrue(select.select([loud.stderr], [], [], 60)[0])
        self.wait_until(lambda: len(self.answer("status", "--json", "l")[0]["waiting"]) == 2, "both wait")
        time.sleep(0.5)  # several pieces of the wait: not a race, only the chance to say it twice
        holder.communicate()
        said = loud.communicate()[1].decode()
        self.assertEqual(said.count("\n"), 1)
        self.assertIn(f"waiting for", said)
        self.assertIn(f"pid {holder.pid}", said)
        self.assertEqual(quiet.communicate()[1], b"")

    def test_sharers_share_and_exclude_the_others(self):
        first = self.start_holder("m", "--shared")
        second = self.start_holder("m", "--shared")
        self.check(self.run_it("run", "m", "--kernel", "--try", "--", "true"), 75)
        flock = subprocess.run(["flock", "-n", "m", "true"], cwd=self.place, check=False)
        self.assertEqual(flock.returncode, 1)
        first.communicate()
        second.communicate()
        alone = self.start_holder("m", "--kernel")
        self.check(self.run_it("run", "m", "--shared", "--try", "--", "true"), 75, f"pid {alone.pid}")
        alone.communicate()
        self.assertTrue((self.place / "m").exists())

    def test_keep_out_everyone_keeps_record_locks_out_and_waits_for_them(self):
        lockf = [sys.executable, "-c", "import fcntl; f = open('l', 'r+'); print('open', flush=True); input();"
                 "fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB); print('locked', flush=True); input()"]
        script = self.start("sleep", "1000")
        self.check(self.run_it("acquire", "l", "--for-pid", str(script.pid), "--keep-out-everyone"), 0)
        refused = subprocess.run(lockf, cwd=self.place, input="\n", capture_output=True, text=True, check=False)
        self.assertIn("BlockingIOError", refused.stderr)
        self.check(self.run_it("release", "l", "--for-pid", str(script.pid)), 0)
        holder = self.start_holder("l", "--keep-out-everyone")
        other = self.start(*lockf)
        self.assertEqual(read_line(other), "open")
        holder.communicate()
        other.stdin.write(b"\n")
        other.stdin.flush()
        self.assertEqual(read_line(other), "locked")
        self.check(self.run_it("run", "l", "--try", "--", "true"), 0)
        self.check(self.run_it("run", "l", "--try", "--keep-out-everyone", "--", "true"), 75)
        other.communicate()
        self.check(self.run_it("run", "l", "--try", "--keep-out-everyone", "--", "true"), 0)
        self.check(self.run_it("run", "l", "--kernel", "--keep-out-everyone", "--", "true"), 64)

    def test_the_command_gets_its_arguments_as_they_are_and_no_shell_sees_them(self):
        words = ["", " ", "$(touch planted)", "; touch planted", "a\nb", "*", "--try", "--", "'", '"']
        done = self.run_it("run", "l", "--", "printf", "%s\\0", *words)
        self.assertEqual(done.stdout.split("\0")[:-1], words)
        self.assertFalse((self.place / "planted").exists())

    def test_the_command_inherits_none_of_our_descriptors(self):
        for kind in ([], ["--kernel"]):
            listed = self.run_it("run", "l", *kind, "--", sys.executable, "-c",
                                 "import os; print(sorted(os.listdir('/proc/self/fd'), key=int)[:-1])")
            self.assertEqual(listed.stdout.strip(), "['0', '1', '2']")

    def test_signals_reach_the_command(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGRTMIN + 1):
            runner = self.start(LOCKKIT, "run", "l", "--", sys.executable, "-c",
                                f"import signal, sys; signal.signal({int(number)}, lambda *_: sys.exit(40));"
                                "print('in', flush=True); signal.pause()")
            self.assertEqual(read_line(runner), "in")
            runner.send_signal(number)
            self.assertEqual(runner.wait(timeout=60), 40, number)
            self.assertFalse((self.place / "l").exists())

    def test_a_signal_during_the_wait_ends_it(self):
        holder = self.start_holder()
        waiting = self.start(LOCKKIT, "run", "l", "--timeout", "never", "--", "touch", "ran")
        self.wait_until(lambda: self.answer("status", "--json", "l")[0]["waiting"] == [waiting.pid], "it waits")
        waiting.send_signal(signal.SIGINT)
        self.assertEqual(waiting.wait(timeout=60), 128 + signal.SIGINT)
        self.assertFalse((self.place / "ran").exists())
        holder.communicate()

    def test_while_the_command_is_stopped_the_lock_is_held_and_it_can_be_stopped_through_us(self):
        for stop in (signal.SIGSTOP, signal.SIGTSTP):
            # A group of its own: where ours is an orphaned one (a service's, a CI's), the kernel ignores SIGTSTP.
            runner = self.start(LOCKKIT, "run", "l", "--", "sh", "-c", "echo $$; read line || exit 7", process_group=0)
            command = int(read_line(runner))
            if stop == signal.SIGSTOP:
                os.kill(command, stop)
            else:
                runner.send_signal(stop)  # passed on, and then it stops, too
                self.wait_until(lambda: state_of(runner.pid) == "T", "we stop as well")
            self.wait_until(lambda: state_of(command) == "T", "the command is stopped")
            self.check(self.run_it("run", "l", "--try", "--", "true"), 75)
            runner.stdin.close()
            os.kill(command if stop == signal.SIGSTOP else runner.pid, signal.SIGCONT)  # the latter is passed on
            self.assertEqual(runner.wait(timeout=60), 7)
            self.check(self.run_it("run", "l", "--try", "--", "true"), 0)

    def test_ctrl_z_and_fg_in_a_real_shell(self):
        child, terminal = pty.fork()
        if child == 0:
            os.chdir(self.place)
            os.environ["PS1"] = "READY "
            os.execvp("bash", ["bash", "--norc", "-i"])
        try:
            wait_for(terminal, "READY")
            os.write(terminal, f"'{LOCKKIT}' run l -- sh -c 'echo CAME$((1+1)); exec sleep 1000'\n".encode())
            wait_for(terminal, "CAME2")
            os.write(terminal, b"\x1a")
            wait_for(terminal, "Stopped")
            self.check(self.run_it("run", "l", "--try", "--", "true"), 75)
            os.write(terminal, b"fg\n")
            wait_for(terminal, "sleep 1000")
            os.write(terminal, b"\x03")
            os.write(terminal, b"echo CODE$(($?))\n")
            wait_for(terminal, "CODE130")
            self.assertFalse((self.place / "l").exists())
        finally:
            os.close(terminal)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)

    def test_the_lock_ends_with_the_command_whatever_it_leaves_running(self):
        daemon = "(setsid sh -c 'echo $$ > pid; mv pid daemon; exec sleep 1000' <&- >&- 2>&- &); until test -e daemon; do :; done"
        self.check(self.run_it("run", "l", "--", "sh", "-c", daemon), 0)
        pid = int((self.place / "daemon").read_text())
        try:
            self.check(self.run_it("run", "l", "--try", "--", "true"), 0)
            os.kill(pid, 0)
        finally:
            os.kill(pid, signal.SIGKILL)

    def test_killed_itself_it_leaves_the_lock_to_the_next(self):
        holder = self.start_holder()
        holder.kill()
        holder.wait()
        self.assertEqual(self.answer("status", "--json", "l")[0]["state"], "stale")
        self.check(self.run_it("run", "l", "--try", "--", "true"), 0)

    def test_it_says_so_when_the_lock_file_was_removed_meanwhile(self):
        self.check(self.run_it("run", "l", "--", "rm", "l"), 0, "'l' was removed or replaced")

    def test_planted_links_are_not_followed(self):
        (self.place / "victim").write_text("mine")
        (self.place / "l").symlink_to("victim")
        self.check(self.run_it("run", "l", "--try", "--", "true"), 75)
        self.check(self.run_it("run", "l", "--kernel", "--try", "--", "true"), 73)
        os.mkfifo(self.place / ".f.guard")
        self.check(self.run_it("run", "f", "--try", "--", "true"), 73)
        self.assertEqual((self.place / "victim").read_text(), "mine")


def wait_for(terminal, text):
    seen = ""
    until = time.monotonic() + 60
    while text not in seen.replace("\r", ""):
        if not select.select([terminal], [], [], max(0, until - time.monotonic()))[0]:
            raise AssertionError(f"'{text}' never came after: {seen}")
        seen += os.read(terminal, 4096).decode(errors="replace")


if __name__ == "__main__":
    main()
