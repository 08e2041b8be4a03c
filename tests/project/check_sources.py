#!/usr/bin/env python3
"""check_sources.py ROOT: the rules of this project's sources that no compiler and no clang-tidy check.

Each rule is a function from a source to the faults found in it; check_sources_test.py plants one fault for each.
"""
import pathlib
import re
import sys

FOLDERS = ["include", "src", "tools", "examples", "benchmarks", "tests", "cmake", "scripts", ".ci"]
LITERAL = re.compile(r'"(\\.|[^"\\])*"|\'(\\.|[^\'\\])\'|//.*')
CODE = {".cpp", ".hpp", ".h", ".in"}
FILE_LINES = 500
BLOCK_LINES = 50

# What a module may include: itself and what stands here. mirror and claims never see each other.
MAY_SEE = {
    "platform": set(),
    "core": {"platform"},
    "fs": {"core", "platform"},
    "mirror": {"fs", "core", "platform"},
    "claims": {"fs", "core", "platform"},
}
# The public header of no module's own that the lowest layer uses, because it is plain arithmetic on steady_clock.
PLATFORM_HEADERS = {"export.hpp", "deadline.hpp"}
# Constants and structures only; every other header of the system declares calls, and those belong to src/platform.
CALL_FREE = {"fcntl.h", "errno.h", "sys/stat.h"}
LIBRARIES = {"fmt", "openssl"}
# Not the library's to do: they act on the whole process, or run a shell.
FORBIDDEN = re.compile(
    r"(?<![\w.>])(?:::)?(system|popen|umask|chdir|fchdir|signal|sigaction|atexit|fork|setlocale|setenv|putenv)\s*\(|"
    r"std::(thread|jthread|async)\b(?!::id)")


class Source:
    """A file's text, and its lines without comments and literals."""

    def __init__(self, root, path):
        self.path = path.relative_to(root).as_posix()
        self.lines = path.read_text(encoding="utf-8", errors="replace").splitlines()  # a fuzzer keeps any bytes
        self.code = [LITERAL.sub('""', line) for line in self.lines]
        self.is_code = path.suffix in CODE
        self.place = self.path.split("/")

    def includes(self):
        for number, line in enumerate(self.lines, 1):
            if found := re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line):
                yield number, found[1] == "<", found[2]


def modules_of_headers(root):
    """Public header -> module, as src/CMakeLists.txt lists them."""
    text = (root / "src/CMakeLists.txt").read_text(encoding="utf-8")
    found = re.findall(r"lockkit_library\((\w+)\s+HEADERS([^)]*?)(?:SOURCES|DEPENDS)", text)
    return {header: module for module, headers in found for header in headers.split()} | {"version.hpp": "core"}


def include_directions(source, headers):
    """src: platform <- core <- fs <- {mirror, claims}."""
    if source.place[0] != "src" or len(source.place) < 3:
        return
    module = source.place[1]
    for number, angled, name in source.includes():
        if angled and name.startswith("lockkit/"):
            name = name.removeprefix("lockkit/")
            other = module if module == "platform" and name in PLATFORM_HEADERS else headers.get(name, "no module")
        elif angled:
            continue
        else:
            other = name.split("/")[0] if "/" in name else module
        if other != module and other not in MAY_SEE.get(module, set()):
            yield number, f"{module} may not include {name} of {other}"


def public_includes(source, headers):
    """include/lockkit: the standard library and lockkit only."""
    if source.place[0] != "include":
        return
    for number, angled, name in source.includes():
        standard = angled and re.fullmatch(r"[a-z_]+", name)
        if not standard and not (angled and name.startswith("lockkit/")):
            yield number, f"a public header may not include {name}"


def outsiders(source, headers):
    """Examples and tools use what is installed, and files of their own folder."""
    if source.place[0] not in {"examples", "tools"}:
        return
    for number, angled, name in source.includes():
        inner = name.startswith(tuple(f"{module}/" for module in MAY_SEE)) or ".." in name
        if not angled and inner or angled and name.startswith("lockkit/") and name.removeprefix("lockkit/") not in headers:
            yield number, f"{name} is not a public header"


def system_headers(source, headers):
    """Nothing of the library outside src/platform makes a system call."""
    if source.place[0] != "src" or source.place[1] == "platform":
        return
    libraries = LIBRARIES | ({"sqlite3.h"} if source.place[1] == "claims" else set())
    for number, angled, name in source.includes():
        if angled and name.endswith(".h") and name not in CALL_FREE and name.split("/")[0] not in libraries:
            yield number, f"<{name}> declares system calls; they go through src/platform"


def forbidden_calls(source, headers):
    if source.place[0] not in {"src", "include"}:
        return
    for number, line in enumerate(source.code, 1):
        if found := FORBIDDEN.search(line):
            yield number, f"the library never uses {found[0].strip(' (')}"


def sizes(source, headers):
    if len(source.lines) > FILE_LINES:
        yield FILE_LINES + 1, f"the file has more than {FILE_LINES} lines"


def blocks(source, headers):
    """Functions. Sources are formatted: one begins where a line ends in a brace, outside any other function."""
    depth = began = floor = 0
    for number, line in enumerate(source.code if source.is_code else [], 1):
        scope = re.match(r"\s*(inline |export )?(namespace|class|struct|union|enum|extern)\b[^(]*$", line)
        table = line.rstrip().endswith("= {")
        if not began and line.rstrip().endswith("{") and not scope and not table:
            began, floor = number, depth
        depth += line.count("{") - line.count("}")
        if began and depth <= floor:
            if number - began + 1 > BLOCK_LINES:
                yield began, f"the function has more than {BLOCK_LINES} lines"
            began = 0


def umbrella(source, headers):
    """lockkit.hpp includes every public header but those that others exist to include."""
    if source.path != "include/lockkit/lockkit.hpp":
        return
    included = {name.removeprefix("lockkit/") for _, _, name in source.includes()}
    for missing in sorted(set(headers) - included - {"export.hpp", "version.hpp"}):
        yield 1, f"{missing} is not included"


RULES = [include_directions, public_includes, outsiders, system_headers, forbidden_calls, sizes, blocks, umbrella]


def sources(root):
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield Source(root, path)


def faults(root):
    headers = modules_of_headers(root)
    for path in sorted((root / "include/lockkit").glob("*.hpp")):
        if path.name not in headers and path.name != "lockkit.hpp":
            yield f"{path.relative_to(root)}:1: no module of src/CMakeLists.txt installs this header"
    for source in sources(root):
        for rule in RULES:
            for number, text in rule(source, headers):
                yield f"{source.path}:{number}: {text}"


def main():
    found = list(faults(pathlib.Path(sys.argv[1])))
    print("\n".join(found) or "no fault found")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
