#pragma once
/// Which watch stands for which directory of which case: one inotify instance for all cases of a service.

#include <filesystem>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "platform/tree_watch.hpp"

namespace lockkit::detail {

/// Number of a case, never used again within one table. 0 is the service's parent directory.
using case_number = std::uint64_t;

class settle_watches {
 public:
  /// On error there is no instance: every case is then found by looking.
  explicit settle_watches(std::error_code& ec) noexcept;

  /// Watches the open directory for `owner`; `name` in the directory of watch `parent` (-1: the case itself). A
  /// directory that was another's until now (moved from case to case) becomes this owner's. -1: could not be had.
  int add(int directory, case_number owner, int parent, const std::string& name);
  /// Gives up what `owner` has, but for the numbers in `keep`.
  void forget_others(case_number owner, const std::vector<int>& keep);

  /// Where a watch belongs.
  [[nodiscard]] std::optional<case_number> owner_of(int watch) const;
  /// What the event is about, relative to the case.
  [[nodiscard]] std::filesystem::path place_of(const platform::tree_event& event) const;

  /// All events that have come, in order.
  [[nodiscard]] std::vector<platform::tree_event> take_events(std::error_code& ec);
  /// The kernel has said that a watch is no more.
  void ended(int watch) noexcept { entries_.erase(watch); }
  [[nodiscard]] int fd() const noexcept { return watch_.fd(); }

 private:
  struct entry {
    case_number owner = 0;
    int parent = -1;
    std::string name;
  };

  platform::tree_watch watch_;
  std::unordered_map<int, entry> entries_;
  std::unordered_map<case_number, std::vector<int>> owned_;
};

}  // namespace lockkit::detail
