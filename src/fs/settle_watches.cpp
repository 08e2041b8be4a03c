#include "settle_watches.hpp"

#include <algorithm>
#include <ranges>

namespace lockkit::detail {

settle_watches::settle_watches(std::error_code& ec) noexcept : watch_(ec) {}

int settle_watches::add(int directory, case_number owner, int parent, const std::string& name) {
  std::error_code ec;
  if (watch_.fd() < 0) return -1;
  const int watch = watch_.add(directory, ec);
  if (ec) return -1;
  const auto [at, is_new] = entries_.try_emplace(watch);
  if (is_new || at->second.owner != owner) owned_[owner].push_back(watch);
  at->second = {owner, parent, name};
  return watch;
}

void settle_watches::forget_others(case_number owner, const std::vector<int>& keep) {
  const auto found = owned_.find(owner);
  if (found == owned_.end()) return;
  std::vector<int> kept = keep;
  std::ranges::sort(kept);
  for (const int watch : found->second) {
    if (std::ranges::binary_search(kept, watch)) continue;
    const auto at = entries_.find(watch);
    if (at == entries_.end() || at->second.owner != owner) continue;  // ended, or another's by now
    entries_.erase(at);
    watch_.remove(watch);
  }
  if (kept.empty()) {
    owned_.erase(found);
  } else {
    found->second = std::move(kept);
  }
}

std::optional<case_number> settle_watches::owner_of(int watch) const {
  const auto found = entries_.find(watch);
  if (found == entries_.end()) return {};
  return found->second.owner;
}

std::filesystem::path settle_watches::place_of(const platform::tree_event& event) const {
  std::vector<const std::string*> names;
  if (!event.name.empty()) names.push_back(&event.name);
  for (auto at = entries_.find(event.watch); at != entries_.end() && at->second.parent >= 0;
       at = entries_.find(at->second.parent)) {
    if (names.size() > entries_.size()) break;  // renamed in a circle between two looks
    names.push_back(&at->second.name);
  }
  std::filesystem::path path;
  for (const std::string* name : names | std::views::reverse) path /= *name;
  return path;
}

std::vector<platform::tree_event> settle_watches::take_events(std::error_code& ec) {
  std::vector<platform::tree_event> events;
  ec.clear();
  if (watch_.fd() >= 0) watch_.read(events, ec);
  return events;
}

}  // namespace lockkit::detail
