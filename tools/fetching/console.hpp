#pragma once
/// What people see while the tool works, on stderr: messages, and how far the transfers are. On a terminal a bar on the
/// last line; otherwise plain lines, each transfer at most every five seconds. Used from all threads.

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include <lockkit/mirror_cache.hpp>

namespace fetching {

class console {
 public:
  /// A bar only if stderr is a terminal.
  console();
  ~console();
  console(const console&) = delete;
  console& operator=(const console&) = delete;

  /// One line.
  void say(const std::string& message);
  /// A running transfer says how far it is; its clock starts with the first call.
  void progress(const std::string& label, const lockkit::fetch_progress& now);
  /// It has ended, well or not: says how much it brought, and takes it off the bar.
  void finish(const std::string& label, bool brought);

 private:
  using clock = std::chrono::steady_clock;
  struct transfer {
    lockkit::fetch_progress now;
    clock::time_point began;
    clock::time_point told;
  };

  void redraw();
  void print(const std::string& message);
  void tell(const std::string& label, transfer& running);

  const bool bar_;
  bool drawn_ = false;
  clock::time_point redrawn_{};
  std::map<std::string, transfer> running_;
  std::mutex mutex_;
};

/// "12.3 MB".
[[nodiscard]] std::string describe_size(std::uint64_t bytes);

}  // namespace fetching
