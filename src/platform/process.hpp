#pragma once
/// The own process and its look from outside.

#include <cstdint>
#include <string>
#include <system_error>

#include "private_api.hpp"
#include "unique_fd.hpp"

namespace lockkit::platform {

/// A number that differs between a process and its forked children, wherever PIDs lie (nested PID namespaces: child 1
/// of parent 1). Costs one load; the first call in a process maps a page that fork() clears (MADV_WIPEONFORK).
[[nodiscard]] LOCKKIT_PRIVATE_API std::uint64_t process_generation() noexcept;

[[nodiscard]] LOCKKIT_PRIVATE_API std::string host_name();
/// Inode of the process's pidfd, unique for the boot since Linux 6.9; 0 where it is not, or when there is no such
/// process, or it has ended and its parent has not been told yet (then with a code, no_such_process).
[[nodiscard]] LOCKKIT_PRIVATE_API std::uint64_t pidfd_inode(int pid, std::error_code& ec) noexcept;
/// A descriptor that can be read (poll) once the process has ended; empty, with a code, if there is no such process.
[[nodiscard]] LOCKKIT_PRIVATE_API unique_fd open_process(int pid, std::error_code& ec) noexcept;
/// Whether the process behind that descriptor has ended.
[[nodiscard]] LOCKKIT_PRIVATE_API bool has_ended(int process) noexcept;
[[nodiscard]] LOCKKIT_PRIVATE_API int current_pid() noexcept;
/// A number that no other thread of this process has, had or will have, unlike the kernel's; and without a system call.
[[nodiscard]] LOCKKIT_PRIVATE_API std::uint64_t current_thread() noexcept;
[[nodiscard]] LOCKKIT_PRIVATE_API unsigned effective_user() noexcept;

/// Random bits of the kernel (getrandom).
LOCKKIT_PRIVATE_API void fill_random(void* into, std::size_t size, std::error_code& ec) noexcept;
/// Nanoseconds since 1970 of the wall clock: for people, and as a floor for tokens.
[[nodiscard]] LOCKKIT_PRIVATE_API std::uint64_t wall_clock_ns() noexcept;

}  // namespace lockkit::platform
