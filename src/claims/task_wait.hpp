#pragma once
/// One take, from its arrival to its grant or its end.

#include <stop_token>

#include "store.hpp"
#include "store_watch.hpp"
#include "task_operations.hpp"

namespace lockkit::detail {

class task_wait {
 public:
  task_wait(store& s, take_operation operation, deadline until, std::stop_token stop)
      : store_(s), operation_(std::move(operation)), until_(until), stop_(std::move(stop)), watch_(s) {}

  /// nullopt: nothing before the deadline or the stop. Throws sqlite_failure.
  [[nodiscard]] std::optional<granted_task> run();
  /// The life mark of a job's claim; empty for other lives.
  [[nodiscard]] platform::unique_fd take_mark() noexcept { return std::move(mark_.fd); }

 private:
  [[nodiscard]] std::optional<granted_task> attempt();
  [[nodiscard]] std::optional<granted_task> change(connection& db);
  [[nodiscard]] std::optional<granted_task> look_up(const sqlite_failure& failure);
  [[nodiscard]] bool is_worth_trying();
  void sleep();
  [[nodiscard]] bool is_over() const noexcept { return until_.expired() || stop_.stop_requested(); }

  store& store_;
  take_operation operation_;
  life_mark mark_;
  deadline until_;
  std::stop_token stop_;
  bool waits_ = false;
  bool buried_ = false;
  store_watch watch_;
};

}  // namespace lockkit::detail
