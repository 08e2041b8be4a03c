#!/usr/bin/env python3
"""lockkit doctor on real filesystems, mounted in a mount namespace of this test's own. Skips, with its reason, what may
not be mounted here."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

from command_support import LOCKKIT, CommandTest, is_root, main

PROBES = ["exclusive_create", "write_and_sync", "link_by_descriptor", "flock", "ofd_lock", "posix_lock", "inotify",
          "unnamed_file", "rename_noreplace", "rename_exchange", "directory_sync", "reflink"]
PROMISES = ["locks exclude", "scripts see the lock file", "a dead holder is succeeded at once", "waiters are woken",
            "readers see old or new content", "published only if absent", "published content survives a power cut",
            "settled folders are told apart", "the cache's mirrors share their blocks", "claims and tasks"]


class Doctor(CommandTest):
    def setUp(self):
        super().setUp()
        self.mounted = []
        self.mount_point = self.place / "mount"
        self.mount_point.mkdir()

    def tearDown(self):
        for point in reversed(self.mounted):
            subprocess.run(["umount", "--lazy", point], check=False)

    def mount(self, *words, at=None):
        if not is_root():
            self.skipTest("mounting needs root")
        point = at or self.mount_point
        done = subprocess.run(["mount", *words, point], text=True, capture_output=True, check=False)
        if done.returncode != 0:
            self.skipTest(f"can't mount here: {done.stderr.strip()}")
        self.mounted.append(point)

    def mount_image(self, make, options="loop", megabytes=320):
        image = self.place / "image"
        with open(image, "wb") as file:
            file.truncate(megabytes << 20)
        subprocess.run([*make, image], check=True, capture_output=True)
        self.mount("-o", options, image)

    def examine(self, code=0):
        """Its answer, of whose shape every member is checked; nothing may be left behind."""
        before = os.listdir(self.mount_point)
        done = self.run_it("doctor", "mount", "--json")
        self.check(done, code)
        self.assertEqual(os.listdir(self.mount_point), before)
        answer = json.loads(done.stdout)
        self.assertEqual(list(answer), ["directory", "filesystem", "error", "probes", "promises"])
        for each in answer["probes"]:
            self.assertEqual(list(each), ["name", "works", "detail"])
            self.assertIn(each["works"], (True, False, None))
            self.assertFalse(each["works"] is not True and not each["detail"], each)
        for each in answer["promises"]:
            self.assertEqual(list(each), ["name", "verdict", "reason"])
            self.assertIn(each["verdict"], ("holds", "weaker", "refuses"))
            self.assertEqual(each["reason"] is None, each["verdict"] == "holds", each)
        self.works = {each["name"]: each["works"] for each in answer["probes"]}
        self.verdicts = {each["name"]: each["verdict"] for each in answer["promises"]}
        return answer

    def check_local(self, kind, reflink, without=()):
        """A filesystem of this machine: everything holds, but for sharing blocks."""
        found = self.examine()
        self.assertEqual(found["filesystem"], kind)
        self.assertIsNone(found["error"])
        self.assertEqual(list(self.works), PROBES)
        self.assertEqual(list(self.verdicts), PROMISES)
        self.assertEqual([name for name in PROBES if self.works[name] is not True], list(without) + ([] if reflink else ["reflink"]))
        shared = self.verdicts.pop("the cache's mirrors share their blocks")
        self.assertEqual(shared, "holds" if reflink else "weaker")
        self.assertEqual(set(self.verdicts.values()), {"holds"}, self.verdicts)

    def test_ext4(self):
        self.mount_image(["mkfs.ext4", "-q"], megabytes=64)
        self.check_local("ext4", False)

    def test_xfs(self):
        self.mount_image(["mkfs.xfs", "-q"])
        self.check_local("xfs", True)

    def test_btrfs(self):
        self.mount_image(["mkfs.btrfs", "-q"])
        self.check_local("btrfs", True)

    def test_tmpfs(self):
        self.mount("-t", "tmpfs", "none")
        self.check_local("tmpfs", False)

    def test_overlay(self):
        below = self.place / "below"
        below.mkdir()
        self.mount("-t", "tmpfs", "none", at=below)
        for name in ("lower", "upper", "work"):
            (below / name).mkdir()
        self.mount("-t", "overlay", "-o", f"lowerdir={below}/lower,upperdir={below}/upper,workdir={below}/work", "overlay")
        self.check_local("overlay", False)

    def test_squashfs_and_a_read_only_filesystem_promise_nothing(self):
        (self.place / "content").mkdir()
        image = self.place / "image"
        subprocess.run(["mksquashfs", self.place / "content", image, "-quiet"], check=True, capture_output=True)
        self.mount("-o", "loop", image)
        found = self.examine(77)
        self.assertEqual((found["filesystem"], found["error"], found["probes"]), ("squashfs", "Read-only file system", []))
        self.assertEqual(set(self.verdicts.values()), {"refuses"})
        self.check(self.run_it("doctor", "mount"), 77, "cannot examine 'mount'", "Read-only file system")
        self.check(self.run_it("run", "mount/l", "--", "true"), 77, "mount/l", "Read-only file system")
        self.mount("-t", "tmpfs", "-o", "ro", "none")
        self.assertEqual(self.examine(77)["filesystem"], "tmpfs")

    def test_a_full_filesystem(self):
        self.mount("-t", "tmpfs", "-o", "size=64k,nr_inodes=200", "none")
        with self.assertRaises(OSError), open(self.mount_point / "filler", "wb", buffering=0) as file:
            while True:
                self.assertGreater(file.write(b"x" * 4096), 0)
        found = self.examine(69)
        self.assertEqual(self.works["write_and_sync"], False)
        self.assertEqual(self.verdicts["locks exclude"], "refuses")
        self.assertIn("No space left on device", json.dumps(found))
        self.check(self.run_it("run", "mount/l", "--", "true"), 73, "No space left on device")
        self.mount("-t", "tmpfs", "-o", "nr_inodes=1", "none")
        self.assertEqual(self.examine(73)["error"], "No space left on device")

    def test_fuse_is_refused_unless_its_server_is_trusted(self):
        """bindfs has no flock of its own: the kernel keeps the locks, for this machine alone; lockkit can't know that."""
        if not shutil.which("bindfs") or not os.access("/dev/fuse", os.R_OK | os.W_OK):
            self.skipTest("bindfs or /dev/fuse is not there")
        behind = self.place / "behind"
        behind.mkdir()
        done = subprocess.run(["bindfs", behind, self.mount_point], text=True, capture_output=True, check=False)
        if done.returncode != 0:
            self.skipTest(f"bindfs: {done.stderr.strip()}")
        self.mounted.append(self.mount_point)
        self.examine(69)
        self.assertEqual(self.verdicts["locks exclude"], "weaker")
        self.assertEqual(self.verdicts["claims and tasks"], "refuses")
        self.check(self.run_it("run", "mount/l", "--", "true"), 69, "mount/l")
        self.assertEqual(os.listdir(self.mount_point), [])

    def test_a_fuse_filesystem_whose_locks_are_none(self):
        """One that answers yes to every flock: the second process is let in, and lockkit refuses even trust."""
        program = pathlib.Path(__file__).with_name("lockless_filesystem.py")
        if not os.access("/dev/fuse", os.R_OK | os.W_OK):
            self.skipTest("/dev/fuse is not there")
        if subprocess.run(["/usr/bin/python3", "-c", "import fusepy"], capture_output=True, check=False).returncode != 0:
            self.skipTest("python3-fusepy is not installed")
        for way, detail in (("grant", "a second process is let in: these locks are none"), ("refuse", "Function not implemented")):
            behind = self.place / f"behind-{way}"
            behind.mkdir()
            server = self.start("/usr/bin/python3", str(program), way, str(behind), str(self.mount_point))
            self.wait_until(lambda: os.path.ismount(self.mount_point) or server.poll() is not None, "it is mounted")
            if server.poll() is not None:
                self.skipTest(f"FUSE: {server.stderr.read().decode()}")
            self.mounted.append(self.mount_point)
            found = self.examine(69)
            self.assertEqual([each["detail"] for each in found["probes"] if each["name"] == "flock"], [detail])
            self.assertEqual(self.verdicts["locks exclude"], "refuses")
            subprocess.run(["umount", self.mounted.pop()], check=True)
            server.wait(timeout=30)

    def test_what_is_no_directory_is_73_and_what_is_forbidden_77(self):
        self.check(self.run_it("doctor", "no"), 73, "'no'", "No such file")
        (self.place / "file").touch()
        self.check(self.run_it("doctor", "file"), 73, "'file'")
        if is_root():
            self.place.chmod(0o755)
            self.check(self.run_it("doctor", "mount", user=65534), 77, "Permission denied")

    def test_for_people(self):
        shown = self.run_it("doctor", "mount").stdout
        for name in PROBES + PROMISES:
            self.assertIn(f"  {name} ", shown)


if __name__ == "__main__":
    # Mounts vanish with this namespace, whatever becomes of the test.
    if is_root() and "LOCKKIT_TEST_UNSHARED" not in os.environ:
        os.environ["LOCKKIT_TEST_UNSHARED"] = "1"
        if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode == 0:
            os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, "-B", *sys.argv])
    main()
