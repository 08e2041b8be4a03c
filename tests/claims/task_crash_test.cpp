/// Deaths, late holders and full disks: no task runs twice, none is lost.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include "claims/task_testing.hpp"
#include "support/syscall_sweep.hpp"

using namespace lockkit;
using namespace testing;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

/// Appends a line in one write, so that a kill leaves a whole line or none.
void append_line(const fs::path& file, const std::string& line) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  const std::string text = line + "\n";
  if (::write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size())) ::abort();
  ::close(fd);
}

std::vector<std::string> lines_of(const fs::path& folder) {
  std::vector<std::string> lines;
  for (const auto& file : fs::directory_iterator(folder)) {
    std::istringstream text(read_file(file.path()));
    for (std::string line; std::getline(text, line);) lines.push_back(line);
  }
  return lines;
}

/// Takes and finishes tasks, noting both outside the database, until there are none or it kills itself.
int work(const queue_place& place, unsigned seed) {
  std::mt19937 random(seed);
  claim_store store(place.database);
  task_queue queue(store, "q");
  const fs::path mine = std::to_string(seed);
  while (auto taken = queue.take_until({}, deadline::after(200ms))) {
    append_line(place.directory / "attempts" / mine,
                std::to_string(taken->ref.id) + " " + std::to_string(taken->ref.attempt));
    if (random() % 40 == 0) ::raise(SIGKILL);
    queue.finish(taken->ref);
    append_line(place.directory / "finished" / mine, std::to_string(taken->ref.id));
    if (random() % 80 == 0) ::raise(SIGKILL);
  }
  return 0;
}

/// 8 processes; how many were killed.
int run_generation(const queue_place& place, unsigned& seed) {
  std::vector<child_process> children;
  for (int i = 0; i < 8; ++i) children.emplace_back([&, own = seed++] { return work(place, own); });
  int killed = 0;
  for (auto& child : children) {
    const int status = child.wait();
    CHECK((status == 0 || status == 128 + SIGKILL));
    killed += status == 0 ? 0 : 1;
  }
  return killed;
}

/// Takes tasks that need a lease and finishes them, noting outside the database which it finished and where it was late.
int work_under_lease(const queue_place& place, int number) {
  claim_store store(place.database);
  task_queue queue(store, "q");
  while (const auto taken = queue.take_until({}, deadline::after(60s))) {
    const bool is_end = taken->key.substr(0, 3) == "end";
    if (!is_end) std::this_thread::sleep_for(10ms);  // its work
    const auto ec = code_of([&](auto& code) { queue.finish(taken->ref, std::to_string(number), code); });
    if (is_end) return ec ? 1 : 0;
    if (ec && ec != errc::claim_lost) return 2;
    append_line(place.directory / (ec ? "late" : "finished") / std::to_string(number), taken->key);
  }
  return 3;
}

void check_whole(queue_place& place) {
  CHECK(ask_sqlite(place.database, "PRAGMA integrity_check") == "ok\n");
  CHECK(ask_sqlite(place.database,
                   "SELECT count(*) FROM task WHERE state IN (1, 2, 3) AND NOT EXISTS (SELECT 1 FROM "
                   "claim WHERE key = claim_key)") == "0\n");
  CHECK(ask_sqlite(place.database,
                   "SELECT count(*) FROM task_attempt WHERE ended_ms IS NULL AND NOT EXISTS (SELECT 1 "
                   "FROM claim WHERE key = claim_key)") == "0\n");
  CHECK(ask_sqlite(place.database,
                   "SELECT count(*) FROM task t WHERE blockers <> (SELECT count(*) FROM "
                   "task_dependency WHERE task_id = t.id)") == "0\n");
}

}  // namespace

TEST_CASE("2,000 tasks, 8 processes, random kills: each is done once, none is lost, no attempt is had twice") {
  queue_place place(6);
  constexpr std::uint32_t tasks = 2000;
  for (std::uint32_t i = 0; i < tasks; ++i) {
    place.queue.submit({.key = std::to_string(i),
                        .needs = {.pool = i % 5 == 0 ? "" : "gpu", .count = 1U + (i % 3)},
                        .priority = static_cast<std::int32_t>(i % 7),
                        .max_attempts = 1000});
  }
  fs::create_directory(place.directory / "attempts");
  fs::create_directory(place.directory / "finished");
  unsigned seed = 1;
  int killed = 0;
  do {
    killed += run_generation(place, seed);
    place.store.bury_dead();
  } while (!place.queue.list({.state = task_state::ready, .limit = 1}).empty());
  INFO(killed << " killed");
  CHECK(killed > 20);
  CHECK(place.queue.list({.state = task_state::done, .limit = 10000}).size() == tasks);
  const auto attempts = lines_of(place.directory / "attempts");
  CHECK(std::set<std::string>(attempts.begin(), attempts.end()).size() == attempts.size());
  // Who was killed between the commit and its own note has finished, too: the note is missing, but never there twice.
  const auto finished = lines_of(place.directory / "finished");
  CHECK(std::set<std::string>(finished.begin(), finished.end()).size() == finished.size());
  CHECK(finished.size() + static_cast<std::size_t>(killed) >= tasks);
  CHECK(ask_sqlite(place.database, "SELECT count(*) FROM task_attempt WHERE outcome = 'done'") ==
        std::to_string(tasks) + "\n");
  CHECK(ask_sqlite(place.database, "SELECT count(*) FROM claim") == "0\n");
  CHECK(place.used() == 0);
  check_whole(place);
}

