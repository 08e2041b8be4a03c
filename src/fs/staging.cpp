// The protocol of staging and publishing.
//
//  1. The file is made in a directory that is held open, so that it lies in that directory's mount (a rename or link
//     across mounts fails, even within one filesystem), and so that syncing the directory later reports every error.
//  2. It has no name where O_TMPFILE exists: a crash leaves nothing. Never with O_EXCL, which would forbid linking.
//  3. Where it has a temporary name, a shared flock on it says "alive". The sweeper takes the exclusive one, and the
//     kernel releases ours with our death: no PID, no clock. Shared, because seal() moves it to another description.
//  4. Names are 128 random bits, made with O_EXCL or linkat, new ones on EEXIST.
//  5. Created with 0666, or with the mode that was asked for: never readable to more than it will be in the end. The
//     umask and the default ACL are the kernel's business.
//  6. A failed sync is final. The kernel marks the pages clean, so that a second fsync would succeed without the data.
//  7. What was counted must be what is there: the size is compared before publishing. Without asking for the times: that
//     would make the next change store new ones, a tenth of a durable publish (see platform/inode.hpp).
//  8. A forked child shares the description and the name, and owns neither: it neither publishes nor removes.
//  9. A temporary name is removed only if it still is this file's.
// How it gets its place: staging_place.cpp.

#include "staging.hpp"

#include <fcntl.h>

#include <algorithm>

#include "platform/attributes.hpp"
#include "platform/inode.hpp"
#include "platform/lock.hpp"
#include "platform/names.hpp"
#include "platform/process.hpp"

