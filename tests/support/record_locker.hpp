#pragma once
/// A process that uses POSIX's record locks, as fasteners, lockf and Boost's file_lock do: it opens a file that exists and
/// does what it is told.

#include <filesystem>
#include <memory>

#include "support/process.hpp"

namespace testing {

enum class record_order : char {
  try_exclusive = 'x',  ///< the whole file, to its end and beyond
  try_shared = 's',
  try_first_byte = 'b',
  wait_exclusive = 'w',  ///< F_SETLKW
  unlock = 'u',
};

class record_locker {
 public:
  explicit record_locker(const std::filesystem::path& file);
  /// Whether it was granted.
  bool tell(record_order order) const;
  void begin(record_order order) const;
  bool outcome() const;
  /// Whether what was begun has come to its end within that time.
  bool is_done(int milliseconds) const { return answers_->ready(milliseconds); }
  int pid() const { return process_.pid(); }
  void kill() { process_.kill(); }

 private:
  int serve(const std::filesystem::path& file) const;
  std::unique_ptr<signal_pipe> orders_ = std::make_unique<signal_pipe>();  // so that it can be moved
  std::unique_ptr<signal_pipe> answers_ = std::make_unique<signal_pipe>();
  child_process process_;
};

}  // namespace testing
