/// Writers and readers of a file_mutex take turns: the rules at the top of wait_marks.hpp.
#include <signal.h>

#include <array>
#include <atomic>
#include <future>
#include <optional>

#include <lockkit/file_mutex.hpp>

#include "fs/wait_watching.hpp"
#include "platform/fault.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"
#include "support/shared_memory.hpp"

using namespace lockkit;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
using testing::wait_watch;

namespace {

enum class kind { reader, writer };

bool lock_as(kind what, file_mutex& mutex, deadline until) {
  std::error_code ec;
  const bool had = what == kind::reader ? mutex.try_lock_shared_until(until, ec) : mutex.try_lock_until(until, ec);
  if (ec) throw std::system_error(ec);
  return had;
}

/// One that waits in a thread, says when it is in, and leaves when told.
class visitor {
 public:
  visitor(const fs::path& path, kind what, deadline until = deadline::after(60s)) {
    thread_ = std::async(std::launch::async, [this, path, what, until] {
      file_mutex mutex(path);
      const bool had = lock_as(what, mutex, until);
      is_in_ = had;
      inside_.set_value(had);
      if (had) leave_.get_future().wait();
      is_in_ = false;
      mutex.unlock();
    });
  }
  ~visitor() {
    if (thread_.valid()) leave();
  }
  bool await() { return inside_.get_future().get(); }
  bool is_in() const { return is_in_; }
  void leave() {
    leave_.set_value();
    thread_.get();
  }

 private:
  std::atomic<bool> is_in_{false};
  std::promise<bool> inside_;
  std::promise<void> leave_;
  std::future<void> thread_;
};

/// By another thread: one that shares already is let pass.
bool can_read(const fs::path& path, std::chrono::nanoseconds patience = {}) {
  return std::async(std::launch::async, [&] { return file_mutex(path).try_lock_shared_for(patience); }).get();
}

/// In a process of its own: waits until it is killed.
testing::child_process waiting_process(const fs::path& path, kind what) {
  return testing::child_process([path, what] {
    file_mutex mutex(path);
    return lock_as(what, mutex, deadline::never()) ? 0 : 1;
  });
}

}  // namespace

TEST_CASE("a reader that comes while a writer waits goes behind it") {
  testing::scratch_directory place;
  const wait_watch seen(place / "m");
  file_mutex first(place / "m");
  first.lock_shared();
  visitor writer(place / "m", kind::writer);
  seen.await_writer();
  CHECK_FALSE(can_read(place / "m"));
  visitor reader(place / "m", kind::reader);
  first.unlock();
  CHECK(writer.await());
  CHECK_FALSE(reader.is_in());
  writer.leave();
  CHECK(reader.await());
}

TEST_CASE("a stream of readers that overlap each other does not keep a writer out") {
  testing::scratch_directory place;
  testing::write_file(place / "m", "");
  struct state {
    std::atomic<int> inside{0};
    std::atomic<bool> over{false};
  };
  testing::shared_memory<state> all;
  const auto read_for_ever = [&] {
    const wait_watch seen(place / "m");
    file_mutex mutex(place / "m");
    while (!all->over) {
      if (!mutex.try_lock_shared_for(20ms)) continue;
      ++all->inside;
      // Leaves only to another one: there is always somebody in, unless a writer makes itself heard.
      while (all->inside < 2 && !all->over && !seen.is_marked(wait_watch::dial::writers)) std::this_thread::yield();
      --all->inside;
      mutex.unlock();
    }
    return 0;
  };
  std::vector<testing::child_process> readers;
  for (int i = 0; i < 3; ++i) readers.emplace_back(read_for_ever);
  while (all->inside == 0) std::this_thread::yield();
  file_mutex writer(place / "m");
  for (int turn = 0; turn < 20; ++turn) {
    CHECK(writer.try_lock_for(20s));
    writer.unlock();
  }
  all->over = true;
  for (auto& reader : readers) CHECK(reader.wait() == 0);
}

TEST_CASE("readers that waited through a hold go in before the writers that wait") {
  testing::scratch_directory place;
  const wait_watch seen(place / "m");
  file_mutex first(place / "m");
  first.lock();
  visitor reader(place / "m", kind::reader);
  seen.await_due_reader();
  visitor writer(place / "m", kind::writer);
  seen.await_writer();
  visitor late(place / "m", kind::reader);
  seen.await_presence();
  first.unlock();
  CHECK(reader.await());
  CHECK_FALSE(writer.is_in());
  CHECK_FALSE(late.is_in());
  reader.leave();
  CHECK(writer.await());
  writer.leave();
  CHECK(late.await());
}

