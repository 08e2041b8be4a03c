#pragma once
/// What makes one lock object usable by several threads: they take turns in front of the kernel's lock, which can't
/// tell them apart. Also knows when a thread would wait for itself for ever.

#include <atomic>
#include <cstdint>
#include <memory>
#include <system_error>
#include <thread>

#include "platform/fault.hpp"
#include "platform/lock.hpp"
#include "platform/process.hpp"
#include "wait_terms.hpp"

namespace lockkit::detail {

/// A hold, as the thread that took it remembers it, so that it can notice that it holds the same inode through another
/// object. Shared with that thread: any thread may release.
struct hold_note {
  std::atomic<bool> held{false};
  std::uint64_t generation = 0;
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::atomic<bool> shared{false};
};

class object_gate {
 public:
  /// False with a clear code: another thread was in until the terms were over. errc::would_deadlock: this thread is in,
  /// and the terms would let it wait.
  [[nodiscard]] bool enter(wait_terms& terms, std::error_code& ec);
  /// From any thread.
  void leave() noexcept;
  /// Whoever is in is no longer known to be this thread: the object went elsewhere.
  void forget_thread() noexcept { thread_ = 0; }
  /// In a forked child: nobody is in.
  void reset() noexcept {
    thread_ = 0;
    state_ = 0;
  }

 private:
  void give_up_wake(std::uint32_t mine) noexcept;

  std::atomic<std::uint32_t> state_{
      0};  // 0 free, 1 taken, 2 taken and waited for (Drepper, "Futexes Are Tricky", 2011)
  std::atomic<std::uint64_t> thread_{0};
};

/// The process that an object's state belongs to. A forked child must forget what it inherited before it does anything
/// else, once, and no other of its threads may pass meanwhile: it would find its parent's descriptor, and with it the
/// parent's lock.
class process_mark {
 public:
  [[nodiscard]] bool is_ours() const noexcept { return generation_ == platform::process_generation(); }
  /// In a forked child: runs `forget` in one thread, while others wait here.
  template <class Forget>
  void renew(Forget&& forget) noexcept {
    const std::uint64_t ours = platform::process_generation();
    const std::uint64_t renewing = ours | (std::uint64_t{1} << 63U);  // a child forked meanwhile has another value
    for (std::uint64_t seen = generation_; seen != ours; seen = generation_) {
      if (seen == renewing) {
        std::this_thread::yield();
      } else if (generation_.compare_exchange_strong(seen, renewing)) {
        platform::fault::point("process_mark.renewing");
        forget();
        generation_ = ours;
      }
    }
  }

 private:
  std::atomic<std::uint64_t> generation_{platform::process_generation()};
};

/// Remembers that this thread now holds the inode. Without memory, or while the thread ends, it forgets, which costs the
/// warning, not the lock.
void note_hold(std::shared_ptr<hold_note>& note, std::uint64_t device, std::uint64_t inode,
               platform::lock_mode mode) noexcept;
/// Whether a wait in this mode would be for this thread itself: it holds the inode through some object, and not both
/// would share.
[[nodiscard]] bool would_wait_for_itself(std::uint64_t device, std::uint64_t inode, platform::lock_mode mode) noexcept;
/// Whether this thread shares the inode already, through some object.
[[nodiscard]] bool shares_already(std::uint64_t device, std::uint64_t inode) noexcept;

}  // namespace lockkit::detail
