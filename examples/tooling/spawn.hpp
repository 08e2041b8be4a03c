#pragma once
/// Starting another program: no shell, every signal as a fresh process has it, and no descriptor but those that are
/// named.

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace tooling {

struct spawn_request {
  std::vector<std::string> arguments;              ///< the first is looked for in PATH, unless it is a path
  std::map<std::string, std::string> environment;  ///< in addition to ours
  std::filesystem::path directory;                 ///< empty: ours
  std::filesystem::path output = "/dev/null";      ///< appended to
  std::filesystem::path errors = "/dev/null";
  std::vector<std::pair<int, int>> descriptors;  ///< (ours, the child's); the child's are 0, 1, 2, 3, without gaps
  bool new_session = false;
  std::vector<std::string> withheld{};  ///< variables of ours whose names begin so are not passed on
  std::string but{};                    ///< except for this one
};

/// The child's pid; -1 with ec: there is none. A program that can't be executed is such an error.
[[nodiscard]] pid_t spawn(const spawn_request& wanted, std::error_code& ec);

}  // namespace tooling
