#pragma once
/// What can be done to tasks: as in operations.hpp, plain requests and plain results, each executed by one function
/// inside an open transaction.

#include <lockkit/task_queue.hpp>

#include "claim_choice.hpp"

namespace lockkit::detail {

/// The number that a (queue, key) was given when it was first submitted.
[[nodiscard]] std::optional<std::uint64_t> find_task_key(connection& db, std::string_view queue, std::string_view key);
/// Throws std::errc::invalid_argument, errc::no_such_task for an unknown dependency.
[[nodiscard]] submission submit_task(connection& db, std::string_view queue, const new_task& task);

struct take_operation {
  std::string queue;
  take_options options{};
  std::string claim_key;  ///< made by the requester: after a doubt it is looked up, not repeated
};

/// The task that is to be taken, and what of.
struct chosen_task {
  std::int64_t id = 0;
  claim_request needs;
  std::vector<candidate> units;
};

struct granted_task {
  task_ref ref;
  std::string key;
  std::string payload;
  claim_life life = claim_life::process;
  std::vector<claimed_item> items;
};

/// Reads only: may be asked before taking the writer's turn, too.
[[nodiscard]] std::optional<chosen_task> choose_task(connection& db, const take_operation& operation);
/// In the same transaction as its choice, with the owner whose life mark the claim lives with.
[[nodiscard]] granted_task take_task(connection& db, const take_operation& operation, const chosen_task& task,
                                     std::int64_t owner_id);
/// What was taken with that key; nullopt: nothing.
[[nodiscard]] std::optional<granted_task> find_granted(connection& db, std::string_view claim_key);
/// What may let somebody who found nothing find something, without a word from anybody.
[[nodiscard]] silent_ends list_silent_ends(connection& db, const take_operation& waiting);

struct task_report {
  enum class kind { submitting, running, finish, fail, hand_back, hand_back_unless_running, cancelled } what;
  task_ref ref;
  std::string text{};  ///< the name outside, the result or the reason
  std::chrono::milliseconds retry_after{0};
};

/// errc::claim_lost: the attempt is over, or was never this one's. Repeating what was reported changes nothing.
void execute(connection& db, std::string_view queue, const task_report& report);

/// Whether the attempt goes on by this report, with a lasting claim whose holder is gone.
[[nodiscard]] bool is_orphan(connection& db, const task_report& report, const death_check& is_dead);
/// Then who reported it is the holder.
void adopt(connection& db, const task_report& report, std::int64_t owner_id);

// False: the task is in no state for it. errc::no_such_task.
[[nodiscard]] bool cancel_task(connection& db, std::string_view queue, std::uint64_t id);
[[nodiscard]] bool retry_task(connection& db, std::string_view queue, std::uint64_t id);
[[nodiscard]] bool remove_task(connection& db, std::string_view queue, std::uint64_t id);

/// To be called where a claim ends, before its rows go: the task that was taken with it is ready again, has failed, or
/// is unknown. Nothing if its attempt was reported upon.
void give_back_task(connection& db, std::string_view claim_key);
/// Whether the task that was taken with it may go on outside. Then a claim that only a release ends stays.
[[nodiscard]] bool has_task_outside(connection& db, std::string_view claim_key);
/// After a reboot: due times are counted anew, from the wall clock.
void begin_task_epoch(connection& db);

[[nodiscard]] std::optional<task_status> find_task(connection& db, std::string_view queue, std::uint64_t id);
[[nodiscard]] std::vector<task_status> list_tasks(connection& db, std::string_view queue, const task_filter& filter);
[[nodiscard]] std::vector<task_attempt> list_attempts(connection& db, std::string_view queue, std::uint64_t after,
                                                      std::size_t limit);
/// errc::no_such_task.
[[nodiscard]] std::vector<wait_reason> explain_task(connection& db, std::string_view queue, std::uint64_t id,
                                                    const death_check& is_dead);

}  // namespace lockkit::detail
