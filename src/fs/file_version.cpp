#include "file_version.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <array>
#include <boost/uuid/name_generator_sha1.hpp>
#include <boost/uuid/nil_generator.hpp>
#include <charconv>
#include <cstring>
#include <vector>

#include <lockkit/error.hpp>

#include "platform/file.hpp"
#include "platform/filesystem_kind.hpp"
#include "platform/process.hpp"

namespace lockkit::detail {
namespace {

constexpr std::uint64_t clock_may_stand_still = 2'000'000'000;  // ns; FAT counts in two seconds
constexpr std::size_t piece = std::size_t{1} << 18U;

using digest = std::array<std::uint64_t, 2>;

digest words_of(const boost::uuids::uuid& hash) noexcept {
  digest words{};
  static_assert(sizeof hash == sizeof words);
  std::memcpy(words.data(), &hash, sizeof words);
  return words;
}

digest digest_of(int file, std::error_code& ec) {
  std::vector<std::byte> buffer(piece);
  boost::uuids::uuid hash = boost::uuids::nil_uuid();
  std::uint64_t done = 0;
  for (;;) {
    const std::size_t size = platform::pread_all(file, buffer, done, ec);
    if (ec || size == 0) return words_of(hash);
    hash = boost::uuids::name_generator_sha1(hash)(buffer.data(), size);
    done += size;
  }
}

}  // namespace

/// The only place that looks into a file_version.
struct version_access {
  static file_version of(const platform::entry_state& state) noexcept {
    file_version version;
    version.exists_ = true;
    version.device_ = state.device;
    version.inode_ = state.inode;
    version.size_ = state.size;
    version.modified_ = static_cast<std::uint64_t>(state.modified_ns);
    version.changed_ = static_cast<std::uint64_t>(state.changed_ns);
    return version;
  }

  /// Rule 2.
  static bool is_recent(const file_version& version) noexcept {
    const std::uint64_t now = platform::wall_clock_ns();
    return version.modified_ + clock_may_stand_still > now || version.changed_ + clock_may_stand_still > now;
  }

  static bool same_state(const file_version& a, const file_version& b, compared where) noexcept {
    return a.exists_ == b.exists_ && a.device_ == b.device_ && a.inode_ == b.inode_ && a.size_ == b.size_ &&
           a.modified_ == b.modified_ && (where == compared::after_rename || a.changed_ == b.changed_);
  }

  static std::optional<digest>& content(file_version& version) noexcept { return version.digest_; }
  static const std::optional<digest>& content(const file_version& version) noexcept { return version.digest_; }

  static version_marks marks(const file_version& version) noexcept {
    const boost::uuids::name_generator_sha1 hash{boost::uuids::nil_uuid()};
    std::array<std::uint64_t, 5> words = {version.inode_, version.size_, version.modified_, 0, 0};
    version_marks marks{words_of(hash(words.data(), 3 * sizeof(std::uint64_t)))[0]};
    if (version.digest_) {
      words[3] = (*version.digest_)[0];
      words[4] = (*version.digest_)[1];
      marks.with_content = words_of(hash(words.data(), sizeof words))[0];
    }
    return marks;
  }

  static std::string text(const file_version& v) {
    if (!v.exists_) return "absent";
    std::string text = fmt::format("1-{:x}-{:x}-{:x}-{:x}-{:x}", v.device_, v.inode_, v.size_, v.modified_, v.changed_);
    if (v.digest_) text += fmt::format("-{:x}-{:x}", (*v.digest_)[0], (*v.digest_)[1]);
    return text;
  }

  static std::optional<file_version> parse(std::string_view text) noexcept {
    file_version version;
    if (text == "absent") return version;
    std::array<std::uint64_t, 8> words{};
    std::size_t count = 0;
    const char* at = text.data();
    const char* const end = at + text.size();
    for (; count < words.size(); ++count) {
      const auto [next, error] = std::from_chars(at, end, words[count], 16);
      if (error != std::errc()) return {};
      at = next;
      if (at == end) break;
      if (*at++ != '-') return {};
    }
    if (words[0] != 1 || (count != 5 && count != 7)) return {};
    version.exists_ = true;
    version.device_ = words[1];
    version.inode_ = words[2];
    version.size_ = words[3];
    version.modified_ = words[4];
    version.changed_ = words[5];
    if (count == 7) version.digest_ = digest{words[6], words[7]};
    return version;
  }
};

namespace {

file_version state_of(int file, std::error_code& ec) noexcept {
  const platform::entry_state state = platform::state_at(file, "", platform::freshness::from_server, ec);
  if (!ec && state.is_directory()) ec = std::make_error_code(std::errc::is_a_directory);
  if (!ec && !state.is_regular()) ec = errc::not_a_regular_file;
  return ec ? file_version() : version_access::of(state);
}

bool must_read(int file, const file_version& version, version_content content, std::error_code& ec) noexcept {
  if (content == version_content::always || version_access::is_recent(version)) return true;
  return platform::filesystem_of(file, ec) == platform::filesystem_kind::remote;
}

platform::unique_fd open_existing(int directory, const char* name, std::error_code& ec) noexcept {
  return platform::open_at(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, ec);
}

}  // namespace

file_version read_version(int directory, const char* name, version_content content, std::error_code& ec) {
  const platform::unique_fd file = open_existing(directory, name, ec);
  if (ec == std::errc::no_such_file_or_directory) ec.clear();
  if (ec || !file) return {};
  file_version version = state_of(file.get(), ec);  // rule 5
  if (!ec && must_read(file.get(), version, content, ec) && !ec) {
    version_access::content(version) = digest_of(file.get(), ec);
  }
  return ec ? file_version() : version;
}

bool is_version(const file_version& expected, int directory, const char* name, compared where,
                platform::unique_fd& found, std::error_code& ec) {
  platform::unique_fd file = open_existing(directory, name, ec);
  if (ec == std::errc::no_such_file_or_directory || ec == std::errc::too_many_symbolic_link_levels ||
      ec.value() == ENXIO) {
    const bool absent = ec == std::errc::no_such_file_or_directory;
    ec.clear();
    return absent && !expected.exists();
  }
  if (ec) return false;
  const file_version now = state_of(file.get(), ec);
  if (ec == std::errc::is_a_directory || ec == errc::not_a_regular_file) {
    ec.clear();
    return false;
  }
  if (ec || !version_access::same_state(expected, now, where)) return false;
  const std::optional<digest>& content = version_access::content(expected);
  if (content && digest_of(file.get(), ec) != *content) return false;
  if (!ec) found = std::move(file);
  return !ec;
}

version_marks marks_of(const file_version& version) noexcept {
  return version_access::marks(version);
}

version_marks marks_of(int file, version_content content, std::error_code& ec) {
  file_version version = state_of(file, ec);
  if (!ec && content == version_content::always) version_access::content(version) = digest_of(file, ec);
  return version_access::marks(version);
}

}  // namespace lockkit::detail

namespace lockkit::inline v0 {

std::string file_version::text() const {
  return detail::version_access::text(*this);
}

std::optional<file_version> file_version::parse(std::string_view text) noexcept {
  return detail::version_access::parse(text);
}

}  // namespace lockkit::inline v0
