/// lockkit_benchmark --directory DIR [--seconds S] [--only TABLE] [--largest MIB]: prints the tables, measured inside
/// DIR.

#include <fmt/format.h>
#include <stdlib.h>

#include <array>
#include <exception>
#include <string_view>

#include "rows.hpp"
#include "table.hpp"

namespace {

using benchmark::row_options;

struct table {
  std::string_view name;
  void (*print)(const row_options&);
};
constexpr std::array tables = {table{"locks", benchmark::lock_rows},      table{"handoff", benchmark::handoff_rows},
                               table{"publish", benchmark::publish_rows}, table{"cache", benchmark::cache_rows},
                               table{"claims", benchmark::claim_rows},
#if defined(LOCKKIT_COMMAND)
                               table{"startup", benchmark::startup_rows}
#endif
};

struct arguments {
  std::filesystem::path directory;
  std::string_view only;
  double seconds = 2;
  std::uint64_t largest_mib = 1024;
};

bool parse(int argc, char** argv, arguments& into) {
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    if (name == "--directory") into.directory = argv[i + 1];
    if (name == "--seconds") into.seconds = ::atof(argv[i + 1]);
    if (name == "--largest") into.largest_mib = static_cast<std::uint64_t>(::atoll(argv[i + 1]));
    if (name == "--only") into.only = argv[i + 1];
  }
  return argc % 2 == 1 && !into.directory.empty() && into.seconds > 0;
}

/// Removed at the end, also after a failure. What a signal leaves behind is on the caller's scratch filesystem.
struct scratch_directory {
  explicit scratch_directory(const std::filesystem::path& parent) {
    std::string name = std::filesystem::absolute(parent / "lockkit-benchmark-XXXXXX");
    if (::mkdtemp(name.data()) == nullptr) throw std::system_error(errno, std::system_category(), name);
    path = name;
  }
  ~scratch_directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::filesystem::path path;
};

void print_tables(const arguments& wanted) {
  const scratch_directory scratch(wanted.directory);
  benchmark::print_machine(scratch.path.c_str());
  const row_options options = {.directory = scratch.path,
                               .budget = std::chrono::milliseconds(static_cast<long>(wanted.seconds * 1000)),
                               .largest_mib = wanted.largest_mib,
                               .in_memory = benchmark::filesystem_name(scratch.path.c_str()) == "tmpfs"};
  for (const table& t : tables) {
    if (wanted.only.empty() || wanted.only == t.name) t.print(options);
  }
}

}  // namespace

int main(int argc, char** argv) try {
  arguments wanted;
  if (!parse(argc, argv, wanted)) {
    fmt::print(stderr,
               "usage: lockkit_benchmark --directory DIR [--seconds S_PER_TABLE] [--only "
               "locks|handoff|publish|cache|claims|startup] "
               "[--largest MIB]\n");
    return 2;
  }
  print_tables(wanted);
  return 0;
} catch (const std::exception& failure) {
  fmt::print(stderr, "lockkit_benchmark: {}\n", failure.what());
  return 1;
}
