#include "file_version.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <ctime>
#include <system_error>

#include "failure.hpp"
#include "url.hpp"

namespace fetching {
namespace {

constexpr std::time_t settled_after_seconds = 2;

[[noreturn]] void refuse(exit_status status, const std::string& url, const std::string& reason, const char* advice) {
  throw failure(status, fmt::format("cannot fetch {}: {}; {}", url, reason, advice));
}

}  // namespace

file_version::file_version(const std::string& url) {
  struct stat found{};
  if (::stat(path_of(url).c_str(), &found) != 0) {
    const std::error_code ec(errno, std::system_category());
    const bool missing = ec == std::errc::no_such_file_or_directory || ec == std::errc::not_a_directory;
    if (missing) refuse(exit_status::no_input, url, "there is no such file", "check the path");
    refuse(status_of(ec), url, ec.message(), "check the owner and the mode of the file and its directories");
  }
  if (!S_ISREG(found.st_mode)) refuse(exit_status::no_input, url, "it is not a regular file", "check the path");
  text_ = fmt::format("{} bytes, modified {}.{:09}, inode {}:{}", found.st_size, found.st_mtim.tv_sec,
                      found.st_mtim.tv_nsec, found.st_dev, found.st_ino);
  settled_ = std::time(nullptr) - found.st_mtim.tv_sec > settled_after_seconds;
}

}  // namespace fetching
