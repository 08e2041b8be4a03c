#pragma once
/// The gate of a cache: shared while a content and the record that names it appear, exclusive while contents go. It
/// closes the one hole of content-named files: a publisher finds the content there already, and a remover, who saw no
/// record naming it, takes it away before the publisher's record stands.
///
/// In front of it stands a turn, a lock that everybody passes through and a remover keeps while it waits: else publishers
/// that overlap each other would keep it out for as long as they come. It keeps the turn for some time only, and then
/// looks in for as long without waiting: a publisher that was stopped in the gate must not keep all others out with it. The order
/// is always key, turn, gate.

#include <lockkit/file_mutex.hpp>

#include "cache_layout.hpp"

namespace lockkit::detail {

class gate {
 public:
  explicit gate(const cache_layout& layout)
      : turn_(layout.gate_path() + "-turn", options_for(layout)), gate_(layout.gate_path(), options_for(layout)) {}

  /// errc::timed_out, or std::errc::operation_canceled by the stop.
  void enter_shared(deadline until, const std::stop_token& stop, std::error_code& ec);
  void enter_exclusive(deadline until, const std::stop_token& stop, std::error_code& ec);
  /// Also done by the destructor.
  void leave() noexcept {
    gate_.unlock();
    turn_.unlock();
  }

 private:
  [[nodiscard]] static lock_options options_for(const cache_layout& layout);
  void take_turn(deadline until, const std::stop_token& stop, std::error_code& ec);
  bool look_in_now_and_then(deadline until, const std::stop_token& stop, std::error_code& ec);

  file_mutex turn_;
  file_mutex gate_;
};

}  // namespace lockkit::detail
