#pragma once
/// Where claims end: the one place, whoever ends them and for whatever reason.

#include <optional>
#include <string_view>

#include "operations.hpp"
#include "sqlite.hpp"

namespace lockkit::detail {

// Of a claim that ends with its holder. One that only a release ends is such a claim as long as its task's attempt may
// be taken again or becomes unknown by the holder's end (task_claims.cpp).
// NOLINTNEXTLINE(cppcoreguidelines-macro-usage): a part of literals
#define LOCKKIT_HAS_HOLDER                                                                   \
  " (life <= 1 OR (life = 3 AND EXISTS (SELECT 1 FROM task WHERE claim_key = claim.key AND " \
  "state IN (1, 2, 3, 7) AND state <> 7))) "

enum class claim_end {
  released,  ///< by its holder
  died,      ///< its holder is gone
  expired,   ///< its lease has run out
  ended,     ///< by somebody else
};

/// Ends it with its events; its units are free (schema.cpp, rule 1). False: there is no such claim.
bool end_claim(connection& db, std::string_view key, claim_end how);

/// Where the holder of such a claim is gone: it ends, or stands for work that may go on elsewhere, which is unknown then.
void lose_holder(connection& db, std::string_view key);

/// For its holder. False: there is no such claim, or its lease has run out: then it ends as that.
bool release_claim(connection& db, std::string_view key, claim_life life);

/// For a holder that goes without a word: the same, but a claim that only a release ends stays while its task may go on
/// elsewhere.
bool drop_claim(connection& db, std::string_view key, claim_life life);
using claim_farewell = bool (*)(connection& db, std::string_view key, claim_life life);

/// Ends the claims and the waiting of all whose life marks are gone, and all leases that have run out; in one pool, or
/// everywhere if `pool` is empty. Returns how many claims and waiters that were.
std::size_t bury_dead(connection& db, std::string_view pool, const death_check& is_dead);
/// Whether that would find something: read-only.
[[nodiscard]] bool has_dead(connection& db, std::string_view pool, const death_check& is_dead);

/// The time by which leases are measured. errc::foreign_clock if it was later already: another clock than the one that
/// the leases of this database were granted by.
[[nodiscard]] std::int64_t lease_clock(connection& db);
/// The same, and makes sure that nobody grants by an earlier time.
[[nodiscard]] std::int64_t advance_lease_clock(connection& db);

/// Lets the lease run anew, never shorter; other lives: looks whether it stands. False: it does not stand any more.
bool renew_claim(connection& db, std::string_view key);
[[nodiscard]] bool claim_stands(connection& db, std::string_view key);

}  // namespace lockkit::detail
