#pragma once
/// What can be done to the database: plain requests, plain results, each executed by one function inside an open
/// transaction. Nothing here knows who asked, so that one process may one day execute many processes' requests in one
/// transaction.

#include <algorithm>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include <lockkit/claim_store.hpp>

#include "sqlite.hpp"

namespace lockkit::detail {

/// Whether an owner's life mark is gone. Asked inside the transaction.
using death_check = std::function<bool(std::int64_t owner_id)>;

struct claim_operation {
  claim_request request;
  std::int64_t owner_id = 0;  ///< whose life mark the claim lives with
  std::string key{};        ///< made by the requester before the first try: after a doubt it is looked up, not repeated
  std::int64_t ticket = 0;  ///< of a waiter, whose turn comes before later tickets and newcomers; 0: a newcomer
};

enum class grant_state {
  granted,
  not_now,
  never,  ///< no set of resources, were all of them free, would do
};

struct claim_result {
  grant_state state = grant_state::not_now;
  std::vector<claimed_item> items;
  bool buried = false;  ///< dead owners' claims were ended: others may find something free
};

[[nodiscard]] claim_result execute(connection& db, const claim_operation& operation, const death_check& is_dead);

/// Whether execute() would find something to do for it: read-only, to be asked before taking the writer's turn.
[[nodiscard]] bool is_worth_trying(connection& db, const claim_operation& operation, const death_check& is_dead);

/// A wanted size as SQLite has numbers. What it can't have is wanted as the greatest that it can: no resource has so much.
[[nodiscard]] constexpr std::int64_t stored_memory(std::uint64_t wanted) noexcept {
  return static_cast<std::int64_t>(std::min<std::uint64_t>(wanted, std::numeric_limits<std::int64_t>::max()));
}

/// Throws std::errc::invalid_argument unless the text is a JSON object. (Not a CHECK: a schema that is not trusted may not
/// call JSON functions.)
void require_json_object(connection& db, std::string_view text);

/// Queues up; returns the ticket. From `until` on (never: not at all) the others need not respect it any more, should
/// it not come to leave the queue.
[[nodiscard]] std::int64_t add_waiter(connection& db, const claim_operation& operation, deadline until);
void remove_waiter(connection& db, std::int64_t ticket);

[[nodiscard]] bool add_resource(connection& db, const resource& what);
[[nodiscard]] bool change_state(connection& db, std::string_view pool, std::string_view name, resource_state state);
[[nodiscard]] std::vector<resource_status> list_resources(connection& db, std::string_view pool, bool retired);
[[nodiscard]] std::vector<claim_event> list_events(connection& db, std::uint64_t after, std::size_t limit);
[[nodiscard]] std::vector<claim_status> list_claims(connection& db, const death_check& is_dead);
/// What the claim of that key holds; nullopt: there is none.
[[nodiscard]] std::optional<std::vector<claimed_item>> find_items(connection& db, std::string_view key);

/// A row for an owner; its id is the byte to be locked. Rows of owners that are dead and have nothing left go.
[[nodiscard]] std::int64_t add_owner(connection& db, const owner& self, const death_check& is_dead);

/// Processes to be watched for their end.
struct holder_process {
  std::int32_t pid = 0;
  std::uint64_t pid_namespace = 0;
  std::uint64_t pidfd_inode = 0;
  friend bool operator==(const holder_process&, const holder_process&) = default;
};
/// What may end what somebody waits for, without a word from anybody.
struct silent_ends {
  std::vector<holder_process> processes;  ///< of holders, and of those who are before it
  bool has_jobs = false;                  ///< claims that live with a job, whose processes are not known
  deadline earliest = deadline::never();  ///< when a lease runs out, or one before it gives up
};
[[nodiscard]] silent_ends list_silent_ends(connection& db, const claim_operation& waiting);

}  // namespace lockkit::detail
