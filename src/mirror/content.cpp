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
///  5. What the content must show beyond its size is the caller's choice (hit_check). One that fails is removed before it
///     counts as a miss: other keys, and other processes that look less closely, would go on using it. Only then is
///     a lock taken, and not waited for.
///  6. The record's modification time says when the key was used last, for eviction. It is stored when it is an hour old:
///     once for thousands of hits. Who may not write it hits all the same. A time from the future is put right.
///  7. Layers come after the cache itself. Nothing is stored there. A layer's generations are numbers of other locks, and
///     say nothing here.

#include "content.hpp"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <array>

#include "content_removal.hpp"
#include "digest.hpp"
#include "platform/file.hpp"
#include "platform/process.hpp"

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

/// The same with a size that is known: one call.
std::optional<key_record> parse_record_of(int file, const struct stat& found, std::error_code& ec) {
  std::array<char, largest_record> bytes;  // NOLINT(*-member-init): as above
  const auto expected = static_cast<std::uint64_t>(found.st_size);
  if (!S_ISREG(found.st_mode) || expected > bytes.size()) return std::nullopt;
  const auto into = std::as_writable_bytes(std::span(bytes)).first(static_cast<std::size_t>(expected));
  const std::size_t size = platform::pread_all(file, into, 0, ec);
  return ec ? std::nullopt : parse_key_record(std::string_view(bytes.data(), size));
}

constexpr struct stat empty_status{};
constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::int64_t use_ns = 3600 * second_ns;

/// Rule 6.
void note_use(int record, const struct stat& found) noexcept {
  const std::int64_t used = found.st_mtim.tv_sec * second_ns + found.st_mtim.tv_nsec;
  const auto age = static_cast<std::int64_t>(platform::wall_clock_ns()) - used;
  std::error_code not_ours;
  if (age >= use_ns || age < -use_ns) platform::touch(record, not_ours);
}

/// A descriptor and what its file looks like.
struct opened_file {
  platform::unique_fd file;
  struct stat status{};
};

/// None: there is no regular file of that size.
opened_file open_of_size(const std::string& path, std::uint64_t size, std::error_code& ec) {
  opened_file opened{open_or_miss(path, ec)};
  if (!opened.file) return {};
  opened.status = platform::status(opened.file.get(), ec);
  const bool right = !ec && S_ISREG(opened.status.st_mode) && static_cast<std::uint64_t>(opened.status.st_size) == size;
  return right ? std::move(opened) : opened_file();
}

/// Rule 5. Of a failing disk: as good as damaged, but proves nothing, so that `is_damaged` is false.
bool passes(const cache_layout& layout, const std::string& path, const std::string& sha256, const opened_file& content,
            bool& is_damaged, std::error_code& ec) {
  const hit_check check = layout.options().check;
  if (check == hit_check::size) return true;
  if (check == hit_check::stat && layout.proofs().covers(path, content.status)) return true;
  std::uint64_t size = 0;
  const std::string digest = sha256_of_file(content.file.get(), size, ec);
  is_damaged = !ec && digest != sha256;
  if (!ec && !is_damaged) layout.proofs().add(path, content.status);
  const bool good = !ec && !is_damaged;
  if (is_miss(ec)) ec.clear();
  return good;
}

/// One directory.
class lookup {
 public:
  lookup(const cache_layout& layout, std::size_t layer) : layout_(layout), layer_(layer) {}

  std::optional<pinned_content> find(std::string_view key, std::string_view name, std::error_code& ec) {
    const std::string record_path = layout_.record_path(name);
    for (int round = 0; round < sealing_rounds; ++round) {
      const platform::unique_fd file = open_or_miss(record_path, ec);
      const struct stat state = file ? platform::status(file.get(), ec) : empty_status;
      auto record = file && !ec ? parse_record_of(file.get(), state, ec) : std::nullopt;
      if (is_miss(ec)) ec.clear();
      if (!record || record->key != key) return std::nullopt;
      auto found = open(std::move(*record), ec);
      if (found && layer_ == 0) note_use(file.get(), state);
      if (found || ec || failed_) return found;
    }
    return std::nullopt;
  }

 private:
  std::optional<pinned_content> open(key_record record, std::error_code& ec) {
    std::string path = layout_.content_path(record.sha256);
    opened_file content = open_of_size(path, record.size, ec);
    if (!content.file) return std::nullopt;
    bool is_damaged = false;
    if (!passes(layout_, path, record.sha256, content, is_damaged, ec)) {
      failed_ = true;
      if (is_damaged && layer_ == 0) discard_damaged(layout_, record.sha256, content.file.get());
      return std::nullopt;
    }
    if (layer_ != 0) record.generation = 0;
    return pinned_content{std::move(record), std::move(path), std::move(content.file), false, false, layer_};
  }

  const cache_layout& layout_;
  std::size_t layer_;
  bool failed_ = false;  // looking again would find the same
};

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
  return open_of_size(path, size, ec).file;
}

std::optional<pinned_content> find_content(const cache_layout& layout, std::string_view key, std::string_view name,
                                           std::error_code& ec) {
  auto found = lookup(layout, 0).find(key, name, ec);
  for (std::size_t n = 0; !found && !ec && n < layout.layers().size(); ++n) {
    std::error_code unreadable;  // it has nothing, then
    found = lookup(layout.layers()[n], n + 1).find(key, name, unreadable);
  }
  return found;
}

}  // namespace lockkit::detail
