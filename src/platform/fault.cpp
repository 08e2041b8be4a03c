#include "fault.hpp"

#if defined(LOCKKIT_FAULT_INJECTION)

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <ctime>
#include <mutex>

namespace lockkit::platform::fault {
namespace {

// The table is the process's: what a test arms must reach every call. NOLINTBEGIN(*-avoid-non-const-global-variables)
plan armed;
std::atomic<bool> is_armed{false};
std::atomic<bool> has_fired{false};
std::atomic<std::uint64_t> matches{0};
std::atomic<bool> is_recording{false};
std::mutex record_mutex;
std::vector<std::string> record;
constexpr std::size_t most_broken = 4;
std::array<std::string_view, most_broken> broken;
std::atomic<std::size_t> broken_rules{0};
// NOLINTEND(*-avoid-non-const-global-variables)

bool due() noexcept {
  const std::uint64_t n = matches.fetch_add(1) + 1;
  return n >= armed.nth && n - armed.nth < armed.times;
}

void pause_here() noexcept {
  const timespec time{0, std::chrono::nanoseconds(armed.pause).count()};
  ::nanosleep(&time, nullptr);
}

void stop_here() noexcept {
  const char byte = 's';
  char answer = 0;
  while (::write(armed.announce_fd, &byte, 1) < 0 && errno == EINTR) {
  }
  while (::read(armed.resume_fd, &answer, 1) < 0 && errno == EINTR) {
  }
}

int act(std::size_t* size) noexcept {
  has_fired = true;
  switch (armed.what) {
    case action::fail:
      return armed.error;
    case action::shorten:
      if (size != nullptr) *size = std::min(*size, armed.bytes);
      return 0;
    case action::die:
      ::kill(::getpid(), SIGKILL);
      return 0;
    case action::pause:
      pause_here();
      return 0;
    case action::stop:
      stop_here();
      return 0;
    case action::none:
      return 0;
  }
  return 0;
}

}  // namespace

void arm(const plan& p) noexcept {
  armed = p;
  matches = 0;
  has_fired = false;
  is_armed = true;
}

void disarm() noexcept {
  is_armed = false;
}

bool fired() noexcept {
  return has_fired;
}

void start_recording() {
  const std::lock_guard hold(record_mutex);
  record.clear();
  is_recording = true;
}

std::vector<std::string> stop_recording() {
  const std::lock_guard hold(record_mutex);
  is_recording = false;
  return std::move(record);
}

int before(call_name name, std::size_t* size) noexcept {
  if (is_recording) {
    const std::lock_guard hold(record_mutex);
    record.emplace_back(name);
  }
  if (!is_armed || (!armed.name.empty() && armed.name != name)) return 0;
  return due() ? act(size) : 0;
}

void point(call_name name) noexcept {
  if (!is_armed || armed.name != name) return;
  if (armed.what != action::die && armed.what != action::pause && armed.what != action::stop) return;
  if (due()) act(nullptr);
}

void break_rule(std::string_view name) noexcept {
  const std::size_t place = broken_rules;
  if (place == most_broken) return;
  broken[place] = name;
  broken_rules = place + 1;
}

bool is_broken(std::string_view name) noexcept {
  const std::size_t count = broken_rules;
  return count != 0 && std::find(broken.begin(), broken.begin() + static_cast<std::ptrdiff_t>(count), name) !=
                           broken.begin() + static_cast<std::ptrdiff_t>(count);
}

}  // namespace lockkit::platform::fault

#endif
