#include "listing.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "invoke.hpp"

namespace lockkit::platform {
namespace {

constexpr std::size_t listing_buffer = std::size_t{32} * 1024;

std::int64_t nanoseconds_of(const statx_timestamp& time) noexcept {
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

/// One buffer full of records, as getdents64 fills it.
void append_names(const char* records, std::size_t size, std::vector<std::string>& names) {
  for (std::size_t at = 0; at < size;) {
    unsigned short length = 0;
    std::memcpy(&length, records + at + offsetof(dirent64, d_reclen), sizeof length);
    const std::string_view name = records + at + offsetof(dirent64, d_name);
    if (name != "." && name != "..") names.emplace_back(name);
    at += length;
  }
}

}  // namespace

std::vector<std::string> names_in(int directory, std::error_code& ec) {
  std::vector<std::string> names;
  std::vector<char> buffer(listing_buffer);
  for (;;) {
    const ssize_t size =
        invoke("getdents64", ec, [&] { return ::getdents64(directory, buffer.data(), buffer.size()); });
    if (size <= 0) break;
    append_names(buffer.data(), static_cast<std::size_t>(size), names);
  }
  std::ranges::sort(names);
  return names;
}

entry_state state_at(int directory, const char* name, freshness wanted, std::error_code& ec) noexcept {
  constexpr unsigned fields = STATX_TYPE | STATX_MODE | STATX_INO | STATX_SIZE | STATX_MTIME | STATX_CTIME;
  const int flags = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH |
                    (wanted == freshness::from_server ? AT_STATX_FORCE_SYNC : AT_STATX_SYNC_AS_STAT);
  struct statx found{};
  invoke("statx", ec, [&] { return ::statx(directory, name, flags, fields, &found); });
  if (ec) return {};
  return {.device = std::uint64_t{found.stx_dev_major} << 32U | found.stx_dev_minor,
          .inode = found.stx_ino,
          .size = found.stx_size,
          .modified_ns = nanoseconds_of(found.stx_mtime),
          .changed_ns = nanoseconds_of(found.stx_ctime),
          .mode = found.stx_mode};
}

bool matches(const char* pattern, const char* name) noexcept {
  return ::fnmatch(pattern, name, 0) == 0;
}

}  // namespace lockkit::platform
