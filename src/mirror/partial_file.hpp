#pragma once
/// A content that a fetch has brought in part, kept in p/ for the next fetch of its key. The protocol: partial_file.cpp.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "cache_layout.hpp"
#include "fs/staging.hpp"
#include "partial_record.hpp"
#include "platform/unique_fd.hpp"

namespace lockkit::detail {

/// Claimed by this object, or made by it. Destroying gives the claim up and leaves the files. Used by one thread.
class partial_file {
 public:
  /// An empty one. None where it can't be had (no working locks, a full disk): then nothing is kept.
  [[nodiscard]] static std::optional<partial_file> make(const cache_layout& layout, std::string_view name,
                                                        std::string_view key);
  /// The largest that is left of `key` and can be trusted; others of that key that nobody uses are removed.
  [[nodiscard]] static std::optional<partial_file> claim(const cache_layout& layout, std::string_view name,
                                                         std::string_view key);
  ~partial_file();
  partial_file(partial_file&& other) noexcept = default;
  partial_file& operator=(partial_file&& other) noexcept;

  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] const content_validators& validators() const noexcept { return record_.validators; }

  /// The file, to go on with. It must not outlive this object.
  [[nodiscard]] staging open(std::error_code& ec);
  /// From now on these are its validators, and so many of its bytes are on the disk.
  void describe(const content_validators& validators, std::uint64_t synced, std::error_code& ec);
  /// The file is nobody's to go on with any more: it is about to change its beginning, or has become a content.
  void forget() noexcept;
  /// Removes it.
  void drop() noexcept;

 private:
  partial_file(const cache_layout& layout, platform::unique_fd directory, std::string file);
  [[nodiscard]] bool lock(std::error_code& ec);
  [[nodiscard]] bool is_mine_alone(std::error_code& ec) const;
  [[nodiscard]] bool read_record(std::string_view key);
  [[nodiscard]] bool is_owner() const noexcept;
  [[nodiscard]] std::string record_name() const;
  friend void sweep_partials(const cache_layout& layout, std::error_code& ec);

  durability level_;
  platform::unique_fd directory_;
  std::string file_;           // its name
  platform::unique_fd claim_;  // read-only, with the exclusive lock
  std::uint64_t process_;      // a forked child owns nothing
  partial_record record_;
  std::uint64_t bytes_ = 0;
};

/// Removes what nobody will go on with: partial contents older than a week, those without a record, records without a
/// content. What is in use stays; everything where kernel locks don't work. A missing p/ is fine.
void sweep_partials(const cache_layout& layout, std::error_code& ec);

}  // namespace lockkit::detail
