#include "git_locks.hpp"

#include <algorithm>

namespace status_board {

namespace fs = std::filesystem;

namespace {

/// By the wall clock: an age of a leftover. Nothing if there is no such file.
std::optional<std::chrono::milliseconds> age_of_file(const fs::path& file) {
  std::error_code ec;
  const auto changed = fs::last_write_time(file, ec);
  if (ec) return std::nullopt;
  return std::chrono::duration_cast<std::chrono::milliseconds>(fs::file_time_type::clock::now() - changed);
}

void reclaim(const board& here, const fs::path& file, std::optional<std::chrono::milliseconds> limit) {
  const auto age = limit ? age_of_file(file) : std::nullopt;
  if (!age || *age < *limit) return;
  std::error_code ec;
  if (fs::remove(file, ec)) {
    here.say("removed '{}', {:.0f} s old: a git that was killed left it", file.native(),
             std::chrono::duration<double>(*age).count());
  }
}

}  // namespace

void reclaim_git_locks(const board& here, const std::string& ref) {
  reclaim(here, here.place.common_dir / (ref + ".lock"), here.settings.reclaim_ref_locks_after);
  reclaim(here, here.place.git_dir / "HEAD.lock", here.settings.reclaim_ref_locks_after);
  reclaim(here, here.place.git_dir / "index.lock", here.settings.reclaim_index_lock_after);
}

void reclaim_tracking_lock(const board& here, const std::string& ref) {
  const fs::path file = here.place.common_dir / (ref + ".lock");
  if (!age_of_file(file)) return;
  if (const auto lock = here.lock()) reclaim(here, file, here.settings.reclaim_ref_locks_after);
}

std::string index_lock_in_the_way(const board& here) {
  const fs::path file = here.place.git_dir / "index.lock";
  const auto age = age_of_file(file);
  return age ? fmt::format("'{}' ({:.0f} s old)", file.native(), std::chrono::duration<double>(*age).count()) : "";
}

}  // namespace status_board
