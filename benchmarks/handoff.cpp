#include "handoff.hpp"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <new>
#include <stdexcept>
#include <thread>

#include "naked.hpp"

namespace benchmark {
namespace {

using steady = std::chrono::steady_clock;
constexpr std::size_t most_processes = 16;
constexpr std::size_t most_samples = 4096;  // of one phase
constexpr auto phase_time = std::chrono::milliseconds(40);
constexpr auto hold_time = std::chrono::microseconds(200);

/// Shared by the processes of one comparison. What a holder alone touches needs no atomics, but the lock under test is
/// not trusted.
struct arena {
  pthread_barrier_t barrier;
  std::atomic<bool> finished{false};
  std::atomic<bool> overlapped{false};
  std::atomic<std::size_t> variant{0};
  std::atomic<std::int64_t> phase_end{0};
  std::atomic<int> inside{0};
  std::atomic<std::int64_t> released_at{0};
  std::atomic<int> last_holder{-1};
  std::atomic<std::size_t> used{0};
  std::array<float, most_samples> samples;
  std::array<bool, most_samples> from_another;
  std::array<std::uint64_t, most_processes> turns;
  std::array<double, most_processes> cpu_us;
};

std::int64_t now_ns() {
  return steady::now().time_since_epoch().count();
}

double cpu_time_us() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 +
         static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

void note_acquired(arena& a, int self) {
  const std::int64_t now = now_ns();
  if (a.inside.exchange(1) != 0) a.overlapped = true;
  const std::int64_t released = a.released_at;
  const std::size_t at = a.used;
  if (released == 0 || at == most_samples) return;
  a.samples[at] = static_cast<float>(now - released) / 1000.0F;
  a.from_another[at] = a.last_holder != self;
  a.used = at + 1;
}

void note_releasing(arena& a, int self) {
  a.inside = 0;
  a.last_holder = self;
  a.released_at = now_ns();
}

void take_turns(arena& a, int self, const turn_taker& taker) {
  const double cpu = cpu_time_us();
  std::uint64_t turns = 0;
  while (now_ns() < a.phase_end) {
    taker.acquire();
    note_acquired(a, self);
    std::this_thread::sleep_for(hold_time);
    note_releasing(a, self);
    taker.release();
    ++turns;
  }
  const auto at = static_cast<std::size_t>(self);
  a.cpu_us[at] = cpu_time_us() - cpu;
  a.turns[at] = turns;
}

void contend(arena& a, int self, const std::vector<handoff_variant>& variants) {
  std::vector<turn_taker> takers;
  for (const handoff_variant& v : variants) takers.push_back(v.make());
  for (;;) {
    ::pthread_barrier_wait(&a.barrier);  // the parent has set the phase up
    if (a.finished) return;
    take_turns(a, self, takers[a.variant]);
    ::pthread_barrier_wait(&a.barrier);  // the parent reads the results
  }
}

struct series {
  std::vector<double> all, another, ratios;
  std::vector<std::uint64_t> turns;
  double cpu_us = 0;
};

/// One phase of one variant; returns its median.
double run_phase(arena& a, std::size_t variant, series& into) {
  a.variant = variant;
  a.used = 0;
  a.released_at = 0;
  a.phase_end = now_ns() + std::chrono::nanoseconds(phase_time).count();
  ::pthread_barrier_wait(&a.barrier);
  ::pthread_barrier_wait(&a.barrier);
  std::vector<double> phase(a.samples.begin(), a.samples.begin() + static_cast<std::ptrdiff_t>(a.used.load()));
  into.all.insert(into.all.end(), phase.begin(), phase.end());
  for (std::size_t i = 0; i < phase.size(); ++i) {
    if (a.from_another[i]) into.another.push_back(phase[i]);
  }
  for (std::size_t i = 0; i < into.turns.size(); ++i) {
    into.turns[i] += a.turns[i];
    into.cpu_us += a.cpu_us[i];
  }
  return quantile(phase, 0.5);
}

handoff_measurement summarise(const handoff_variant& v, series& s) {
  handoff_measurement m;
  m.times = {.name = v.name, .wanted = v.wanted};
  m.times.median_us = quantile(s.all, 0.5);
  m.times.p99_us = quantile(s.all, 0.99);
  m.max_us = quantile(s.all, 1);
  m.times.ratio = quantile(s.ratios, 0.5);
  m.times.ratio_low = quantile(s.ratios, 0.25);
  m.times.ratio_high = quantile(s.ratios, 0.75);
  m.to_another_us = quantile(s.another, 0.5);
  double turns = 0;
  for (const std::uint64_t n : s.turns) turns += static_cast<double>(n);
  m.cpu_us = s.cpu_us / turns;
  m.fairness = static_cast<double>(std::ranges::min(s.turns)) / static_cast<double>(std::ranges::max(s.turns));
  return m;
}

arena* make_arena(int processes) {
  void* page = ::mmap(nullptr, sizeof(arena), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) throw std::bad_alloc();
  auto* a = new (page) arena;
  pthread_barrierattr_t shared;
  ::pthread_barrierattr_init(&shared);
  ::pthread_barrierattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
  ::pthread_barrier_init(&a->barrier, &shared, static_cast<unsigned>(processes) + 1);
  return a;
}

void start_processes(arena& a, int processes, const std::vector<handoff_variant>& variants) {
  for (int self = 0; self < processes; ++self) {
    if (checked(::fork(), "fork") != 0) continue;
    try {
      contend(a, self, variants);
    } catch (const std::exception& failure) {
      std::fprintf(stderr, "%s\n", failure.what());
      ::kill(0, SIGTERM);  // the others would wait at the barrier for ever
    }
    ::_exit(0);
  }
}

}  // namespace

std::vector<handoff_measurement> compare_handoffs(const std::vector<handoff_variant>& variants, int processes,
                                                  std::chrono::milliseconds budget) {
  arena& a = *make_arena(processes);
  start_processes(a, processes, variants);
  std::vector<series> all(variants.size());
  for (series& s : all) s.turns.resize(static_cast<std::size_t>(processes));
  const auto until = steady::now() + budget;
  while (steady::now() < until) {
    std::vector<double> medians;
    for (std::size_t i = 0; i < variants.size(); ++i) medians.push_back(run_phase(a, i, all[i]));
    for (std::size_t i = 0; i < variants.size(); ++i) all[i].ratios.push_back(medians[i] / std::max(0.001, medians[0]));
  }
  a.finished = true;
  ::pthread_barrier_wait(&a.barrier);
  for (int i = 0; i < processes; ++i) ::wait(nullptr);
  if (a.overlapped) throw std::runtime_error("two processes held one lock at the same time");
  ::munmap(&a, sizeof(arena));
  std::vector<handoff_measurement> result;
  for (std::size_t i = 0; i < variants.size(); ++i) result.push_back(summarise(variants[i], all[i]));
  return result;
}

}  // namespace benchmark
