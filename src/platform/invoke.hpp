#pragma once
/// How every system call of this folder is made: faults first, EINTR retried, errno to error_code.

#include <cerrno>
#include <cstddef>
#include <system_error>
#include <utility>

#include "fault.hpp"

namespace lockkit::platform {

/// Calls `call()` until it is not interrupted. Returns its result, or -1 with `ec` set. `ec` is cleared on success. A
/// fault may lower `allowed`, which is for calls that move bytes.
template <class Call>
auto invoke(fault::call_name name, std::error_code& ec, Call&& call, std::size_t* allowed = nullptr) noexcept
    -> decltype(call()) {
  for (;;) {
    const int injected = fault::before(name, allowed);
    if (injected == 0) {
      const auto result = call();
      if (result >= 0) {
        ec.clear();
        return result;
      }
    } else {
      errno = injected;
    }
    if (errno == EINTR) continue;
    ec.assign(errno, std::system_category());
    return -1;
  }
}

/// The same for calls that move `size` bytes, which a fault may shorten: call(size).
template <class Call>
auto invoke_sized(fault::call_name name, std::size_t size, std::error_code& ec, Call&& call) noexcept
    -> decltype(call(size)) {
  std::size_t allowed = size;
  return invoke(name, ec, [&] { return call(std::exchange(allowed, size)); }, &allowed);
}

}  // namespace lockkit::platform
