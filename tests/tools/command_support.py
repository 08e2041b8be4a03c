"""What the tests of the lockkit command share: the program, a place of its own for each test, other processes."""
import json
import os
import pathlib
import select
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

LOCKKIT = os.environ.get("LOCKKIT_COMMAND", "lockkit")


class CommandTest(unittest.TestCase):
    """Each test works in a directory of its own, self.place, and is left without processes."""

    def setUp(self):
        self.place = pathlib.Path(tempfile.mkdtemp(prefix="lockkit-test-"))
        self.addCleanup(shutil.rmtree, self.place, ignore_errors=True)
        self.started = []
        self.addCleanup(self.end_all)

    def end_all(self):
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream:
                    stream.close()

    def run_it(self, *words, **how):
        """lockkit WORDS…, in the test's place: a finished process with its output as text."""
        how = {"cwd": self.place, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "timeout": 60} | how
        how.setdefault("errors", "surrogateescape")
        return subprocess.run([LOCKKIT, *words], text=True, **how)

    def start(self, *command, **how):
        """A process that is ended with the test."""
        how = {"cwd": self.place, "stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | how
        process = subprocess.Popen(command, **how)
        self.started.append(process)
        return process

    def start_holder(self, path="l", *options):
        """lockkit run, holding; returns once it holds. Ends when its standard input does."""
        holder = self.start(LOCKKIT, "run", path, *options, "--", "sh", "-c", "echo in; read line || exit 0")
        self.assertEqual(read_line(holder), "in")
        return holder

    def check(self, done, code, *texts):
        """The exit code, and what stderr must say."""
        self.assertEqual(done.returncode, code, done.stderr)
        for text in texts:
            self.assertIn(text, done.stderr)

    def answer(self, *words):
        """What it answers to a program."""
        done = self.run_it(*words)
        return json.loads(done.stdout)

    def wait_until(self, holds, what):
        """Patience, not a measurement: something else must happen first."""
        until = time.monotonic() + 60
        while not holds():
            if time.monotonic() > until:
                self.fail("never: " + what)
            time.sleep(0.002)


def read_line(process):
    """One line of a process's output, or a failure after a minute."""
    if not select.select([process.stdout], [], [], 60)[0]:
        raise AssertionError("no line came within a minute")
    return process.stdout.readline().decode().rstrip("\n")


def is_root():
    return os.geteuid() == 0


def main():
    """LOCKKIT_COMMAND is the program under test."""
    unittest.main(argv=sys.argv, verbosity=1)
