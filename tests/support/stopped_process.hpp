#pragma once
/// A process that is held before one of its system calls. For builds with fault injection.

#include <cstdint>
#include <functional>

#include "platform/fault.hpp"
#include "support/process.hpp"

#if defined(LOCKKIT_FAULT_INJECTION)
namespace testing {

/// Runs `body` in a forked child that stops before its `nth` call named `call` (empty: any call) until go_on(). Made when
/// the child has come there: it must.
class stopped_process {
 public:
  stopped_process(const char* call, std::uint64_t nth, const std::function<int()>& body)
      : process_([&] {
          lockkit::platform::fault::arm({.what = lockkit::platform::fault::action::stop,
                                         .name = call,
                                         .nth = nth,
                                         .announce_fd = reached_.write_end(),
                                         .resume_fd = resume_.read_end()});
          return body();
        }) {
    reached_.receive();
  }
  /// What `body` returned.
  int go_on() {
    resume_.send();
    return process_.wait();
  }

 private:
  signal_pipe reached_;
  signal_pipe resume_;
  child_process process_;
};

}  // namespace testing
#endif
