/// Giving a wait up: by a stop token, by a descriptor, by both.
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
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

struct outcome {
  bool had;
  std::error_code ec;
  friend bool operator==(const outcome&, const outcome&) = default;
};
const outcome given_up{false, {}};

/// A wait for ever, in a thread of its own, that has begun when this object stands.
template <class Lock>
class endless_wait {
 public:
  endless_wait(const fs::path& path, cancellation cancel, bool shared = false) {
    std::promise<void> begins;
    result_ = std::async(std::launch::async, [&begins, path, cancel, shared] {
      Lock lock(path, {.on_wait = [&](const wait_notice&) { begins.set_value(); }});
      outcome result{};
      result.had = wait(lock, cancel, shared, result.ec);
      return result;
    });
    begins.get_future().wait();
  }
  outcome get() { return result_.get(); }

 private:
  static bool wait(Lock& lock, const cancellation& cancel, bool shared, std::error_code& ec) {
    if constexpr (std::is_same_v<Lock, file_mutex>) {
      if (shared) return lock.try_lock_shared_until(deadline::never(), cancel, ec);
    }
    return lock.try_lock_until(deadline::never(), cancel, ec);
  }
  std::future<outcome> result_;
};

/// Where the word that waiters sleep on lies: the record, of a lock file its guard's.
template <class Lock>
std::string word_of(const testing::scratch_directory& place) {
  return testing::read_file(place / (std::is_same_v<Lock, file_mutex> ? "l" : ".l.guard")).substr(244, 4);
}

}  // namespace

TEMPLATE_TEST_CASE("a wait is given up when its descriptor becomes readable, and nothing is read from it", "",
                   lock_file, file_mutex) {
  for (const bool shared : {false, true}) {
    testing::scratch_directory place;
    const testing::signal_pipe events;
    TestType holder(place / "l");
    holder.lock();
    endless_wait<TestType> waiter(place / "l", cancellation::when_readable(events.read_end()), shared);
    events.send('x');
    CHECK(waiter.get() == given_up);
    CHECK(events.receive() == 'x');
    CHECK(holder.owns_lock());
    holder.unlock();
    CHECK(holder.try_lock());  // nobody is left in the way
  }
}

TEMPLATE_TEST_CASE("a pipe that nobody can write to any more ends the wait", "", lock_file, file_mutex) {
  testing::scratch_directory place;
  testing::signal_pipe events;
  TestType holder(place / "l");
  holder.lock();
  endless_wait<TestType> waiter(place / "l", cancellation::when_readable(events.read_end()));
  events.close_write();
  CHECK(waiter.get() == given_up);
}

TEMPLATE_TEST_CASE("a wait for a script's file, and one for another thread, end by a descriptor", "", lock_file) {
  testing::scratch_directory place;
  const int event = ::eventfd(0, EFD_CLOEXEC);
  testing::write_file(place / "script", "1\n");
  endless_wait<TestType> behind_script(place / "script", cancellation::when_readable(event));
  std::promise<void> begins;
  TestType shared_object(place / "l", {.on_wait = [&](const wait_notice&) { begins.set_value(); }});
  shared_object.lock();
  auto behind_thread = std::async(std::launch::async, [&] {
    outcome result{};
    result.had = shared_object.try_lock_until(deadline::never(), cancellation::when_readable(event), result.ec);
    return result;
  });
  begins.get_future().wait();
  ::eventfd_write(event, 1);
  CHECK(behind_script.get() == given_up);
  CHECK(behind_thread.get() == given_up);
  ::close(event);
}

TEMPLATE_TEST_CASE("a stop wakes those who wait at once, and one of both is enough", "", lock_file, file_mutex) {
  testing::scratch_directory place;
  const testing::signal_pipe silent;
  TestType holder(place / "l");
  holder.lock();
  for (const bool with_descriptor : {false, true}) {
    std::stop_source source;
    const auto cancel = with_descriptor ? cancellation::when_readable(silent.read_end(), source.get_token())
                                        : cancellation(source.get_token());
    endless_wait<TestType> waiter(place / "l", cancel);
    const std::string before = word_of<TestType>(place);
    source.request_stop();
    CHECK(waiter.get() == given_up);
    CHECK(word_of<TestType>(place) != before);  // it was woken, and did not sleep to its slice's end
  }
}

TEMPLATE_TEST_CASE("a descriptor that can't cancel is refused, also if the lock is free", "", lock_file, file_mutex) {
  testing::scratch_directory place;
  testing::signal_pipe events;
  testing::write_file(place / "file", "x");
  const int file = ::open((place / "file").c_str(), O_RDONLY | O_CLOEXEC);
  const int directory = ::open(place.path().c_str(), O_RDONLY | O_CLOEXEC);
  const int path_only = ::open(place.path().c_str(), O_PATH | O_CLOEXEC);
  const int closed = ::dup(events.read_end());
  ::close(closed);
  const auto try_with = [&](int descriptor) {
    TestType lock(place / "l");
    std::error_code ec;
    CHECK_FALSE(lock.try_lock_until(deadline::never(), cancellation::when_readable(descriptor), ec));
    CHECK_FALSE(lock.owns_lock());
    return ec;
  };
  for (const int bad : {-1, closed, path_only, events.write_end()}) {
    CHECK(try_with(bad) == std::errc::bad_file_descriptor);
  }
  for (const int bad : {file, directory}) CHECK(try_with(bad) == std::errc::invalid_argument);
  for (const int fd : {file, directory, path_only}) ::close(fd);
}

TEMPLATE_TEST_CASE("a descriptor that is closed during the wait makes it an error", "", lock_file, file_mutex) {
  testing::scratch_directory place;
  testing::signal_pipe events;
  TestType holder(place / "l");
  holder.lock();
  endless_wait<TestType> waiter(place / "l", cancellation::when_readable(events.read_end()));
  events.close_read();
  CHECK(waiter.get() == outcome{false, std::make_error_code(std::errc::bad_file_descriptor)});
}

TEMPLATE_TEST_CASE("a free lock is had although the wait is given up already", "", lock_file, file_mutex) {
  testing::scratch_directory place;
  const testing::signal_pipe events;
  events.send();
  TestType lock(place / "l");
  std::error_code ec;
  CHECK(lock.try_lock_until(deadline::never(), cancellation::when_readable(events.read_end()), ec));
  TestType second(place / "l");
  CHECK_FALSE(second.try_lock_until(deadline::after(10min), cancellation::when_readable(events.read_end()), ec));
  CHECK_FALSE(ec);
}

TEST_CASE("a signalfd ends the wait of a program that blocks its signals") {
  testing::scratch_directory place;
  const testing::signal_pipe waits;
  lock_file holder(place / "l");
  holder.lock();
  testing::child_process waiter([&] {
    sigset_t signals;
    ::sigemptyset(&signals);
    ::sigaddset(&signals, SIGTERM);
    ::sigprocmask(SIG_BLOCK, &signals, nullptr);
    const int events = ::signalfd(-1, &signals, SFD_CLOEXEC);
    lock_file lock(place / "l", {.on_wait = [&](const wait_notice&) { waits.send(); }});
    std::error_code ec;
    const bool had = lock.try_lock_until(deadline::never(), cancellation::when_readable(events), ec);
    return had || ec ? 1 : 0;
  });
  waits.receive();
  waiter.signal(SIGTERM);
  CHECK(waiter.wait() == 0);
}
