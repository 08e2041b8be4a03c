"""archives.py DIRECTORY: writes the archives of unpack_test.cpp there: good ones of every kind, and hostile ones."""
import io
import os
import subprocess
import sys
import tarfile
import zipfile

place = sys.argv[1]


def path(name):
    return os.path.join(place, name)


def member(name, content=b"", mode=0o644, **more):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    info.mode = mode
    info.mtime = 1_000_000_000
    for key, value in more.items():
        setattr(info, key, value)
    return info, content


def make_tar(name, members, mode="w"):
    with tarfile.open(path(name), mode, format=tarfile.PAX_FORMAT) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))


def link(name, target):
    return member(name, type=tarfile.SYMTYPE, linkname=target)


good = [
    member("./", mode=0o755, type=tarfile.DIRTYPE),
    member("set/", mode=0o555, type=tarfile.DIRTYPE),
    member("set/data.txt", b"data\n"),
    member("set/run.sh", b"#!/bin/sh\n", mode=0o4755),
    member("set/large", bytes(range(256)) * 2000),
    link("set/deep/link", "../data.txt"),
    member("set/hard", type=tarfile.LNKTYPE, linkname="set/data.txt"),
    member("set/größe", "naïve\n".encode()),
    member("set/data.txt", b"data, corrected\n"),
]
for suffix in ("gz", "xz", "bz2"):
    make_tar("good.tar." + suffix, good, "w:" + suffix)
make_tar("good.tar", good)
subprocess.run(["zstd", "-q", "-f", path("good.tar"), "-o", path("good.tar.zst")], check=True)
make_tar("other.tar.gz", [member("set/data.txt", b"other\n")], "w:gz")
with zipfile.ZipFile(path("good.zip"), "w", zipfile.ZIP_DEFLATED) as archive:
    archive.writestr("set/data.txt", "data, corrected\n")
    archive.writestr("set/größe", "naïve\n")

hostile = {
    "absolute": [member("/tmp/lockkit-escaped", b"x")],
    "dots": [member("set/../../escaped", b"x")],
    "through-link": [link("set/out", "/"), member("set/out/tmp/lockkit-escaped", b"x")],
    "through-inner-link": [member("a/b", b"x"), link("set", "a"), member("set/c", b"x")],
    "link-absolute": [link("passwd", "/etc/passwd")],
    "link-dots": [link("set/link", "../../escaped")],
    "link-through-link": [link("a/b/up", "../.."), link("escape", "a/b/up/..")],
    "hard-link-out": [member("hard", type=tarfile.LNKTYPE, linkname="../outside")],
    "hard-link-absolute": [member("hard", type=tarfile.LNKTYPE, linkname="/etc/passwd")],
    "hard-link-to-link": [link("set/link", "data"), member("hard", type=tarfile.LNKTYPE, linkname="set/link")],
    "device": [member("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3)],
    "fifo": [member("fifo", type=tarfile.FIFOTYPE)],
    "file-as-directory": [member("a", b"x"), member("a/b", b"x")],
    "directory-as-file": [member("a/b", b"x"), member("a", b"x")],
    "note": [member(".dataset_cache", b"sha256 forged\n")],
    "long-name": [member("d/" * 20_000 + "file", b"x")],
    "empty": [],
}
for name, members in hostile.items():
    make_tar(f"hostile-{name}.tar.gz", members, "w:gz")
with zipfile.ZipFile(path("hostile-zip-dots.zip"), "w") as archive:
    archive.writestr("../escaped", "x")
make_tar("bomb.tar.xz", [member("zeros", bytes(8_000_000))], "w:xz")
make_tar("deep.tar.gz", [member("d/" * 2000 + "file")])
make_tar("many.tar.gz", [member(f"empty/{n}") for n in range(2500)], "w:gz")
with open(path("good.tar.gz"), "rb") as whole:
    everything = whole.read()
for part in (1, 2, 3):
    with open(path(f"truncated-{part}.tar.gz"), "wb") as cut:
        cut.write(everything[: len(everything) * part // 4])
with open(path("good.zip"), "rb") as whole, open(path("truncated.zip"), "wb") as cut:
    cut.write(whole.read()[:100])
with zipfile.ZipFile(path("stored.zip"), "w") as archive:
    archive.writestr("data", "what the checksum is of")
with open(path("stored.zip"), "rb") as whole, open(path("damaged.zip"), "wb") as damaged:
    damaged.write(whole.read().replace(b"checksum", b"chequers", 1))
with open(path("text.tar.gz"), "w") as text:
    text.write("<html>404</html>\n")
