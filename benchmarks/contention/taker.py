"""taker.py KIND PATH: as taker.cpp, for filelock's FileLock and SoftFileLock and for fasteners, with the libraries' own
ways of waiting and their own pauses.
"""

import resource
import sys
import time


class FileLock:
    def __init__(self, path, kind="FileLock"):
        import filelock

        self.lock = getattr(filelock, kind)(path)
        self.timeout = filelock.Timeout

    def acquire(self, seconds):
        try:
            self.lock.acquire(timeout=seconds)
        except self.timeout:
            return False
        return True

    def release(self):
        self.lock.release()


class SoftFileLock(FileLock):
    def __init__(self, path):
        super().__init__(path, "SoftFileLock")


class Fasteners:
    def __init__(self, path):
        import fasteners

        self.lock = fasteners.InterProcessLock(path)

    def acquire(self, seconds):
        return self.lock.acquire(timeout=seconds)

    def release(self):
        self.lock.release()


def cpu_us():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return int((used.ru_utime + used.ru_stime) * 1e6)


def spend(ns):
    if ns > 0:
        time.sleep(ns / 1e9)
    elif ns < 0:
        end = time.monotonic_ns() - ns
        while time.monotonic_ns() < end:
            pass


def take_turns(lock, begin, end, hold, think):
    turns = []
    time.sleep(max(0, begin - time.monotonic_ns()) / 1e9)
    cpu = cpu_us()
    while (left := end - time.monotonic_ns()) > 0 and lock.acquire(left / 1e9):
        acquired = time.monotonic_ns()
        spend(hold)
        turns.append(f"{acquired}:{time.monotonic_ns()}")
        lock.release()
        spend(think)
    print(cpu_us() - cpu, *turns, flush=True)


kind, path = sys.argv[1:]
lock = {"FileLock": FileLock, "SoftFileLock": SoftFileLock, "fasteners": Fasteners}[kind](path)
for line in sys.stdin:
    take_turns(lock, *map(int, line.split()))
