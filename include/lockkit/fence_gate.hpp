#pragma once
/// fence_gate: for the owner of a resource, to refuse holders of a lock that have been overtaken.
///
/// A lock can be lost while its holder does not run: it was stopped, its virtual machine was, somebody broke the lock by
/// force, a server's lease ran out. When it wakes it goes on writing. So each acquisition has a token that is greater
/// than all before (lock_file::token()); the holder shows it with each effect, and the resource's side refuses every
/// token below the highest that it has seen:
///
///   lockkit::fence_gate gate("/srv/results/.fence");
///   if (auto admitted = gate.admit(token)) append(record);   // the effect, while `admitted` lives
///   else stop();                                             // somebody else holds the lock by now
///
/// Check and effect are one step: as long as an admission lives nobody else is admitted, with whatever token, and who
/// asks waits. So an effect that has begun ends before a newer holder's begins.
///
/// What it can't do. It guards only what goes through it: a holder that writes beside the gate is not seen. An admitted
/// process that is stopped keeps the others waiting until it goes on or is killed; it is not robbed, since nobody could
/// know what it still does. Which half of an effect was done when a process is killed is the resource's matter. Tokens of
/// different locks must not be mixed, nor those of a lock whose guard is removed (ephemeral_guard) while the clock is set
/// back. Who removes the gate's file, or puts an older copy in its place, lets old tokens in again, also beside one that
/// is admitted.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>

#include <lockkit/deadline.hpp>
#include <lockkit/export.hpp>
#include <lockkit/lock_options.hpp>
#include <lockkit/owner.hpp>

namespace lockkit::inline v0 {

/// A gate for all processes of this host. The highest token is kept in a file of its own, which is made by the first
/// admission, never replaced, and on the disk before the admission is given: it does not go back, neither by kill -9 nor
/// by a power cut. A file that does not say it (damaged, emptied, somebody else's) is errc::gate_damaged or
/// errc::not_a_lock_file, never a new beginning. One new token costs up to three syncs of that file; one that was admitted
/// by another object costs one; the same one again costs a mutex.
/// Threads and moved-from objects: as lock_file. In a forked child an inherited admission is nobody's; but while a child
/// lives that was forked by then, an admitted process that is killed still counts as admitted.
class LOCKKIT_API fence_gate {
  struct impl;

 public:
  /// The right to act upon the resource; ends when destroyed.
  class LOCKKIT_API admission {
   public:
    ~admission();
    admission(admission&& other) noexcept;
    admission& operator=(admission&& other) noexcept;  ///< ends what the target was
    [[nodiscard]] fencing_token token() const noexcept { return token_; }

   private:
    friend class fence_gate;
    admission(std::shared_ptr<impl> gate, fencing_token token) noexcept;
    std::shared_ptr<impl> gate_;  // keeps the gate open beyond its object
    fencing_token token_;
    std::uint64_t process_;  // that was admitted: what a child forked by it has is a copy
  };

  /// Touches nothing. Of the options: timeout, create_parents, mode, label, remote and on_wait, as for a file_mutex.
  explicit fence_gate(const std::filesystem::path& path, const lock_options& options = {});
  ~fence_gate();
  fence_gate(fence_gate&& other) noexcept;
  fence_gate& operator=(fence_gate&& other) noexcept;

  /// Empty: a higher token was here before. Waits up to options.timeout while somebody is admitted, then throws
  /// errc::timed_out. A token of zero, which is that of no hold: errc::not_held.
  [[nodiscard]] std::optional<admission> admit(fencing_token token);
  [[nodiscard]] std::optional<admission> admit(fencing_token token, deadline until, std::error_code& ec);

  /// The highest token that is sure to be remembered, read without waiting: a lower one will not be admitted any more.
  /// Zero before the first. A higher one may have been begun, and refuse what lies between, without having been admitted.
  [[nodiscard]] fencing_token highest() const;
  [[nodiscard]] fencing_token highest(std::error_code& ec) const;
  [[nodiscard]] const std::filesystem::path& path() const noexcept;

 private:
  std::shared_ptr<impl> impl_;
};

/// The same for a resource that lives in one process, a server's for instance: no file. It forgets when that ends, so
/// begin with the highest token that the resource itself remembers. An admission ends on the thread that got it, and
/// before its gate does; a thread that is admitted must not ask again.
class memory_fence_gate {
 public:
  class admission {
   public:
    [[nodiscard]] fencing_token token() const noexcept { return token_; }

   private:
    friend class memory_fence_gate;
    admission(std::unique_lock<std::mutex> turn, fencing_token token) noexcept
        : turn_(std::move(turn)), token_(token) {}
    std::unique_lock<std::mutex> turn_;
    fencing_token token_;
  };

  explicit memory_fence_gate(fencing_token highest = {}) noexcept : highest_(highest) {}

  /// Empty: a higher token was here before, or it is zero. Waits while another thread is admitted.
  [[nodiscard]] std::optional<admission> admit(fencing_token token) {
    std::unique_lock turn(mutex_);
    if (token.value == 0 || token < highest_) return std::nullopt;
    highest_ = token;
    return admission(std::move(turn), token);
  }

 private:
  std::mutex mutex_;
  fencing_token highest_;
};

}  // namespace lockkit::inline v0
