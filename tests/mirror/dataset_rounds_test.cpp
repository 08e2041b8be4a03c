// System D's result: many threads of many processes ask for one key at once, round after round.
// The witness lies outside of the library: each fetch, when it begins, appends a line to a log (O_APPEND), and its
// content tells when that was; each request compares that with the time at which it asked.
#include <pthread.h>

#include <atomic>
#include <map>
#include <thread>

#include <lockkit/error.hpp>
#include <lockkit/mirror_cache.hpp>

#include "mirror/cache_testing.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"
#include "support/shared_memory.hpp"

using namespace lockkit;
using testing::content_of;
using testing::now_ns;
namespace fs = std::filesystem;

namespace {

constexpr unsigned processes = 3;
constexpr unsigned threads_each = 4;
constexpr unsigned requesters = processes * threads_each;
constexpr std::size_t padding = 5000;

/// Shared by all processes.
struct arena {
  pthread_barrier_t start;
  std::atomic<int> failures{0};
};

class shared_arena {
 public:
  shared_arena() {
    pthread_barrierattr_t attributes;
    pthread_barrierattr_init(&attributes);
    pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(&memory_->start, &attributes, requesters);
  }
  arena* operator->() const { return memory_.operator->(); }

 private:
  testing::shared_memory<arena> memory_;
};

/// "<begin> <padding>": when its fetch began, and enough bytes to be caught half written.
std::string payload(long long begin) {
  return std::to_string(begin) + " " + std::string(padding, static_cast<char>('a' + begin % 26));
}

struct campaign {
  testing::scratch_directory place{testing::memory_directory()};
  testing::shared_log log{place / "fetches"};
  shared_arena shared;
  fetch_policy policy = fetch_policy::if_missing();

  cache_entry ask(mirror_cache& cache, const std::string& key, const fs::path& destination) const {
    const auto fetch = [&](fetch_sink& sink) {
      const long long begin = now_ns();
      log.append(key + " " + std::to_string(begin));
      const std::string text = payload(begin);
      sink.write(text.substr(0, padding / 2));
      // A transfer takes a while: others come to wait for it.
      if (policy.which() == fetch_policy::kind::always) std::this_thread::sleep_for(std::chrono::microseconds(300));
      sink.write(text.substr(padding / 2));
    };
    mirror_options how;
    how.level = durability::visible;
    how.overwrite = policy.which() == fetch_policy::kind::always;
    return cache.fetch_and_mirror(key, destination, fetch, policy, how).entry;
  }

  /// One request; false if anything about its answer is wrong.
  bool request(mirror_cache& cache, const std::string& key, const fs::path& own) const {
    const long long asked = now_ns();
    const cache_entry entry = ask(cache, key, own);
    const std::string text = content_of(entry);
    const long long begin = std::stoll(text);
    if (text != payload(begin) || testing::read_file(own) != text) return false;
    return policy.which() != fetch_policy::kind::always || begin >= asked;
  }

  void requester(mirror_cache& cache, unsigned number, int rounds) {
    for (int round = 0; round < rounds; ++round) {
      pthread_barrier_wait(&shared->start);
      const bool one_key = policy.which() == fetch_policy::kind::always;
      const std::string key = one_key ? "key" : "key " + std::to_string(round);
      // Under if_missing every second round all ask for the same destination.
      const bool shared_destination = !one_key && round % 2 == 0;
      const fs::path own = place / "mirrors" / (shared_destination ? "shared" + key : std::to_string(number) + key);
      try {
        if (!request(cache, key, own)) ++shared->failures;
      } catch (const std::exception& failure) {
        std::fprintf(stderr, "round %d: %s\n", round, failure.what());
        ++shared->failures;
      }
      if (!one_key && !shared_destination) fs::remove(own);  // 10,000 rounds' would fill the memory
    }
  }

  int process(unsigned number, int rounds) {
    mirror_cache cache(place / "cache", {.level = durability::visible});
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < threads_each; ++i) {
      threads.emplace_back([&, i] { requester(cache, number * threads_each + i, rounds); });
    }
    for (std::thread& thread : threads) thread.join();
    return 0;
  }

  void run(int rounds) {
    std::vector<testing::child_process> children;
    for (unsigned i = 0; i < processes; ++i) children.emplace_back([&, i] { return process(i, rounds); });
    for (testing::child_process& child : children) CHECK(child.wait() == 0);
    CHECK(shared->failures == 0);
  }
};

}  // namespace

TEST_CASE_METHOD(campaign,
                 "if_missing: whoever asks, and however many at once, each data set is fetched exactly once") {
  const int rounds = testing::rounds_of_stress();
  run(rounds);
  std::map<std::string, int> fetches;
  for (const std::string& line : log.lines()) ++fetches[line.substr(0, line.rfind(' '))];
  CHECK(fetches.size() == static_cast<std::size_t>(rounds));
  for (const auto& [key, count] : fetches) CHECK(count == 1);
  mirror_cache cache(place / "cache");
  CHECK(cache.list().size() == static_cast<std::size_t>(rounds));
  CHECK(cache.verify(true).empty());
}

TEST_CASE_METHOD(campaign, "always: every request gets a fetch that began after it, and requests that wait share one") {
  policy = fetch_policy::always();
  const int rounds = testing::rounds_of_stress();
  run(rounds);
  const std::size_t fetches = log.lines().size();
  CHECK(fetches >= static_cast<std::size_t>(rounds));
  // Without sharing it would be one for each request.
  CHECK(fetches < static_cast<std::size_t>(rounds) * requesters);
  WARN(requesters << " requests at once, " << rounds << " rounds: " << fetches << " fetches");
  mirror_cache cache(place / "cache");
  CHECK(cache.verify(true).empty());
  CHECK(testing::files_of_cache(place / "cache").size() == 2);
}
