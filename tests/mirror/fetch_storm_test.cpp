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
TEST_CASE("eight fetchers with locks that are granted to everybody: every content is whole, and no part is shared") {
  testing::scratch_directory place(testing::memory_directory());
  const int rounds = testing::rounds_of_stress(300, 3000);
  std::vector<child_process> fetchers;
  for (unsigned i = 0; i < 8; ++i) {
    fetchers.emplace_back([&, i] {
      lockkit::platform::fault::break_rule("flock_excludes");
      mirror_cache cache(place / "cache", {.level = durability::visible});
      std::mt19937 random(i);
      for (int round = 0; round < rounds; ++round) {
        const bool breaks = random() % 4 == 0;
        const auto fetch = [&](fetch_sink& sink) {
          if (sink.partial()) throw std::logic_error("a part was claimed without a lock");
          sink.keep_partial({"\"1\"", "", ""});
          const std::string text = self_describing(random());
          for (std::size_t at = 0; at < text.size(); at += 97) {
            sink.write(text.substr(at, 97));
            if (breaks && at > text.size() / 2) throw std::runtime_error("connection lost");
          }
        };
        try {
          const fs::path mirror = place / ("mirror " + std::to_string(i));
          const auto got = cache.fetch_and_mirror("key", mirror, fetch, fetch_policy::always(),
                                                  {.overwrite = true, .level = durability::visible});
          if (!is_whole(content_of(got.entry)) || !is_whole(testing::read_file(mirror))) return 1;
        } catch (const std::runtime_error& failure) {
          if (std::string(failure.what()) != "connection lost") throw;
        }
      }
      return 0;
    });
  }
  wait_for(fetchers);
  mirror_cache cache(place / "cache");
  CHECK(is_whole(content_of(cache.get("key", {}, fetch_policy::never()))));
  CHECK(cache.verify(true).empty());
  CHECK(testing::files_of_cache(place / "cache").size() == 2);
}
#endif

TEST_CASE("a storm of refreshes against mirrors in all forms: none vanishes, none is mixed, one fetch at a time") {
  struct witness {
    std::atomic<int> inside{0};
    std::atomic<std::uint64_t> fetches{0};
    std::atomic<std::uint64_t> requests{0};
    std::atomic<bool> done{false};
  };
  testing::scratch_directory place(testing::memory_directory());
  const testing::shared_memory<witness> seen;
  const int rounds = testing::rounds_of_stress(600, 10'000);
  const auto fetch = [&](fetch_sink& sink) {
    if (seen->inside.fetch_add(1) != 0) throw std::logic_error("two fetch at once");
    const std::uint64_t number = ++seen->fetches;
    if (number % 3 == 0 && sink.cached()) {
      sink.not_modified();
    } else {
      sink.write(self_describing(number));
    }
    --seen->inside;
  };
  const auto open_cache = [&] { return mirror_cache(place / "cache", {.level = durability::visible}); };
  (void)open_cache().fetch_and_mirror("key", place / "mirror", fetch);
  std::vector<child_process> workers;
  for (unsigned i = 0; i < 6; ++i) {
    workers.emplace_back([&, i] {
      mirror_cache cache = open_cache();
      const mirror_options how{.link = i % 2 == 0 ? mirror_link::isolated : mirror_link::hard_link,
                               .overwrite = true,
                               .level = durability::visible};
      for (int round = 0; round < rounds; ++round) {
        ++seen->requests;
        const auto arrived = std::chrono::system_clock::now();
        const auto policy = i < 4 ? fetch_policy::always() : fetch_policy::if_missing();
        const cache_entry entry = cache.fetch_and_mirror("key", place / "mirror", fetch, policy, how).entry;
        if (!is_whole(content_of(entry))) return 1;
        if (!is_whole(testing::read_file(place / "mirror"))) return 2;
        if (i < 4 && entry.fetched_at() < arrived) return 3;
      }
      return 0;
    });
  }
  child_process sweeper([&] {
    while (!seen->done) {
      if (!open_cache().verify(true).empty()) return 4;
    }
    return 0;
  });
  wait_for(workers);
  seen->done = true;
  CHECK(sweeper.wait() == 0);
  CHECK(seen->fetches <= seen->requests + 1);
  CHECK(open_cache().verify(true).empty());
  CHECK(testing::files_of_cache(place / "cache").size() == 2);
}
