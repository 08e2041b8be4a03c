#include <signal.h>

#include <list>
#include <random>
#include <thread>

#include <lockkit/error.hpp>
#include <lockkit/mirror_cache.hpp>

#include "mirror/cache_testing.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using namespace lockkit;
using testing::child_process;
using testing::content_of;
namespace fs = std::filesystem;

namespace {

/// A content that shows when it is not whole: its first word is repeated throughout.
std::string self_describing(unsigned number) {
  std::string text;
  for (int i = 0; i < 400; ++i) text += std::to_string(number) + " ";
  return text;
}

bool is_whole(const std::string& text) {
  return text == self_describing(static_cast<unsigned>(std::stoul(text)));
}

/// Asks, mirrors, refreshes and removes until it is killed; exits with 1 if anything it gets is wrong.
int work_for_ever(const fs::path& place, unsigned seed) {
  std::mt19937 random(seed);
  mirror_cache cache(place / "cache", {.level = durability::visible});
  mirror_options how;
  how.level = durability::visible;
  how.overwrite = true;
  for (;;) {
    const std::string key = "key " + std::to_string(random() % 3);
    const auto fetch = [&](fetch_sink& sink) {
      const std::string text = self_describing(static_cast<unsigned>(random()));
      sink.write(text.substr(0, 1000));
      sink.write(text.substr(1000));
    };
    const auto policy = random() % 2 == 0 ? fetch_policy::always() : fetch_policy::if_missing();
    how.link = random() % 2 == 0 ? mirror_link::isolated : mirror_link::hard_link;
    const fs::path mirror = place / ("mirror " + std::to_string(random() % 4));
    if (!is_whole(content_of(cache.fetch_and_mirror(key, mirror, fetch, policy, how).entry))) return 1;
    if (!is_whole(testing::read_file(mirror))) return 1;
    if (random() % 8 == 0) cache.remove(key);
    if (random() % 64 == 0 && !cache.verify(true).empty()) return 1;
  }
}

}  // namespace

TEST_CASE("processes killed at random leave waiting ones to go on, and nothing broken") {
  testing::scratch_directory place(testing::memory_directory());
  std::mt19937 random(20'261'120);
  constexpr int workers = 4;
  const int kills = testing::rounds_of_stress(300, 3000);
  std::list<child_process> running;  // the oldest first
  for (unsigned i = 0; i < workers; ++i) running.emplace_back([&, i] { return work_for_ever(place.path(), i); });
  for (int i = 0; i < kills; ++i) {
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 5000));  // any moment will do
    const auto victim = std::next(running.begin(), static_cast<int>(random() % running.size()));
    victim->signal(SIGKILL);
    CHECK(victim->wait() == 128 + SIGKILL);  // it had found nothing wrong
    running.erase(victim);
    running.emplace_back([&, i] { return work_for_ever(place.path(), 1000 + static_cast<unsigned>(i)); });
  }
  for (child_process& child : running) {
    child.signal(SIGKILL);
    CHECK(child.wait() == 128 + SIGKILL);
  }
  mirror_cache cache(place / "cache");
  CHECK(cache.verify(true).empty());
  for (const cache_record& key : cache.list()) CHECK(cache.remove(key.key));
  CHECK(testing::files_of_cache(place / "cache").empty());
  sweep_staged(place.path());
  for (const std::string& name : place.names()) CHECK((name == "cache" || is_whole(testing::read_file(place / name))));
}