TEST_CASE("a reader gets in beside a process that does nothing but lock and unlock exclusively") {
  testing::scratch_directory place;
  struct state {
    std::atomic<bool> over{false};
    std::atomic<std::uint64_t> turns{0};
  };
  testing::shared_memory<state> all;
  testing::child_process greedy([&] {
    file_mutex mutex(place / "m");
    while (!all->over) {
      mutex.lock();
      ++all->turns;
      mutex.unlock();
    }
    return 0;
  });
  while (all->turns < 100) std::this_thread::yield();
  const wait_watch seen(place / "m");
  for (int i = 0; i < 20; ++i) {
    file_mutex reader(place / "m");
    CHECK(reader.try_lock_shared_for(20s));
    const std::uint64_t turns = all->turns;
    CHECK(all->turns == turns);
  }
  all->over = true;
  CHECK(greedy.wait() == 0);
}

TEST_CASE("who has woken readers lets them go first, though they are not awake yet") {
  testing::scratch_directory place;
  const wait_watch seen(place / "m");
  file_mutex greedy(place / "m");
  constexpr int rounds = 10;
  int gave_way = 0;
  for (int i = 0; i < rounds; ++i) {
    greedy.lock();
    visitor reader(place / "m", kind::reader);
    seen.await_due_reader();
    std::this_thread::sleep_for(20ms);  // it sleeps by now, or this round shows nothing
    greedy.unlock();
    if (!greedy.try_lock()) ++gave_way;
    greedy.unlock();
    CHECK(reader.await());
  }
  CHECK(gave_way > rounds / 2);
}

namespace {

/// A due reader that can't move, and a writer that could. Nothing, if it took so long that the mark need not hold any more.
std::optional<bool> writer_gives_way(const fs::path& path) {
  const wait_watch seen(path);
  file_mutex first(path);
  first.lock();
  auto reader = waiting_process(path, kind::reader);
  seen.await_due_reader();
  reader.signal(SIGSTOP);
  const auto began = std::chrono::steady_clock::now();
  visitor writer(path, kind::writer);
  seen.await_writer();
  first.unlock();
  std::this_thread::sleep_for(150ms);  // three times a writer's longest sleep
  const bool gave_way = !writer.is_in();
  const bool in_time = std::chrono::steady_clock::now() - began < 400ms;
  reader.kill();
  writer.await();
  writer.leave();
  return in_time ? std::optional(gave_way) : std::nullopt;
}

}  // namespace

TEST_CASE("a waiting writer that could go in lets a due reader go first") {
  testing::scratch_directory place;
  std::optional<bool> gave_way;
  for (int i = 0; i < 20 && !gave_way; ++i) gave_way = writer_gives_way(place / "m");
  if (gave_way) {
    CHECK(*gave_way);
  } else {
    WARN("skipped: this machine is too busy to tell");
  }
}

TEST_CASE("a waiting writer that is killed, or gives up, keeps no reader out") {
  testing::scratch_directory place;
  const wait_watch seen(place / "m");
  file_mutex first(place / "m");
  first.lock_shared();
  {
    auto writer = waiting_process(place / "m", kind::writer);
    seen.await_writer();
    CHECK_FALSE(can_read(place / "m"));
    writer.kill();
    CHECK(can_read(place / "m"));
  }
  first.unlock();
  first.lock();
  first.downgrade();  // so that there is a word to wake by
  visitor impatient(place / "m", kind::writer, deadline::after(300ms));
  seen.await_writer();
  const auto word = [&] { return testing::read_file(place / "m").substr(244, 4); };
  const std::string before = word();
  visitor held_back(place / "m", kind::reader);
  seen.await_presence();
  CHECK_FALSE(impatient.await());
  CHECK(held_back.await());
  CHECK(word() != before);  // whoever leaves the door wakes those behind it
  impatient.leave();
}

