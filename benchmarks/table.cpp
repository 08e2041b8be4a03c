#include "table.hpp"

#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cstdio>

namespace benchmark {
namespace {

std::string judgement(const measurement& m) {
  if (!m.wanted) return {};
  const bool by_ratio = m.wanted->of == goal::kind::times_floor;
  const double reached = by_ratio ? m.ratio : m.median_us;
  return fmt::format("≤ {}{}: {}", m.wanted->limit, by_ratio ? " ×" : " µs", reached <= m.wanted->limit ? "yes" : "no");
}

}  // namespace

std::string filesystem_name(const char* directory) {
  struct statfs found{};
  if (::statfs(directory, &found) != 0) return "unknown";
  switch (static_cast<unsigned long>(found.f_type)) {
    case EXT4_SUPER_MAGIC:
      return "ext4";
    case TMPFS_MAGIC:
      return "tmpfs";
    case XFS_SUPER_MAGIC:
      return "xfs";
    case BTRFS_SUPER_MAGIC:
      return "btrfs";
    case OVERLAYFS_SUPER_MAGIC:
      return "overlay";
    default:
      return fmt::format("magic {:x}", found.f_type);
  }
}

void print_machine(const char* directory) {
  utsname kernel{};
  ::uname(&kernel);
  fmt::print("Linux {}, {} processors, {}\n", kernel.release, ::sysconf(_SC_NPROCESSORS_ONLN),
             filesystem_name(directory));
}

void print_table(std::string_view title, const std::vector<measurement>& rows) {
  fmt::print("\n#### {}\n\n| | median µs | p99 µs | × floor | quarter points | goal |\n|---|--:|--:|--:|--:|---|\n",
             title);
  for (const measurement& m : rows) {
    fmt::print("| {} | {:.2f} | {:.2f} | {:.2f} | {:.2f}–{:.2f} | {} |\n", m.name, m.median_us, m.p99_us, m.ratio,
               m.ratio_low, m.ratio_high, judgement(m));
  }
  std::fflush(stdout);
}

void print_table(int processes, const std::vector<handoff_measurement>& rows) {
  fmt::print(
      "\n#### Hand-off, {} processes\n\n| | p50 µs | p99 µs | max µs | × blocking flock | quarter points | to another: "
      "p50 "
      "µs | CPU µs per turn | min/max turns | goal |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|---|\n",
      processes);
  for (const handoff_measurement& m : rows) {
    fmt::print("| {} | {:.1f} | {:.1f} | {:.0f} | {:.2f} | {:.2f}–{:.2f} | {:.1f} | {:.1f} | {:.2f} | {} |\n",
               m.times.name, m.times.median_us, m.times.p99_us, m.max_us, m.times.ratio, m.times.ratio_low,
               m.times.ratio_high, m.to_another_us, m.cpu_us, m.fairness, judgement(m.times));
  }
  std::fflush(stdout);
}

}  // namespace benchmark