TEST_CASE("killed at any system call of taking a task, the task is had by nobody and taken again at once") {
  queue_place place(1);
  std::optional<claim_store> store;
  std::optional<task_queue> queue;
  int round = 0;
  int counted = 0;
  const auto submit_next = [&] {
    place.queue.submit({.key = std::to_string(++round), .needs = one_gpu, .max_attempts = 2});
  };
  submit_next();
  const std::size_t points = kill_at_every_call(
      [&] {
        store.emplace(place.database);
        queue.emplace(*store, "q");
      },
      [&] {
        if (!queue->try_take()) ::abort();
      },
      [&](std::size_t point) {
        INFO("killed before call " << point);
        const auto taken = place.queue.try_take();
        REQUIRE(taken);
        CHECK(taken->key == std::to_string(round));
        CHECK(taken->ref.attempt <= 2);
        CHECK(taken->held.items().size() == 1);
        counted += taken->ref.attempt == 2 ? 1 : 0;
        place.queue.finish(taken->ref);
        CHECK(place.used() == 0);
        submit_next();
      });
  CHECK(points > 20);
  CHECK(counted > 0);  // killed after the commit
  CHECK(counted < static_cast<int>(points));
  check_whole(place);
}

TEST_CASE("killed at any system call of finishing, a task is done, or ready again and nobody's") {
  queue_place place(1);
  std::optional<claim_store> store;
  std::optional<task_queue> queue;
  std::optional<taken_task> taken;
  int round = 0;
  int done = 0;
  const auto submit_next = [&] {
    place.queue.submit({.key = std::to_string(++round), .needs = one_gpu, .max_attempts = 2});
  };
  submit_next();
  const std::size_t points = kill_at_every_call(
      [&] {
        store.emplace(place.database);
        queue.emplace(*store, "q");
        taken = queue->try_take();
        if (!taken) ::abort();
      },
      [&] { queue->finish(taken->ref, "r"); },
      [&](std::size_t point) {
        INFO("killed before call " << point);
        auto again = place.queue.try_take();
        const auto status = place.queue.find(std::to_string(round));
        if (again) {
          CHECK(again->key == std::to_string(round));
          CHECK(again->ref.attempt == 2);
          place.queue.finish(again->ref, "r");
        } else {
          ++done;
          CHECK(status->attempt == 1);
        }
        CHECK(place.state(std::to_string(round)) == task_state::done);
        CHECK(place.queue.find(std::to_string(round))->result == "r");
        CHECK(place.used() == 0);
        submit_next();
      });
  CHECK(points > 10);
  CHECK(done > 0);
  CHECK(done < static_cast<int>(points));
  check_whole(place);
}

TEST_CASE("killed at any system call of submitting, the key is there once or not, and can be submitted") {
  queue_place place;
  std::optional<claim_store> store;
  std::optional<task_queue> queue;
  int round = 0;
  const std::size_t points = kill_at_every_call(
      [&] {
        store.emplace(place.database);
        queue.emplace(*store, "q");
      },
      [&] { queue->submit({.key = std::to_string(round)}); },
      [&](std::size_t) {
        place.queue.submit({.key = std::to_string(round)});
        CHECK(place.queue.list({.limit = 5000}).size() == static_cast<std::size_t>(round) + 1);
        ++round;
      });
  CHECK(points > 10);
  check_whole(place);
}

