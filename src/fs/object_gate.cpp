#include "object_gate.hpp"

#include <algorithm>
#include <vector>

#include <lockkit/error.hpp>

#include "platform/shared_word.hpp"

namespace lockkit::detail {
namespace {

using note_list = std::vector<std::shared_ptr<hold_note>>;

/// Nothing to destroy, so it can still be asked when the list is gone: locks are also used by destructors of thread-local
/// and static objects, which may run after the list's.
// NOLINTNEXTLINE(*-avoid-non-const-global-variables): outlives the list, so that a thread's end is told apart
thread_local bool list_is_gone = false;

struct thread_notes {
  note_list list;
  ~thread_notes() { list_is_gone = true; }
};

/// Null once this thread's list has been destroyed.
note_list* notes_of_this_thread() {
  if (list_is_gone) return nullptr;
  thread_local thread_notes notes;
  return &notes.list;
}

}  // namespace

/// The wake-up that we took along was another's too: whoever is in now must give it again.
void object_gate::give_up_wake(std::uint32_t mine) noexcept {
  std::uint32_t taken = 1;
  if (mine == 2) state_.compare_exchange_strong(taken, 2);
}

bool object_gate::enter(wait_terms& terms, std::error_code& ec) {
  ec.clear();
  std::uint32_t mine = 1;
  for (std::uint32_t seen = 0; !state_.compare_exchange_strong(seen, mine); seen = 0) {
    if (terms.over()) {
      give_up_wake(mine);
      return false;
    }
    if (thread_ == platform::current_thread()) {
      ec = errc::would_deadlock;
      return false;
    }
    terms.begin();
    terms.see(thread_);
    if (terms.must_warn()) {
      give_up_wake(mine);
      terms.warn();
      continue;
    }
    mine = 2;  // others may wait as we did: whoever leaves after us must wake them
    if (seen == 2 || state_.compare_exchange_strong(seen, 2)) {
      platform::wait_private(reinterpret_cast<const std::uint32_t*>(&state_), 2, terms.slice());
    }
  }
  thread_.store(platform::current_thread(), std::memory_order_release);  // state_ orders what threads see of it
  return true;
}

void object_gate::leave() noexcept {
  thread_.store(0, std::memory_order_release);
  if (state_.exchange(0) == 2) platform::wake_private(reinterpret_cast<const std::uint32_t*>(&state_));
}

void note_hold(std::shared_ptr<hold_note>& note, std::uint64_t device, std::uint64_t inode,
               platform::lock_mode mode) noexcept try {
  note_list* const notes = notes_of_this_thread();
  if (notes == nullptr) return note.reset();
  std::erase_if(*notes, [](const auto& other) { return !other->held; });
  if (note == nullptr || note.use_count() > 1) note = std::make_shared<hold_note>();
  note->generation = platform::process_generation();
  note->device = device;
  note->inode = inode;
  note->shared = mode == platform::lock_mode::shared;
  note->held.store(true, std::memory_order_release);
  notes->push_back(note);
} catch (const std::bad_alloc&) {
  note.reset();
}

namespace {

/// Whether this thread has the inode in a way that `which` is true of.
template <class Which>
bool has_inode(std::uint64_t device, std::uint64_t inode, Which&& which) noexcept {
  const note_list* const notes = notes_of_this_thread();
  if (notes == nullptr) return false;
  const std::uint64_t generation = platform::process_generation();
  return std::ranges::any_of(*notes, [&](const auto& note) {
    return note->held && note->generation == generation && note->device == device && note->inode == inode &&
           which(*note);
  });
}

}  // namespace

bool would_wait_for_itself(std::uint64_t device, std::uint64_t inode, platform::lock_mode mode) noexcept {
  const bool sharing = mode == platform::lock_mode::shared;
  return has_inode(device, inode, [=](const hold_note& note) { return !note.shared || !sharing; });
}

bool shares_already(std::uint64_t device, std::uint64_t inode) noexcept {
  return has_inode(device, inode, [](const hold_note& note) { return note.shared.load(); });
}

}  // namespace lockkit::detail
