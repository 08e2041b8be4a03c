/// Sixteen processes publish, read, sweep, evict, mirror in every way and refresh in one place, and are killed at random:
/// nobody ever sees a mix, a part or nothing, and each key is fetched once in its epoch. LOCKKIT_TEST_LONG: ten minutes.
#include <signal.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <random>
#include <thread>

#include <lockkit/mirror_cache.hpp>
#include <lockkit/sweep_leftovers.hpp>

#include "mirror/cache_testing.hpp"
#include "mirror/crowd.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using namespace testing;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr auto short_campaign = 8s;
#else
constexpr auto short_campaign = 20s;
#endif

/// The members, each in a process.
class crowd {
 public:
  crowd(const fs::path& place, crowd_books& books) : place_(place), books_(books) {
    for (unsigned n = 0; n < crowd_size; ++n) start(n);
  }

  /// A killed one's request may have fetched already, or not; somebody else goes on in its place.
  void kill_and_replace(unsigned number) {
    crowd_books::worker_book& book = books_.workers[number];
    book.doomed = true;
    members_[number]->signal(SIGKILL);
    CHECK(members_[number]->wait() == 128 + SIGKILL);  // it had found nothing wrong
    if (key_book* key = book.asking.exchange(nullptr)) {
      ++key->excused;
      unsigned mine = number + 1;
      key->fetcher.compare_exchange_strong(mine, 0);
    }
    book.doomed = false;
    start(number);
  }

  void finish() {
    books_.over = true;
    for (auto& member : members_) CHECK(member->wait() == 0);
  }

 private:
  void start(unsigned number) {
    const unsigned seed = ++starts_ * 100 + number;
    members_[number].emplace([this, number, seed] {
      const std::string wrong = crowd_member(place_, books_, number, seed).work();
      if (!wrong.empty()) std::fprintf(stderr, "%s\n", wrong.c_str());
      return wrong.empty() ? 0 : 1;
    });
  }

  const fs::path& place_;
  crowd_books& books_;
  std::array<std::optional<child_process>, crowd_size> members_;
  unsigned starts_ = 0;
};

/// Every key of every epoch: fetched once, and once more at most for each excuse.
void check_fetches(const crowd_books& books) {
  long fetched = 0;
  for (unsigned epoch = 0; epoch <= books.epoch; ++epoch) {
    for (const key_book& key : books.keys[epoch]) {
      CHECK(key.fetches <= 1 + key.excused);
      CHECK(key.fetcher == 0);
      fetched += key.fetches;
    }
  }
  CHECK(fetched > 0);
  std::printf(
      "%ld published, %ld read, %ld mirrored, %ld refreshed; %ld fetches in %u epochs, %ld evicted, %ld swept\n",
      books.published.load(), books.read.load(), books.mirrored.load(), books.refreshed.load(), fetched,
      books.epoch + 1, books.evicted.load(), books.swept.load());
}

void check_what_is_left(const fs::path& place) {
  CHECK(crowd_member::look_at(place) == "");
  lockkit::mirror_cache cache(place / "cache");
  CHECK(cache.verify(true).empty());
  for (const char* directory : {"targets", "mirrors"}) {
    static_cast<void>(lockkit::sweep_leftovers(place / directory, {.minimum_age = 0s}));
    for (const auto& entry : fs::directory_iterator(place / directory)) {
      CHECK(entry.path().filename().string().front() != '.');
    }
  }
}

}  // namespace

TEST_CASE(
    "sixteen processes publish, read, sweep, evict and mirror, some are killed, and nobody sees half of anything") {
  scratch_directory place(memory_directory());
  const shared_memory<crowd_books> books;
  crowd_member::prepare(place.path());
  crowd all(place.path(), *books);
  std::mt19937 random(20'261'120);
  const auto length = std::getenv("LOCKKIT_TEST_LONG") != nullptr ? 10min : std::chrono::minutes(0);
  const auto end = std::chrono::steady_clock::now() + (length > 0min ? length : short_campaign);
  unsigned kills = 0;
  while (std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % 150));  // any moment will do
    const auto victim = static_cast<unsigned>(random() % crowd_size);
    if (crowd_member::may_be_killed(victim)) all.kill_and_replace(victim), ++kills;
    if (random() % 2 == 0 && books->epoch + 1 < longest_campaign) ++books->epoch;
  }
  all.finish();
  check_fetches(*books);
  check_what_is_left(place.path());
  CHECK(kills > 0);
  CHECK(books->published > 0);
  CHECK(books->read > 0);
  CHECK(books->mirrored > 0);
  CHECK(books->refreshed > 0);
  CHECK(books->evicted > 0);
}
