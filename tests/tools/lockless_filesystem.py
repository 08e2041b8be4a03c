#!/usr/bin/env python3
"""lockless_filesystem.py grant|refuse|keep BEHIND MOUNTPOINT: shows BEHIND, without hard links, RENAME_NOREPLACE and
O_TMPFILE; flock is always granted, or not implemented, or the kernel's."""
import ctypes
import errno
import os
import sys

import fusepy


class Lockless(fusepy.Operations):
    def __init__(self, way, root):
        self.way, self.root = way, root

    def under(self, path):
        return os.path.join(self.root, path.lstrip("/"))

    def getattr(self, path, fh=None):
        found = os.lstat(self.under(path))
        names = ("st_atime", "st_ctime", "st_gid", "st_mode", "st_mtime", "st_nlink", "st_size", "st_uid")
        return {name: getattr(found, name) for name in names}

    def readdir(self, path, fh):
        return [".", "..", *os.listdir(self.under(path))]

    def create(self, path, mode, fi=None):
        return os.open(self.under(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)

    def open(self, path, flags):
        return os.open(self.under(path), flags)

    def read(self, path, size, offset, fh):
        return os.pread(fh, size, offset)

    def write(self, path, data, offset, fh):
        return os.pwrite(fh, data, offset)

    def truncate(self, path, length, fh=None):
        os.truncate(self.under(path), length)

    def release(self, path, fh):
        os.close(fh)

    def mkdir(self, path, mode):
        os.mkdir(self.under(path), mode)

    def rmdir(self, path):
        os.rmdir(self.under(path))

    def unlink(self, path):
        os.unlink(self.under(path))

    def rename(self, old, new):
        os.rename(self.under(old), self.under(new))

    def chmod(self, path, mode):
        os.chmod(self.under(path), mode)

    def flock(self, path, operation):
        if self.way == "refuse":
            raise fusepy.FuseOSError(errno.ENOSYS)
        return 0

    def statfs(self, path):
        found = os.statvfs(self.root)
        return {name: getattr(found, name) for name in ("f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_namemax")}


class WithFlock(ctypes.Structure):
    """libfuse's table, which goes on where fusepy's ends."""

    _fields_ = fusepy.fuse_operations._fields_ + [
        ("poll", ctypes.c_void_p),
        ("write_buf", ctypes.c_void_p),
        ("read_buf", ctypes.c_void_p),
        ("flock", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p, ctypes.POINTER(fusepy.fuse_file_info), ctypes.c_int)),
    ]


class Mount(fusepy.FUSE):
    def flock(self, path, file, operation):
        return self.operations("flock", path, operation)


if __name__ == "__main__":
    if sys.argv[1] != "keep":
        fusepy.fuse_operations = WithFlock
    Mount(Lockless(sys.argv[1], sys.argv[2]), sys.argv[3], foreground=True, nothreads=True)
