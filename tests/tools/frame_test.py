#!/usr/bin/env python3
"""The frame of the lockkit command: command line, exit codes, messages, JSON."""
import json
import os
import subprocess
import unittest

from command_support import LOCKKIT, CommandTest, main

SUBCOMMANDS = ["run", "acquire", "release", "status", "wait", "break", "clean", "doctor"]
HOSTILE = [b"a b", b"new\nline", b"semi;colon", b"$(touch planted)", b"`touch planted`", b"qu'o\"te", b"-dash", b"[x,y]",
           b"{}", b"++", b"--", b"run", b"\xff\xfe\xc3", b"\x1b[31m", b"a" * 255, "schl\u00fcssel".encode(), b"%s%n", b"..x"]


class Frame(CommandTest):
    def test_no_subcommand_an_unknown_one_and_unknown_options_are_wrong_usage(self):
        self.check(self.run_it(), 64, "subcommand")
        self.check(self.run_it("rnu"), 64, "rnu", "lockkit --help")
        self.check(self.run_it("status", "--jsom", "l"), 64, "--jsom", "lockkit status --help")
        for name in SUBCOMMANDS:
            self.check(self.run_it(name), 64, f"lockkit {name} --help")
        self.assertEqual(os.listdir(self.place), [])

    def test_help_and_version_are_answers_not_errors(self):
        listed = self.run_it("--help")
        self.check(listed, 0)
        for name in SUBCOMMANDS:
            self.assertIn(f"  {name} ", listed.stdout)
            self.assertIn(f"lockkit {name} ", self.run_it(name, "--help").stdout)
        self.assertIn("75 not had in time", listed.stdout)
        self.assertRegex(self.run_it("--version").stdout, r"^\d+\.\d+\.\d+\n$")

    def test_times_may_have_units_and_nothing_else_is_a_time(self):
        for good in ("0", "0.001", "1ms", "0s", "0.0001m", "0h", "0d"):
            self.check(self.run_it("run", "l", "--timeout", good, "--", "true"), 0)
        for wrong in ("", "soon", "-1", "1 s", "1y", "nan", "1e3", "0x1", "--", "1s1"):
            self.check(self.run_it("run", "l", "--timeout", wrong, "--", "true"), 64, "--timeout")

    def test_what_can_not_be_written_is_74(self):
        with open("/dev/full", "w") as full:
            self.check(self.run_it("status", "l", stdout=full), 74, "standard output")
            self.check(self.run_it("status", "--json", "l", stdout=full), 74)

    def test_every_name_of_a_file_can_be_a_lock(self):
        for name in HOSTILE:
            if name in (b"run",):
                continue
            with self.subTest(name=name):
                done = self.run_it("run", "--", name, "--", "sh", "-c", 'test -e "$1"', "sh", b"./" + name)
                self.check(done, 0)
        self.assertFalse((self.place / "planted").exists())

    def test_every_name_of_a_file_has_its_state_in_json_and_its_bytes(self):
        done = self.run_it("status", "--json", "--", *HOSTILE)
        self.check(done, 0)
        for name, answer in zip(HOSTILE, json.loads(done.stdout), strict=True):
            self.assertEqual(answer["state"], "free")
            given = bytes.fromhex(answer["path_hex"]) if "path_hex" in answer else answer["path"].encode()
            self.assertEqual(given, name)
            self.assertEqual("path_hex" in answer, name == b"\xff\xfe\xc3")
        before_dashes = self.answer("status", "--json", "[x,y]", "{}", "plain")
        self.assertEqual([each["path"] for each in before_dashes], ["./[x,y]", "./{}", "plain"])

    def test_messages_can_not_steer_a_terminal(self):
        for name in (b"\x1b[31m", b"new\nline", b"\xff"):
            done = self.run_it("run", b"no/" + name, "--", "true")
            self.check(done, 73)
            self.assertEqual(done.stderr.count("\n"), 1)
            self.assertNotIn("\x1b", done.stderr)
            self.assertTrue(done.stderr.isascii())
            shown = self.run_it("status", name).stdout
            self.assertEqual(shown.count("\n"), 1)
            self.assertNotIn("\x1b", shown)

    def test_names_that_no_lock_can_have_are_wrong_usage(self):
        for name in ("", ".", "..", "a/", "a/..", ".x.guard", "a" * 256):
            with self.subTest(name=name):
                self.check(self.run_it("run", "--", name, "--", "true"), 64)
        self.assertEqual(os.listdir(self.place), [])

    def test_closed_streams_harm_nothing(self):
        for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
            script = f"'{LOCKKIT}' run l -- true {closed}"
            self.assertEqual(subprocess.run(["sh", "-c", script], cwd=self.place, check=False).returncode, 0, closed)
        self.assertEqual((self.place / ".l.guard").stat().st_size, 256)

    def test_a_file_in_the_way_is_73_and_left_alone(self):
        (self.place / "file").write_text("mine")
        self.check(self.run_it("run", "file/l", "--", "true"), 73, "file/l")
        (self.place / ".l.guard").symlink_to("file")
        self.check(self.run_it("run", "l", "--", "true"), 73, ".l.guard")
        self.check(self.run_it("run", "--kernel", "file", "--", "true"), 73, "file")
        self.assertEqual((self.place / "file").read_text(), "mine")

    @unittest.skipUnless(os.geteuid() == 0, "needs another user")
    def test_what_is_forbidden_is_77(self):
        self.place.chmod(0o755)
        done = self.run_it("run", "l", "--", "true", user=65534)
        self.check(done, 77, "'", "l'")


if __name__ == "__main__":
    main()
