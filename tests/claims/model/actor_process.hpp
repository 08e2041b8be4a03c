#pragma once
/// A claims_actor under this test's command: lines to it and from it over pipes, SIGKILL at its end.

#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "support/fake_clock.hpp"
#include "support/process.hpp"

namespace testing {

class actor_process {
 public:
  /// With `clock`: its wall clock is that one.
  actor_process(const std::filesystem::path& database, const fake_clock* clock);
  ~actor_process();
  actor_process(const actor_process&) = delete;
  actor_process& operator=(const actor_process&) = delete;
  /// Its answer, in words. Throws when it died.
  std::vector<std::string> ask(const std::string& order);
  void kill();

 private:
  std::vector<std::string> answer();
  signal_pipe orders_;
  signal_pipe answers_;
  child_process process_;
  std::FILE* from_;
};

}  // namespace testing
