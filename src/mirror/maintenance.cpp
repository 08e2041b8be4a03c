/// Removing and repairing.
///
///  1. A record is only removed under its key's lock, so no fetch is running whose result it could be. The lock of a
///     record that can't be read is found by the record's file name, which is the key's hash.
///  2. The record goes first, then, behind the gate, the content, if no other record names it (sweep.cpp). Killed in
///     between: an unnamed content, for the next sweep.
///  3. Checking takes no lock. What looks damaged is looked at again, under the lock, before it is removed: a refresh
///     may have replaced it meanwhile.
///  4. Only proven damage is repaired: a record that was read and is none, a content that was read and is another, or is
///     not there. An error of looking (no descriptors, no permission, a failing disk) is reported and nothing is removed:
///     what can't be seen now may be all that an offline machine has.

#include "maintenance.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include <lockkit/error.hpp>

#include "cache_files.hpp"
#include "content.hpp"
#include "digest.hpp"
#include "key_lock.hpp"
#include "platform/file.hpp"
#include "platform/names.hpp"
#include "sweep.hpp"

namespace lockkit::detail {
namespace {

bool exists(const std::string& path) {
  std::error_code ec;
  platform::status_at(AT_FDCWD, path.c_str(), ec);
  return !ec;
}

/// Something that no cache makes stands at a content's name.
bool is_no_file(const std::error_code& ec) noexcept {
  return ec == std::errc::too_many_symbolic_link_levels || ec == std::errc::is_a_directory ||
         ec == std::errc::no_such_device_or_address;
}

/// Rule 4.
bool is_proven(const std::error_code& damage) noexcept {
  return damage == errc::integrity_mismatch || damage == std::errc::no_such_file_or_directory;
}

std::error_code damage_of_content(const cache_layout& layout, const key_record& record) {
  std::error_code ec;
  const std::string path = layout.content_path(record.sha256);
  const platform::unique_fd content =
      platform::open_at(AT_FDCWD, path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, ec);
  if (is_no_file(ec)) return errc::integrity_mismatch;
  if (ec) return ec;
  const struct stat found = platform::status(content.get(), ec);
  if (ec) return ec;
  std::uint64_t size = 0;
  if (!S_ISREG(found.st_mode) || static_cast<std::uint64_t>(found.st_size) != record.size) {
    return errc::integrity_mismatch;
  }
  const std::string digest = sha256_of_file(content.get(), size, ec);
  if (!ec && digest != record.sha256) ec = errc::integrity_mismatch;
  return ec;
}

bool is_still(const cache_file& file, const file_stamp& seen) {
  std::error_code ec;
  return stamp_at(file.path, ec) == seen && !ec;
}

/// None: nothing wrong, or nothing there any more. A record that goes and comes while it is looked at, by an eviction and
/// the next fetch, is no damage: what is said of a file holds only if the same file stood there before and after.
std::optional<cache_damage> find_damage(const cache_layout& layout, const cache_file& file) {
  std::error_code ec;
  const file_stamp seen = stamp_at(file.path, ec);
  if (ec == std::errc::no_such_file_or_directory) return std::nullopt;
  const auto record = ec ? std::nullopt : read_own_record(file, ec);
  if (ec) return cache_damage{{}, ec};
  const std::error_code damage =
      record ? damage_of_content(layout, *record) : make_error_code(errc::integrity_mismatch);
  if (!damage) return std::nullopt;
  if (!is_still(file, seen)) return find_damage(layout, file);
  return cache_damage{record ? record->key : std::string(), damage};
}

/// Rule 3. The content goes with the sweep that follows.
bool remove_damaged(const cache_layout& layout, const cache_file& file, deadline until, std::error_code& ec) {
  key_lock lock(layout, file.name, "repair");
  lock.acquire(until, {}, ec);
  if (ec) return false;
  const auto damage = find_damage(layout, file);
  if (!damage || !is_proven(damage->error)) return false;
  platform::unlink_name(AT_FDCWD, file.path.c_str(), ec);
  if (ec == std::errc::no_such_file_or_directory) ec.clear();
  return !ec;
}

void list_directory_of(const cache_layout& layout, std::size_t layer, std::vector<cache_record>& keys,
                       std::error_code& ec) {
  for (const cache_file& file : files_in_part(layout, 'k', ec)) {
    std::error_code unreadable;  // left out
    const file_stamp stamp = stamp_at(file.path, unreadable);
    if (auto record = read_own_record(file, unreadable)) {
      keys.push_back({std::move(record->key), std::move(record->sha256), record->size, record->fetched_at,
                      time_of(stamp.modified_ns), layer});
    }
  }
}

/// Sizes by the records; what can't be read counts nothing.
verify_progress amount_of(const std::vector<cache_file>& files) {
  verify_progress all;
  all.all_keys = files.size();
  for (const cache_file& file : files) {
    std::error_code unreadable;
    if (const auto record = read_own_record(file, unreadable)) all.all_bytes += record->size;
  }
  return all;
}

/// One verification.
class verifying {
 public:
  verifying(const cache_layout& layout, const verify_options& options) : layout_(layout), options_(options) {}

