/// Partial contents.
///
///  1. Each fetch that may be gone on with has a file of its own, p/<name>.<random>, and beside it a record, p/<name>.
///     <random>.about. Nobody ever writes into a file that another has open.
///  2. Whoever works with it holds an exclusive flock on it, from before it can be found worth claiming (the record comes
///     after the lock) until it has got a content's name or is left. The kernel releases the lock with any death. The
///     lock lies on a read-only description, which is not given up when write access is (seal).
///  3. A claim is that lock, and then: the name still leads to the locked inode, which has no other name (it is not a
///     content already), belongs to this user, and has no writer left, such as a child that the fetch function forked.
///  4. Where locks are granted to everybody a claim proves nothing: a second lock on the file must be refused, or there
///     are no partials at all.
///  5. It becomes a content by one rename out of p/: there is no moment at which it is both.
///  6. Without a record it is worth nothing. The record goes before the file's beginning changes, and before the file
///     itself; it may remain alone after a rename, and is then swept.
///  7. How much of it is trusted: partial_record.hpp.

#include "partial_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>

#include <lockkit/owner.hpp>

#include "digest.hpp"
#include "fs/temporary_name.hpp"
#include "key_record.hpp"
#include "platform/file.hpp"
#include "platform/listing.hpp"
#include "platform/lock.hpp"
#include "platform/names.hpp"
#include "platform/process.hpp"

