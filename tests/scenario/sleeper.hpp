#pragma once
/// Whether a process sleeps on a lock's word, as the kernel says: lost wake-ups are seen by it, not by a clock.

#include "scenario/contender.hpp"

namespace testing {

/// In the futex call right now.
bool sleeps_on_word(int pid);
/// Waits for it, up to a minute.
bool falls_asleep(const contender& one);
/// It sleeps at many looks in a row, and says nothing. False: it has something to say.
bool stays_asleep(const contender& one);

}  // namespace testing
