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

#include <lockkit/error.hpp>

#include "content_store.hpp"
#include "digest.hpp"
#include "key_lock.hpp"
#include "platform/file.hpp"
#include "platform/names.hpp"

namespace lockkit::detail {
namespace {

/// A record's file: where, and the hash that names it.
struct record_file {
  std::string path;
  std::string name;
};

std::vector<record_file> record_files(const cache_layout& layout, std::error_code& ec) {
  std::vector<record_file> files;
  visit_records(layout, [&](const std::string& path, const std::string& name) { files.push_back({path, name}); }, ec);
  return files;
}

/// The record, if it is one and lies where its key belongs.
std::optional<key_record> read_own_record(const record_file& file, std::error_code& ec) {
  auto record = read_record_exactly(file.path, ec);
  if (record && sha256_of(record->key) != file.name) record.reset();
  return record;
}

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

/// None: nothing wrong, or nothing there any more.
std::optional<cache_damage> find_damage(const cache_layout& layout, const record_file& file) {
  std::error_code ec;
  const auto record = read_own_record(file, ec);
  if (ec) return cache_damage{{}, ec};
  if (!record && !exists(file.path)) return std::nullopt;
  if (!record) return cache_damage{{}, errc::integrity_mismatch};
  const std::error_code damage = damage_of_content(layout, *record);
  if (!damage) return std::nullopt;
  const auto now = read_own_record(file, ec);  // refreshed or removed while its content was read?
  if (!now || now->generation != record->generation) return find_damage(layout, file);
  return cache_damage{record->key, damage};
}

/// Rule 3. The content goes with the sweep that follows.
void remove_damaged(const cache_layout& layout, const record_file& file, deadline until, std::error_code& ec) {
  key_lock lock(layout, file.name, "repair");
  lock.acquire(until, {}, ec);
  if (ec) return;
  const auto damage = find_damage(layout, file);
  if (!damage || !is_proven(damage->error)) return;
  platform::unlink_name(AT_FDCWD, file.path.c_str(), ec);
  if (ec == std::errc::no_such_file_or_directory) ec.clear();
}

}  // namespace

std::vector<cache_record> list_keys(const cache_layout& layout, std::error_code& ec) {
  std::vector<cache_record> keys;
  for (const record_file& file : record_files(layout, ec)) {
    std::error_code unreadable;  // left out
    if (auto record = read_own_record(file, unreadable)) {
      keys.push_back({std::move(record->key), std::move(record->sha256), record->size, record->fetched_at});
    }
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
  return !ec;
}

std::vector<cache_damage> verify_cache(const cache_layout& layout, bool repair, deadline until, std::error_code& ec) {
  std::vector<cache_damage> damages;
  for (const record_file& file : record_files(layout, ec)) {
    auto damage = find_damage(layout, file);
    if (!damage) continue;
    damages.push_back(std::move(*damage));
    if (repair && !ec && is_proven(damages.back().error)) remove_damaged(layout, file, until, ec);
  }
  if (repair && !ec) sweep_cache(layout, until, ec);
  return damages;
}

}  // namespace lockkit::detail
