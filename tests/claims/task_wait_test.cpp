/// Waiting for tasks and for changes.
#include <signal.h>

#include <future>
#include <set>

#include "claims/task_testing.hpp"

using namespace lockkit;
using namespace testing;
using namespace std::chrono_literals;

namespace {

/// A process that waits for a task of queue "q"; it says 'w' when it is about to, and the first byte of the task's key
/// when it has one.
class waiting_taker {
 public:
  explicit waiting_taker(const queue_place& place)
      : process_([&] {
          claim_store store(place.database);
          task_queue queue(store, "q");
          says_.send('w');
          const auto taken = queue.take_until({}, deadline::after(60s));
          says_.send(taken ? taken->key[0] : '-');
          end_.receive();
          return 0;
        }) {
    says_.receive();
    while (sleeps_on(process_) == 0) {
    }
  }
  ~waiting_taker() { end_.send(); }
  char key() const { return says_.receive(); }
  /// Besides the store's file.
  int watched_processes() const { return sleeps_on(process_) - 1; }

 private:
  signal_pipe says_;
  signal_pipe end_;
  child_process process_;
};

}  // namespace

TEST_CASE("a waiting taker is woken by a submit in another process") {
  queue_place place;
  const waiting_taker taker(place);
  place.submit("a");
  CHECK(taker.key() == 'a');
}

TEST_CASE("a waiting taker is woken by the death of who holds what its task needs") {
  queue_place place(1);
  signal_pipe ready;
  child_process holder([&] {
    claim_store store(place.database);
    const auto held = store.try_claim(one_gpu);
    ready.send();
    ::pause();
    return 0;
  });
  ready.receive();
  place.submit("b", one_gpu);
  const waiting_taker taker(place);
  CHECK(taker.watched_processes() == 1);
  holder.kill();
  CHECK(taker.key() == 'b');
}

TEST_CASE("a waiting taker is woken by the death of who had the task, and takes it") {
  queue_place place;
  const auto id = place.queue.submit({.key = "c", .max_attempts = 2}).id;
  signal_pipe ready;
  child_process holder([&] {
    claim_store store(place.database);
    task_queue queue(store, "q");
    const auto taken = queue.try_take();
    ready.send();
    ::pause();
    return 0;
  });
  ready.receive();
  const waiting_taker taker(place);
  CHECK(taker.watched_processes() == 1);
  holder.kill();
  CHECK(taker.key() == 'c');
  CHECK(place.queue.find(id)->attempt == 2);
}

TEST_CASE("a waiting taker is woken by what frees its task: a release, a restored resource, a finished dependency") {
  queue_place place(1);
  SECTION("a release") {
    auto held = place.store.try_claim(one_gpu);
    place.submit("d", one_gpu);
    const waiting_taker taker(place);
    held->release();
    CHECK(taker.key() == 'd');
  }
  SECTION("a restored resource") {
    place.store.set_state("gpu", "g0", resource_state::drained);
    place.submit("e", one_gpu);
    const waiting_taker taker(place);
    place.store.set_state("gpu", "g0", resource_state::up);
    CHECK(taker.key() == 'e');
  }
  SECTION("a finished dependency") {
    const auto first = place.submit("first");
    place.queue.submit({.key = "f", .after = {first}});
    auto taken = place.queue.try_take();
    const waiting_taker taker(place);
    place.queue.finish(taken->ref);
    CHECK(taker.key() == 'f');
  }
}

TEST_CASE("the wait for a task ends at its deadline and with a stop, and a try does not wait") {
  queue_place place(1);
  const auto held = place.store.try_claim(one_gpu);
  place.submit("t", one_gpu);
  CHECK_FALSE(place.queue.try_take());
  CHECK_FALSE(place.queue.take_until({}, deadline::after(50ms)));
  std::stop_source stop;
  auto waiting = std::async(
      std::launch::async, [&] { return place.queue.take_until({}, deadline::never(), stop.get_token()).has_value(); });
  stop.request_stop();
  CHECK_FALSE(waiting.get());
  CHECK(place.state("t") == task_state::ready);
}

TEST_CASE("wait_for_change: returns at once the first time, then after each change, also one made in between") {
  queue_place place;
  place.queue.wait_for_change(deadline::never());
  place.submit("a");
  place.queue.wait_for_change(deadline::never());  // made before the wait
  signal_pipe go;
  child_process other([&] {  // forked before there is a thread
    go.receive();
    claim_store store(place.database);
    task_queue(store, "q").submit({.key = "b"});
    return 0;
  });
  auto waiting = std::async(std::launch::async, [&] {
    while (!place.queue.find("b")) place.queue.wait_for_change(deadline::after(60s));
  });
  go.send();
  waiting.get();
  CHECK(other.wait() == 0);
  place.queue.wait_for_change(deadline::after(20ms));
  place.queue.wait_for_change(deadline::after(20ms));
}

TEST_CASE("threads that share one queue have each task once, while others submit and look") {
  queue_place place(2);
  std::vector<std::future<std::vector<std::uint64_t>>> takers;
  for (int i = 0; i < 3; ++i) {
    takers.push_back(std::async(std::launch::async, [&] {
      std::vector<std::uint64_t> mine;
      while (auto taken = place.queue.take_until({}, deadline::after(60s))) {
        place.queue.finish(taken->ref);
        if (taken->key.substr(0, 3) == "end") return mine;
        mine.push_back(taken->ref.id);
      }
      return mine;
    }));
  }
  auto onlooker = std::async(std::launch::async, [&] {
    while (!place.queue.find("end 2") || place.queue.list({.state = task_state::done, .limit = 1000}).size() < 103) {
      place.queue.wait_for_change(deadline::after(60s));
    }
  });
  for (int i = 0; i < 100; ++i) place.submit(std::to_string(i), i % 2 == 0 ? one_gpu : claim_request{});
  for (int i = 0; i < 3; ++i) place.queue.submit({.key = "end " + std::to_string(i), .priority = -1});
  std::vector<std::uint64_t> all;
  for (auto& taker : takers) {
    for (const std::uint64_t id : taker.get()) all.push_back(id);
  }
  onlooker.get();
  CHECK(all.size() == 100);
  CHECK(std::set<std::uint64_t>(all.begin(), all.end()).size() == 100);
}

TEST_CASE("wait_for_change returns when the file that it watches was replaced: nobody would write to it any more") {
  queue_place place;
  place.queue.wait_for_change(deadline());
  std::filesystem::remove(place.database.string() + "-live");
  claim_store anew(place.database);
  const auto began = std::chrono::steady_clock::now();
  place.queue.wait_for_change(deadline::after(50s));
  CHECK(std::chrono::steady_clock::now() - began < 40s);
}
