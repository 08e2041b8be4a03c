#pragma once
/// SQLite's own files behind a layer that can fail: the N-th operation on any of them.

#include <cstdint>
#include <functional>
#include <string>

namespace testing {

/// SQLite's default way to its files while it lives. One at a time; not while other threads use SQLite.
class faulty_vfs {
 public:
  faulty_vfs();
  ~faulty_vfs();
  faulty_vfs(const faulty_vfs&) = delete;
  faulty_vfs& operator=(const faulty_vfs&) = delete;

  /// The N-th operation from now on (from 1) reports `result`, without being made; 0: none. SQLITE_BUSY: of those that
  /// lock.
  void fail(std::uint64_t nth, int result);
  bool fired() const;
  /// The name of the operation that failed.
  std::string what() const;
  /// So many operations were made by this process or, after a fork, its parent.
  std::uint64_t operations() const;
  /// Called before each write to the database's own file: checkpoints make those, once it has a log.
  void on_database_write(std::function<void()> look);
};

}  // namespace testing
