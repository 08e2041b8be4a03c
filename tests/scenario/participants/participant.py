"""participant.py DIRECTORY NAME: as participant.sh, with filelock's SoftFileLock."""

import os
import random
import sys
import time

import filelock

place, name = sys.argv[1:]


def at(entry):
    return os.path.join(place, entry)


def enter():
    while True:
        try:
            os.symlink(name, at("entered"))
            return
        except FileExistsError:
            who = os.readlink(at("entered"))
        if not os.path.exists(at("dead." + who)):
            with open(at("overlaps"), "a") as overlaps:
                overlaps.write(f"{name} met {who}\n")
            return
        os.unlink(at("entered"))


def turn():
    enter()
    with open(at("count")) as count:
        n = int(count.read())
    with open(at("count"), "w") as count:
        count.write(f"{n + 1}\n")
    os.unlink(at("entered"))


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
    time.sleep(random.uniform(0, 0.0015))  # the others' turn
