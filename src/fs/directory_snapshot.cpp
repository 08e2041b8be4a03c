// Reading one version of a tree.
//
//  1. Opened by name, then locked (shared), then compared with what the name leads to now: if it is still the same, nobody
//     had begun to remove it when the lock was had, and nobody will while it is held.
//  2. If it is not the same any more, it can be half removed: begin again. Each time somebody has published, so everybody
//     together gets on.
//  3. A lock that is refused belongs to a removal, or to a sweep that looks: the name leads elsewhere soon, or it passes.

#include <fcntl.h>

#include <algorithm>
#include <chrono>

#include <lockkit/backoff.hpp>
#include <lockkit/publish_directory.hpp>

#include "core/throw_error.hpp"
#include "platform/file.hpp"
#include "platform/inode.hpp"
#include "platform/lock.hpp"
#include "platform/process.hpp"

namespace lockkit::inline v0 {
namespace {

constexpr int snapshot_attempts = 10'000;
constexpr auto pause_while_locked = std::chrono::microseconds(500);

bool locks_are_missing(const std::error_code& ec) noexcept {
  return ec == std::errc::operation_not_supported || ec == std::errc::function_not_supported ||
         ec == std::errc::no_lock_available || ec == std::errc::invalid_argument ||
         ec == std::errc::bad_file_descriptor;
}

bool stays_inside(const std::filesystem::path& inside) {
  if (inside.empty() || inside.is_absolute() || inside.native().find('\0') != std::string::npos) return false;
  return std::ranges::none_of(inside, [](const auto& part) { return part == ".."; });
}

std::string read_whole(int fd, std::error_code& ec) {
  constexpr std::size_t piece = std::size_t{64} * 1024;
  std::string text;
  for (std::size_t size = 0; !ec;) {
    text.resize(size + piece);
    const std::size_t n = platform::read_some(fd, std::as_writable_bytes(std::span(text)).subspan(size), ec);
    size += n;
    if (n == 0) text.resize(size);
    if (n == 0) break;
  }
  return ec ? std::string() : text;
}

}  // namespace

struct directory_snapshot::impl {
  std::filesystem::path target;
  platform::unique_fd tree{};
  std::uint64_t generation = platform::process_generation();

  explicit impl(std::filesystem::path path) : target(std::move(path)) {}
  impl(const impl&) = delete;
  impl& operator=(const impl&) = delete;
  ~impl() { unlock(); }

  void unlock() noexcept {
    if (tree && generation == platform::process_generation()) platform::unlock_flock(tree.get());
  }

  void open(std::error_code& ec) {
    for (int attempt = 0; attempt < snapshot_attempts; ++attempt) {
      if (try_open(ec)) return;
    }
    ec = std::make_error_code(std::errc::resource_unavailable_try_again);
  }

  /// False: once more.
  bool try_open(std::error_code& ec) {
    tree = platform::open_at(AT_FDCWD, target.c_str(), O_RDONLY | O_DIRECTORY, 0, ec);
    if (ec) return true;
    const bool locked = platform::try_flock(tree.get(), platform::lock_mode::shared, ec);
    if (locks_are_missing(ec)) ec = make_error_code(errc::unsupported_filesystem);
    if (locked && leads_here()) return true;
    unlock();
    tree.reset();
    if (!locked && !ec) sleep_until(deadline::after(pause_while_locked));
    return static_cast<bool>(ec);
  }

  [[nodiscard]] bool leads_here() const noexcept {
    std::error_code ec;
    const platform::unique_fd now = platform::open_at(AT_FDCWD, target.c_str(), O_PATH | O_DIRECTORY, 0, ec);
    if (ec) return false;
    const platform::inode_facts there = platform::facts(now.get(), ec);
    return !ec && platform::same_inode(there, platform::facts(tree.get(), ec)) && !ec;
  }
};

directory_snapshot::directory_snapshot(const std::filesystem::path& target, std::error_code& ec)
    : impl_(new impl(target)) {
  impl_->open(ec);
}

directory_snapshot::directory_snapshot(const std::filesystem::path& target) : impl_(new impl(target)) {
  detail::throwing("open a snapshot of", target, [&](std::error_code& ec) { impl_->open(ec); });
}

directory_snapshot::~directory_snapshot() = default;
directory_snapshot::directory_snapshot(directory_snapshot&& other) noexcept = default;
directory_snapshot& directory_snapshot::operator=(directory_snapshot&& other) noexcept = default;

int directory_snapshot::native_handle() const noexcept {
  return impl_ ? impl_->tree.get() : -1;
}

std::filesystem::path directory_snapshot::path() const {
  if (native_handle() < 0) return {};
  return "/proc/" + std::to_string(platform::current_pid()) + "/fd/" + std::to_string(native_handle());
}

std::string directory_snapshot::read(const std::filesystem::path& inside, std::error_code& ec) const {
  ec.clear();
  if (!stays_inside(inside)) ec = errc::invalid_name;
  if (!ec && native_handle() < 0) ec = std::make_error_code(std::errc::bad_file_descriptor);
  if (ec) return {};
  const platform::unique_fd file = platform::open_at(native_handle(), inside.c_str(), O_RDONLY | O_NONBLOCK, 0, ec);
  return ec ? std::string() : read_whole(file.get(), ec);
}

std::string directory_snapshot::read(const std::filesystem::path& inside) const {
  return detail::throwing("read", inside, [&](std::error_code& ec) { return read(inside, ec); });
}

bool directory_snapshot::is_current() const {
  return native_handle() >= 0 && impl_->leads_here();
}

}  // namespace lockkit::inline v0
