#include "writer_table.hpp"

#include <fcntl.h>

#include <algorithm>
#include <charconv>
#include <string>

#include "platform/file.hpp"
#include "platform/inode.hpp"
#include "platform/listing.hpp"
#include "platform/names.hpp"

namespace lockkit::detail {
namespace {

using platform::unique_fd;
constexpr int list = O_RDONLY | O_DIRECTORY;

bool is_number(const std::string& name) noexcept {
  return std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; });
}

/// What fdinfo calls "flags:", in octal. O_PATH: not known, so no writer.
unsigned flags_of(const std::string& fdinfo) noexcept {
  constexpr std::string_view key = "flags:\t";
  unsigned flags = O_PATH;
  const std::size_t at = fdinfo.find(key);
  if (at != std::string::npos) {
    std::from_chars(fdinfo.data() + at + key.size(), fdinfo.data() + fdinfo.size(), flags, 8);
  }
  return flags;
}

bool is_writable(int process, const std::string& number) {
  std::error_code ec;
  const std::string path = "fdinfo/" + number;
  const unsigned flags = flags_of(platform::read_small_file(process, path.c_str(), 4096, ec));
  return (flags & O_PATH) == 0 && (flags & O_ACCMODE) != O_RDONLY;
}

/// Visits what one process has open for writing. Processes end and close meanwhile, and others' may not be looked at:
/// neither is an error.
template <class Visit>
void each_writable(int proc, const std::string& pid, Visit visit) {
  std::error_code ec;
  const unique_fd process = platform::open_at(proc, pid.c_str(), list, 0, ec);
  if (ec) return;
  const unique_fd descriptors = platform::open_at(process.get(), "fd", list, 0, ec);
  if (ec) return;
  for (const std::string& number : platform::names_in(descriptors.get(), ec)) {
    const bool is_file =
        platform::read_link(descriptors.get(), number.c_str(), ec).starts_with('/');  // no "socket:[7]"
    if (!is_file || !is_writable(process.get(), number)) continue;
    const unique_fd file = platform::open_at(descriptors.get(), number.c_str(), O_PATH, 0, ec);
    if (!ec) visit(platform::facts(file.get(), ec));
  }
}

}  // namespace

bool writer_table::has(std::uint64_t device, std::uint64_t inode) {
  std::error_code ec;
  const unique_fd proc = filled_ ? unique_fd() : platform::open_at(AT_FDCWD, "/proc", list, 0, ec);
  if (proc) {
    for (const std::string& name : platform::names_in(proc.get(), ec)) {
      if (!is_number(name)) continue;
      each_writable(proc.get(), name, [&](const platform::inode_facts& file) {
        if (file.is_regular()) open_.emplace(file.device, file.inode);
      });
    }
  }
  filled_ = true;
  return open_.contains({device, inode});
}

}  // namespace lockkit::detail
