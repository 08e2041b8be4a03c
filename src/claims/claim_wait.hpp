#pragma once
/// One request, from its arrival to its grant or its end.

#include <stop_token>

#include "store.hpp"
#include "store_watch.hpp"

namespace lockkit::detail {

class claim_wait {
 public:
  claim_wait(store& s, claim_operation operation, deadline until, std::stop_token stop)
      : store_(s), operation_(std::move(operation)), until_(until), stop_(std::move(stop)), watch_(s) {}
  ~claim_wait();

  /// What was granted; nullopt: not before the deadline or the stop. Throws sqlite_failure.
  [[nodiscard]] std::optional<std::vector<claimed_item>> run();
  [[nodiscard]] const std::string& key() const noexcept { return operation_.key; }
  /// The life mark of a job's claim; empty for other lives.
  [[nodiscard]] platform::unique_fd take_mark() noexcept { return std::move(mark_.fd); }

 private:
  [[nodiscard]] claim_result attempt();
  [[nodiscard]] claim_result change(connection& db);
  [[nodiscard]] std::optional<std::vector<claimed_item>> look_up(const sqlite_failure& failure);
  [[nodiscard]] bool is_worth_trying();
  void sleep();
  void leave_queue();
  [[nodiscard]] bool is_over() const noexcept { return until_.expired() || stop_.stop_requested(); }

  store& store_;
  claim_operation operation_;
  life_mark mark_;
  deadline until_;
  std::stop_token stop_;
  bool queues_up_ = false;
  store_watch watch_;
};

}  // namespace lockkit::detail
