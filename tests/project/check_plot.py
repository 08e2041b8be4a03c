#!/usr/bin/env python3
"""check_plot.py ROOT: docs/benchmarks-locks.svg is what plot.py draws from the tables in docs/benchmarks.md."""

import pathlib
import subprocess
import sys

root = pathlib.Path(sys.argv[1])
plot = root / "docs/benchmarks-locks.svg"
command = [sys.executable, "-B", root / "benchmarks/contention/plot.py", root / "docs/benchmarks.md"]
drawn = subprocess.run(command, check=True, capture_output=True).stdout
if drawn != plot.read_bytes():
    sys.exit(f"{plot} is not of these tables: python3 benchmarks/contention/plot.py docs/benchmarks.md > {plot}")
