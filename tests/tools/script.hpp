#pragma once
/// Scripts that use the lockkit command, run by a real shell.

#include <string>

#include "support/scratch.hpp"

namespace testing {

struct script_result {
  int status = 0;
  std::string out;
  std::string err;
};

/// Runs `text` by `shell` in the directory; "lockkit" there is the command under test.
script_result run_script(const std::string& shell, const scratch_directory& place, const std::string& text);

/// bash and then dash: the test case runs once with each.
std::string a_shell();

/// Whether `part` occurs in `text`.
bool contains(const std::string& text, const std::string& part);

}  // namespace testing
