#pragma once
/// What containers and reboots do to a process's idea of itself: PID namespaces, numbers that come again, another boot.

#include <functional>

#include "support/process.hpp"
#include "support/scratch.hpp"

namespace testing {

/// What a process below exits with where the kernel does not permit this.
inline constexpr int not_permitted = 77;

/// Runs `body` as PID 1 of a new PID namespace, in a process below this one.
child_process as_first_process(const std::function<int()>& body);

/// Whether that is permitted; else says that the test is skipped.
bool may_unshare();

/// The calling process, in a mount namespace of its own from now on, sees the id of another boot. False: not permitted.
bool pretend_reboot();

/// In a PID namespace whose PID 1 the calling process is: a child with that number, which nobody has.
child_process child_with_pid(int pid, const std::function<int()>& body);

}  // namespace testing
