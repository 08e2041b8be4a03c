/// wait_order::first_come: who queues first is let in first. Rules 6 and 7 at the top of wait_marks.hpp.
#include <signal.h>

#include <array>
#include <atomic>

#include <lockkit/file_mutex.hpp>
#include <lockkit/lock_file.hpp>

#include "fs/wait_watching.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"
#include "support/shared_memory.hpp"

using namespace lockkit;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
using testing::wait_watch;

namespace {

lock_options in_order() {
  lock_options options;
  options.order = wait_order::first_come;
  return options;
}

/// The inode that the kernel's lock is taken on.
template <class Lock>
fs::path inode_of(const fs::path& path) {
  return std::is_same_v<Lock, file_mutex> ? path : path.parent_path() / ("." + path.filename().string() + ".guard");
}

struct arrivals {
  std::atomic<std::size_t> count{0};
  std::array<std::size_t, 32> who{};
};

/// Processes that come one after another, each when the one before it stands in the queue.
template <class Lock>
class queue_of_processes {
 public:
  queue_of_processes(const fs::path& path) : path_(path), seen_(inode_of<Lock>(path)) {}

  void add(std::chrono::nanoseconds patience = 60s) {
    const std::size_t number = processes_.size();
    processes_.emplace_back([this, number, patience] {
      Lock lock(path_, in_order());
      if (!lock.try_lock_for(patience)) return 1;
      arrived_->who.at(arrived_->count++) = number;
      lock.unlock();
      return 0;
    });
    seen_.await_ticket(number);
  }
  testing::child_process& operator[](std::size_t number) { return processes_[number]; }
  int wait(std::size_t number) { return processes_[number].wait(); }
  std::vector<std::size_t> order() const {
    return {arrived_->who.begin(), arrived_->who.begin() + static_cast<std::ptrdiff_t>(arrived_->count.load())};
  }

 private:
  fs::path path_;
  wait_watch seen_;
  testing::shared_memory<arrivals> arrived_;
  std::vector<testing::child_process> processes_;
};

}  // namespace

TEMPLATE_TEST_CASE("in strict order, locks are granted in the order of queueing", "", lock_file, file_mutex) {
  for (int round = 0; round < 5; ++round) {
    testing::scratch_directory place;
    TestType holder(place / "l");
    holder.lock();
    queue_of_processes<TestType> queue(place / "l");
    for (int i = 0; i < 8; ++i) queue.add();
    holder.unlock();
    for (std::size_t i = 0; i < 8; ++i) CHECK(queue.wait(i) == 0);
    CHECK(queue.order() == std::vector<std::size_t>{0, 1, 2, 3, 4, 5, 6, 7});
  }
}

TEMPLATE_TEST_CASE("in strict order, who is killed or gives up leaves the queue to the others", "", lock_file,
                   file_mutex) {
  testing::scratch_directory place;
  TestType holder(place / "l");
  holder.lock();
  queue_of_processes<TestType> queue(place / "l");
  for (int i = 0; i < 8; ++i) queue.add(i % 3 == 1 ? std::chrono::nanoseconds(300ms) : 60s);
  for (const std::size_t dead : {0, 3, 7}) queue[dead].kill();
  for (const std::size_t impatient : {1, 4}) CHECK(queue.wait(impatient) == 1);
  holder.unlock();
  for (const std::size_t waiter : {2, 5, 6}) CHECK(queue.wait(waiter) == 0);
  CHECK(queue.order() == std::vector<std::size_t>{2, 5, 6});
}

TEMPLATE_TEST_CASE("in strict order, a stopped first one holds up the queue, and nobody else", "", lock_file,
                   file_mutex) {
  testing::scratch_directory place;
  TestType holder(place / "l");
  holder.lock();
  queue_of_processes<TestType> queue(place / "l");
  queue.add();
  queue.add();
  queue[0].signal(SIGSTOP);
  holder.unlock();
  TestType comes_later(place / "l", in_order());
  CHECK_FALSE(comes_later.try_lock());
  CHECK_FALSE(comes_later.try_lock_for(100ms));
  TestType does_not_queue(place / "l");
  CHECK(does_not_queue.try_lock_for(10s));
  does_not_queue.unlock();
  queue[0].signal(SIGCONT);
  CHECK(queue.wait(0) == 0);
  CHECK(queue.wait(1) == 0);
  CHECK(queue.order() == std::vector<std::size_t>{0, 1});
  CHECK(comes_later.try_lock());
}

TEST_CASE("in strict order, readers that follow each other share, and a writer behind them waits for all") {
  testing::scratch_directory place;
  const wait_watch seen(place / "m");
  testing::shared_memory<arrivals> inside;
  testing::signal_pipe leave;
  file_mutex holder(place / "m");
  holder.lock();
  std::vector<testing::child_process> readers;
  for (std::uint64_t i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      file_mutex mine(place / "m", in_order());
      if (!mine.try_lock_shared_for(60s)) return 1;
      ++inside->count;
      leave.receive();
      --inside->count;
      mine.unlock();
      return 0;
    });
    seen.await_ticket(i);
  }
  testing::child_process writer([&] {
    file_mutex mine(place / "m", in_order());
    return mine.try_lock_for(60s) && inside->count == 0 ? 0 : 1;
  });
  seen.await_ticket(3);
  holder.unlock();
  while (inside->count < 3) std::this_thread::yield();
  for (int i = 0; i < 3; ++i) leave.send();
  for (auto& reader : readers) CHECK(reader.wait() == 0);
  CHECK(writer.wait() == 0);
}

TEST_CASE("in strict order, a thread that shares already does not queue up behind a writer, who waits for it") {
  testing::scratch_directory place;
  file_mutex first(place / "m", in_order());
  first.lock_shared();
  queue_of_processes<file_mutex> queue(place / "m");
  queue.add();
  file_mutex second(place / "m", in_order());
  std::error_code ec;
  CHECK(second.try_lock_shared_until(deadline::never(), ec));
  second.unlock();
  first.unlock();
  CHECK(queue.wait(0) == 0);
}

TEMPLATE_TEST_CASE("in strict order, nobody overlaps and nobody is forgotten among those who do not queue", "",
                   lock_file, file_mutex) {
  testing::scratch_directory place(testing::memory_directory());
  testing::shared_memory<arrivals> inside;
  std::vector<testing::child_process> processes;
  for (int i = 0; i < 6; ++i) {
    processes.emplace_back([&, i] {
      TestType lock(place / "l", i < 4 ? in_order() : lock_options{});
      for (int turn = 0; turn < 50; ++turn) {
        if (!lock.try_lock_for(60s)) return 1;
        if (inside->count++ != 0) return 2;
        --inside->count;
        lock.unlock();
      }
      return 0;
    });
  }
  for (auto& process : processes) CHECK(process.wait() == 0);
}