namespace lockkit::detail {
namespace {

bool no_unnamed_files(const std::error_code& ec) noexcept {
  // EISDIR: before Linux 3.11. ENOENT, EINVAL: filesystems that mistake the flag.
  return ec == std::errc::operation_not_supported || ec == std::errc::is_a_directory ||
         ec == std::errc::no_such_file_or_directory || ec == std::errc::invalid_argument;
}

}  // namespace

staging::staging(int directory, std::string_view base, std::error_code& ec, staging_options options) noexcept {
  file_.directory = directory;
  file_.mode = options.mode;
  file_.generation = platform::process_generation();
  std::copy_n(base.begin(), std::min(base.size(), longest_name), file_.base.begin());
  ec.clear();
  if (options.route == staging_route::automatic) open_unnamed(ec);
  if (!file_.fd && !ec) open_named(ec);
  if (ec) discard();
}

staging staging::adopt(int directory, std::string_view name, platform::unique_fd fd, std::uint64_t size) noexcept {
  staging adopted;
  adopted.file_.fd = std::move(fd);
  adopted.file_.directory = directory;
  adopted.file_.generation = platform::process_generation();
  adopted.file_.size = size;
  adopted.file_.opened_by_name = true;
  std::copy_n(name.begin(), std::min(name.size(), longest_name), adopted.file_.name.begin());
  adopted.file_.base = adopted.file_.name;
  return adopted;
}

staging::~staging() {
  discard();
}

staging& staging::operator=(staging&& other) noexcept {
  staging taken(std::move(other));
  std::swap(file_, taken.file_);  // what was staged here goes with `taken`
  return *this;
}

/// The mark that somebody lives. False: the sweeper holds the file. Without working locks nobody sweeps by them.
bool staging::mark_alive(int fd, std::error_code& ec) noexcept {
  const bool locked = platform::try_flock(fd, platform::lock_mode::shared, ec);
  switch (ec.value()) {
    case EOPNOTSUPP:
    case ENOSYS:
    case ENOLCK:
    case EINVAL:
    case EBADF:
      ec.clear();
      return true;
    default:
      return locked;
  }
}

void staging::open_unnamed(std::error_code& ec) noexcept {
  file_.fd = platform::open_at(file_.directory, ".", O_TMPFILE | O_RDWR, file_.mode, ec);
  if (ec && no_unnamed_files(ec)) ec.clear();
}

void staging::open_named(std::error_code& ec) noexcept {
  for (int attempt = 0; attempt < name_attempts; ++attempt) {
    if (try_open_named(ec)) return;
  }
  if (!ec) ec = std::make_error_code(std::errc::resource_unavailable_try_again);
}

/// False: try another name.
bool staging::try_open_named(std::error_code& ec) noexcept {
  const name_buffer name = temporary_name(file_.base.data(), name_origin::opened, ec);
  if (ec) return true;
  file_.fd = platform::open_at(file_.directory, name.data(), O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW, file_.mode, ec);
  if (ec) return ec != std::errc::file_exists;
  file_.name = name;
  file_.opened_by_name = true;
  const bool locked = mark_alive(file_.fd.get(), ec);
  if (ec) return true;
  // Stopped for long between open and flock, it can have been taken for dead and swept.
  if (locked && platform::facts(file_.fd.get(), ec).links != 0) return true;
  if (!ec) discard();
  return static_cast<bool>(ec);
}

void staging::discard() noexcept {
  remove_name();
  file_.fd.reset();
}

void staging::leave() noexcept {
  file_.name[0] = '\0';
  file_.fd.reset();
}

void staging::remove_name() noexcept {
  if (!has_name() || !file_.fd) return;
  const place own = {file_.directory, file_.name.data()};
  std::error_code ec;
  if (file_.generation == platform::process_generation()) {
    for (int attempt = 0; attempt < 2; ++attempt) {  // an error may be a passing one
      const platform::inode_facts there = platform::facts_at(own.directory, own.name, ec);
      if (ec == std::errc::no_such_file_or_directory) break;
      if (ec) continue;
      const platform::inode_facts mine = platform::facts(file_.fd.get(), ec);
      if (ec) continue;
      if (platform::same_inode(there, mine)) platform::unlink_name(own.directory, own.name, ec);
      if (!ec) break;
    }
  }
  file_.name[0] = '\0';
}

bool staging::usable(std::error_code& ec) noexcept {
  ec = file_.failure;
  if (ec) return false;
  if (!file_.fd || file_.published) ec = std::make_error_code(std::errc::bad_file_descriptor);
  if (file_.generation != platform::process_generation()) ec = std::make_error_code(std::errc::operation_not_permitted);
  return !ec;
}

void staging::remember(const std::error_code& ec) noexcept {
  if (ec && !file_.failure) file_.failure = ec;
}

void staging::append(std::span<const std::byte> bytes, std::error_code& ec) noexcept {
  if (!usable(ec)) return;
  file_.synced = false;
  platform::write_all(file_.fd.get(), bytes, ec);
  if (!ec) file_.size += bytes.size();
  remember(ec);
}

void staging::reset(std::error_code& ec) noexcept {
  if (!file_.final_failure) file_.failure.clear();
  if (!usable(ec)) return;
  file_.synced = false;
  file_.size = 0;
  platform::resize(file_.fd.get(), 0, ec);
  if (!ec) platform::seek_start(file_.fd.get(), ec);
  remember(ec);
}

void staging::reserve(std::uint64_t bytes, std::error_code& ec) noexcept {
  if (!usable(ec)) return;
  platform::reserve(file_.fd.get(), bytes, ec);
  remember(ec);
}

void staging::set_permissions(unsigned mode, std::error_code& ec) noexcept {
  if (!usable(ec)) return;
  file_.synced = false;
  platform::change_mode(file_.fd.get(), mode, ec);
  remember(ec);
}

void staging::set_owner(unsigned user, unsigned group, std::error_code& ec) noexcept {
  if (!usable(ec)) return;
  file_.synced = false;
  platform::change_owner(file_.fd.get(), user, group, ec);
  remember(ec);
}

void staging::begin_writeback() noexcept {
  if (file_.fd && !file_.synced) platform::start_writeback(file_.fd.get());
}

void staging::sync(std::error_code& ec) noexcept {
  if (!usable(ec) || file_.synced) return;
  platform::sync_file(file_.fd.get(), ec);
  file_.synced = !ec;
  file_.final_failure = static_cast<bool>(ec);
  remember(ec);
}

seal_state staging::seal(std::error_code& ec) noexcept {
  if (!usable(ec)) return seal_state::unknown;
  file_.sealed = true;
  platform::unique_fd reader = platform::reopen(file_.fd.get(), O_RDONLY, ec);
  if (ec == std::errc::no_such_file_or_directory || ec == std::errc::permission_denied) {
    ec.clear();  // no /proc, or a mode that forbids reading: left as it is
    return seal_state::unknown;
  }
  if (!ec && has_name()) mark_alive(reader.get(), ec);
  if (!ec) {
    file_.fd.swap(reader);
    platform::close_checked(reader, ec);
  }
  const bool sealed = !ec && platform::is_sealed(file_.fd.get(), ec);
  if (ec == std::errc::invalid_argument || ec == std::errc::permission_denied) {
    ec.clear();
    return seal_state::unknown;
  }
  remember(ec);
  return sealed ? seal_state::sealed : seal_state::writer_remains;
}

}  // namespace lockkit::detail