TEST_CASE(
    "a waiting writer that is stopped keeps readers out for a moment, and one that runs for as long as it waits") {
  testing::scratch_directory place;
  const wait_watch seen(place / "m");
  file_mutex first(place / "m");
  first.lock_shared();
  auto writer = waiting_process(place / "m", kind::writer);
  seen.await_writer();
  CHECK_FALSE(can_read(place / "m", 1500ms));
  writer.signal(SIGSTOP);
  CHECK(can_read(place / "m", 30s));
  std::async(std::launch::async, [&] {
    file_mutex reader(place / "m");
    CHECK(reader.try_lock_shared_for(30s));
    reader.unlock();
    CHECK(reader.try_lock_shared());
    reader.unlock();
    writer.signal(SIGCONT);
    while (reader.try_lock_shared()) reader.unlock();  // until it shows that it runs
  }).get();
  first.unlock();
  CHECK(writer.wait() == 0);
}

TEST_CASE("a writer that was stopped while it waited is passed by also by who only tries, with a mutex of its own") {
  testing::scratch_directory place;
  const wait_watch seen(place / "m");
  file_mutex first(place / "m");
  first.lock_shared();
  auto writer = waiting_process(place / "m", kind::writer);
  seen.await_writer();
  writer.signal(SIGSTOP);
  first.unlock();
  while (seen.is_closed(wait_watch::dial::writers)) std::this_thread::yield();
  CHECK(seen.is_marked(wait_watch::dial::writers));
  CHECK(can_read(place / "m"));
}

TEST_CASE("whose mark nobody respects any more, since he was stopped, hides nobody else's") {
  testing::scratch_directory place;
  const wait_watch seen(place / "m");
  const auto check = [&](kind what, wait_watch::dial where) {
    auto stopped = waiting_process(place / "m", what);
    while (!seen.is_closed(where)) std::this_thread::yield();
    stopped.signal(SIGSTOP);
    while (seen.is_closed(where)) std::this_thread::yield();
    auto runs = waiting_process(place / "m", what);
    const deadline patience = deadline::after(30s);
    while (!seen.is_closed(where) && !patience.expired()) std::this_thread::yield();
    CHECK(seen.is_closed(where));
    runs.kill();
    while (seen.is_closed(where)) std::this_thread::yield();
    CHECK(seen.is_marked(where));
  };
  file_mutex first(place / "m");
  first.lock_shared();
  check(kind::writer, wait_watch::dial::writers);
  first.unlock();
  first.lock();
  check(kind::reader, wait_watch::dial::readers);
}

TEST_CASE("a due reader that is killed or stopped does not keep writers out") {
  testing::scratch_directory place;
  const wait_watch seen(place / "m");
  file_mutex first(place / "m");
  for (const int signal : {SIGKILL, SIGSTOP}) {
    first.lock();
    auto reader = waiting_process(place / "m", kind::reader);
    seen.await_due_reader();
    visitor writer(place / "m", kind::writer);
    seen.await_writer();
    reader.signal(signal);
    first.unlock();
    CHECK(writer.await());
    writer.leave();
    reader.kill();
  }
}

TEST_CASE("a thread that shares already is not held back by a writer, who waits for it") {
  testing::scratch_directory place;
  const wait_watch seen(place / "m");
  file_mutex first(place / "m");
  first.lock_shared();
  visitor writer(place / "m", kind::writer);
  seen.await_writer();
  file_mutex second(place / "m");
  std::error_code ec;
  CHECK(second.try_lock_shared_until(deadline::never(), ec));
  auto elsewhere = std::async(std::launch::async, [&] { return file_mutex(place / "m").try_lock_shared(); });
  CHECK_FALSE(elsewhere.get());
  second.unlock();
  first.unlock();
  CHECK(writer.await());
}

#if defined(LOCKKIT_FAULT_INJECTION)

TEST_CASE("a release does not wake a reader alone who will let the waiting writer go first") {
  testing::scratch_directory place;
  const wait_watch seen(place / "m");
  file_mutex first(place / "m");
  first.lock();
  const auto sleeping_process = [&](kind what) {  // until it is woken, however long that takes
    return testing::child_process([&, what] {
      platform::fault::break_rule("slice");
      file_mutex mutex(place / "m");
      return lock_as(what, mutex, deadline::after(30s)) ? 0 : 1;
    });
  };
  auto writer = sleeping_process(kind::writer);
  seen.await_writer();
  CHECK(testing::await_call(writer.pid(), SYS_futex, 20));
  auto reader = sleeping_process(kind::reader);
  CHECK(testing::await_call(reader.pid(), SYS_futex, 20));
  first.unlock();
  CHECK(writer.wait() == 0);
  CHECK(reader.wait() == 0);
}

#endif
