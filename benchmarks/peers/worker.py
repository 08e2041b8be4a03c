"""worker.py PLACE: as worker.cpp, for what Python programs do: a temporary file and os.replace, and pooch."""

import hashlib
import os
import shutil
import sys
import tempfile
import time

BLOCK = 1 << 20


def replace(place, size, sync_file, sync_directory):
    target, content = os.path.join(place, "python"), b"x" * size

    def run():
        descriptor, temporary = tempfile.mkstemp(dir=place)
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
            if sync_file:
                out.flush()
                os.fsync(out.fileno())
        os.replace(temporary, target)
        if sync_directory:
            directory = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
            os.fsync(directory)
            os.close(directory)

    return run, None


def pooch_cache(place, size):
    """The content in pooch's cache, as its fetch left it, and a function that asks for it again."""
    import pooch

    pooch.get_logger().setLevel("ERROR")
    source = os.path.join(place, f"source.{size}")
    digest = hashlib.sha256()
    with open(source, "wb") as out:
        for left in range(size, 0, -BLOCK):
            part = b"x" * min(left, BLOCK)
            out.write(part)
            digest.update(part)

    def download(url, output_file, _):
        shutil.copyfile(source, output_file)

    registry = pooch.create(os.path.join(place, "pooch"), "", registry={str(size): "sha256:" + digest.hexdigest()})

    def hit():
        return registry.fetch(str(size), downloader=download)

    hit()
    os.unlink(source)
    return hit


def pooch_hit(place, size):
    return pooch_cache(place, size), None


def pooch_mirror(place, size):
    """What a user of pooch writes who wants a file of his own."""
    hit, target = pooch_cache(place, size), os.path.join(place, "pooch.mirror")

    def prepare():
        if os.path.exists(target):
            os.unlink(target)

    return lambda: shutil.copyfile(hit(), target), prepare


OPERATIONS = {
    "replace-visible": lambda place, size: replace(place, size, False, False),
    "replace-consistent": lambda place, size: replace(place, size, True, False),
    "replace-durable": lambda place, size: replace(place, size, True, True),
    "pooch-hit": pooch_hit,
    "pooch-mirror": pooch_mirror,
}


def main():
    place, known = sys.argv[1], {}
    for line in sys.stdin:
        name, size, times = line.split()
        if (name, size) not in known:
            known[name, size] = OPERATIONS[name](place, int(size))
        run, prepare = known[name, size]
        took = []
        for _ in range(int(times)):
            if prepare:
                prepare()
            began = time.monotonic_ns()
            run()
            took.append(time.monotonic_ns() - began)
        print(*took, flush=True)


main()
