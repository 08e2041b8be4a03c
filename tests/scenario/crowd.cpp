#include "scenario/crowd.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>
#include <thread>

#include <lockkit/file_mutex.hpp>
#include <lockkit/lock_file.hpp>

#include "fs/plant.hpp"
#include "platform/fault.hpp"
#include "scenario/sleeper.hpp"

namespace testing {

using namespace std::chrono_literals;
namespace fault = lockkit::platform::fault;
using lockkit::lock_file;
using lockkit::lock_options;

namespace {

constexpr auto patience = 10min;  // who waits so long waits for ever

/// What one does inside: long enough for others to come meanwhile.
void stay_inside() {
  const auto end = std::chrono::steady_clock::now() + 100us;
  while (std::chrono::steady_clock::now() < end) {
  }
}

void take_turn(lock_file& lock, journal::pen& pen) {
  pen.ask();
  if (!lock.try_lock_for(patience)) return pen.give_up();
  pen.have(lock.token().value);
  stay_inside();
  pen.leave();
  lock.unlock();
}

turn_taker by(const std::filesystem::path& path, const lock_options& options) {
  const auto lock = std::make_shared<lock_file>(path, options);
  return [lock](journal::pen& pen) { take_turn(*lock, pen); };
}

bool has_ended(int pid) {
  siginfo_t info{};
  return ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid;
}

}  // namespace

turn_taker by_lock_file(const std::filesystem::path& lock) {
  return by(lock, {});
}

turn_taker by_ephemeral_guard(const std::filesystem::path& lock) {
  return by(lock, {.ephemeral_guard = true});
}

turn_taker in_order(const std::filesystem::path& lock) {
  return by(lock, {.order = lockkit::wait_order::first_come});
}

turn_taker by_new_lock_files(const std::filesystem::path& path) {
  return [path](journal::pen& pen) {
    lock_file lock(path);
    take_turn(lock, pen);
  };
}

turn_taker by_own_file(const std::filesystem::path& path) {
  const auto lock = std::make_shared<lock_file>(path);
  lockkit::detail::lock_file_internals::use_plant(*lock, lockkit::detail::plant_method::own_file);
  return [lock](journal::pen& pen) { take_turn(*lock, pen); };
}

turn_taker by_trying(const std::filesystem::path& path) {
  const auto lock = std::make_shared<lock_file>(path);
  return [lock](journal::pen& pen) {
    if (!lock->try_lock()) return;
    pen.ask();
    pen.have(lock->token().value);
    stay_inside();
    pen.leave();
    lock->unlock();
  };
}

turn_taker as_script(const std::filesystem::path& path) {
  return [path](journal::pen& pen) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) return std::this_thread::sleep_for(20us);
    pen.ask();
    pen.have(0);
    stay_inside();
    pen.leave();
    ::unlink(path.c_str());
    ::close(fd);
  };
}

turn_taker by_mutex(const std::filesystem::path& path) {
  const auto mutex = std::make_shared<lockkit::file_mutex>(path);
  return [mutex](journal::pen& pen) {
    pen.ask();
    if (!mutex->try_lock_for(patience)) return pen.give_up();
    pen.have(mutex->token().value);
    stay_inside();
    pen.leave();
    mutex->unlock();
  };
}

turn_taker by_shared_mutex(const std::filesystem::path& path) {
  const auto mutex = std::make_shared<lockkit::file_mutex>(path);
  return [mutex](journal::pen& pen) {
    pen.ask(true);
    if (!mutex->try_lock_shared_for(patience)) return pen.give_up();
    pen.have(0);
    stay_inside();
    pen.leave();
    mutex->unlock_shared();
  };
}

int crowd::live(const member& one) const {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (const char* rule : broken_) fault::break_rule(rule);
  if (pause_at_ != nullptr) {
    fault::arm({.what = fault::action::pause, .name = pause_at_, .times = UINT64_MAX, .pause = 200us});
  }
  const turn_taker take = one.make(lock());
  journal::pen pen(journal_);
  for (std::size_t i = 0; one.turns == 0 ? !*over_ : i < one.turns; ++i) take(pen);
  return 0;
}

std::unique_ptr<child_process> crowd::start(const member& one) const {
  return std::make_unique<child_process>([&] { return live(one); });
}

void crowd::add(const make_turn_taker& make, std::size_t turns) {
  member one{make, turns, nullptr};
  one.process = start(one);
  members_.push_back(std::move(one));
}

void crowd::finish() {
  *over_ = true;
  for (const member& one : members_) {
    if (one.process->wait() != 0) throw std::runtime_error("crowd: one of them failed");
  }
  members_.clear();
}

bool crowd::all_sleep() {
  return std::ranges::all_of(
      members_, [](const member& one) { return has_ended(one.process->pid()) || sleeps_on_word(one.process->pid()); });
}

void crowd::run_until_asleep() {
  constexpr int enough = 50;
  std::size_t before = 0;
  for (int quiet = 0; quiet < enough;) {
    std::this_thread::sleep_for(5ms);
    quiet = all_sleep() && journal_.turns() == before ? quiet + 1 : 0;
    before = journal_.turns();
    if (std::ranges::all_of(members_, [](const member& one) { return has_ended(one.process->pid()); })) break;
  }
  members_.clear();
}

void crowd::kill(std::size_t index) {
  member& one = members_[index];
  const int pid = one.process->pid();
  one.process->kill();
  journal_.note_kill(pid);
  one.process = start(one);
}

}  // namespace testing
