#pragma once
/// One wait, of several sleeps, until something in a store may have changed: a commit that wakes others, or the end of a
/// holder, who commits nothing.
///
///   prepare()   from here on no change is missed
///   follow()    from here on no death is missed
///   ...         the look at the database: only who finds nothing sleeps
///   sleep()

#include <chrono>
#include <memory>
#include <stop_token>
#include <vector>

#include "operations.hpp"
#include "platform/watch.hpp"
#include "store.hpp"

namespace lockkit::detail {

/// A try does not wait for what it wants, but it does take its turn at the database: for no longer than this.
inline constexpr std::chrono::seconds try_patience{60};

/// Descriptors that tell of the ends of processes, kept over the sleeps of one wait.
class process_watch {
 public:
  /// From now on watches these. False: not all of them can be seen.
  bool follow(const std::vector<holder_process>& processes);
  [[nodiscard]] const std::vector<int>& descriptors() const noexcept { return descriptors_; }

 private:
  std::vector<holder_process> followed_;
  std::vector<platform::unique_fd> owned_;
  std::vector<int> descriptors_;
  bool sees_all_ = true;
};

class store_watch {
 public:
  explicit store_watch(store& s) noexcept : store_(s) {}
  ~store_watch();
  store_watch(const store_watch&) = delete;

  /// errc::database_replaced.
  void prepare();
  void follow(const silent_ends& ends);
  /// No longer than until `until`, the first of the ends that are known before, and a second: then the files are looked
  /// at. Life marks that can't be watched (another PID namespace; dead, but a child has inherited the mark; a job's) are
  /// asked for in slices of 50 ms.
  void sleep(deadline until, const std::stop_token& stop) noexcept;

 private:
  store& store_;
  std::error_code unwatched_;
  std::unique_ptr<platform::path_watch> watch_;
  process_watch processes_;
  deadline first_end_ = deadline::never();
  bool sees_all_ = true;
};

}  // namespace lockkit::detail
