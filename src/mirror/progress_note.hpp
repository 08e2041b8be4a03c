#pragma once
/// How far a fetch is, for the processes that wait for it: a small file beside the key's lock, l/ab/<name>.progress.
///
///  1. One line of a fixed length, overwritten by one write. What is read half old, half new has a wrong sum and is
///     passed over: nobody waits for anybody.
///  2. Written at most four times a second, and not before a fetch has lasted that long: most fetches write none.
///  3. It is for people, and decides nothing. It goes with the fetch; what a killed one left goes when the next begins.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <lockkit/fetch.hpp>

#include "cache_layout.hpp"
#include "platform/unique_fd.hpp"

namespace lockkit::detail {

[[nodiscard]] LOCKKIT_PRIVATE_API std::string format_progress(const fetch_progress& now);
[[nodiscard]] LOCKKIT_PRIVATE_API std::optional<fetch_progress> parse_progress(std::string_view line) noexcept;

/// What the fetch of the key writes, if one does.
[[nodiscard]] std::optional<fetch_progress> read_progress(const cache_layout& layout, std::string_view name);

class progress_note {
 public:
  progress_note(const cache_layout& layout, std::string_view name);
  ~progress_note();
  progress_note(const progress_note&) = delete;
  progress_note& operator=(const progress_note&) = delete;

  void tell(const fetch_progress& now) noexcept;

 private:
  void open() noexcept;
  void remove() const noexcept;

  std::string path_;
  unsigned mode_;
  std::uint64_t process_;  // a forked child removes nothing
  std::chrono::steady_clock::time_point next_;
  platform::unique_fd file_;
};

}  // namespace lockkit::detail
