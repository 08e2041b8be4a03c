// Directories under concurrency.
//
//  1. mkdir decides, looking comes after: what it answers is true at that moment, what a look said before is not.
//  2. EEXIST is no answer yet: what exists can be a file, a dangling link, or gone again (then once more, 32 times).
//  3. Where mkdir is refused (read-only, no permission, an automounter), the directory may stand there all the same.
//  4. An exact mode is set only on what this call made; it is made with no more than that mode.

#include <lockkit/directory.hpp>

#include <fcntl.h>
#include <sys/stat.h>

#include <lockkit/error.hpp>

#include "core/throw_error.hpp"
#include "directory_making.hpp"
#include "platform/file.hpp"
#include "platform/names.hpp"
#include "platform/process.hpp"
#include "publish_target.hpp"
#include "staging.hpp"

namespace lockkit::detail {
namespace {

constexpr unsigned any_mode = 0777;

unsigned mode_of(const directory_options& options) noexcept {
  return options.mode ? static_cast<unsigned>(*options.mode) : any_mode;
}

/// Without the slashes and dots at its end: they would hide which component is the last.
std::filesystem::path without_tail(std::filesystem::path path) {
  while (path.has_relative_path() && (!path.has_filename() || path.filename() == ".") && path != ".") {
    path = path.parent_path();
  }
  return path.empty() ? "." : path;
}

/// What a failed mkdir means: a clear code if a directory stands there; ESTALE if it is gone again.
void explain(const std::filesystem::path& path, std::error_code& ec) {
  const std::error_code refused = ec;
  std::error_code absent;
  const platform::unique_fd found = platform::open_at(AT_FDCWD, path.c_str(), O_PATH, 0, absent);
  if (absent == std::errc::no_such_file_or_directory && refused == std::errc::file_exists) {
    const struct stat link = platform::status_at(AT_FDCWD, path.c_str(), absent);
    ec = !absent && S_ISLNK(link.st_mode) ? std::make_error_code(std::errc::not_a_directory) : vanished();
    return;
  }
  if (absent) {
    if (refused == std::errc::file_exists) ec = absent;  // there is something, but what?
    return;
  }
  const struct stat file = platform::status(found.get(), ec);
  if (ec) return;
  if (!S_ISDIR(file.st_mode)) ec = std::make_error_code(std::errc::not_a_directory);
}

}  // namespace

std::error_code vanished() noexcept {
  return {ESTALE, std::system_category()};
}

bool make_one(int base, const char* name, const directory_options& options, std::error_code& ec) noexcept {
  platform::make_directory(base, name, mode_of(options) & any_mode, ec);
  if (ec || !options.mode) return !ec;
  const platform::unique_fd made = platform::open_at(base, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, ec);
  if (ec) {
    if (ec == std::errc::no_such_file_or_directory) ec = vanished();
    return true;
  }
  if (platform::status(made.get(), ec).st_uid == platform::effective_user() && !ec) {
    platform::change_mode(made.get(), mode_of(options), ec);
  }
  return true;
}

bool directory_maker::make_with_parents(const std::filesystem::path& path, std::error_code& ec) {
  for (;;) {
    const bool made = make_one(AT_FDCWD, path.c_str(), options_, ec);
    if (!ec || (made && ec != vanished())) return made;
    if (ec == std::errc::no_such_file_or_directory) {
      const std::filesystem::path parent = path.parent_path();
      if (parent.empty() || parent == path) return false;
      make_with_parents(parent, ec);
      if (ec) return false;
    } else if (!made) {
      explain(path, ec);
      if (ec != vanished()) return false;
    }
    if (again_-- == 0) {
      ec = vanished();
      return false;
    }
  }
}

}  // namespace lockkit::detail

namespace lockkit::inline v0 {
namespace {

/// An error that says that the directory itself does not take files, as opposed to a failing disk.
bool says_not_writable(const std::error_code& ec) noexcept {
  return ec == std::errc::permission_denied || ec == std::errc::operation_not_permitted ||
         ec == std::errc::read_only_file_system || ec == std::errc::no_space_on_device || ec.value() == EDQUOT;
}

void prove_writable(const std::filesystem::path& path, std::error_code& ec) {
  const platform::unique_fd directory = detail::open_directory(AT_FDCWD, path.c_str(), ec);
  if (ec) return;
  detail::staging probe(directory.get(), "writable", ec);
  if (!ec) probe.append(std::as_bytes(std::span("x", 1)), ec);
  if (!ec && platform::is_append_only(directory.get(), ec) && !ec) ec = errc::not_writable;  // nothing can be removed
  if (says_not_writable(ec)) ec = errc::not_writable;
}

}  // namespace

bool ensure_directory(const std::filesystem::path& path, const directory_options& options, std::error_code& ec) {
  if (path.empty() || path.native().find('\0') != std::string::npos) {
    ec = errc::invalid_name;
    return false;
  }
  const std::filesystem::path plain = detail::without_tail(path);
  bool made = false;
  retry(
      options.retries,
      [&](std::error_code& failure) {
        detail::directory_maker maker(options);
        made = maker.make(plain, failure) || made;
      },
      ec);
  return made;
}

bool ensure_directory(const std::filesystem::path& path, const directory_options& options) {
  return detail::throwing("make directory", path,
                          [&](std::error_code& ec) { return ensure_directory(path, options, ec); });
}

bool ensure_writable_directory(const std::filesystem::path& path, const directory_options& options,
                               std::error_code& ec) {
  const bool made = ensure_directory(path, options, ec);
  if (!ec) retry(options.retries, [&](std::error_code& failure) { prove_writable(path, failure); }, ec);
  return made;
}

bool ensure_writable_directory(const std::filesystem::path& path, const directory_options& options) {
  return detail::throwing("make writable directory", path,
                          [&](std::error_code& ec) { return ensure_writable_directory(path, options, ec); });
}

}  // namespace lockkit::inline v0
