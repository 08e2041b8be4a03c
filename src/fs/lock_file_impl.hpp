#pragma once
/// The state of a lock_file. Private; tests reach the plant method through it.

#include <lockkit/lock_file.hpp>

#include "guard.hpp"
#include "object_gate.hpp"
#include "plant.hpp"

namespace lockkit::inline v0 {

struct lock_file::impl {
  impl(const std::filesystem::path& path, lock_options given);

  /// One implementation for every way of locking.
  [[nodiscard]] bool acquire(detail::wait_terms& terms, std::error_code& ec);
  void release() noexcept;
  [[nodiscard]] bool is_held() const noexcept;
  /// The object was moved, perhaps to another thread: who would wait for whom is no longer known.
  void forget_thread() noexcept;
  /// What a message about a failure should add.
  [[nodiscard]] std::string explain(const std::error_code& ec) const;
  [[nodiscard]] verify_result verify(std::error_code& ec);
  /// Whoever stands in the way, for messages.
  [[nodiscard]] owner find_holder(bool& foreign) const;

  std::error_code name_error;  // first: naming sets it
  detail::lock_names names;
  lock_options options;
  detail::plant_method method = detail::plant_method::automatic;

 private:
  void start_anew_after_fork() noexcept;
  void tell_through(detail::wait_terms& terms);
  [[nodiscard]] bool starts_anew(detail::wait_terms& terms, const std::error_code& ec) noexcept;
  [[nodiscard]] bool wait_for_content(detail::wait_terms& terms, std::error_code& ec);
  void see_foreign(detail::wait_terms& terms) const noexcept;
  [[nodiscard]] bool acquire_in_gate(detail::wait_terms& terms, std::error_code& ec);
  [[nodiscard]] bool lock_guard(detail::wait_terms& terms, std::error_code& ec);
  [[nodiscard]] detail::plant_state plant_or_release(detail::wait_terms& terms, std::error_code& ec);
  [[nodiscard]] detail::plant_state plant_or_wait(detail::wait_terms& terms, std::error_code& ec);
  [[nodiscard]] detail::plant_state try_plant(std::error_code& ec);
  void check_guard(std::error_code& ec) noexcept;
  [[nodiscard]] bool is_nobody_elses(std::error_code& ec) noexcept;
  [[nodiscard]] bool stamp_guard(std::error_code& ec);
  [[nodiscard]] bool lock_content(std::error_code& ec) noexcept;
  void release_guard() noexcept;
  [[nodiscard]] bool remove_guard() noexcept;
  [[nodiscard]] verify_result look_and_restore(std::error_code& ec);

  detail::object_gate gate_;
  detail::object_gate names_gate_;  // for the names P and G, inside gate_: verify() may meet unlock() of another thread
  detail::guard guard_;
  detail::owner_stamp stamp_;
  detail::planted_name planted_;
  bool content_locked_ = false;  // used by whoever is in gate_
  std::shared_ptr<detail::hold_note> note_;
  std::atomic<std::uint64_t> token_{0};
  detail::process_mark process_;
  std::atomic<bool> held_{false};
  std::atomic<bool> lost_{false};
  std::atomic<bool> left_behind_{false};

  friend class lock_file;
};

}  // namespace lockkit::inline v0
