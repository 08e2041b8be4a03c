#include "archive_tree.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <sstream>
#include <system_error>

#include "fetching/failure.hpp"
#include "tooling/confined.hpp"
#include "tooling/words.hpp"

namespace dataset_cache {
namespace {

using fetching::exit_status;
using fetching::failure;

constexpr std::uint64_t least_cost = 512;

[[noreturn]] void refuse_member(const std::string& name, const std::string& reason) {
  throw failure(exit_status::bad_data,
                fmt::format("the archive's '{}' {}; nothing was unpacked", tooling::visible(name), reason));
}

/// What another member planted on the way is the archive's fault, everything else is not.
[[noreturn]] void fail_member(const std::string& name) {
  if (errno == ELOOP || errno == ENOTDIR || errno == EXDEV) {
    refuse_member(name, "leads through a link, or through something else that is no directory");
  }
  if (errno == EEXIST || errno == EISDIR) refuse_member(name, "is in the archive a second time, as something else");
  throw std::system_error(errno, std::system_category(), fmt::format("cannot unpack '{}'", tooling::visible(name)));
}

std::vector<std::string> components_of(const std::string& name) {
  if (name.empty() || name.front() == '/') refuse_member(name, "is no relative name");
  if (name.size() >= PATH_MAX) refuse_member(name.substr(0, 64) + "…", "is longer than a path can be");
  std::vector<std::string> found;
  std::istringstream rest(name);
  for (std::string part; std::getline(rest, part, '/');) {
    if (part == "..") refuse_member(name, "leads out of the directory");
    if (!part.empty() && part != ".") found.push_back(part);
  }
  return found;
}

/// Rule 2. `depth`: directories above the link, below the root.
bool points_inside(const std::string& target, std::size_t depth) {
  if (target.empty() || target.front() == '/') return false;
  std::istringstream rest(target);
  std::size_t up = 0;
  bool down = false;
  for (std::string part; std::getline(rest, part, '/');) {
    if (part == ".." && down) return false;  // through another link, it could lead anywhere
    if (part == "..") ++up;
    if (part != ".." && part != "." && !part.empty()) down = true;
  }
  return up <= depth;
}

/// Removes what stands there, unless it is a directory.
void make_room(int directory, const std::string& name) {
  if (::unlinkat(directory, name.c_str(), 0) != 0 && errno != ENOENT) fail_member(name);
}

}  // namespace

archive_tree::place archive_tree::open_parent(const std::string& name) {
  std::vector<std::string> parts = components_of(name);
  place found{tooling::descriptor(::openat(root_, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)), {}};
  if (!found.directory) fail_member(name);
  if (parts.empty()) return found;
  found.name = std::move(parts.back());
  parts.pop_back();
  for (const std::string& part : parts) {
    if (::mkdirat(found.directory.get(), part.c_str(), 0777) == 0) {
      take(least_cost);
    } else if (errno != EEXIST) {
      fail_member(name);
    }
    tooling::descriptor next(tooling::open_component(found.directory.get(), part.c_str()));
    if (!next) fail_member(name);
    found.directory = std::move(next);
  }
  return found;
}

void archive_tree::take(std::uint64_t bytes) {
  if (bytes > left_) {
    throw failure(exit_status::bad_data,
                  "the archive holds more than --unpack-limit allows; nothing was unpacked. Raise it if that is right");
  }
  left_ -= bytes;
}

void archive_tree::add_directory(const std::string& name, unsigned mode) {
  take(least_cost);
  const place where = open_parent(name);
  if (where.name.empty()) return;
  const unsigned usable = (mode & 0777U) | S_IRWXU;
  if (::mkdirat(where.directory.get(), where.name.c_str(), usable) == 0) return;
  if (errno != EEXIST) fail_member(name);
  if (!tooling::descriptor(tooling::open_component(where.directory.get(), where.name.c_str()))) fail_member(name);
}

void archive_tree::begin_file(const std::string& name, unsigned mode) {
  take(least_cost);
  const place where = open_parent(name);
  if (where.name.empty()) refuse_member(name, "is no name for a file");
  make_room(where.directory.get(), where.name);
  const unsigned usable = (mode & 0777U) | S_IRUSR;
  file_ = tooling::descriptor(::openat(where.directory.get(), where.name.c_str(),
                                       O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, usable));
  if (!file_) fail_member(name);
  reach_ = 0;
}

void archive_tree::write(std::span<const char> bytes, std::uint64_t offset) {
  // Rule 4, without an overflow: a hole counts as well.
  if (offset > reach_) take(offset - reach_);
  reach_ = std::max(reach_, offset);
  const std::uint64_t end = offset + bytes.size();
  if (end > reach_) take(end - reach_);
  reach_ = std::max(reach_, end);
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) throw std::system_error(written < 0 ? errno : ENOSPC, std::system_category(), "cannot unpack");
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
}

void archive_tree::end_file(std::uint64_t size, std::int64_t modified) {
  if (size > reach_) {
    take(size - reach_);
    if (::ftruncate(file_.get(), static_cast<off_t>(size)) != 0) {
      throw std::system_error(errno, std::system_category(), "cannot unpack");
    }
  }
  const std::array<timespec, 2> times = {{{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, {.tv_sec = modified, .tv_nsec = 0}}};
  ::futimens(file_.get(), times.data());  // a time that can't be stored is no reason to refuse the content
  file_.close();
}

void archive_tree::add_symlink(const std::string& name, const std::string& target) {
  take(least_cost);
  const place where = open_parent(name);
  if (where.name.empty()) refuse_member(name, "is no name for a link");
  if (!points_inside(target, components_of(name).size() - 1)) {
    refuse_member(name, fmt::format("is a link that may lead out of the directory, to '{}'", tooling::visible(target)));
  }
  make_room(where.directory.get(), where.name);
  if (::symlinkat(target.c_str(), where.directory.get(), where.name.c_str()) != 0) fail_member(name);
}

void archive_tree::add_hard_link(const std::string& name, const std::string& target) {
  take(least_cost);
  const place from = open_parent(target);
  const place to = open_parent(name);
  struct stat found{};
  if (::fstatat(from.directory.get(), from.name.c_str(), &found, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(found.st_mode)) {
    refuse_member(name, fmt::format("is a link to '{}', which is no file of the archive", tooling::visible(target)));
  }
  if (from.name.empty() || to.name.empty()) refuse_member(name, "is no name for a link");
  struct stat there{};
  const bool same =
      ::fstatat(to.directory.get(), to.name.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0 && there.st_ino == found.st_ino;
  if (same) return;
  make_room(to.directory.get(), to.name);
  if (::linkat(from.directory.get(), from.name.c_str(), to.directory.get(), to.name.c_str(), 0) != 0) fail_member(name);
}

}  // namespace dataset_cache
