#pragma once
/// What a fetch brings, on its way into the cache: written aside, hashed and measured.

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include <lockkit/mirror_cache.hpp>

#include "cache_layout.hpp"
#include "digest.hpp"
#include "fs/staging.hpp"
#include "platform/unique_fd.hpp"

namespace lockkit::detail {

/// A finished content: digest, size, and the file that holds it.
struct fetched_content {
  std::string sha256;
  std::uint64_t size = 0;
  std::chrono::system_clock::time_point began{};
};

/// Used by the thread that fetches.
class fetch_stream {
 public:
  /// `only_try`: the request's deadline had passed when it arrived, and says nothing about the fetch.
  fetch_stream(const cache_layout& layout, std::string_view name, const request_options& request, bool only_try,
               std::error_code& ec);

  /// These throw lockkit::error. What they threw is remembered: a fetch function that swallows it does not get away
  /// with half a content.
  void write(std::span<const std::byte> bytes);
  void expect_size(std::uint64_t bytes);
  void restart();
  [[nodiscard]] std::uint64_t size() const noexcept { return file_.size(); }
  /// Once this has said yes, the content counts as incomplete.
  [[nodiscard]] bool cancelled() noexcept;

  /// After the fetch function returned: everything is there and as promised.
  [[nodiscard]] fetched_content finish(std::error_code& ec);
  [[nodiscard]] staging& file() noexcept { return file_; }
  [[nodiscard]] int directory() const noexcept { return directory_.get(); }

 private:
  void require(const std::error_code& ec);
  void report_progress() const;
  [[nodiscard]] bool deadline_passed() const noexcept;

  const cache_layout& layout_;
  const request_options& request_;
  platform::unique_fd directory_;
  staging file_;
  sha256_stream digest_;
  std::optional<std::uint64_t> expected_;
  std::chrono::system_clock::time_point began_;
  std::error_code failure_;
  bool only_try_;
  bool told_to_stop_ = false;
};

}  // namespace lockkit::detail
