#pragma once
/// Compares ways of doing one thing in one run.
///
/// Absolute times mean little on a machine that others use and on a filesystem whose speed drifts. So the variants take
/// turns in batches of a fraction of a millisecond, A B C, B C A, C A B, ..., and each turn of a variant is set against
/// the floor's turn of the same round, median against median: what slows the machine down slows both. The result is the
/// median of these ratios; the quarter points beside it tell how far to trust it.

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace benchmark {

/// What a variant should reach. Reported, never enforced.
struct goal {
  enum class kind { times_floor, microseconds };
  double limit;
  kind of = kind::times_floor;
};

struct variant {
  std::string name;
  std::function<void()> run;
  std::optional<goal> wanted{};
  std::function<void()> prepare{};  ///< before each run, not timed
};

struct measurement {
  std::string name;
  double median_us = 0;
  double p99_us = 0;
  double ratio = 0;  ///< to the floor, median over the rounds
  double ratio_low = 0;
  double ratio_high = 0;
  std::optional<goal> wanted{};
};

/// The first variant is the floor. Measures for about `budget`, at least three rounds.
[[nodiscard]] std::vector<measurement> compare(const std::vector<variant>& variants, std::chrono::milliseconds budget);

/// The value below which `part` of the values lie. Reorders them. Zero if there are none.
[[nodiscard]] double quantile(std::vector<double>& values, double part);

}  // namespace benchmark
