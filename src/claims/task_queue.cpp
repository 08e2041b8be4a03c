#include <lockkit/task_queue.hpp>

#include <array>

#include <lockkit/backoff.hpp>

#include "claim_impl.hpp"
#include "core/throw_error.hpp"
#include "task_operations.hpp"
#include "task_wait.hpp"

namespace lockkit::inline v0 {

using detail::connection;
using detail::guarded;
using detail::task_report;
using detail::throwing;
using detail::turn_patience;

std::string_view to_string(task_state state) noexcept {
  constexpr std::array<std::string_view, 8> names = {"ready", "taken",  "submitting", "running",
                                                     "done",  "failed", "cancelled",  "unknown"};
  const auto index = static_cast<std::size_t>(state);
  return index < names.size() ? names[index] : "invalid";
}

struct task_queue::impl {
  std::shared_ptr<detail::store> store;
  std::string name;
  std::unique_ptr<platform::path_watch> changes{};  ///< since the last wait_for_change

  /// In one transaction that reaches the disk. Whoever waits is woken when `body` says that something has changed.
  template <class Body>
  bool change(Body&& body) {
    const bool changed = store->write(deadline::after(turn_patience), body, detail::sync_mode::full);
    if (changed) store->wake_others();
    return changed;
  }

  template <class Body>
  auto read(const char* operation, Body&& body) {
    return throwing(operation, store->path(),
                    [&](std::error_code& ec) { return guarded(ec, [&] { return store->read(body); }); });
  }

  void wait_for_change(deadline until, const std::stop_token& stop) {
    constexpr std::chrono::milliseconds slice{50};
    if (!store->is_own_process()) return;  // its events are the parent's
    std::error_code unwatched;
    if (!changes) {
      changes =
          std::make_unique<platform::path_watch>(store->wake_path().c_str(), unwatched, platform::watched::content);
      if (!unwatched) return;
      changes.reset();
      sleep_until(earlier(until, deadline::after(slice)));
      return;
    }
    const std::chrono::milliseconds look = stop.stop_possible() ? slice : std::chrono::seconds(1);
    while (!until.expired() && !stop.stop_requested()) {
      if (changes->wait(earlier(until, deadline::after(look)), {})) return;
      std::error_code replaced;  // nobody writes to the file that is watched any more
      guarded(replaced, [&] { return store->check_files(), true; });
      if (replaced) return;
    }
  }

