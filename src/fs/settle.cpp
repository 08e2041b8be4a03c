// Waiting for one directory. The rules of settling are in settle_case.cpp, those of looking in settle_scan.cpp.

#include <lockkit/settle.hpp>

#include "core/throw_error.hpp"
#include "settle_case.hpp"
#include "settle_names.hpp"
#include "settle_sleep.hpp"

namespace lockkit::inline v0 {
namespace {

using detail::steady;

class waiting {
 public:
  waiting(const std::filesystem::path& directory, const std::filesystem::path& absolute, const settle_options& options,
          deadline until, std::stop_token stop)
      : until_(until),
        stop_(stop),
        sleep_(std::move(stop)),
        watches_(no_events_),
        case_(1, {absolute.native(), true}, directory, options, false) {}

  settle_result run(std::error_code& ec) {
    for (;;) {
      hand_over_events();
      if (stop_.stop_requested()) return stopped();
      if (case_.due() <= steady::now()) {
        case_.look(watches_, stop_);
        ec = case_.error();
        if (ec || case_.is_gone()) return case_.why();
        hand_over_events();
        if (case_.at_rest()) return case_.take_rest();
      }
      if (until_.expired()) return out_of_time();
      sleep_.wait(watches_.fd(), earlier(until_, deadline::at(case_.due())));
    }
  }

 private:
  void hand_over_events() {
    std::error_code ec;
    const auto events = watches_.take_events(ec);
    if (ec) case_.doubt(lost_.next_pause());
    for (const platform_event& event : events) {
      if (event.overflow()) {
        case_.doubt(lost_.next_pause());
      } else if (event.ended) {
        watches_.ended(event.watch);
      } else if (watches_.owner_of(event.watch) && !detail::is_about_a_lock(event.name)) {
        case_.touched(watches_.place_of(event));
      }
    }
  }

  settle_result stopped() const {
    settle_result result = case_.why();
    result.reason = "the wait was stopped; " + result.reason;
    return result;
  }

  settle_result out_of_time() {
    case_.look_for_reason(watches_);
    return case_.why();
  }

  using platform_event = platform::tree_event;

  deadline until_;
  std::stop_token stop_;
  std::error_code no_events_;  // then it is found by looking
  detail::settle_sleep sleep_;
  detail::settle_watches watches_;
  detail::settle_case case_;
  detail::lost_events lost_;
};

}  // namespace

settle_result wait_until_settled(const std::filesystem::path& directory, const settle_options& options, deadline until,
                                 std::stop_token stop, std::error_code& ec) {
  ec.clear();
  if (directory.empty() || directory.native().find('\0') != std::string::npos) {
    ec = errc::invalid_name;
    return {};
  }
  const std::filesystem::path absolute = std::filesystem::absolute(directory, ec);
  if (ec) return {};
  return waiting(directory, absolute, options, until, std::move(stop)).run(ec);
}

settle_result wait_until_settled(const std::filesystem::path& directory, const settle_options& options, deadline until,
                                 std::stop_token stop) {
  return detail::throwing("wait for the settling of", directory, [&](std::error_code& ec) {
    return wait_until_settled(directory, options, until, std::move(stop), ec);
  });
}

}  // namespace lockkit::inline v0
