#include "compare.hpp"

#include <algorithm>

namespace benchmark {
namespace {

using steady = std::chrono::steady_clock;

double microseconds(steady::duration time) {
  return std::chrono::duration<double, std::micro>(time).count();
}

/// What reading the clock twice costs by itself.
double clock_cost() {
  std::vector<double> costs(1001);
  for (double& cost : costs) {
    const auto began = steady::now();
    cost = microseconds(steady::now() - began);
  }
  return quantile(costs, 0.5);
}

double timed_run(const variant& v, double clock) {
  if (v.prepare) v.prepare();
  const auto began = steady::now();
  v.run();
  return std::max(0.001, microseconds(steady::now() - began) - clock);
}

struct series {
  std::vector<double> times;
  std::vector<double> ratios;
};

/// So many runs that a turn of the floor takes about a quarter of a millisecond.
int batch_size(const variant& floor, double clock) {
  std::vector<double> times(21);
  for (double& time : times) time = timed_run(floor, clock);
  return static_cast<int>(std::clamp(250.0 / quantile(times, 0.5), 1.0, 200.0));
}

/// Returns the turn's median: a run in which another process had the processor does not count.
double run_batch(const variant& v, int size, double clock, std::vector<double>& times) {
  std::vector<double> turn(static_cast<std::size_t>(size));
  for (double& time : turn) time = timed_run(v, clock);
  times.insert(times.end(), turn.begin(), turn.end());
  return quantile(turn, 0.5);
}

void run_round(const std::vector<variant>& variants, std::size_t first, int size, double clock,
               std::vector<series>& all) {
  std::vector<double> medians(variants.size());
  for (std::size_t i = 0; i < variants.size(); ++i) {
    const std::size_t at = (first + i) % variants.size();
    medians[at] = run_batch(variants[at], size, clock, all[at].times);
  }
  for (std::size_t i = 0; i < variants.size(); ++i) all[i].ratios.push_back(medians[i] / medians[0]);
}

measurement summarise(const variant& v, series& s) {
  measurement m{.name = v.name, .wanted = v.wanted};
  m.median_us = quantile(s.times, 0.5);
  m.p99_us = quantile(s.times, 0.99);
  m.ratio = quantile(s.ratios, 0.5);
  m.ratio_low = quantile(s.ratios, 0.25);
  m.ratio_high = quantile(s.ratios, 0.75);
  return m;
}

}  // namespace

double quantile(std::vector<double>& values, double part) {
  if (values.empty()) return 0;
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(part * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

std::vector<measurement> compare(const std::vector<variant>& variants, std::chrono::milliseconds budget) {
  const double clock = clock_cost();
  for (const variant& v : variants) timed_run(v, clock);  // files made, pages touched
  const int size = batch_size(variants.front(), clock);
  std::vector<series> all(variants.size());
  const auto until = steady::now() + budget;
  for (std::size_t round = 0; round < 3 || steady::now() < until; ++round) {
    run_round(variants, round % variants.size(), size, clock, all);
  }
  std::vector<measurement> result;
  for (std::size_t i = 0; i < variants.size(); ++i) result.push_back(summarise(variants[i], all[i]));
  return result;
}

}  // namespace benchmark
