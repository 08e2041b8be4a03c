#include "store_subcommands.hpp"

#include <algorithm>

namespace lockkit_command {
namespace {

/// Name and summary stand in store_summaries.
constexpr subcommand complete_row(subcommand row) {
  if (row.name == "cache") row.add = &add_cache;
  if (row.name == "claim") row.add = &add_claim;
  if (row.name == "task") row.add = &add_task;
  if (row.name == "cache") row.command_below = {"get", "mirror"};
  if (row.name == "claim") row.command_below = {"run"};
  return row;
}

constexpr auto all_rows() {
  std::array rows = store_summaries;
  std::ranges::transform(rows, rows.begin(), &complete_row);
  return rows;
}

constexpr auto store_rows = all_rows();

}  // namespace

std::span<const subcommand> store_subcommands() noexcept {
  return store_rows;
}

}  // namespace lockkit_command
