#pragma once
/// What ready tasks find of what they need, in their order.

#include <vector>

#include "claim_choice.hpp"

namespace lockkit::detail {

/// The columns that needs_of() reads.
// NOLINTNEXTLINE(cppcoreguidelines-macro-usage): a part of literals
#define LOCKKIT_TASK_NEEDS "pool, count, memory, grp, one_group, attributes, life, lease_ms"
[[nodiscard]] claim_request needs_of(const statement& row, int first_column);

/// Follows a queue from its head, and remembers what is set aside.
class needs_ahead {
 public:
  explicit needs_ahead(connection& db) : db_(db) {}

  /// What the next task finds; if that is not all it needs, what it has set aside.
  [[nodiscard]] prospect next(const claim_request& needs, std::int64_t ready_since_ms);
  /// Lets the last one have what it found.
  void give(const prospect& found) { keep(kept_, found.chosen); }
  [[nodiscard]] const kept_units& kept() const noexcept { return kept_; }

 private:
  connection& db_;
  kept_units kept_;
  std::vector<claim_request> in_vain_;  ///< of those before; what they did not find, nobody behind them does
};

}  // namespace lockkit::detail