  void report(task_report report, std::error_code& ec) {
    guarded(ec, [&] {
      return change([&](connection& db) {
        detail::execute(db, name, report);
        if (detail::is_orphan(db, report, store->death())) detail::adopt(db, report, store->owner_id(db));
        return true;
      });
    });
  }
};

task_queue::task_queue(claim_store& store, std::string name)
    : impl_(std::make_unique<impl>(impl{store.impl_, std::move(name)})) {
  if (impl_->name.empty()) detail::throw_error("open a queue in", store.path(), errc::invalid_name);
}

task_queue::~task_queue() = default;
task_queue::task_queue(task_queue&& other) noexcept = default;
task_queue& task_queue::operator=(task_queue&& other) noexcept = default;

submission task_queue::submit(const new_task& task, std::error_code& ec) {
  return guarded(ec, [&] {
    const auto known =
        impl_->store->read([&](connection& db) { return detail::find_task_key(db, impl_->name, task.key); });
    if (known) return submission{*known, false};  // without a turn: a scanner asks again and again
    submission result;
    impl_->change([&](connection& db) {
      result = detail::submit_task(db, impl_->name, task);
      return result.fresh;
    });
    return result;
  });
}

submission task_queue::submit(const new_task& task) {
  return throwing("submit a task to", impl_->store->path(), [&](std::error_code& ec) { return submit(task, ec); });
}

std::optional<taken_task> task_queue::take_until(take_options options, deadline until, std::stop_token stop,
                                                 std::error_code& ec) {
  return guarded(ec, [&]() -> std::optional<taken_task> {
    auto state = std::make_unique<claim::impl>(claim::impl{.store = impl_->store, .key = detail::fresh_key()});
    detail::task_wait wait(*impl_->store, {.queue = impl_->name, .options = options, .claim_key = state->key}, until,
                           std::move(stop));
    auto granted = wait.run();
    if (!granted) return std::nullopt;  // from here on nothing can fail
    state->life = granted->life;
    state->items = std::move(granted->items);
    state->mark = wait.take_mark();
    return taken_task{std::move(granted->ref), std::move(granted->key), std::move(granted->payload),
                      claim(std::move(state))};
  });
}

std::optional<taken_task> task_queue::take_until(take_options options, deadline until, std::stop_token stop) {
  return throwing("take a task from", impl_->store->path(),
                  [&](std::error_code& ec) { return take_until(options, until, std::move(stop), ec); });
}

std::optional<taken_task> task_queue::try_take(take_options options, std::error_code& ec) {
  return take_until(options, deadline(), {}, ec);
}

std::optional<taken_task> task_queue::try_take(take_options options) {
  return take_until(options, deadline());
}

void task_queue::submitting(const task_ref& ref, std::string_view external, std::error_code& ec) {
  impl_->report({task_report::kind::submitting, ref, std::string(external)}, ec);
}

void task_queue::submitting(const task_ref& ref, std::string_view external) {
  throwing("report a task in", impl_->store->path(), [&](std::error_code& ec) { submitting(ref, external, ec); });
}

void task_queue::running(const task_ref& ref, std::string_view external, std::error_code& ec) {
  impl_->report({task_report::kind::running, ref, std::string(external)}, ec);
}

void task_queue::running(const task_ref& ref, std::string_view external) {
  throwing("report a task in", impl_->store->path(), [&](std::error_code& ec) { running(ref, external, ec); });
}

void task_queue::finish(const task_ref& ref, std::string_view result, std::error_code& ec) {
  impl_->report({task_report::kind::finish, ref, std::string(result)}, ec);
}

void task_queue::finish(const task_ref& ref, std::string_view result) {
  throwing("finish a task in", impl_->store->path(), [&](std::error_code& ec) { finish(ref, result, ec); });
}

void task_queue::fail(const task_ref& ref, std::string_view reason, std::chrono::milliseconds retry_after,
                      std::error_code& ec) {
  impl_->report({task_report::kind::fail, ref, std::string(reason), retry_after}, ec);
}

void task_queue::fail(const task_ref& ref, std::string_view reason, std::chrono::milliseconds retry_after) {
  throwing("report a task in", impl_->store->path(), [&](std::error_code& ec) { fail(ref, reason, retry_after, ec); });
}

void task_queue::hand_back(const task_ref& ref, std::error_code& ec) {
  impl_->report({task_report::kind::hand_back, ref}, ec);
}

void task_queue::hand_back(const task_ref& ref) {
  throwing("hand back a task of", impl_->store->path(), [&](std::error_code& ec) { hand_back(ref, ec); });
}

void task_queue::hand_back_unless_running(const task_ref& ref, std::error_code& ec) {
  impl_->report({task_report::kind::hand_back_unless_running, ref}, ec);
}

void task_queue::hand_back_unless_running(const task_ref& ref) {
  throwing("hand back a task of", impl_->store->path(),
           [&](std::error_code& ec) { hand_back_unless_running(ref, ec); });
}

void task_queue::cancelled(const task_ref& ref, std::string_view reason, std::error_code& ec) {
  impl_->report({task_report::kind::cancelled, ref, std::string(reason)}, ec);
}

void task_queue::cancelled(const task_ref& ref, std::string_view reason) {
  throwing("report a task in", impl_->store->path(), [&](std::error_code& ec) { cancelled(ref, reason, ec); });
}

bool task_queue::cancel(std::uint64_t id, std::error_code& ec) {
  return guarded(
      ec, [&] { return impl_->change([&](connection& db) { return detail::cancel_task(db, impl_->name, id); }); });
}

bool task_queue::cancel(std::uint64_t id) {
  return throwing("cancel a task in", impl_->store->path(), [&](std::error_code& ec) { return cancel(id, ec); });
}

bool task_queue::retry(std::uint64_t id, std::error_code& ec) {
  return guarded(
      ec, [&] { return impl_->change([&](connection& db) { return detail::retry_task(db, impl_->name, id); }); });
}

bool task_queue::retry(std::uint64_t id) {
  return throwing("retry a task in", impl_->store->path(), [&](std::error_code& ec) { return retry(id, ec); });
}

bool task_queue::remove(std::uint64_t id, std::error_code& ec) {
  return guarded(
      ec, [&] { return impl_->change([&](connection& db) { return detail::remove_task(db, impl_->name, id); }); });
}

bool task_queue::remove(std::uint64_t id) {
  return throwing("remove a task from", impl_->store->path(), [&](std::error_code& ec) { return remove(id, ec); });
}

std::optional<task_status> task_queue::find(std::uint64_t id) const {
  return impl_->read("find a task in", [&](connection& db) { return detail::find_task(db, impl_->name, id); });
}

std::optional<task_status> task_queue::find(std::string_view key) const {
  return impl_->read("find a task in", [&](connection& db) -> std::optional<task_status> {
    const auto id = detail::find_task_key(db, impl_->name, key);
    return id ? detail::find_task(db, impl_->name, *id) : std::nullopt;
  });
}

std::vector<task_status> task_queue::list(const task_filter& filter) const {
  return impl_->read("list the tasks in", [&](connection& db) { return detail::list_tasks(db, impl_->name, filter); });
}

std::vector<task_attempt> task_queue::history(std::uint64_t after, std::size_t limit) const {
  return impl_->read("list the history in",
                     [&](connection& db) { return detail::list_attempts(db, impl_->name, after, limit); });
}

std::vector<wait_reason> task_queue::why(std::uint64_t id) const {
  return impl_->read("explain a task in",
                     [&](connection& db) { return detail::explain_task(db, impl_->name, id, impl_->store->death()); });
}

const std::string& task_queue::name() const noexcept {
  return impl_->name;
}

void task_queue::wait_for_change(deadline until, std::stop_token stop) {
  impl_->wait_for_change(until, stop);
}

}  // namespace lockkit::inline v0
