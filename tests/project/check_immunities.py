#!/usr/bin/env python3
"""check_immunities.py ROOT: every test that docs/immunities.md names exists."""

import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
source = "".join(path.read_text() for path in (root / "tests").rglob("*_test.cpp"))
tests = set(re.findall(r'TEST_CASE(?:_METHOD)?\(\s*(?:\w+,\s*)?"([^"]*)"', source))
named = set(re.findall(r'"([^"]+)"', (root / "docs/immunities.md").read_text()))
missing = sorted(named - tests)
for name in missing:
    print(f"docs/immunities.md names a test that does not exist: {name}")
if not named:
    print("docs/immunities.md names no test")
sys.exit(1 if missing or not named else 0)
