#pragma once
/// One request, from its arrival to its grant or its end.

#include <stop_token>

#include "store.hpp"

namespace lockkit::detail {

class claim_wait {
 public:
  claim_wait(store& s, claim_operation operation, deadline until, std::stop_token stop)
      : store_(s), operation_(std::move(operation)), until_(until), stop_(std::move(stop)) {}
  ~claim_wait();

  /// What was granted; nullopt: not before the deadline or the stop. Throws sqlite_failure.
  [[nodiscard]] std::optional<std::vector<claimed_item>> run();
  [[nodiscard]] const std::string& key() const noexcept { return operation_.key; }

 private:
  enum class arrival { try_once, queue_up };
  [[nodiscard]] claim_result attempt(arrival how);
  [[nodiscard]] bool is_worth_trying();
  void sleep();
  [[nodiscard]] bool over() const noexcept { return until_.expired() || stop_.stop_requested(); }
  [[nodiscard]] deadline turn_deadline() const noexcept;

  store& store_;
  claim_operation operation_;
  deadline until_;
  std::stop_token stop_;
};

}  // namespace lockkit::detail
