/// Claims: beside the same statements by hand, among many processes, after a holder's death, and from commit to wake-up.
#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <new>
#include <optional>
#include <thread>

#include <lockkit/claim_store.hpp>

#include "naked.hpp"
#include "naked_claims.hpp"
#include "rows.hpp"
#include "table.hpp"

namespace benchmark {
namespace {

using lockkit::claim_store;
using steady = std::chrono::steady_clock;
namespace fs = std::filesystem;

std::int64_t now_ns() {
  return steady::now().time_since_epoch().count();
}

constexpr int resources = 64;

fs::path fresh_database(const row_options& options, const char* name, int count = resources) {
  const fs::path path = options.directory / name;
  for (const char* suffix : {"", "-wal", "-shm", "-gate", "-live"}) fs::remove(path.string() + suffix);
  claim_store store(path);
  for (int i = 0; i < count; ++i) store.add({.pool = "gpu", .name = fmt::format("g{}", i)});
  return path;
}

void single_process(const row_options& options, bool durable) {
  const fs::path by_hand = fresh_database(options, "floor.db");
  const fs::path ours = fresh_database(options, "claims.db");
  naked_claims naked(by_hand, durable, 0);
  claim_store store(ours, {.durable = durable});
  print_table(
      durable ? "claim and release, FULL" : "claim and release, NORMAL",
      compare({{"the same statements by hand (floor)",
                [&] {
                  naked.claim();
                  naked.release();
                }},
               {"try_claim, release", [&] { store.try_claim({.pool = "gpu"})->release(); }, goal{1.5}},
               {"claim_for, release", [&] { store.claim_for({.pool = "gpu"}, std::chrono::seconds(60))->release(); }}},
              options.budget));
}

constexpr std::size_t processes = 16;

/// What the processes of one run share.
struct arena {
  std::atomic<int> ready{0};
  std::atomic<bool> go{false};
  std::atomic<std::int64_t> end{0};
  std::array<std::uint64_t, processes> claims{};
  std::array<std::int64_t, processes> longest_ns{};
};

template <class Shared>
Shared& make_shared_page() {
  void* page = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) throw std::bad_alloc();
  return *new (page) Shared;
}

/// One process's way of claiming and releasing once.
using pair_of_steps = std::pair<std::function<void()>, std::function<void()>>;

void work(arena& a, std::size_t self, const pair_of_steps& steps) {
  ++a.ready;
  while (!a.go) std::this_thread::yield();
  std::int64_t before = now_ns();
  while (before < a.end) {
    for (const auto& step : {std::cref(steps.first), std::cref(steps.second)}) {
      step();
      const std::int64_t after = now_ns();
      a.longest_ns[self] = std::max(a.longest_ns[self], after - before);
      before = after;
    }
    ++a.claims[self];
  }
}

int start(const std::function<void()>& body) {
  std::fflush(nullptr);
  const int pid = static_cast<int>(checked(::fork(), "fork"));
  if (pid != 0) return pid;
  try {
    body();
  } catch (const std::exception& failure) {
    fmt::print(stderr, "{}\n", failure.what());
    ::_exit(1);
  }
  ::_exit(0);
}

/// Claims per second of all together; prints the row.
double run_together(const char* name, std::size_t count, std::chrono::milliseconds time, double floor,
                    const std::function<pair_of_steps()>& make) {
  auto& a = make_shared_page<arena>();
  for (std::size_t self = 0; self < count; ++self) {
    start([&] { work(a, self, make()); });
  }
  while (a.ready < static_cast<int>(count)) std::this_thread::yield();
  a.end = now_ns() + std::chrono::nanoseconds(time).count();
  a.go = true;
  bool failed = false;
  for (std::size_t i = 0; i < count; ++i) {
    int status = 0;
    ::wait(&status);
    failed = failed || status != 0;
  }
  const std::span<std::uint64_t> each(a.claims.data(), count);
  double all = 0;
  for (const std::uint64_t n : each) all += static_cast<double>(n);
  const double rate = all / std::chrono::duration<double>(time).count();
  const auto least = static_cast<double>(std::ranges::min(each));
  const auto most = static_cast<double>(std::ranges::max(each));
  fmt::print("| {} | {} | {:.0f} | {:.2f} | {:.0f} / {:.0f} | {:.2f} | {:.1f} |{}\n", name, count, rate,
             floor > 0 ? rate / floor : 1.0, least, most, most / std::max(1.0, least),
             static_cast<double>(*std::ranges::max_element(a.longest_ns)) / 1e6, failed ? " FAILED |" : "");
  ::munmap(&a, sizeof(arena));
  return rate;
}

void many_processes(const row_options& options, bool durable) {
  const std::chrono::milliseconds time = options.budget * 5;
  fmt::print(
      "\n#### 16 processes without a pause, {} s, {}\n\n| | processes | claims/s | × floor | fewest / most per process "
      "| "
      "most ÷ fewest | longest wait ms |\n|---|--:|--:|--:|--:|--:|--:|\n",
      std::chrono::duration<double>(time).count(), durable ? "FULL" : "NORMAL");
  const auto by_hand = [&](const fs::path& path) {
    return [=] {
      auto naked = std::make_shared<naked_claims>(path, durable, 60'000);
      return pair_of_steps{[naked] { naked->claim(); }, [naked] { naked->release(); }};
    };
  };
  const auto ours = [&](const fs::path& path) {
    return [=] {
      auto store = std::make_shared<claim_store>(path, lockkit::claim_store_options{.durable = durable});
      auto held = std::make_shared<std::optional<lockkit::claim>>();
      return pair_of_steps{[=] { *held = store->claim_for({.pool = "gpu"}, std::chrono::seconds(60)); },
                           [=] { (*held)->release(); }};
    };
  };
  const double floor = run_together("by hand, alone (floor)", 1, time / 5, 0, by_hand(fresh_database(options, "a.db")));
  run_together("by hand, SQLite's busy_timeout", processes, time, floor, by_hand(fresh_database(options, "b.db")));
  run_together("lockkit, alone", 1, time / 5, floor, ours(fresh_database(options, "c.db")));
  run_together("lockkit", processes, time, floor, ours(fresh_database(options, "d.db")));
}

/// When the other side did what is waited for.
struct relay {
  std::atomic<std::int64_t> at{0};
  std::atomic<int> turn{0};
};

void print_times(const char* name, std::vector<double>& times, double goal50, double goal99) {
  fmt::print("| {} | {} | {:.0f} | {:.0f} | {:.0f} | ≤ {:.0f}, ≤ {:.0f} |\n", name, times.size(), quantile(times, 0.5),
             quantile(times, 0.99), quantile(times, 1), goal50, goal99);
}

void await_waiter(const fs::path& database) {
  sqlite3* db = nullptr;
  sqlite3_open_v2(database.c_str(), &db, SQLITE_OPEN_READWRITE, nullptr);
  sqlite3_stmt* count = nullptr;
  sqlite3_prepare_v2(db, "SELECT count(*) FROM waiter", -1, &count, nullptr);
  for (bool found = false; !found; sqlite3_reset(count)) {
    found = sqlite3_step(count) == SQLITE_ROW && sqlite3_column_int(count, 0) > 0;
  }
  sqlite3_finalize(count);
  sqlite3_close(db);
  std::this_thread::sleep_for(std::chrono::milliseconds(3));  // it has gone to sleep by then
}

/// A holder is killed while this process waits.
std::vector<double> deaths(const fs::path& database, int rounds) {
  std::vector<double> times;
  auto& r = make_shared_page<relay>();
  for (int i = 0; i < rounds; ++i) {
    r.turn = 0;
    const int holder = start([&] {
      claim_store store(database);
      const auto held = store.claim_for({.pool = "gpu"}, std::chrono::seconds(60));
      r.turn = 1;
      ::pause();
    });
    while (r.turn != 1) std::this_thread::yield();
    const int killer = start([&] {
      await_waiter(database);
      r.at = now_ns();
      ::kill(holder, SIGKILL);
    });
    claim_store store(database);
    const auto mine = store.claim_for({.pool = "gpu"}, std::chrono::seconds(60));
    times.push_back(static_cast<double>(now_ns() - r.at) / 1000);
    ::waitpid(holder, nullptr, 0);
    ::waitpid(killer, nullptr, 0);
  }
  ::munmap(&r, sizeof(relay));
  return times;
}

/// One process releases what another waits for; timed from the return of release(), which follows its commit.
std::vector<double> hand_overs(const fs::path& database, int rounds) {
  std::vector<double> times;
  auto& r = make_shared_page<relay>();
  claim_store store(database);
  auto held = store.claim_for({.pool = "gpu"}, std::chrono::seconds(60));
  const int other = start([&] {
    claim_store theirs(database);
    for (int i = 0; i < rounds; ++i) {
      auto mine = theirs.claim_for({.pool = "gpu"}, std::chrono::seconds(60));
      r.at = now_ns();
      mine->release();
      r.turn = 2 * i + 1;
      while (r.turn != 2 * i + 2) std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
  });
  for (int i = 0; i < rounds; ++i) {
    await_waiter(database);
    held->release();
    const std::int64_t released = now_ns();
    while (r.turn != 2 * i + 1) std::this_thread::sleep_for(std::chrono::microseconds(100));
    times.push_back(static_cast<double>(std::max<std::int64_t>(0, r.at - released)) / 1000);
    held = store.claim_for({.pool = "gpu"}, std::chrono::seconds(60));
    r.turn = 2 * i + 2;
  }
  ::waitpid(other, nullptr, 0);
  ::munmap(&r, sizeof(relay));
  return times;
}

void wake_ups(const row_options& options) {
  fmt::print(
      "\n#### Waiting, idle machine\n\n| | samples | p50 µs | p99 µs | max µs | goals |\n|---|--:|--:|--:|--:|---|\n");
  const int rounds = static_cast<int>(options.budget.count() / 10);
  std::vector<double> killed = deaths(fresh_database(options, "deaths.db", 1), rounds);
  print_times("holder killed → claimed", killed, 5000, 50'000);
  std::vector<double> released = hand_overs(fresh_database(options, "wake.db", 1), rounds);
  print_times("released → claimed by the waiter", released, 150, 2000);
}

}  // namespace

void claim_rows(const row_options& options) {
  single_process(options, false);
  single_process(options, true);
  many_processes(options, false);
  many_processes(options, true);
  wake_ups(options);
}

}  // namespace benchmark
