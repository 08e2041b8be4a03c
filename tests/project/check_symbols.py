#!/usr/bin/env python3
"""check_symbols.py LIBRARY…: what a shared library of lockkit exports lies in namespace lockkit and names no other library.

A name of another library in there, be it as a weak copy or in a signature, ties our ABI to that library's version."""
import re
import subprocess
import sys

OURS = re.compile(r"((vtable|VTT|typeinfo( name)?|guard variable) for )?lockkit::")
FOREIGN = re.compile(r"\b(fmt|boost|sqlite3?|EVP|OSSL|CURL|YAML|CLI)(::|_)")


def exported(library):
    lines = subprocess.run(["nm", "-DC", "--defined-only", library], check=True, text=True, capture_output=True).stdout
    return [line.split(" ", 2)[2] for line in lines.splitlines()]


def faults(names):
    yield from (f"not in namespace lockkit: {name}" for name in names if not OURS.match(name))
    yield from (f"names another library: {name}" for name in names if FOREIGN.search(name))


def main():
    found = [f"{library}: {fault}" for library in sys.argv[1:] for fault in faults(exported(library))]
    empty = [f"{library}: exports nothing" for library in sys.argv[1:] if not exported(library)]
    print("\n".join(found + empty) or f"{len(sys.argv) - 1} libraries export names of lockkit alone")
    return 1 if found or empty else 0


if __name__ == "__main__":
    sys.exit(main())
