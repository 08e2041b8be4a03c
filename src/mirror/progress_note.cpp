#include "progress_note.hpp"

#include <fcntl.h>

#include <array>
#include <charconv>
#include <cinttypes>
#include <cstdio>

#include "platform/file.hpp"
#include "platform/names.hpp"
#include "platform/process.hpp"

namespace lockkit::detail {
namespace {

constexpr std::chrono::milliseconds telling_interval{250};
constexpr std::uint64_t no_total = ~std::uint64_t{0};
constexpr std::size_t progress_words = 3;  // bytes, total, sum
constexpr std::size_t progress_digits = 16;
constexpr std::size_t progress_length = progress_words * (progress_digits + 1);

std::string progress_path(const cache_layout& layout, std::string_view name) {
  return layout.lock_path(name) + ".progress";
}

/// Not zero for zeros: an empty block is no note.
constexpr std::uint64_t sum_of(std::uint64_t bytes, std::uint64_t total) noexcept {
  return (bytes * 0x9E3779B97F4A7C15U) ^ (total * 0xC2B2AE3D27D4EB4FU) ^ 0x6C6F636B6B6974U;
}

}  // namespace

std::string format_progress(const fetch_progress& now) {
  const std::uint64_t total = now.total.value_or(no_total);
  std::array<char, progress_length + 1> line{};
  std::snprintf(line.data(), line.size(), "%016" PRIx64 " %016" PRIx64 " %016" PRIx64 "\n", now.bytes, total,
                sum_of(now.bytes, total));
  return {line.data(), progress_length};
}

std::optional<fetch_progress> parse_progress(std::string_view line) noexcept {
  if (line.size() != progress_length) return std::nullopt;
  std::array<std::uint64_t, progress_words> words{};
  for (std::size_t i = 0; i < progress_words; ++i) {
    const char* const first = line.data() + i * (progress_digits + 1);
    const auto [end, failure] = std::from_chars(first, first + progress_digits, words[i], 16);
    if (failure != std::errc() || end != first + progress_digits) return std::nullopt;
  }
  const auto& [bytes, total, sum] = words;
  if (sum != sum_of(bytes, total)) return std::nullopt;
  return fetch_progress{bytes, total == no_total ? std::nullopt : std::optional(total)};
}

std::optional<fetch_progress> read_progress(const cache_layout& layout, std::string_view name) {
  std::error_code ec;
  const std::string path = progress_path(layout, name);
  const std::string line = platform::read_small_file(AT_FDCWD, path.c_str(), progress_length, ec);
  return ec ? std::nullopt : parse_progress(line);
}

progress_note::progress_note(const cache_layout& layout, std::string_view name)
    : path_(progress_path(layout, name)),
      mode_(static_cast<unsigned>(layout.lock_mode())),
      process_(platform::process_generation()),
      next_(std::chrono::steady_clock::now() + telling_interval) {
  remove();
}

progress_note::~progress_note() {
  if (file_ && process_ == platform::process_generation()) remove();
}

void progress_note::remove() const noexcept {
  std::error_code ignored;  // mostly there is none
  platform::unlink_name(AT_FDCWD, path_.c_str(), ignored);
}

void progress_note::tell(const fetch_progress& now) noexcept {
  const auto time = std::chrono::steady_clock::now();
  if (time < next_ || process_ != platform::process_generation()) return;
  next_ = time + telling_interval;
  if (!file_) open();
  if (!file_) return;
  try {
    std::error_code ignored;
    const std::string line = format_progress(now);
    platform::pwrite_all(file_.get(), std::as_bytes(std::span(line)), 0, ignored);
  } catch (const std::bad_alloc&) {
    return;  // nobody is told, this time
  }
}

void progress_note::open() noexcept {
  std::error_code ignored;
  file_ = platform::open_at(AT_FDCWD, path_.c_str(), O_CREAT | O_RDWR | O_NOFOLLOW | O_NONBLOCK, mode_, ignored);
}

}  // namespace lockkit::detail
