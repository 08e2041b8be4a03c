#include "object_gate.hpp"

#include <algorithm>
#include <vector>

#include <lockkit/error.hpp>

#include "platform/shared_word.hpp"

namespace lockkit::detail {
namespace {

std::vector<std::shared_ptr<hold_note>>& notes_of_this_thread() {
  thread_local std::vector<std::shared_ptr<hold_note>> notes;
  return notes;
}

}  // namespace

bool object_gate::enter(wait_terms& terms, std::error_code& ec) {
  ec.clear();
  std::uint32_t mine = 1;
  for (std::uint32_t seen = 0; !state_.compare_exchange_strong(seen, mine); seen = 0) {
    if (terms.over()) {
      // The wake-up that we took along was another's too: whoever is in now must give it again.
      if (mine == 2 && seen == 1) state_.compare_exchange_strong(seen, 2);
      return false;
    }
    if (thread_ == platform::current_thread()) {
      ec = errc::would_deadlock;
      return false;
    }
    terms.begin();
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

void note_hold(std::shared_ptr<hold_note>& note, std::uint64_t device, std::uint64_t inode) noexcept try {
  auto& notes = notes_of_this_thread();
  std::erase_if(notes, [](const auto& other) { return !other->held; });
  if (note == nullptr || note.use_count() > 1) note = std::make_shared<hold_note>();
  note->generation = platform::process_generation();
  note->device = device;
  note->inode = inode;
  note->held.store(true, std::memory_order_release);
  notes.push_back(note);
} catch (const std::bad_alloc&) {
  note.reset();
}

bool this_thread_holds(std::uint64_t device, std::uint64_t inode) noexcept {
  const std::uint64_t generation = platform::process_generation();
  return std::ranges::any_of(notes_of_this_thread(), [&](const auto& note) {
    return note->held && note->generation == generation && note->device == device && note->inode == inode;
  });
}

}  // namespace lockkit::detail
