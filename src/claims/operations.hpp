#pragma once
/// What can be done to the database: plain requests, plain results, each executed by one function inside an open
/// transaction. Nothing here knows who asked, so that one process may one day execute many processes' requests in one
/// transaction.

#include <functional>
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
  std::int64_t owner_id = 0;
  std::string key;          ///< made by the requester before the first try: after a doubt it is looked up, not repeated
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

/// Throws std::errc::invalid_argument unless the text is a JSON object. (Not a CHECK: a schema that is not trusted may not
/// call JSON functions.)
void require_json_object(connection& db, std::string_view text);

/// False: there was no such claim.
[[nodiscard]] bool release_claim(connection& db, const std::string& key);
[[nodiscard]] bool claim_stands(connection& db, const std::string& key);

/// Queues up; returns the ticket.
[[nodiscard]] std::int64_t add_waiter(connection& db, const claim_operation& operation);
void remove_waiter(connection& db, std::int64_t ticket);

[[nodiscard]] bool add_resource(connection& db, const resource& what);
[[nodiscard]] bool change_state(connection& db, std::string_view pool, std::string_view name, resource_state state);
[[nodiscard]] std::vector<resource_status> list_resources(connection& db, std::string_view pool, bool retired);
[[nodiscard]] std::vector<claim_event> list_events(connection& db, std::uint64_t after, std::size_t limit);

/// A row for the process; its id is the byte that it keeps locked.
[[nodiscard]] std::int64_t add_owner(connection& db, const owner& self);

/// Processes that hold claims in the pool, to be watched for their end.
struct holder_process {
  std::int32_t pid = 0;
  std::uint64_t pid_namespace = 0;
  std::uint64_t pidfd_inode = 0;
};
[[nodiscard]] std::vector<holder_process> list_holders(connection& db, std::string_view pool);

}  // namespace lockkit::detail
