/// on_held_longer_than: once for each holder that stays in the way for too long.
#include <fcntl.h>
#include <unistd.h>

#include <future>

#include <lockkit/file_mutex.hpp>
#include <lockkit/lock_file.hpp>

#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using namespace lockkit;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

/// Waits in a thread, and hands over each warning.
template <class Lock>
class warned_waiter {
 public:
  warned_waiter(const fs::path& path, std::chrono::nanoseconds after)
      : lock_(path, {.on_held_longer_than = {after, [this](const wait_notice& notice) { note(notice); }}}) {
    thread_ = std::async(std::launch::async, [this] {
      std::error_code ec;
      return lock_.try_lock_until(deadline::never(), cancellation::when_readable(stop_.read_end()), ec) && !ec;
    });
  }
  ~warned_waiter() {
    if (!thread_.valid()) return;
    stop_.send();
    thread_.wait();
  }
  void await_warning() const { warnings_.receive(); }
  bool is_warned_within(int milliseconds) const { return warnings_.ready(milliseconds); }
  bool enters() { return thread_.get(); }
  std::chrono::nanoseconds in_the_way() const { return in_the_way_.load(); }
  std::int64_t pid() const { return pid_; }
  bool foreign() const { return foreign_; }

 private:
  void note(const wait_notice& notice) {
    in_the_way_ = notice.in_the_way;
    pid_ = notice.holder.pid;
    foreign_ = notice.foreign;
    warnings_.send();
  }
  testing::signal_pipe warnings_;
  testing::signal_pipe stop_;
  std::atomic<std::chrono::nanoseconds> in_the_way_{};
  std::atomic<std::int64_t> pid_{0};
  std::atomic<bool> foreign_{false};
  Lock lock_;
  std::future<bool> thread_;
};

}  // namespace

TEMPLATE_TEST_CASE("a waiter is told once that a holder has been in the way for too long, and by whom", "", lock_file,
                   file_mutex) {
  testing::scratch_directory place;
  TestType holder(place / "l");
  holder.lock();
  warned_waiter<TestType> waiter(place / "l", 20ms);
  waiter.await_warning();
  CHECK(waiter.in_the_way() >= 20ms);
  CHECK(waiter.pid() == ::getpid());
  CHECK_FALSE(waiter.foreign());
  CHECK_FALSE(waiter.is_warned_within(200));
  holder.unlock();
  CHECK(waiter.enters());
}

TEST_CASE("the next holder is one of its own, and its time begins anew") {
  testing::scratch_directory place;
  file_mutex holder(place / "m");
  holder.lock();
  warned_waiter<file_mutex> waiter(place / "m", 20ms);
  for (int i = 0; i < 3; ++i) {
    waiter.await_warning();
    CHECK(waiter.in_the_way() >= 20ms);
    holder.downgrade();  // never free in between, but another hold
    CHECK(holder.try_upgrade());
  }
  waiter.await_warning();
}

TEST_CASE("a script's lock file that stays for too long is reported, and the next script's again") {
  testing::scratch_directory place;
  testing::write_file(place / "l", "4711\n");
  warned_waiter<lock_file> waiter(place / "l", 20ms);
  for (int i = 0; i < 3; ++i) {
    waiter.await_warning();
    CHECK(waiter.foreign());
    testing::write_file(place / "next", "4712\n");
    fs::rename(place / "next", place / "l");
  }
  waiter.await_warning();
  fs::remove(place / "l");
  CHECK(waiter.enters());
}

TEST_CASE("another thread that uses the same object for too long is reported") {
  testing::scratch_directory place;
  std::promise<void> warned;
  lock_file lock(place / "l", {.on_held_longer_than = {10ms, [&](const wait_notice&) { warned.set_value(); }}});
  lock.lock();
  auto other = std::async(std::launch::async, [&] { return lock.try_lock_for(60s); });
  warned.get_future().wait();
  lock.unlock();
  CHECK(other.get());
}

TEMPLATE_TEST_CASE("an exception from the warning ends the wait, and nobody is left in the way", "", lock_file,
                   file_mutex) {
  for (const auto order : {wait_order::any, wait_order::first_come}) {
    testing::scratch_directory place;
    TestType holder(place / "l");
    holder.lock();
    lock_options options;
    options.on_held_longer_than = {5ms, [](const wait_notice&) { throw std::runtime_error("no"); }};
    options.order = order;
    TestType waiter(place / "l", options);
    CHECK_THROWS_AS(waiter.try_lock_for(60s), std::runtime_error);
    holder.unlock();
    if constexpr (std::is_same_v<TestType, file_mutex>) CHECK(holder.try_lock_shared());
    holder.unlock();
    CHECK(waiter.try_lock());
  }
}

TEST_CASE("a warning about a script's file is given while nobody queues up behind the waiter") {
  testing::scratch_directory place;
  testing::write_file(place / "l", "4711\n");
  std::promise<void> warned;
  std::promise<void> go_on;
  lock_file slow(place / "l", {.on_held_longer_than = {10ms, [&](const wait_notice&) {
                                                         warned.set_value();
                                                         go_on.get_future().wait();
                                                       }}});
  auto waiting = std::async(std::launch::async, [&] { return slow.try_lock_for(60s); });
  warned.get_future().wait();
  fs::remove(place / "l");
  lock_file other(place / "l");
  CHECK(other.try_lock());
  other.unlock();
  go_on.set_value();
  CHECK(waiting.get());
}
