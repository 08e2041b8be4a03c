#include "lock_inode.hpp"

#include <fcntl.h>

#include <lockkit/directory.hpp>

#include "platform/lock.hpp"
#include "platform/names.hpp"

namespace lockkit::detail {
namespace {

using platform::unique_fd;

constexpr int open_flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK;

/// setgid, or writable by the group but not by everybody: people of one group share what lies here.
bool is_group_directory(const std::filesystem::path& directory) noexcept {
  std::error_code ec;
  const platform::inode_facts found = platform::facts_at(AT_FDCWD, directory.c_str(), ec);
  return !ec && ((found.mode & S_ISGID) != 0 || (found.mode & (S_IWGRP | S_IWOTH)) == S_IWGRP);
}

void set_final_mode(int fd, const lock_options& options, std::error_code& ec) noexcept {
  const platform::inode_facts made = platform::facts(fd, ec);
  if (ec) return;
  const unsigned mode = options.mode ? static_cast<unsigned>(*options.mode) : made.mode | S_IRGRP | S_IWGRP;
  platform::change_mode(fd, mode & 07777U, ec);
}

unique_fd create_then_change(const std::filesystem::path& path, const lock_options& options, std::error_code& ec) {
  unique_fd fd = platform::open_at(AT_FDCWD, path.c_str(), open_flags | O_CREAT | O_EXCL, 0666, ec);
  if (!ec) set_final_mode(fd.get(), options, ec);
  return fd;
}

/// Rule c.
unique_fd create_with_mode(const std::filesystem::path& path, const lock_options& options, std::error_code& ec) {
  unique_fd fd = platform::open_at(AT_FDCWD, path.parent_path().c_str(), O_RDWR | O_TMPFILE, 0666, ec);
  if (ec == std::errc::operation_not_supported || ec == std::errc::is_a_directory ||
      ec == std::errc::invalid_argument || ec == std::errc::function_not_supported) {  // no O_TMPFILE, in several words
    return create_then_change(path, options, ec);
  }
  if (!ec) set_final_mode(fd.get(), options, ec);
  if (ec) return fd;
  platform::link_descriptor(fd.get(), AT_FDCWD, path.c_str(), ec);
  // No links here, or no /proc: the mode comes a moment after the name.
  return !ec || ec == std::errc::file_exists ? std::move(fd) : create_then_change(path, options, ec);
}

/// Locks are real if a second description is refused while the first holds.
bool locks_are_real(int fd) noexcept {
  std::error_code ec;
  const unique_fd other = platform::reopen(fd, O_RDWR, ec);
  if (ec) return false;
  if (!platform::try_flock(fd, platform::lock_mode::exclusive, ec)) return !ec;  // somebody holds it: they exclude
  const bool granted_twice = platform::try_flock(other.get(), platform::lock_mode::exclusive, ec);
  platform::unlock_flock(fd);
  return !granted_twice && !ec;
}

void check_filesystem(lock_inode& inode, const lock_options& options, std::error_code& ec) noexcept {
  inode.kind = platform::filesystem_of(inode.fd.get(), ec);
  if (ec || inode.kind == platform::filesystem_kind::local) return;
  if (options.remote == remote_policy::refuse || !locks_are_real(inode.fd.get())) ec = errc::unsupported_filesystem;
}

unique_fd open_or_create(const std::filesystem::path& path, const lock_options& options, std::error_code& ec) {
  constexpr int patience = 1000;  // others may make and remove the file all the time, but not for ever
  for (int attempt = 0; attempt < patience; ++attempt) {
    unique_fd fd = platform::open_at(AT_FDCWD, path.c_str(), open_flags, 0, ec);
    if (ec != std::errc::no_such_file_or_directory) return fd;
    refuse_remote(path.parent_path(), options, ec);
    if (!ec) fd = create_lock_inode(path, options, ec);
    if (!ec || (ec != std::errc::file_exists && ec != std::errc::no_such_file_or_directory)) return fd;
    if (ec == std::errc::file_exists) continue;
    if (!options.create_parents) return fd;
    ensure_directory(path.parent_path(), {}, ec);
    if (ec) return fd;
  }
  return {};
}

}  // namespace

void refuse_remote(const std::filesystem::path& directory, const lock_options& options, std::error_code& ec) noexcept {
  const unique_fd fd = platform::open_at(AT_FDCWD, directory.c_str(), O_PATH | O_DIRECTORY, 0, ec);
  if (ec || options.remote != remote_policy::refuse) return;
  if (platform::filesystem_of(fd.get(), ec) == platform::filesystem_kind::remote && !ec) {
    ec = errc::unsupported_filesystem;
  }
}

void set_mode_of_made(int fd, const std::filesystem::path& directory, const lock_options& options,
                      std::error_code& ec) noexcept {
  ec.clear();
  if (options.mode || is_group_directory(directory)) set_final_mode(fd, options, ec);
}

unique_fd create_lock_inode(const std::filesystem::path& path, const lock_options& options, std::error_code& ec) {
  if (options.mode || is_group_directory(path.parent_path())) return create_with_mode(path, options, ec);
  return platform::open_at(AT_FDCWD, path.c_str(), open_flags | O_CREAT | O_EXCL, 0666, ec);
}

lock_inode open_lock_inode(const std::filesystem::path& path, const lock_options& options, std::error_code& ec) {
  lock_inode inode;
  inode.fd = open_or_create(path, options, ec);
  if (ec == std::errc::too_many_symbolic_link_levels || ec == std::errc::no_such_device_or_address) {
    ec = errc::not_a_lock_file;  // a symbolic link, a socket
  }
  if (!ec) inode.facts = platform::facts(inode.fd.get(), ec);
  if (!ec && !inode.facts.is_regular()) ec = errc::not_a_lock_file;
  if (!ec) check_filesystem(inode, options, ec);
  if (!ec) platform::ignore_access_times(inode.fd.get(), O_NONBLOCK);  // rule e
  return inode;
}

}  // namespace lockkit::detail
