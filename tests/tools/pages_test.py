#!/usr/bin/env python3
"""Man pages and completions: as the real programs see them. LOCKKIT_PAGES is the folder they were made in."""
import os
import pathlib
import pty
import re
import select
import shutil
import subprocess
import time
import unittest

from command_support import LOCKKIT, CommandTest, main

PAGES = pathlib.Path(os.environ["LOCKKIT_PAGES"])
MAN = sorted((PAGES / "man1").glob("*.1"))


def options_in(text):
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))


def help_of(page):
    words = page.stem.removeprefix("lockkit").removeprefix("-")
    return subprocess.run([LOCKKIT, *words.split(), "--help"], check=True, text=True, capture_output=True).stdout


class ManPages(CommandTest):
    def test_groff_has_nothing_to_complain_about(self):
        self.assertGreater(len(MAN), 5)
        for page in MAN:
            done = subprocess.run(["groff", "-man", "-ww", "-Tutf8", page], text=True, capture_output=True, check=True)
            self.assertEqual(done.stderr, "", page)

    def test_they_tell_of_every_option_and_every_subcommand(self):
        for page in MAN:
            text = re.sub(r"\\f[BIR]", "", page.read_text()).replace("\\-", "-")
            self.assertLessEqual(options_in(help_of(page)), options_in(text), page)
        whole = (PAGES / "man1/lockkit.1").read_text().replace("\\-", "-")
        for page in MAN:
            self.assertIn(page.stem, whole)


class Completions(CommandTest):
    def test_each_tells_of_every_option(self):
        for name in ("lockkit", "_lockkit", "lockkit.fish"):
            text = (PAGES / name).read_text()
            for page in MAN:
                for option in options_in(help_of(page).split("\n\n", 3)[2] if page.stem != "lockkit" else ""):
                    wanted = f"-l {option[2:]}" if name.endswith("fish") else option
                    self.assertIn(wanted, text, page)

    def bash(self, *words):
        script = f'source "{PAGES}/lockkit"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _lockkit; printf "%s\\n" "${{COMPREPLY[@]}}"'
        done = subprocess.run(["bash", "-c", script, "bash", "lockkit", *words], cwd=self.place, text=True,
                              capture_output=True, check=True)
        self.assertEqual([line for line in done.stderr.splitlines() if "compopt" not in line], [])
        return set(done.stdout.split())

    def fish(self, line):
        done = subprocess.run(["fish", "--no-config", "-c", f"source '{PAGES}/lockkit.fish'; complete -C '{line}'"], text=True,
                              cwd=self.place, capture_output=True, check=True, env=os.environ | {"HOME": str(self.place)})
        self.assertEqual(done.stderr, "")
        return {each.split("\t")[0] for each in done.stdout.splitlines()}

    def zsh(self, line, expected):
        """Types the line and a tab into a real zsh on a terminal; what it then shows must hold `expected`."""
        child, terminal = pty.fork()
        if child == 0:
            os.chdir(self.place)
            os.environ.update(TERM="dumb", PS1="", HOME=str(self.place), ZDOTDIR=str(self.place))
            os.execvp("zsh", ["zsh", "-f", "-i"])
        try:
            setup = f"unsetopt zle_bracketed_paste 2>/dev/null; fpath=('{PAGES}' $fpath); autoload -U compinit; compinit -u -D; "
            setup += "bindkey '^I' complete-word; print -n REA; print DY\n"
            os.write(terminal, setup.encode())
            self.assertIn("READY", read_until(terminal, "READY"))
            os.write(terminal, (line + "\t").encode())
            self.assertIn(expected, read_until(terminal, expected))
        finally:
            os.close(terminal)
            os.kill(child, 9)
            os.waitpid(child, 0)

    def test_bash(self):
        (self.place / "a lock").touch()
        (self.place / "folder").mkdir()
        self.assertEqual(self.bash("stat"), {"status"})
        self.assertEqual(self.bash("run", "--conf"), {"--conflict-exit-code"})
        self.assertEqual(self.bash("status", "fold"), {"folder"})
        self.assertEqual(self.bash("clean", ""), {"folder"})
        self.assertIn("printf", self.bash("run", "l", "--", "print"))
        self.assertEqual(self.bash("run", "--timeout", ""), set())
        self.assertIn(str(os.getpid()), self.bash("acquire", "l", "--for-pid", ""))

    @unittest.skipUnless(shutil.which("fish"), "fish is not installed")
    def test_fish(self):
        (self.place / "folder").mkdir()
        self.assertEqual(self.fish("lockkit stat"), {"status"})
        self.assertEqual(self.fish("lockkit run --conf"), {"--conflict-exit-code"})
        self.assertEqual(self.fish("lockkit status fold"), {"folder/"})
        self.assertIn("printf", self.fish("lockkit run l -- print"))
        self.assertNotIn("--timeout", self.fish("lockkit run l -- --ti"))

    @unittest.skipUnless(shutil.which("zsh"), "zsh is not installed")
    def test_zsh(self):
        (self.place / "folder").mkdir()
        self.zsh("lockkit stat", "lockkit status")
        self.zsh("lockkit run --conf", "--conflict-exit-code")
        self.zsh("lockkit status fold", "folder")
        self.zsh("lockkit run l -- printen", "printenv")


def read_until(terminal, expected):
    """What a terminal shows, until `expected` is among it or nothing more comes for a while."""
    seen = ""
    until = time.monotonic() + 30
    while expected not in seen and time.monotonic() < until:
        if not select.select([terminal], [], [], until - time.monotonic())[0]:
            break
        try:
            seen += os.read(terminal, 4096).decode(errors="replace")
        except OSError:
            break
    return seen


if __name__ == "__main__":
    main()
