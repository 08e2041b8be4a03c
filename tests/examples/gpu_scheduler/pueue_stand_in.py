#!/usr/bin/env python3
"""pueue_stand_in.py STATE COMMAND...: the part of pueue's client and daemon that the gpu_scheduler uses.

STATE is a directory. `add` runs the command at once, as `sh -c` of the joined arguments, in a process that goes on.
Files in STATE make it misbehave: `shape` holds 3 or 4 (of the JSON); `add-fails` exits 1 after having accepted,
`add-refuses` before; `add-hangs` accepts and does not return; `status-fails`; `status-lies` answers something else.
"""
import fcntl
import json
import os
import shlex
import signal
import subprocess
import sys
import time

state_dir = sys.argv[1]
NOW = "2024-07-18T14:55:02.656354132+02:00"


def flag(name):
    return os.path.exists(os.path.join(state_dir, name))


class Tasks:
    """Tasks by number, under a lock."""

    def __enter__(self):
        self.lock = open(os.path.join(state_dir, "lock"), "w")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.path = os.path.join(state_dir, "tasks.json")
        self.all = json.load(open(self.path)) if os.path.exists(self.path) else {}
        return self.all

    def __exit__(self, *_):
        with open(self.path + ".new", "w") as out:
            json.dump(self.all, out)
        os.rename(self.path + ".new", self.path)
        self.lock.close()


def parse_add(arguments):
    options = {"group": "default", "label": None, "escape": False, "path": os.getcwd()}
    while arguments:
        word = arguments.pop(0)
        if word == "--":
            break
        if word == "--escape":
            options["escape"] = True
        elif word in ("--label", "--group"):
            options[word[2:]] = arguments.pop(0)
        elif word == "--working-directory":
            options["path"] = arguments.pop(0)
        elif word != "--print-task-id":
            sys.exit(f"unexpected argument {word}")
    options["command"] = " ".join(shlex.quote(a) if options["escape"] else a for a in arguments)
    return options


def run(number, task):
    """In a process of its own, like the daemon's child."""
    if os.fork():
        return
    os.setsid()
    for fd in (0, 1, 2):
        os.dup2(os.open(os.devnull, os.O_RDWR), fd)
    child = subprocess.Popen(["sh", "-c", task["command"]], cwd=task["path"], start_new_session=True)
    with Tasks() as tasks:
        tasks[number]["pid"] = child.pid
    status = child.wait()
    with Tasks() as tasks:
        if number in tasks and tasks[number]["result"] is None:
            tasks[number]["result"] = "Killed" if status < 0 else {"Failed": status} if status else "Success"
    os._exit(0)


def add(arguments):
    if flag("add-refuses"):
        sys.exit("connection refused")
    task = parse_add(arguments)
    with Tasks() as tasks:
        number = str(max((int(n) + 1 for n in tasks), default=0))
        tasks[number] = dict(task, pid=None, result=None)
    run(number, task)
    if flag("add-hangs"):
        time.sleep(5)
    if flag("add-fails"):
        sys.exit("lost the connection")
    print(number)


def shaped(number, task):
    out = {"id": int(number), "created_at": NOW, "original_command": task["command"], "command": task["command"],
           "path": task["path"], "envs": {"SECRET": "x"}, "group": task["group"], "dependencies": [], "priority": 0,
           "label": task["label"]}
    old = flag("shape") and open(os.path.join(state_dir, "shape")).read().strip() == "3"
    times = {"enqueued_at": NOW, "start": NOW}
    if old:
        out |= {"status": "Running" if task["result"] is None else {"Done": task["result"]}, "prev_status": "Queued",
                "start": NOW, "end": None}
    elif task["result"] is None:
        out["status"] = {"Running": times}
    else:
        out["status"] = {"Done": times | {"end": NOW, "result": task["result"]}}
    return out


def status(_):
    if flag("status-fails"):
        sys.exit("cannot connect to the daemon")
    if flag("status-lies"):
        print('{"tasks": {"0": {"id": 0, "label": "x", "status": {"Gone": 1}}}}')
        return
    with Tasks() as tasks:
        print(json.dumps({"tasks": {n: shaped(n, t) for n, t in tasks.items()},
                          "groups": {"default": {"status": "Running", "parallel_tasks": 1}}}))


def kill(arguments):
    with Tasks() as tasks:
        tasks[arguments[0]]["result"] = "Killed"
        os.killpg(tasks[arguments[0]]["pid"], signal.SIGKILL)


def clean(_):
    with Tasks() as tasks:
        for number in [n for n, t in tasks.items() if t["result"] is not None]:
            del tasks[number]


{"add": add, "status": status, "kill": kill, "clean": clean}[sys.argv[2]](sys.argv[3:])