namespace lockkit::detail {
namespace {

constexpr std::chrono::hours partials_live{7 * 24};
constexpr std::string_view record_suffix = ".about";
constexpr int readable = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;

/// "<digest>.<random>"
bool is_partial_name(std::string_view name) noexcept {
  return name.size() == digest_digits + 1 + random_length && name[digest_digits] == '.' &&
         is_digest(name.substr(0, digest_digits));
}

bool is_partial_record_name(std::string_view name) noexcept {
  return name.ends_with(record_suffix) && is_partial_name(name.substr(0, name.size() - record_suffix.size()));
}

void remove_if_there(int directory, const std::string& name) noexcept {
  std::error_code ignored;  // what stays is swept later
  platform::unlink_name(directory, name.c_str(), ignored);
}

/// Rule 4. The caller holds the lock.
bool locks_exclude(int directory, const std::string& name) noexcept {
  std::error_code ec;
  const platform::unique_fd second = platform::open_at(directory, name.c_str(), readable, 0, ec);
  return !ec && !platform::try_flock(second.get(), platform::lock_mode::exclusive, ec) && !ec;
}

/// A record may be without its file only when the file has become something else.
void remove_orphaned_record(int directory, const std::string& record) noexcept {
  std::error_code ec;
  const std::string file = record.substr(0, record.size() - record_suffix.size());
  platform::status_at(directory, file.c_str(), ec);
  if (ec == std::errc::no_such_file_or_directory) remove_if_there(directory, record);
}

/// Or from a future as far, by a clock that was wrong: no time would ever come for that one.
bool is_older_than_a_week(int file) noexcept {
  std::error_code ec;
  const struct stat found = platform::status(file, ec);
  const auto now = std::chrono::nanoseconds(platform::wall_clock_ns());
  return !ec && std::chrono::abs(now - std::chrono::seconds(found.st_mtim.tv_sec)) > partials_live;
}

platform::unique_fd open_standing_partials(const cache_layout& layout, std::error_code& ec) {
  platform::unique_fd found = platform::open_at(AT_FDCWD, layout.part_path('p').c_str(), O_RDONLY | O_DIRECTORY, 0, ec);
  if (ec == std::errc::no_such_file_or_directory) ec.clear();
  return found;
}

}  // namespace

partial_file::partial_file(const cache_layout& layout, platform::unique_fd directory, std::string file)
    : level_(layout.options().level),
      directory_(std::move(directory)),
      file_(std::move(file)),
      process_(platform::process_generation()) {}

partial_file::~partial_file() {
  // Closing would not do: a child that was forked meanwhile shares the description.
  if (claim_ && is_owner()) platform::unlock_flock(claim_.get());
}

partial_file& partial_file::operator=(partial_file&& other) noexcept {
  partial_file taken(std::move(other));
  std::swap(level_, taken.level_);
  directory_.swap(taken.directory_);
  file_.swap(taken.file_);
  claim_.swap(taken.claim_);
  std::swap(process_, taken.process_);
  std::swap(record_, taken.record_);
  std::swap(bytes_, taken.bytes_);
  return *this;
}

bool partial_file::is_owner() const noexcept {
  return process_ == platform::process_generation();
}

std::string partial_file::record_name() const {
  return file_ + std::string(record_suffix);
}

/// Rules 2 to 4. False: somebody has it, or it is no use.
bool partial_file::lock(std::error_code& ec) {
  claim_ = platform::open_at(directory_.get(), file_.c_str(), readable, 0, ec);
  if (ec) return false;
  const bool locked = platform::try_flock(claim_.get(), platform::lock_mode::exclusive, ec);
  if (locked && locks_exclude(directory_.get(), file_) && is_mine_alone(ec)) return true;
  if (locked) platform::unlock_flock(claim_.get());
  claim_.reset();
  return false;
}

/// Rule 3, but for writers: who has just made it is one.
bool partial_file::is_mine_alone(std::error_code& ec) const {
  const struct stat locked = platform::status(claim_.get(), ec);
  if (ec || !S_ISREG(locked.st_mode) || locked.st_nlink != 1) return false;
  if (locked.st_uid != platform::effective_user()) return false;
  const struct stat named = platform::status_at(directory_.get(), file_.c_str(), ec);
  return !ec && platform::same_inode(locked, named);
}

bool partial_file::read_record(std::string_view key) {
  std::error_code ec;
  const std::string text = platform::read_small_file(directory_.get(), record_name().c_str(), largest_record + 1, ec);
  auto record = ec ? std::nullopt : parse_partial_record(text);
  if (!record || record->key != key) return false;
  const struct stat found = platform::status(claim_.get(), ec);
  if (ec) return false;
  record_ = std::move(*record);
  bytes_ = trusted_bytes(record_, static_cast<std::uint64_t>(found.st_size), current_process().boot_id);
  return bytes_ > 0;
}

std::optional<partial_file> partial_file::make(const cache_layout& layout, std::string_view name,
                                               std::string_view key) {
  std::error_code ec;
  platform::unique_fd directory = layout.open_partials(ec);
  const random_text random = ec ? random_text{} : random_base32(name_origin::opened, ec);
  if (ec) return std::nullopt;
  partial_file made(layout, std::move(directory), std::string(name) + '.' + random.data());
  constexpr int flags = O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW;
  const platform::unique_fd file = platform::open_at(made.directory_.get(), made.file_.c_str(), flags, 0600, ec);
  if (ec) return std::nullopt;
  made.record_.key = key;
  made.record_.boot_id = current_process().boot_id;
  if (made.lock(ec)) return made;
  remove_if_there(made.directory_.get(), made.file_);  // before it was locked, a sweep may have had it
  return std::nullopt;
}

std::optional<partial_file> partial_file::claim(const cache_layout& layout, std::string_view name,
                                                std::string_view key) {
  std::optional<partial_file> best;
  std::error_code ec;
  const platform::unique_fd directory = open_standing_partials(layout, ec);
  if (!directory) return best;
  for (const std::string& each : platform::names_in(directory.get(), ec)) {
    if (!each.starts_with(name)) continue;
    if (is_partial_record_name(each)) remove_orphaned_record(directory.get(), each);
    if (!is_partial_name(each)) continue;
    partial_file found(layout, open_standing_partials(layout, ec), each);
    if (ec || !found.lock(ec) || !platform::is_sealed(found.claim_.get(), ec)) continue;
    const bool better = found.read_record(key) && (!best || found.bytes_ > best->bytes_);
    if (better && best) best->drop();
    if (!better) found.drop();
    if (better) best = std::move(found);
  }
  return best;
}

staging partial_file::open(std::error_code& ec) {
  platform::change_mode(claim_.get(), 0600, ec);  // a content's already, if its fetch was killed at the very end
  platform::unique_fd file = ec ? platform::unique_fd() : platform::reopen(claim_.get(), O_RDWR | O_APPEND, ec);
  if (!ec) platform::resize(file.get(), bytes_, ec);
  return ec ? staging() : staging::adopt(directory_.get(), file_, std::move(file), bytes_);
}

void partial_file::describe(const content_validators& validators, std::uint64_t synced, std::error_code& ec) {
  if (!is_owner()) return;
  record_.validators = validators;
  record_.synced = synced;
  record_.boot_id = current_process().boot_id;
  staging file(directory_.get(), record_name(), ec, {.mode = 0600});
  const std::string text = format_partial_record(record_);
  if (!ec) file.append(std::as_bytes(std::span(text)), ec);
  // One that claims nothing about the disk may be lost with a power cut.
  const durability level = synced > 0 ? std::min(level_, durability::consistent) : durability::visible;
  if (!ec) file.publish_as(directory_.get(), record_name().c_str(), publish_mode::replace, level, ec);
}

void partial_file::forget() noexcept {
  if (is_owner()) remove_if_there(directory_.get(), record_name());
}

void partial_file::drop() noexcept {
  if (!is_owner()) return;
  forget();
  remove_if_there(directory_.get(), file_);
}

void sweep_partials(const cache_layout& layout, std::error_code& ec) {
  const platform::unique_fd directory = open_standing_partials(layout, ec);
  if (!directory) return;
  for (const std::string& each : platform::names_in(directory.get(), ec)) {
    if (is_partial_record_name(each)) remove_orphaned_record(directory.get(), each);
    if (!is_partial_name(each)) continue;
    std::error_code passed_over;  // gone, or not ours to judge
    partial_file found(layout, open_standing_partials(layout, passed_over), each);
    if (passed_over || !found.lock(passed_over)) continue;
    platform::status_at(directory.get(), found.record_name().c_str(), passed_over);
    const bool has_record = passed_over != std::errc::no_such_file_or_directory;
    if (!has_record || is_older_than_a_week(found.claim_.get())) found.drop();
  }
  if (!ec) sweep_staged(layout.part_path('p'), std::chrono::minutes(1), ec);
}

}  // namespace lockkit::detail
