#pragma once
/// task_queue: work that is done once, taken together with the resources it needs.
///
/// A task is submitted once for ever by its key, taken in one transaction with everything that it needs (the oldest
/// task of the highest priority that can have it), and reported upon only by whoever holds its present attempt: a late
/// holder's finish, fail or hand_back changes nothing and says so (errc::claim_lost).
///
///   ready -> taken -> [submitting ->] [running ->] done | failed | cancelled
///   An attempt whose holder is gone before it reports:
///     taken               ready again, or failed when its attempts are used up
///     submitting, running unknown: it may have been handed to something outside that still runs. Nobody takes it; the
///                         one who can find out says so: finish, fail, running or hand_back with the same task_ref.
///   While a task is unknown, a claim of claim_life::released stays, also if `held` is destroyed; others have ended.
///   Whoever reports then that the task runs is the holder of that claim from there on.
///
/// Events of a task (claim_store::events) carry its number, its queue as pool and its key as name: "submitted", "taken",
/// "submitting", "running", "done", "failed", "cancelled", "handed back", "lost", "unknown", "cancel wanted", "retried",
/// "removed".
///
/// All changes of a task reach the disk before they are reported, whatever the store's options say: a power cut may not
/// let a task run twice.

#include <lockkit/claim_store.hpp>

namespace lockkit::inline v0 {

enum class task_state { ready, taken, submitting, running, done, failed, cancelled, unknown };

/// "ready", "taken", ...
[[nodiscard]] LOCKKIT_API std::string_view to_string(task_state state) noexcept;

struct new_task {
  std::string key;            ///< its identity within the queue, for ever
  std::string payload{};      ///< the caller's own; any text
  claim_request needs{};      ///< an empty pool: nothing. How long the claim lives is said here, too
  std::int32_t priority = 0;  ///< greater goes first
  std::chrono::milliseconds delay{
      0};                          ///< not taken before. Counted in monotonic time; across a reboot by the wall clock
  std::uint32_t max_attempts = 1;  ///< how often it may be taken before a failure is final
  std::vector<std::uint64_t> after{};  ///< tasks (of any queue) that must be done first
};

struct submission {
  std::uint64_t id = 0;
  bool fresh = false;  ///< false: the key was submitted before (done, removed or waiting); nothing changed
};

/// The right to report about one attempt. Plain data: may be handed to another process, such as the job itself.
struct task_ref {
  std::uint64_t id = 0;
  std::uint32_t attempt = 0;
  std::string claim_key{};
};

/// Destroying `held` before any report gives the task back: ready again, this attempt counted.
struct taken_task {
  task_ref ref;
  std::string key;
  std::string payload;
  claim held;  ///< without items if the task needs none
};

struct take_options {
  /// How many of the first ready tasks are looked at; those behind a task whose resources are not free may pass it
  /// until it has waited for a second (then its part of what is free is kept for it, in this queue; unless no resources
  /// that are up could ever serve it). 1: strictly in order.
  std::uint32_t look_at = 64;
  bool submitting = false;  ///< taken straight into `submitting`, for work that is handed to something outside
};

struct task_status {
  std::uint64_t id = 0;
  std::string queue;
  std::string key;
  std::string payload;
  task_state state = task_state::ready;
  std::int32_t priority = 0;
  std::uint32_t attempt = 0;
  std::uint32_t max_attempts = 1;
  bool cancel_wanted = false;  ///< its holder should stop it and report `cancelled`
  std::string claim_key;       ///< of the present or the last attempt
  std::string external;        ///< name or number outside, of the present or the last attempt
  std::string result;          ///< of finish, or the reason of fail
  claim_request needs;
  std::chrono::system_clock::time_point submitted{};
  std::optional<std::chrono::system_clock::time_point> ended{};
};

/// One row of the history.
struct task_attempt {
  std::uint64_t id = 0;
  std::uint64_t task = 0;
  std::string key;
  std::uint32_t attempt = 0;
  std::vector<claimed_item> items;
  std::chrono::system_clock::time_point taken{};
  std::optional<std::chrono::system_clock::time_point> running{};
  std::optional<std::chrono::system_clock::time_point> ended{};
  std::string outcome;  ///< "" while it goes on; "done", "failed", "cancelled", "handed back", "lost", "unknown"
};

/// One thing that a task waits for, as a sentence for people, such as `2 more of pool "gpu": 4 match, 3 are claimed, 1 is drained`.
struct wait_reason {
  enum class kind { dependency, due, resources, behind, cancelled, over, held } what;
  std::string text;
};

struct task_filter {
  std::optional<task_state> state{};
  std::uint64_t after = 0;  ///< the last id of the page before
  std::size_t limit = 1000;
};

/// One queue in a store. May be used from several threads and outlive the store object. Not across fork.
class LOCKKIT_API task_queue {
 public:
  task_queue(claim_store& store, std::string name);
  ~task_queue();
  task_queue(task_queue&& other) noexcept;
  task_queue& operator=(task_queue&& other) noexcept;

