#include <unistd.h>

#include <algorithm>

#include <lockkit/file_mutex.hpp>
#include <lockkit/lock_file.hpp>
#include <lockkit/sweep_leftovers.hpp>

#include "platform/fault.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using namespace lockkit;
namespace fs = std::filesystem;

namespace {

std::set<std::string> names_of(const std::vector<leftover>& found) {
  std::set<std::string> names;
  for (const leftover& each : found) names.insert(each.path.filename().string());
  return names;
}

void use_once(const fs::path& path) {
  lock_file lock(path);
  lock.lock();
}

}  // namespace

TEST_CASE("sweep_leftovers removes guards that nobody uses, and keeps those that are held or waited for") {
  testing::scratch_directory place;
  use_once(place / "idle");
  lock_file held(place / "held");
  held.lock();
  testing::signal_pipe waits;
  testing::child_process waiter([&] {
    lock_file lock(place / "held", {.on_wait = [&](const wait_notice&) { waits.send(); }});
    lock.lock();
    return 0;
  });
  waits.receive();
  CHECK(names_of(sweep_leftovers(place.path(), {.dry_run = true})) == std::set<std::string>{".idle.guard"});
  CHECK(fs::exists(place / ".idle.guard"));
  CHECK(names_of(sweep_leftovers(place.path())) == std::set<std::string>{".idle.guard"});
  CHECK(place.names() == std::set<std::string>{"held", ".held.guard"});
  held.unlock();
  CHECK(waiter.wait() == 0);
}

TEST_CASE("sweep_leftovers takes a dead holder's lock file along, and what a dead writer left") {
  testing::scratch_directory place;
  testing::child_process dead([&] {
    lock_file lock(place / "l");
    lock.lock();
    ::_exit(0);
    return 0;
  });
  dead.wait();
  testing::write_file(place / (".x." + std::string(26, 'a') + ".lkt"), "staged");
  const auto found = sweep_leftovers(place.path(), {.minimum_age = std::chrono::seconds(0)});
  CHECK(found.size() == 3);
  CHECK(std::ranges::count(found, leftover_kind::lock_file, &leftover::kind) == 1);
  CHECK(std::ranges::count(found, leftover_kind::staged_file, &leftover::kind) == 1);
  CHECK(place.names().empty());
}

TEST_CASE("sweep_leftovers touches nothing that lockkit did not write, and no guard with a name that it can't derive") {
  testing::scratch_directory place;
  testing::write_file(place / ".mine.guard", "data");
  testing::write_file(place / ".empty.guard", "");
  fs::create_symlink(".mine.guard", place / ".link.guard");
  fs::create_directory(place / ".folder.guard");
  use_once(place / "l");
  fs::create_hard_link(place / ".l.guard", place / "elsewhere");
  {
    file_mutex mutex(place / ".m.guard");
    mutex.lock();
  }
  const auto before = place.names();
  CHECK(sweep_leftovers(place.path()).empty());
  CHECK(place.names() == before);
}

#if defined(LOCKKIT_FAULT_INJECTION)

TEST_CASE("whoever opened a guard that is swept before it locks it starts anew, and excludes the others") {
  testing::scratch_directory place;
  use_once(place / "l");
  testing::signal_pipe there;
  testing::signal_pipe go_on;
  testing::signal_pipe held;
  testing::signal_pipe end;
  testing::child_process late([&] {
    platform::fault::arm({.what = platform::fault::action::stop,
                          .name = "flock",
                          .announce_fd = there.write_end(),
                          .resume_fd = go_on.read_end()});
    lock_file lock(place / "l");
    lock.lock();
    held.send();
    end.receive();
    return 0;
  });
  there.receive();
  CHECK(sweep_leftovers(place.path()).size() == 1);
  go_on.send();
  held.receive();
  CHECK_FALSE(lock_file(place / "l").try_lock());
  CHECK(place.names() == std::set<std::string>{"l", ".l.guard"});
  end.send();
  CHECK(late.wait() == 0);
}

TEST_CASE("a sweep that is killed anywhere leaves locks that work, and the next sweep ends its work") {
  testing::scratch_directory place;
  for (std::uint64_t nth = 1;; ++nth) {
    testing::child_process dead([&] {
      lock_file lock(place / "l");
      lock.lock();
      ::_exit(0);
      return 0;
    });
    dead.wait();
    testing::child_process sweep([&] {
      platform::fault::arm({.what = platform::fault::action::die, .nth = nth});
      (void)sweep_leftovers(place.path());
      return 0;
    });
    const bool ended = sweep.wait() == 0;
    CHECK(lock_file(place / "l").try_lock());
    (void)sweep_leftovers(place.path());
    CHECK(place.names().empty());
    if (ended) break;
  }
}

#endif
