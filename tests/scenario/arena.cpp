#include "scenario/arena.hpp"

#include <signal.h>
#include <sys/prctl.h>

#include <algorithm>
#include <stdexcept>
#include <thread>

namespace testing {

using namespace std::chrono_literals;

namespace {

bool wait_until(const std::function<bool()>& condition) {
  const nanoseconds end = monotonic_now() + 30s;
  while (!condition()) {
    if (monotonic_now() > end) return false;
    std::this_thread::sleep_for(50us);
  }
  return true;
}

/// What a resident does, turn after turn.
class visitor {
 public:
  visitor(arena_state& state, std::uint32_t me, entrance by) : state_(state), me_(me), by_(std::move(by)) {}

  int live() {
    while (!state_.over) {
      const nanoseconds came = monotonic_now();
      if (!by_.enter()) {
        ++state_.never_entered;
        return 1;
      }
      take_turn(came);
      by_.leave();
    }
    return 0;
  }

 private:
  void take_turn(nanoseconds came) {
    const std::uint32_t before = state_.inside.exchange(me_);
    const std::uint64_t steps = state_.lives[before].steps;
    if (before != 0 && !state_.lives[before].condemned) ++state_.overlaps;
    note_entry(came);
    if (state_.doom.exchange(false)) stay();
    for (int i = 0; i < 100; ++i) ++state_.lives[me_].steps;
    if (before != 0 && state_.lives[before].steps != steps) ++state_.overlaps;
    if (state_.inside.exchange(0) != me_) ++state_.overlaps;
    ++state_.turns;
  }

  void note_entry(nanoseconds came) {
    if (state_.first_entry != 0) return;
    const nanoseconds now = monotonic_now();
    state_.first_entry_waited = (now - came).count();
    state_.first_entry = now.count();
  }

  [[noreturn]] void stay() {
    state_.doomed = me_;
    for (;;) {
      ++state_.lives[me_].steps;
      std::this_thread::sleep_for(1ms);
    }
  }

  arena_state& state_;
  std::uint32_t me_;
  entrance by_;
};

}  // namespace

arena::arena(std::filesystem::path path, std::size_t processes, make_entrance make)
    : path_(std::move(path)), make_(std::move(make)) {
  for (std::size_t i = 0; i < processes; ++i) residents_.emplace_back(spawn());
}

arena::~arena() {
  state_->over = true;
}

arena::resident arena::spawn() {
  const std::uint32_t number = ++last_life_;
  if (number >= arena_state::max_lives) throw std::runtime_error("arena: too many lives");
  return {number, child_process([this, number] {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            return visitor(*state_, number, make_(path_)).live();
          })};
}

void arena::replace(std::size_t index) {
  residents_[index].reset();  // kills and reaps
  residents_[index].emplace(spawn());
}

std::size_t arena::index_of(std::uint32_t number) const {
  const auto found = std::ranges::find_if(residents_, [&](const auto& one) { return one->number == number; });
  return static_cast<std::size_t>(found - residents_.begin());
}

bool arena::begin_doom() {
  state_->doomed = 0;
  state_->doom = true;
  return wait_until([&] { return state_->doomed != 0; });
}

void arena::kill_doomed() {
  const std::uint32_t number = state_->doomed;
  state_->first_entry = 0;
  state_->lives[number].condemned = true;
  killed_ = monotonic_now();
  residents_[index_of(number)]->process.signal(SIGKILL);
}

std::optional<succession> arena::await_next() {
  if (!wait_until([&] { return state_->first_entry != 0; })) return std::nullopt;
  const succession result = {nanoseconds(state_->first_entry) - killed_, nanoseconds(state_->first_entry_waited)};
  replace(index_of(state_->doomed));
  return result;
}

void arena::kill_anywhere(std::size_t index) {
  state_->lives[residents_[index]->number].condemned = true;
  replace(index);
}

void arena::finish() {
  state_->over = true;
  for (auto& one : residents_) {
    if (one->process.wait() != 0) ++state_->never_entered;
  }
  residents_.clear();
}

}  // namespace testing
