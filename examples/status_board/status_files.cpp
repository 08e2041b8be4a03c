#include "status_files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <lockkit/error.hpp>
#include <lockkit/staged_file.hpp>
#include <memory>

#include "text.hpp"
#include "tooling/confined.hpp"
#include "tooling/failure.hpp"

namespace status_board {

using tooling::descriptor;
using tooling::exit_status;
using tooling::failure;

namespace {

constexpr std::size_t most_bytes = std::size_t{64} * 1024;
constexpr std::array components = {"data", "status"};

[[noreturn]] void refuse(std::string_view what, const std::filesystem::path& checkout, int error) {
  const std::string reason = error == ELOOP || error == ENOTDIR || error == EXDEV
                                 ? "something else than a directory stands there (links are not followed)"
                                 : std::system_category().message(error);
  throw failure(error == EACCES ? exit_status::no_permission : exit_status::bad_data,
                fmt::format("{}/{}: {}", printable(checkout.native()), what, reason));
}

/// A job's regular file, or nothing with errno.
descriptor open_file(int directory, const std::string& name, struct stat& status) noexcept {
  descriptor file(::openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!file) return file;
  if (::fstat(file.get(), &status) == 0 && S_ISREG(status.st_mode)) return file;
  errno = EINVAL;
  return descriptor();
}

/// Up to one byte more than is allowed.
std::string read_whole(int file) {
  std::string text(most_bytes + 1, '\0');
  std::size_t size = 0;
  for (ssize_t count = 1; count != 0 && size < text.size();) {
    count = ::read(file, text.data() + size, text.size() - size);
    if (count < 0 && errno != EINTR) throw std::system_error(errno, std::system_category(), "read");
    if (count > 0) size += static_cast<std::size_t>(count);
  }
  text.resize(size);
  return text;
}

}  // namespace

std::string path_of_job(std::string_view job) {
  return fmt::format("{}{}{}", status_folder, job, file_ending);
}

std::optional<std::string> job_of_path(std::string_view path) {
  if (!path.starts_with(status_folder) || !path.ends_with(file_ending)) return std::nullopt;
  if (path.size() < status_folder.size() + file_ending.size()) return std::nullopt;
  path.remove_prefix(status_folder.size());
  path.remove_suffix(file_ending.size());
  if (!fault_of_job(path).empty()) return std::nullopt;
  return std::string(path);
}

status_files::status_files(const std::filesystem::path& checkout, missing what)
    : directory_(::open(checkout.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (!directory_) refuse("", checkout, errno);
  std::string below;
  for (const char* name : components) {
    below = below.empty() ? name : fmt::format("{}/{}", below, name);
    descriptor next(tooling::open_component(directory_.get(), name));
    if (!next && errno == ENOENT && what == missing::make) {
      if (::mkdirat(directory_.get(), name, 0777) != 0 && errno != EEXIST) refuse(below, checkout, errno);
      next = descriptor(tooling::open_component(directory_.get(), name));
    }
    if (!next && errno == ENOENT && what == missing::leave) {
      directory_.close();
      return;
    }
    if (!next) refuse(below, checkout, errno);
    directory_ = std::move(next);
  }
}

std::filesystem::path status_files::path() const {
  return fmt::format("/proc/self/fd/{}", directory_.get());
}

std::optional<std::string> status_files::read(std::string_view job) const {
  const std::string name = std::string(job) + std::string(file_ending);
  struct stat status{};
  errno = ENOENT;
  const descriptor file = directory_ ? open_file(directory_.get(), name, status) : descriptor();
  if (!file && errno == ENOENT) return std::nullopt;
  if (!file) {
    throw failure(exit_status::bad_data,
                  fmt::format("{}: it is no file that can be read", printable(path_of_job(job))));
  }
  std::string text = read_whole(file.get());
  if (text.size() <= most_bytes) return text;
  throw failure(exit_status::bad_data,
                fmt::format("{}: it is larger than {} bytes", printable(path_of_job(job)), most_bytes));
}

void status_files::publish(std::string_view job, std::string_view text) const {
  try {
    lockkit::publish(path() / (std::string(job) + std::string(file_ending)), text, lockkit::durability::consistent);
  } catch (const lockkit::error& wrong) {
    throw failure(exit_status::cannot_create,
                  fmt::format("cannot write {}: {}", printable(path_of_job(job)), wrong.code().message()));
  }
}

namespace {

/// Nothing of a directory, a link, something huge.
std::optional<std::string> read_if_status(const status_files& files, const std::string& job) try {
  return files.read(job);
} catch (const failure&) {
  return std::nullopt;
}

}  // namespace

std::map<std::string, std::string> status_files::read_all() const {
  std::map<std::string, std::string> result;
  if (!directory_) return result;
  const int again = ::openat(directory_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(::fdopendir(again), &::closedir);
  if (!listing) throw std::system_error(errno, std::system_category(), std::string(status_folder));
  while (const dirent* entry = ::readdir(listing.get())) {
    const auto job = job_of_path(std::string(status_folder) + static_cast<const char*>(entry->d_name));
    if (!job) continue;
    if (auto text = read_if_status(*this, *job)) result[*job] = std::move(*text);
  }
  return result;
}

void status_files::sweep() const {
  std::error_code ec;
  if (directory_) lockkit::sweep_staged(path(), std::chrono::seconds(60), ec);
}

}  // namespace status_board
