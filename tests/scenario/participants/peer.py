"""peer.py: as peer.sh, for the lock libraries of Python."""

import importlib
import logging
import sys

logging.disable()  # zc.lockfile logs each refusal


class FileLock:
    module = "filelock"

    def __init__(self, module, path):
        self.lock, self.refusal = module.FileLock(path), module.Timeout

    def enter(self):
        try:
            self.lock.acquire(blocking=False)
        except self.refusal:
            return False
        return True

    def leave(self):
        self.lock.release()


class SoftFileLock(FileLock):
    def __init__(self, module, path):
        self.lock, self.refusal = module.SoftFileLock(path), module.Timeout


class Portalocker:
    module = "portalocker"

    def __init__(self, module, path):
        self.lock = module.Lock(path, mode="a", timeout=0, fail_when_locked=True)
        self.refusal = module.exceptions.BaseLockException

    def enter(self):
        try:
            self.lock.acquire()
        except self.refusal:
            return False
        return True

    def leave(self):
        self.lock.release()


class Fasteners:
    module = "fasteners"

    def __init__(self, module, path):
        self.lock = module.InterProcessLock(path)

    def enter(self):
        return self.lock.acquire(blocking=False)

    def leave(self):
        self.lock.release()


class ZcLockfile:
    module = "zc.lockfile"

    def __init__(self, module, path):
        self.make, self.path, self.lock = module, path, None

    def enter(self):
        try:
            self.lock = self.make.LockFile(self.path)
        except self.make.LockError:
            return False
        return True

    def leave(self):
        self.lock.close()


KINDS = {
    "filelock": FileLock,
    "softfilelock": SoftFileLock,
    "portalocker": Portalocker,
    "fasteners": Fasteners,
    "zc.lockfile": ZcLockfile,
}
held = {}


def enter(kind, path):
    try:
        module = importlib.import_module(KINDS[kind].module)
    except ImportError:
        return "absent"
    try:
        lock = KINDS[kind](module, path)
        if not lock.enter():
            return "out"
    except OSError:
        return "error"
    held[path] = lock
    return "in"


def leave(path):
    held.pop(path).leave()
    return "left"


for line in sys.stdin:
    kind, verb, path = line.rstrip("\n").split(" ", 2)
    print(enter(kind, path) if verb == "enter" else leave(path), flush=True)
