/// A hit, without a lock.
///
///  1. Read the record, then open the content that it names. Both were put in place complete, so what can be opened is
///     whole; the descriptor keeps it, whatever happens to its name afterwards.
///  2. The content can be gone although the record was just read: a refresh replaced the record and a sweep removed the
///     content in between, or the key was removed. So look again, at most three times, then call it a miss: a miss
///     takes the lock and gets an exact answer.
///  3. What can't be trusted (a record that is torn, edited, or somebody else's, a content that is not a regular file
///     of the recorded size) is a miss as well: the fetch that follows replaces it.
///  4. What a fetch would not cure (no descriptors left, no permission) is an error.

#include "content.hpp"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <array>

#include "platform/file.hpp"

namespace lockkit::detail {
namespace {

constexpr int sealing_rounds = 3;

/// Rules 2 and 3: nothing there, something else there, or a part of the disk that can't be read any more.
bool is_miss(const std::error_code& ec) noexcept {
  switch (ec.value()) {
    case ENOENT:
    case ENOTDIR:
    case ELOOP:
    case EISDIR:
    case ENXIO:
    case ESTALE:
    case EIO:
      return true;
    default:
      return false;
  }
}

platform::unique_fd open_or_miss(const std::string& path, std::error_code& ec) {
  platform::unique_fd file = platform::open_at(AT_FDCWD, path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, ec);
  if (is_miss(ec)) ec.clear();
  return file;
}

/// Of a look: what stands there was seen, and is none of ours. A disk or server that fails says nothing.
bool is_none(const std::error_code& ec) noexcept {
  return is_miss(ec) && ec.value() != EIO && ec.value() != ESTALE;
}

std::optional<key_record> parse_record_in(int file, std::error_code& ec) {
  std::array<char, largest_record + 1> bytes;  // NOLINT(*-member-init): read into below, and no further than that
  const std::size_t size = platform::pread_all(file, std::as_writable_bytes(std::span(bytes)), 0, ec);
  if (ec == std::errc::invalid_seek) ec.clear();  // a FIFO has no offsets
  return ec ? std::nullopt : parse_key_record(std::string_view(bytes.data(), size));
}

}  // namespace

std::optional<key_record> read_record(const std::string& path, std::error_code& ec) {
  const platform::unique_fd file = open_or_miss(path, ec);
  if (!file) return std::nullopt;
  auto record = parse_record_in(file.get(), ec);
  if (is_miss(ec)) ec.clear();
  return record;
}

std::optional<key_record> read_record_exactly(const std::string& path, std::error_code& ec) {
  const platform::unique_fd file = platform::open_at(AT_FDCWD, path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, ec);
  if (is_none(ec)) ec.clear();
  return file ? parse_record_in(file.get(), ec) : std::nullopt;
}

platform::unique_fd open_content(const std::string& path, std::uint64_t size, std::error_code& ec) {
  platform::unique_fd file = open_or_miss(path, ec);
  if (!file) return {};
  const struct stat found = platform::status(file.get(), ec);
  const bool right = !ec && S_ISREG(found.st_mode) && static_cast<std::uint64_t>(found.st_size) == size;
  return right ? std::move(file) : platform::unique_fd();
}

std::optional<pinned_content> find_content(const cache_layout& layout, std::string_view key, std::string_view name,
                                           std::error_code& ec) {
  const std::string record_path = layout.record_path(name);
  for (int round = 0; round < sealing_rounds; ++round) {
    std::optional<key_record> record = read_record(record_path, ec);
    if (!record || record->key != key) return std::nullopt;
    std::string path = layout.content_path(record->sha256);
    platform::unique_fd file = open_content(path, record->size, ec);
    if (ec) return std::nullopt;
    if (file) return pinned_content{std::move(*record), std::move(path), std::move(file)};
  }
  return std::nullopt;
}

}  // namespace lockkit::detail
