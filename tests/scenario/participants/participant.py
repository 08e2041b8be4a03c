"""participant.py DIRECTORY NAME: as participant.sh, with filelock's SoftFileLock."""

import os
import sys

import filelock

place, name = sys.argv[1:]


def at(entry):
    return os.path.join(place, entry)


def turn():
    try:
        os.mkdir(at("entered"))
    except FileExistsError:
        with open(at("overlaps"), "a") as overlaps:
            overlaps.write(name + "\n")
    with open(at("count")) as count:
        n = int(count.read())
    with open(at("count"), "w") as count:
        count.write(f"{n + 1}\n")
    try:
        os.rmdir(at("entered"))
    except OSError:
        pass


lock = filelock.SoftFileLock(at("l"))
turns = 0
while not os.path.exists(at("stop")):
    try:
        with lock.acquire(timeout=0.2, poll_interval=0.002):
            turn()
    except filelock.Timeout:
        continue
    turns += 1
    with open(at(f"turns.{name}"), "w") as count:
        count.write(f"{turns}\n")