TEST_CASE("a holder that was stopped until its lease ran out is late: what it reports changes nothing") {
  queue_place place(1);
  claim_request needs = one_gpu;
  needs.life = claim_life::lease;
  needs.lease = 100ms;
  const auto id = place.queue.submit({.key = "t", .needs = needs, .max_attempts = 5}).id;
  signal_pipe ready;
  signal_pipe go;
  child_process late([&] {
    claim_store store(place.database);
    task_queue queue(store, "q");
    const auto taken = queue.try_take();
    ready.send();
    go.receive();
    const auto lost = [&](auto&& report) { return code_of(report) == errc::claim_lost; };
    if (!lost([&](auto& ec) { queue.running(taken->ref, "late", ec); })) return 1;
    if (!lost([&](auto& ec) { queue.finish(taken->ref, "late", ec); })) return 2;
    if (!lost([&](auto& ec) { queue.fail(taken->ref, "late", {}, ec); })) return 3;
    if (!lost([&](auto& ec) { queue.hand_back(taken->ref, ec); })) return 4;
    return 0;
  });
  ready.receive();
  late.signal(SIGSTOP);
  const auto taken = place.queue.take_until({}, deadline::after(30s));
  REQUIRE(taken);
  CHECK(taken->ref.attempt == 2);
  go.send();
  late.signal(SIGCONT);
  CHECK(late.wait() == 0);
  CHECK(place.state(id) == task_state::taken);
  CHECK(place.used() == 1);
  CHECK(taken->held.items()[0].token.value > place.queue.history()[0].items[0].token.value);
  place.queue.finish(taken->ref, "in time");
  CHECK(place.queue.find(id)->result == "in time");
}

TEST_CASE("holders stopped at random beyond their leases: each task is finished once, by one of them") {
  queue_place place(3);
  claim_request needs = one_gpu;
  needs.life = claim_life::lease;
  needs.lease = 20ms;
  fs::create_directory(place.directory / "finished");
  fs::create_directory(place.directory / "late");
  std::vector<child_process> holders;
  for (int i = 0; i < 6; ++i) holders.emplace_back([&, i] { return work_under_lease(place, i); });
  std::mt19937 random(1);
  std::size_t tasks = 0;
  while (lines_of(place.directory / "late").size() < 5) {
    for (int i = 0; i < 10; ++i) {
      place.queue.submit({.key = std::to_string(++tasks), .needs = needs, .max_attempts = 1000});
    }
    const child_process& victim = holders[random() % holders.size()];
    victim.signal(SIGSTOP);
    std::this_thread::sleep_for(40ms);  // past the lease, if it has one
    victim.signal(SIGCONT);
  }
  for (int i = 0; i < 6; ++i) place.queue.submit({.key = "end" + std::to_string(i), .priority = -1});
  for (auto& holder : holders) CHECK(holder.wait() == 0);
  CHECK(place.queue.list({.state = task_state::done, .limit = 100000}).size() == tasks + 6);
  const auto finished = lines_of(place.directory / "finished");
  CHECK(finished.size() == tasks);
  CHECK(std::set<std::string>(finished.begin(), finished.end()).size() == tasks);
  CHECK(place.used() == 0);
  check_whole(place);
}

TEST_CASE("a stopped holder without a lease keeps its task") {
  queue_place place;
  place.queue.submit({.key = "t", .max_attempts = 5});
  signal_pipe ready;
  signal_pipe go;
  child_process stopped([&] {
    claim_store store(place.database);
    task_queue queue(store, "q");
    const auto taken = queue.try_take();
    ready.send();
    go.receive();
    queue.finish(taken->ref);
    return 0;
  });
  ready.receive();
  stopped.signal(SIGSTOP);
  CHECK_FALSE(place.queue.take_until({}, deadline::after(100ms)));
  stopped.signal(SIGCONT);
  go.send();
  CHECK(stopped.wait() == 0);
  CHECK(place.state("t") == task_state::done);
}

TEST_CASE("a full disk during the commit is an error, and loses and doubles nothing") {
  const scratch_mount mount("tmpfs", "size=1m");
  if (!mount.mounted()) {
    WARN("skipped: mounting is not permitted here");
    return;
  }
  const fs::path database = mount.path() / "claims.db";
  claim_store store(database);
  task_queue queue(store, "q");
  std::vector<std::uint64_t> submitted;
  std::error_code ec;
  for (int i = 0; i < 10000 && !ec; ++i) {
    const auto done = queue.submit({.key = std::to_string(i), .payload = std::string(4000, 'x')}, ec);
    if (!ec) submitted.push_back(done.id);
  }
  CHECK(ec == std::errc::no_space_on_device);
  REQUIRE(submitted.size() > 10);
  const auto taken = queue.try_take({}, ec);
  CHECK_FALSE(taken);
  CHECK(ec == std::errc::no_space_on_device);
  CHECK(queue.list({.limit = 10000}).size() == submitted.size());
  CHECK(queue.list({.state = task_state::ready, .limit = 10000}).size() == submitted.size());
  CHECK(run_program({"mount", "-o", "remount,size=64m", mount.path().string()}) == 0);
  for (const std::uint64_t id : submitted) {
    auto next = queue.try_take();
    REQUIRE(next);
    CHECK(next->ref.id == id);
    CHECK(next->ref.attempt == 1);
    queue.finish(next->ref);
  }
  CHECK_FALSE(queue.try_take());
  CHECK(queue.submit({.key = std::to_string(submitted.size())}).fresh);
  CHECK(ask_sqlite(database, "PRAGMA integrity_check") == "ok\n");
}
