#pragma once
/// A process that takes and gives back one lock_file when told to, and can be parked before any system call of either:
/// the schedules that break lock files are made with it, not waited for.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <vector>

#include "fs/plant.hpp"
#include "support/process.hpp"

namespace testing {

/// Where to park: before the N-th call or point of that name; every call counts if the name is empty. N = 0: nowhere.
/// The name must be a literal.
struct parking {
  const char* name = "";
  std::uint64_t nth = 0;
};

enum class event : char {
  parked = 's',
  held = 'H',
  refused = 'T',  ///< somebody held it until the patience ran out
  failed = 'E',
  released = 'R',
  lost = 'L',  ///< released, but the lock file was not its own any more; from verify: lost
  restored = 'M',
};

class contender {
 public:
  /// `broken`: rules that it does not keep (fault::break_rule), literals.
  explicit contender(const std::filesystem::path& path,
                     lockkit::detail::plant_method method = lockkit::detail::plant_method::automatic,
                     const std::vector<const char*>& broken = {});

  event acquire(std::chrono::milliseconds patience = {}, parking where = {});
  event release(parking where = {});
  event verify();
  /// Starts an acquisition without waiting for its outcome, which the next outcome() gives.
  void begin_acquire(std::chrono::milliseconds patience, parking where = {});
  event outcome();
  /// Goes on from where it was parked; what comes next.
  event resume();
  /// The same, without waiting for what comes next.
  void go_on() { resume_.send(); }
  bool answers_within(int milliseconds) const { return events_.ready(milliseconds); }

  void signal(int number) const { process_.signal(number); }
  void kill() { process_.kill(); }
  int pid() const { return process_.pid(); }

 private:
  struct order;
  void send(const order& what) const;
  int serve(const std::filesystem::path& path, lockkit::detail::plant_method method) const;

  signal_pipe orders_;
  signal_pipe events_;
  signal_pipe resume_;
  child_process process_;
};

}  // namespace testing
