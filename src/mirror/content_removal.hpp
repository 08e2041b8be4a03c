#pragma once
/// Taking a content's name away, or giving it to another file, with respect for leases. Rules at the top of
/// content_removal.cpp.

#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "cache_layout.hpp"
#include "platform/unique_fd.hpp"

namespace lockkit::detail {

enum class removal { removed, gone, leased };

/// The caller holds the gate exclusively, so that nobody gives the name to another file meanwhile. The blocks are freed
/// when what is put into `unlinked` is closed: after the gate has been left.
removal remove_content(const cache_layout& layout, std::string_view sha256, std::vector<platform::unique_fd>& unlinked,
                       std::error_code& ec);

/// Whether somebody has a lease on it at this moment.
[[nodiscard]] bool is_leased(const cache_layout& layout, std::string_view sha256, std::error_code& ec);

/// Removes the content if `file` still has its name, without waiting for anybody: a content that was found damaged. What
/// does not succeed is left to the next fetch.
void discard_damaged(const cache_layout& layout, std::string_view sha256, int file);

/// Lives while a content's name is given to another file. Leases on the old one count for the name from then on.
class displacement {
 public:
  /// The caller holds the gate shared.
  displacement(const cache_layout& layout, std::string_view sha256, std::error_code& ec);
  /// False: there are leases that will not count, because the old file can have no second name. Who heals a damaged
  /// content goes on all the same; who has another choice takes it.
  [[nodiscard]] bool keeps_leases() const noexcept { return keeps_leases_; }

 private:
  bool keeps_leases_ = true;
  platform::unique_fd old_;  // locked: nobody takes a lease on what is about to lose its name
};

/// Removes what lost its name to another file and is not leased any more. The caller holds the gate exclusively.
void sweep_displaced(const cache_layout& layout, std::error_code& ec);

}  // namespace lockkit::detail
