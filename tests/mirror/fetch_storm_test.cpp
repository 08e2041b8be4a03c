// Many fetchers at once: with locks that are none, and against mirrors in every form.

#include <signal.h>

#include <atomic>
#include <random>

#include <lockkit/error.hpp>
#include <lockkit/mirror_cache.hpp>

#include "mirror/cache_testing.hpp"
#include "platform/fault.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"
#include "support/shared_memory.hpp"

using namespace lockkit;
using testing::child_process;
using testing::content_of;
namespace fs = std::filesystem;

namespace {

/// A content that shows when it is not whole, or mixed: one number throughout, and that number decides the length.
std::string self_describing(std::uint64_t number) {
  std::string text;
  for (std::uint64_t i = 0; i < 100 + number % 1000; ++i) text += std::to_string(number) + " ";
  return text;
}

bool is_whole(const std::string& text) {
  return !text.empty() && text == self_describing(std::stoull(text));
}

void wait_for(std::vector<child_process>& children) {
  for (child_process& child : children) CHECK(child.wait() == 0);
}

}  // namespace

#if defined(LOCKKIT_FAULT_INJECTION)
namespace {

/// Breaks in the middle now and then, and would go on with anything that it is given.
void bring_or_break(fetch_sink& sink, std::mt19937& random) {
  const bool breaks = random() % 4 == 0;
  if (sink.partial()) throw std::logic_error("a part was claimed without a lock");
  sink.keep_partial({"\"1\"", "", ""});
  const std::string text = self_describing(random());
  for (std::size_t at = 0; at < text.size(); at += 97) {
    sink.write(text.substr(at, 97));
    if (breaks && at > text.size() / 2) throw std::runtime_error("connection lost");
  }
}

/// 0, or what is wrong.
int fetch_without_locks(const fs::path& place, unsigned number, int rounds) {
  lockkit::platform::fault::break_rule("flock_excludes");
  mirror_cache cache(place / "cache", {.level = durability::visible});
  const fs::path mirror = place / ("mirror " + std::to_string(number));
  const mirror_options how{.overwrite = true, .level = durability::visible};
  std::mt19937 random(number);
  for (int round = 0; round < rounds; ++round) {
    try {
      const auto fetch = [&](fetch_sink& sink) { bring_or_break(sink, random); };
      const auto got = cache.fetch_and_mirror("key", mirror, fetch, fetch_policy::always(), how);
      if (!is_whole(content_of(got.entry)) || !is_whole(testing::read_file(mirror))) return 1;
    } catch (const std::runtime_error& failure) {
      if (std::string(failure.what()) != "connection lost") throw;
    }
  }
  return 0;
}

}  // namespace

TEST_CASE("eight fetchers with locks that are granted to everybody: every content is whole, and no part is shared") {
  testing::scratch_directory place(testing::memory_directory());
  const int rounds = testing::rounds_of_stress(300, 3000);
  std::vector<child_process> fetchers;
  for (unsigned i = 0; i < 8; ++i) {
    fetchers.emplace_back([&, i] { return fetch_without_locks(place.path(), i, rounds); });
  }
  wait_for(fetchers);
  mirror_cache cache(place / "cache");
  CHECK(is_whole(content_of(cache.get("key", {}, fetch_policy::never()))));
  CHECK(cache.verify(true).empty());
  CHECK(testing::files_of_cache(place / "cache").size() == 2);
}
#endif

namespace {

struct witness {
  std::atomic<int> inside{0};
  std::atomic<std::uint64_t> fetches{0};
  std::atomic<std::uint64_t> requests{0};
  std::atomic<bool> done{false};
};

struct storm {
  testing::scratch_directory place{testing::memory_directory()};
  testing::shared_memory<witness> seen;
  int rounds = testing::rounds_of_stress(600, 10'000);

  [[nodiscard]] mirror_cache open_cache() const {
    return mirror_cache(place / "cache", {.level = durability::visible});
  }
  void fetch(fetch_sink& sink) const {
    if (seen->inside.fetch_add(1) != 0) throw std::logic_error("two fetch at once");
    const std::uint64_t number = ++seen->fetches;
    if (number % 3 == 0 && sink.cached()) {
      sink.not_modified();
    } else {
      sink.write(self_describing(number));
    }
    --seen->inside;
  }
  cache_entry request(mirror_cache& cache, fetch_policy policy, mirror_link link) const {
    ++seen->requests;
    const mirror_options how{.link = link, .overwrite = true, .level = durability::visible};
    return cache.fetch_and_mirror("key", place / "mirror", [this](auto& sink) { fetch(sink); }, policy, how).entry;
  }
  /// 0, or what is wrong.
  int work(fetch_policy policy, mirror_link link) const {
    mirror_cache cache = open_cache();
    for (int round = 0; round < rounds; ++round) {
      const auto arrived = std::chrono::system_clock::now();
      const cache_entry entry = request(cache, policy, link);
      if (!is_whole(content_of(entry))) return 1;
      if (!is_whole(testing::read_file(place / "mirror"))) return 2;
      if (policy.which() == fetch_policy::kind::always && entry.fetched_at() < arrived) return 3;
    }
    return 0;
  }
  int sweep() const {
    while (!seen->done) {
      if (!open_cache().verify(true).empty()) return 4;
    }
    return 0;
  }
};

}  // namespace

TEST_CASE_METHOD(storm,
                 "a storm of refreshes against mirrors in all forms: none vanishes or is mixed, one fetch at a time") {
  mirror_cache cache = open_cache();
  (void)request(cache, fetch_policy::if_missing(), mirror_link::isolated);
  std::vector<child_process> workers;
  for (const mirror_link link : {mirror_link::isolated, mirror_link::hard_link}) {
    for (const auto policy : {fetch_policy::always(), fetch_policy::always(), fetch_policy::if_missing()}) {
      workers.emplace_back([this, policy, link] { return work(policy, link); });
    }
  }
  child_process sweeper([this] { return sweep(); });
  wait_for(workers);
  seen->done = true;
  CHECK(sweeper.wait() == 0);
  CHECK(seen->fetches <= seen->requests);
  CHECK(cache.verify(true).empty());
  CHECK(testing::files_of_cache(place / "cache").size() == 2);
}
