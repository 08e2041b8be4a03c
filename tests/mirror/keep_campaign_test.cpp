/// Everybody at once: those who take contents away, and those who need them.
#include <functional>
#include <list>
#include <random>

#include <lockkit/error.hpp>
#include <lockkit/mirror_cache.hpp>

#include "mirror/cache_testing.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using namespace lockkit;
using namespace std::chrono_literals;
using testing::child_process;
using testing::content_of;
using testing::read_file;
namespace fs = std::filesystem;

namespace {

constexpr unsigned keys = 6;

/// A content that shows when it is not whole, and whose it is: "<key> <number> " over and over.
std::string text_of(unsigned key, unsigned number) {
  std::string text;
  while (text.size() < 3000) text += std::to_string(key) + ' ' + std::to_string(number) + ' ';
  return text;
}

bool is_whole(const std::string& text, unsigned key) {
  const std::string begin = std::to_string(key) + ' ';
  return text.starts_with(begin) && text == text_of(key, static_cast<unsigned>(std::stoul(text.substr(begin.size()))));
}

/// One process of the campaign: asks for keys at random, and says by its exit code whether all was well.
class participant {
 public:
  participant(const fs::path& place, unsigned seed, int rounds)
      : place_(place),
        seed_(seed),
        random_(seed),
        rounds_(rounds),
        cache_(place / "cache", {.level = durability::visible}) {}

  template <class Round>
  int run(Round&& round) {
    for (int n = 0; n < rounds_; ++n) {
      if (!round()) return 1;
    }
    return 0;
  }

  bool read() {
    const unsigned key = pick();
    return is_whole(content_of(cache_.get(name(key), fetch(key))), key);
  }
  bool read_by_path() {
    const unsigned key = pick();
    const cache_lease lease = cache_.lease(name(key), fetch(key));
    return is_whole(read_file(lease.path()), key) && is_whole(read_file(lease.path()), key);
  }
  bool mirror(mirror_link link) {
    const unsigned key = pick();
    mirror_options how{.link = link, .overwrite = true, .level = durability::visible};
    how.verify = random_() % 2 == 0 ? mirror_verify::content : mirror_verify::none;
    const fs::path shared = place_ / ("mirror " + std::to_string(key));  // all three modes overwrite it
    (void)cache_.fetch_and_mirror(name(key), shared, fetch(key), fetch_policy::if_missing(), how);
    const fs::path own = place_ / ("own " + std::to_string(seed_));
    cache_.mirror(cache_.get(name(key), fetch(key)), own, how);
    return is_whole(read_file(shared), key) && is_whole(read_file(own), key);
  }
  bool refresh() {
    const unsigned key = pick();
    return is_whole(content_of(cache_.get(name(key), fetch(key), fetch_policy::always())), key);
  }
  bool evict() {
    eviction_limits limits;
    limits.max_bytes = random_() % 3 * 4000;
    limits.grace = 0s;
    (void)cache_.evict(limits);
    return random_() % 16 != 0 || cache_.verify(true).empty();
  }

 private:
  unsigned pick() { return static_cast<unsigned>(random_() % keys); }
  static std::string name(unsigned key) { return "key " + std::to_string(key); }
  fetch_function fetch(unsigned key) {
    return [this, key](fetch_sink& sink) {
      const std::string text = text_of(key, static_cast<unsigned>(random_()));
      sink.write(text.substr(0, 1000));
      sink.write(text.substr(1000));
    };
  }

  fs::path place_;
  unsigned seed_;
  std::mt19937 random_;
  int rounds_;
  mirror_cache cache_;
};

}  // namespace

TEST_CASE("readers, mirrors of every kind and leases lose nothing to evictions, refreshes and sweeps") {
  testing::scratch_directory place(testing::memory_directory());
  const int rounds = testing::rounds_of_stress(400, 20'000);
  const std::vector<std::function<bool(participant&)>> work = {
      &participant::read,
      &participant::read_by_path,
      &participant::read_by_path,
      [](participant& each) { return each.mirror(mirror_link::isolated); },
      [](participant& each) { return each.mirror(mirror_link::copy); },
      [](participant& each) { return each.mirror(mirror_link::hard_link); },
      &participant::refresh,
      &participant::evict,
      &participant::evict};
  std::list<child_process> running;
  for (unsigned seed = 0; seed < work.size(); ++seed) {
    running.emplace_back([&, seed] {
      participant each(place.path(), seed, rounds);
      return each.run([&] { return work[seed](each); });
    });
  }
  for (child_process& each : running) CHECK(each.wait() == 0);
  mirror_cache cache(place / "cache");
  CHECK(cache.verify(true).empty());
  eviction_limits all;
  all.max_bytes = 0;
  all.grace = 0s;
  CHECK(cache.evict(all).kept.empty());
  CHECK(testing::files_of_cache(place / "cache").empty());
  for (const std::string& file : place.names()) CHECK((file == "cache" || file.find_first_of("mo") == 0));
}

TEST_CASE("15 processes that mirror one data set to one place and to their own at once all find it whole") {
  testing::scratch_directory place(testing::memory_directory());
  for (const mirror_link link : {mirror_link::isolated, mirror_link::copy, mirror_link::hard_link}) {
    testing::shared_log fetches(place / "fetches");
    const std::string text(300'000, 'd');
    std::list<child_process> running;
    testing::signal_pipe start;
    for (int n = 0; n < 15; ++n) {
      running.emplace_back([&, n] {
        start.receive();
        mirror_cache cache(place / "cache");
        const auto fetch = [&](fetch_sink& sink) {
          fetches.append("fetch");
          sink.write(text);
        };
        for (const std::string& name : {std::string("one"), "own " + std::to_string(n)}) {
          (void)cache.fetch_and_mirror("key", place / name, fetch, fetch_policy::if_missing(), {.link = link});
          if (read_file(place / name) != text) return 1;
        }
        return 0;
      });
    }
    for (int n = 0; n < 15; ++n) start.send();
    for (child_process& each : running) CHECK(each.wait() == 0);
    CHECK(fetches.lines().size() == 1);
    for (const std::string& name : place.names()) fs::remove_all(place / name);
  }
}
