/// Holders killed inside the critical section, thousands of times: no overlap, no hang, and how long the lock stood
/// without an owner. The times are printed, not judged: they depend on the machine's load.
///
/// The detector is checked by an entrance that lets everybody in. Seen to fail besides with the kernel's lock granted
/// always. (Unlock before unlink breaks the exclusion of scripts, not this one: see lock_schedule_test.cpp.)
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <thread>

#include <lockkit/file_mutex.hpp>
#include <lockkit/lock_file.hpp>

#include "fs/plant.hpp"
#include "scenario/arena.hpp"
#include "scenario/long_runs.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"

using namespace testing;
using namespace std::chrono_literals;
using lockkit::detail::plant_method;

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int forks_cost = 10;  // times as much
#else
constexpr int forks_cost = 1;
#endif

template <class Lock>
entrance enter_by(const std::filesystem::path& path) {
  const auto lock = std::make_shared<Lock>(path);
  return {[lock] { return lock->try_lock_for(60s); }, [lock] { lock->unlock(); }};
}

entrance enter_by_own_file(const std::filesystem::path& path) {
  const auto lock = std::make_shared<lockkit::lock_file>(path);
  lockkit::detail::lock_file_internals::use_plant(*lock, plant_method::own_file);
  return {[lock] { return lock->try_lock_for(60s); }, [lock] { lock->unlock(); }};
}

/// Guards that come and go beside guards that stay, links beside own files, some with everyone kept out.
entrance enter_by_any_way(const std::filesystem::path& path) {
  const auto kind = static_cast<unsigned>(::getpid()) % 4;
  lockkit::lock_options options;
  options.ephemeral_guard = kind < 2;
  if (kind == 3) options.excludes = lockkit::keep_out::everyone;
  const auto lock = std::make_shared<lockkit::lock_file>(path, options);
  if (kind == 1) lockkit::detail::lock_file_internals::use_plant(*lock, plant_method::own_file);
  return {[lock] { return lock->try_lock_for(60s); }, [lock] { lock->unlock(); }};
}

entrance let_everybody_in(const std::filesystem::path&) {
  return {[] { return true; }, [] {}};
}

/// One line of the table: vacancies of those that had waited as long as the row says.
void print_row(const char* name, std::vector<succession> all, nanoseconds waited) {
  std::erase_if(all, [&](const succession& one) { return one.waited < waited; });
  if (all.empty()) return;
  std::ranges::sort(all, {}, &succession::vacant);
  const auto at = [&](double share) {
    const auto rank = static_cast<std::size_t>(share * static_cast<double>(all.size() - 1));
    return static_cast<double>(all[rank].vacant.count()) / 1e6;
  };
  std::printf("%-44s %6zu kills; next owner after: median %8.3f ms, p99 %8.3f ms, max %8.3f ms\n", name, all.size(),
              at(0.5), at(0.99), at(1));
}

/// `hold`: how long the others have waited when the holder is killed.
std::vector<succession> kill_holders(arena& where, int kills, nanoseconds hold) {
  std::vector<succession> seen;
  for (int i = 0; i < kills; ++i) {
    REQUIRE(where.begin_doom());
    std::this_thread::sleep_for(hold);
    where.kill_doomed();
    const auto next = where.await_next();
    REQUIRE(next);
    seen.push_back(*next);
  }
  return seen;
}

/// Locks with one waiter each, which all wait at the same time.
std::vector<succession> kill_holders_of_many(const std::filesystem::path& directory, int locks, nanoseconds hold) {
  std::vector<std::unique_ptr<arena>> arenas;
  for (int i = 0; i < locks; ++i) {
    arenas.push_back(std::make_unique<arena>(directory / std::to_string(i), 2, enter_by<lockkit::lock_file>));
    REQUIRE(arenas.back()->begin_doom());
  }
  std::this_thread::sleep_for(hold);
  std::vector<succession> seen;
  for (const auto& one : arenas) {
    one->kill_doomed();
    const auto next = one->await_next();
    REQUIRE(next);
    seen.push_back(*next);
    one->finish();
    CHECK(one->state().overlaps == 0);
  }
  return seen;
}

void require_clean(arena& where) {
  where.finish();
  CHECK(where.state().overlaps == 0);
  CHECK(where.state().never_entered == 0);
}

}  // namespace

TEST_CASE("2,000 holders killed inside: no overlap, no hang, and always a next owner") {
  scratch_directory place;
  arena where(place / "l", 8, enter_by<lockkit::lock_file>);
  print_row("lock_file, 8 processes, killed at once", kill_holders(where, 1900, 0s), 0s);
  print_row("lock_file, 8 processes, waited 50 ms", kill_holders(where, 100, 60ms), 50ms);
  require_clean(where);
  lockkit::lock_file next(place / "l");
  CHECK(next.try_lock());
}

TEST_CASE("killed holders of an own file and of a mutex are succeeded without overlap") {
  scratch_directory place;
  {
    arena where(place / "l", 8, enter_by_own_file);
    print_row("lock_file by its own file, 8 processes", kill_holders(where, in_long_runs(2000, 300), 0s), 0s);
    require_clean(where);
  }
  arena where(place / "m", 8, enter_by<lockkit::file_mutex>);
  print_row("file_mutex, 8 processes", kill_holders(where, in_long_runs(2000, 300), 0s), 0s);
  require_clean(where);
}

TEST_CASE("killed processes whose guards go with the lock, beside others whose stay, neither overlap nor hang") {
  scratch_directory place;
  arena where(place / "l", 8, enter_by_any_way);
  const int kills = in_long_runs(8000, 400 / forks_cost);
  for (int i = 0; i < kills; ++i) where.kill_anywhere(static_cast<std::size_t>(i % 8));
  print_row("lock_file by any way, 8 processes", kill_holders(where, in_long_runs(2000, 200 / forks_cost), 0s), 0s);
  require_clean(where);
  lockkit::lock_file next(place / "l", {.ephemeral_guard = true});
  CHECK(next.try_lock());
  next.unlock();
  CHECK_FALSE(std::filesystem::exists(place / ".l.guard"));
}

TEST_CASE("processes killed at any instant neither overlap nor hang") {
  scratch_directory place;
  arena where(place / "l", 8, enter_by<lockkit::lock_file>);
  const int kills = in_long_runs(8000, 800);
  for (int i = 0; i < kills; ++i) where.kill_anywhere(static_cast<std::size_t>(i % 8));
  REQUIRE(where.begin_doom());  // they still take turns
  where.kill_doomed();
  REQUIRE(where.await_next());
  require_clean(where);
}

TEST_CASE("a lone waiter that has waited long succeeds a killed holder") {
  scratch_directory place;
  arena where(place / "l", 2, enter_by<lockkit::lock_file>);
  print_row("lock_file, one waiter, waited 50 ms", kill_holders(where, 40, 52ms), 50ms);
  require_clean(where);
  print_row("lock_file, one waiter, waited 10 s", kill_holders_of_many(place.path(), 20, 10s), 9900ms);
}

TEST_CASE("an entrance that lets everybody in is reported by the arena") {
  scratch_directory place;
  arena where(place / "l", 3, let_everybody_in);
  REQUIRE(where.begin_doom());
  while (where.state().overlaps == 0) std::this_thread::yield();
  where.kill_doomed();  // it would stay for ever
  where.finish();
  CHECK(where.state().overlaps > 0);
}
