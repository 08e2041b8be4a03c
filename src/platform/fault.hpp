#pragma once
/// Fault injection at the system-call boundary; compiled into test builds only (LOCKKIT_FAULT_INJECTION).
///
/// Every call of the platform layer passes fault::before(), every named point of a protocol fault::point(). A test arms
/// one plan per process: at the N-th matching call, fail with an errno, be short, die, or stop until told to go on.
/// The plan is copied by fork(), so a test arms it in the child that it examines. Counting is atomic; arming is not:
/// arm before threads start.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "private_api.hpp"

namespace lockkit::platform::fault {

/// Names of the calls, as in strace: "openat", "flock", "linkat", ...
using call_name = const char*;

enum class action {
  none,
  fail,     ///< return -1 with plan::error
  shorten,  ///< read or write plan::bytes at most
  die,      ///< SIGKILL to the own process, before the call
  pause,    ///< sleep for plan::pause, then make the call
  stop,     ///< write one byte to plan::announce_fd, then wait for one from plan::resume_fd, then make the call
};

struct plan {
  action what = action::none;
  std::string_view name{};  ///< only calls or points of this name; empty: every call (points only by name). Not owned
  std::uint64_t nth = 1;    ///< the N-th match, from 1
  std::uint64_t times = 1;  ///< so many matches from there on
  int error = 0;
  std::size_t bytes = 0;
  std::chrono::microseconds pause{};
  int announce_fd = -1;
  int resume_fd = -1;
};

#if defined(LOCKKIT_FAULT_INJECTION)

LOCKKIT_PRIVATE_API void arm(const plan& p) noexcept;
LOCKKIT_PRIVATE_API void disarm() noexcept;
/// Whether the armed plan has acted.
LOCKKIT_PRIVATE_API bool fired() noexcept;

/// Records the names of all calls from now on (in order); stop_recording returns them. For sweeps over "every call that
/// this operation makes", found by running it.
LOCKKIT_PRIVATE_API void start_recording();
LOCKKIT_PRIVATE_API std::vector<std::string> stop_recording();

/// For the platform layer: 0, or the errno with which the call must fail. `size` may be reduced.
LOCKKIT_PRIVATE_API int before(call_name name, std::size_t* size = nullptr) noexcept;
/// For protocols: a named place between system calls. Only `die`, `pause` and `stop` act here.
LOCKKIT_PRIVATE_API void point(call_name name) noexcept;

/// A rule that a test breaks on purpose, by its name in tests/model, so that the detectors are seen to find it. Each
/// stands where the rule stands. Until this process ends; a forked child inherits it.
LOCKKIT_PRIVATE_API void break_rule(std::string_view name) noexcept;
LOCKKIT_PRIVATE_API bool is_broken(std::string_view name) noexcept;

#else

inline int before(call_name, std::size_t* = nullptr) noexcept {
  return 0;
}
inline void point(call_name) noexcept {}
constexpr bool is_broken(std::string_view) noexcept {
  return false;
}

#endif

}  // namespace lockkit::platform::fault