  std::vector<cache_damage> run(std::error_code& ec) {
    const std::vector<cache_file> files = files_in_part(layout_, 'k', ec);
    if (options_.on_progress) progress_ = amount_of(files);
    for (const cache_file& file : files) {
      look(file, ec);
      tell(file);
    }
    if (options_.repair && !ec) sweep_cache(layout_, options_.until, ec);
    return std::move(damages_);
  }

 private:
  void look(const cache_file& file, std::error_code& ec) {
    auto damage = find_damage(layout_, file);
    if (!damage) return;
    if (options_.repair && !ec && is_proven(damage->error)) {
      damage->removed = remove_damaged(layout_, file, options_.until, ec);
    }
    damages_.push_back(std::move(*damage));
  }

  void tell(const cache_file& file) {
    if (!options_.on_progress) return;
    std::error_code unreadable;
    const auto record = read_own_record(file, unreadable);
    ++progress_.keys;
    if (record) progress_.bytes = std::min(progress_.bytes + record->size, progress_.all_bytes);
    options_.on_progress(progress_);
  }

  const cache_layout& layout_;
  const verify_options& options_;
  verify_progress progress_;
  std::vector<cache_damage> damages_;
};

}  // namespace

std::vector<cache_record> list_keys(const cache_layout& layout, std::error_code& ec) {
  std::vector<cache_record> keys;
  list_directory_of(layout, 0, keys, ec);
  for (std::size_t n = 0; n < layout.layers().size(); ++n) {
    std::error_code unreadable;  // it has nothing, then
    list_directory_of(layout.layers()[n], n + 1, keys, unreadable);
  }
  return keys;
}

bool remove_key(const cache_layout& layout, std::string_view name, std::string_view key, deadline until,
                std::error_code& ec) {
  ec.clear();
  const std::string path = layout.record_path(name);
  if (!exists(path) && !exists(layout.lock_path(name))) return false;  // never asked for: leaves no lock file behind
  key_lock lock(layout, name, key);
  lock.acquire(until, {}, ec);
  if (ec) return false;
  const auto record = read_record(path, ec);
  if (!ec) platform::unlink_name(AT_FDCWD, path.c_str(), ec);
  if (ec == std::errc::no_such_file_or_directory) {
    ec.clear();
    return false;
  }
  if (!ec && record) drop_content(layout, record->sha256, until, ec);
  if (ec == errc::timed_out) ec.clear();  // the key has gone, and says so; its content is for the next sweep
  return !ec;
}

std::vector<cache_damage> verify_cache(const cache_layout& layout, const verify_options& options, std::error_code& ec) {
  return verifying(layout, options).run(ec);
}

}  // namespace lockkit::detail
