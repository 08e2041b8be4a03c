#!/usr/bin/env python3
"""Plants one fault for each rule of check_sources.py into a sound small tree: each must be named, and nothing else."""
import pathlib
import sys
import tempfile

import check_sources

SOUND = {
    "src/CMakeLists.txt": "lockkit_library(core\n  HEADERS error.hpp\n  SOURCES core/error.cpp)\n",
    "include/lockkit/error.hpp": "#include <string>\n#include <lockkit/version.hpp>\n",
    "include/lockkit/lockkit.hpp": "#include <lockkit/error.hpp>\n",
    "src/platform/file.cpp": '#include <unistd.h>\n#include <lockkit/deadline.hpp>\n#include "file.hpp"\n',
    "src/core/error.cpp": '#include <fcntl.h>\n#include "platform/file.hpp"\nint f() {\n  return g.signal(1);  // system(1)\n}\n',
    "src/claims/sqlite.cpp": "#include <sqlite3.h>\n",
    "examples/one/main.cpp": '#include "catalogue.hpp"\n#include <unistd.h>\n#include <lockkit/error.hpp>\n',
    "tests/core/error_test.cpp": "class long_one {\n" + "  int x;\n" * 60 + "};\n"
    "constexpr std::array rows = {\n" + "    row{1},\n" * 60 + "};\n",
}
LONG = "int f(int a,\n      int b) {\n  if (a) {\n  }\n" + "  g('{');\n" * 49 + "}\n"
PLANTED = [
    ("include/lockkit/orphan.hpp", "", "no module of src/CMakeLists.txt installs this header"),
    ("include/lockkit/lockkit.hpp", "", "error.hpp is not included"),
    ("include/lockkit/error.hpp", "#include <fmt/format.h>\n", "a public header may not include fmt/format.h"),
    ("include/lockkit/error.hpp", "#include <unistd.h>\n", "a public header may not include unistd.h"),
    ("src/platform/file.cpp", '#include "core/owner.hpp"\n', "platform may not include core/owner.hpp of core"),
    ("src/platform/file.cpp", "#include <lockkit/error.hpp>\n", "platform may not include error.hpp of core"),
    ("src/core/error.cpp", '#include "fs/guard.hpp"\n', "core may not include fs/guard.hpp of fs"),
    ("src/mirror/key.cpp", '#include "claims/store.hpp"\n', "mirror may not include claims/store.hpp of claims"),
    ("src/core/error.cpp", "#include <sys/file.h>\n", "<sys/file.h> declares system calls"),
    ("src/core/error.cpp", "#include <sqlite3.h>\n", "<sqlite3.h> declares system calls"),
    ("src/core/error.cpp", "int f() {\n  ::umask(0);\n}\n", "the library never uses ::umask"),
    ("src/core/error.cpp", "std::thread t;\n", "the library never uses std::thread"),
    ("src/core/error.cpp", 'int f() {\n  return system("x");\n}\n', "the library never uses system"),
    ("examples/one/main.cpp", '#include "core/throw_error.hpp"\n', "core/throw_error.hpp is not a public header"),
    ("tools/lockkit/main.cpp", "#include <lockkit/secret.hpp>\n", "lockkit/secret.hpp is not a public header"),
    ("tests/core/error_test.cpp", "\n" * 501, "the file has more than 500 lines"),
    ("tests/core/error_test.cpp", LONG, "the function has more than 50 lines"),
]


def faults_of(files):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = pathlib.Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return list(check_sources.faults(pathlib.Path(folder)))


def main():
    wrong = [f"in a sound tree: {fault}" for fault in faults_of(SOUND)]
    for name, text, expected in PLANTED:
        found = faults_of(SOUND | {name: text})
        if len(found) != 1 or not found[0].startswith(name) or expected not in found[0]:
            wrong.append(f"planted '{expected}' in {name}, found {found}")
    print("\n".join(wrong) or f"{len(PLANTED)} faults planted, each found and named")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
