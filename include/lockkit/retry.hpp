#pragma once
/// retry(policy, operation): runs an operation again while it fails for a passing reason.

#include <system_error>
#include <utility>

#include <lockkit/backoff.hpp>
#include <lockkit/deadline.hpp>
#include <lockkit/export.hpp>

namespace lockkit::inline v0 {

/// Whether trying again may help: EINTR, EAGAIN, EBUSY, ESTALE, EIO, ETIMEDOUT, ENFILE, EMFILE, ENOMEM, ENOBUFS and
/// the network's ECONNRESET, ECONNREFUSED, ECONNABORTED, EHOSTUNREACH, ENETUNREACH, ENETDOWN, ENETRESET.
/// Never ENOSPC, EACCES, EROFS or any lockkit errc: those need a person.
[[nodiscard]] LOCKKIT_API bool is_transient(const std::error_code& code) noexcept;

/// How often and how long. Stops at whichever limit comes first.
struct retry_policy {
  unsigned attempts = 5;                                      ///< at the most, the first one included; 0 counts as 1
  deadline until = deadline::never();                         ///< pauses end then, and one last attempt is made
  backoff_policy pauses{};                                    ///< between attempts
  bool (*transient)(const std::error_code&) = &is_transient;  ///< which errors are worth another attempt
};

/// Runs `operation(std::error_code&)` until it leaves the code clear, fails for good, or a limit is reached; returns
/// what its last run returned, with that run's code in `ec`. The code is cleared before each run. Exceptions of
/// `operation` pass through and end it. Blocks the calling thread between attempts.
template <class Operation>
auto retry(const retry_policy& policy, Operation&& operation, std::error_code& ec) -> decltype(operation(ec)) {
  backoff pauses(policy.pauses);
  for (unsigned attempt = 1;; ++attempt) {
    ec.clear();
    if (attempt >= policy.attempts || policy.until.expired()) return operation(ec);
    if constexpr (std::is_void_v<decltype(operation(ec))>) {
      operation(ec);
      if (!ec || !policy.transient(ec)) return;
    } else {
      auto result = operation(ec);
      if (!ec || !policy.transient(ec)) return result;
    }
    if (!pauses.sleep(policy.until)) attempt = policy.attempts - 1;  // one last attempt at the deadline
  }
}

}  // namespace lockkit::inline v0
