#include "scenario/history.hpp"

#include <unistd.h>

#include <algorithm>
#include <stdexcept>

namespace testing {

namespace {

stay::moment now() {
  return std::chrono::steady_clock::now().time_since_epoch().count();
}

bool was_had(const stay& one) {
  return one.had != 0;
}

/// Up to which moment it certainly held it.
stay::moment end_of(const stay& one) {
  return one.left != 0 ? one.left : one.had;
}

bool holds_at_the_end(const stay& one) {
  return was_had(one) && one.left == 0 && !one.killed;
}

bool waits_at_the_end(const stay& one) {
  return !was_had(one) && one.left == 0 && !one.killed;
}

std::string describe(const stay& one) {
  return "process " + std::to_string(one.pid) + ", token " + std::to_string(one.token) + ", asked " +
         std::to_string(one.asked) + ", had " + std::to_string(one.had) + ", left " + std::to_string(one.left);
}

/// Holds that come in the order in which they were had.
class judgement {
 public:
  explicit judgement(findings& found) : found_(found) {}

  void see(const stay& next) {
    compare(longest_exclusive_, next);
    if (!next.shared) compare(longest_shared_, next);
    const stay*& longest = next.shared ? longest_shared_ : longest_exclusive_;
    if (longest == nullptr || end_of(next) > end_of(*longest)) longest = &next;
    if (next.token == 0) return;
    if (last_ != nullptr && next.token <= last_->token) {
      found_.tokens_that_do_not_grow.push_back(describe(*last_) + " | " + describe(next));
    }
    last_ = &next;
  }

 private:
  void compare(const stay* earlier, const stay& next) {
    if (earlier == nullptr || next.had >= end_of(*earlier)) return;
    found_.overlaps.push_back(describe(*earlier) + " | " + describe(next));
  }

  findings& found_;
  const stay* longest_exclusive_ = nullptr;
  const stay* longest_shared_ = nullptr;
  const stay* last_ = nullptr;
};

}  // namespace

std::string findings::text() const {
  std::string result = std::to_string(stays) + " stays\n";
  const auto add = [&](const char* what, const std::vector<std::string>& lines) {
    for (std::size_t i = 0; i < std::min<std::size_t>(lines.size(), 3); ++i) result += what + lines[i] + "\n";
  };
  add("overlap: ", overlaps);
  add("token: ", tokens_that_do_not_grow);
  add("lost wake-up: ", lost_wakeups);
  return result;
}

findings judge(std::vector<stay> history) {
  findings found;
  found.stays = history.size();
  if (std::ranges::none_of(history, holds_at_the_end)) {
    for (const stay& one : history) {
      if (waits_at_the_end(one)) found.lost_wakeups.push_back(describe(one));
    }
  }
  std::erase_if(history, [](const stay& one) { return !was_had(one); });
  std::ranges::sort(history, {}, &stay::had);
  judgement result(found);
  for (const stay& one : history) result.see(one);
  return found;
}

void journal::pen::ask(bool shared) {
  line_ = where_.pages_->lines++;
  if (line_ >= most_stays) throw std::runtime_error("journal: it is full");
  line& mine = where_.pages_->written[line_];
  mine.shared = shared;
  mine.asked = now();
  mine.pid = static_cast<std::uint32_t>(::getpid());
}

void journal::pen::have(std::uint64_t token) {
  line& mine = where_.pages_->written[line_];
  mine.token = token;
  mine.had = now();
}

void journal::pen::leave() {
  where_.pages_->written[line_].left = now();
  ++where_.pages_->turns;
}

void journal::pen::give_up() {
  where_.pages_->written[line_].left = now();
}

void journal::note_kill(int pid) const {
  const std::size_t count = std::min<std::size_t>(pages_->lines, most_stays);
  for (std::size_t i = count; i-- > 0;) {
    line& one = pages_->written[i];
    if (one.pid != static_cast<std::uint32_t>(pid)) continue;
    one.killed = true;
    return;
  }
}

std::vector<stay> journal::read() const {
  std::vector<stay> result;
  const std::size_t count = std::min<std::size_t>(pages_->lines, most_stays);
  for (std::size_t i = 0; i < count; ++i) {
    const line& one = pages_->written[i];
    if (one.pid == 0) continue;  // killed while it began to write
    result.push_back({one.pid, one.token, one.asked, one.had, one.left, one.shared, one.killed});
  }
  return result;
}

}  // namespace testing