  /// Once for ever by (queue, key), however many processes try and whatever became of the task since. Needs that
  /// nothing can meet are no error: resources may come. errc::no_such_task: a dependency that does not exist.
  submission submit(const new_task& task);
  submission submit(const new_task& task, std::error_code& ec);

  /// The first ready task together with what it needs; nullopt: none that can be had now.
  [[nodiscard]] std::optional<taken_task> try_take(take_options options = {});
  [[nodiscard]] std::optional<taken_task> try_take(take_options options, std::error_code& ec);
  /// Sleeps until something changes; never polls the database.
  [[nodiscard]] std::optional<taken_task> take_until(take_options options, deadline until, std::stop_token stop = {});
  [[nodiscard]] std::optional<taken_task> take_until(take_options options, deadline until, std::stop_token stop,
                                                     std::error_code& ec);

  // Reports about an attempt. errc::claim_lost: it is not this one's any more. Repeating the same report is no error.
  /// About to be handed to something outside under the name `external`, which must be unique to this attempt.
  void submitting(const task_ref& ref, std::string_view external);
  void submitting(const task_ref& ref, std::string_view external, std::error_code& ec);
  /// An attempt runs under one name: another one is refused, so that of two accepted submissions one runs.
  void running(const task_ref& ref, std::string_view external);
  void running(const task_ref& ref, std::string_view external, std::error_code& ec);
  /// Done. Its claim ends in the same transaction, and so it does with what follows.
  void finish(const task_ref& ref, std::string_view result = {});
  void finish(const task_ref& ref, std::string_view result, std::error_code& ec);
  /// Ready again after `retry_after` if it has attempts left, else failed.
  void fail(const task_ref& ref, std::string_view reason, std::chrono::milliseconds retry_after = {});
  void fail(const task_ref& ref, std::string_view reason, std::chrono::milliseconds retry_after, std::error_code& ec);
  /// It never began: ready again, the attempt not counted.
  void hand_back(const task_ref& ref);
  void hand_back(const task_ref& ref, std::error_code& ec);
  /// The same, for one who concludes from outside that it is nowhere: errc::claim_lost if it was reported to run, and
  /// from then on nobody's report that it runs is taken any more.
  void hand_back_unless_running(const task_ref& ref);
  void hand_back_unless_running(const task_ref& ref, std::error_code& ec);
  /// It was stopped because cancel() was called.
  void cancelled(const task_ref& ref, std::string_view reason = {});
  void cancelled(const task_ref& ref, std::string_view reason, std::error_code& ec);

  /// Ready: cancelled at once. Taken and later, unknown too: whoever reports about it is told
  /// (task_status::cancel_wanted), and where it would be ready again it is cancelled instead. False: it is over already.
  /// errc::no_such_task, here and below: no such number in this queue.
  bool cancel(std::uint64_t id);
  bool cancel(std::uint64_t id, std::error_code& ec);
  /// Failed, cancelled or unknown: ready again with one attempt more. For people; a program that knows what became of an
  /// unknown attempt reports it instead. False: it is in no such state.
  bool retry(std::uint64_t id);
  bool retry(std::uint64_t id, std::error_code& ec);
  /// Removes a task that is over; its key stays taken for ever. False: it is not over.
  bool remove(std::uint64_t id);
  bool remove(std::uint64_t id, std::error_code& ec);

  [[nodiscard]] std::optional<task_status> find(std::uint64_t id) const;
  [[nodiscard]] std::optional<task_status> find(std::string_view key) const;
  /// By id, a page at a time.
  [[nodiscard]] std::vector<task_status> list(const task_filter& filter = {}) const;
  /// Attempts in the order in which they were taken, those with task_attempt::id > after.
  [[nodiscard]] std::vector<task_attempt> history(std::uint64_t after = 0, std::size_t limit = 1000) const;
  /// What exactly it waits for; empty: it can be taken now.
  [[nodiscard]] std::vector<wait_reason> why(std::uint64_t id) const;
  [[nodiscard]] const std::string& name() const noexcept;

  /// Sleeps until something in the store has changed since the last call, or `until`; the first call returns at once.
  /// May return early. For loops that look and wait, of one thread at a time; the deaths of holders are no changes.
  void wait_for_change(deadline until, std::stop_token stop = {});

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace lockkit::inline v0
