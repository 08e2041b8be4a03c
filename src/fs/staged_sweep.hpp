#pragma once
/// The work of sweep_staged, for those who want to know the names.

#include <chrono>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

namespace lockkit::detail {

/// Names of the files that were removed; with `dry_run`, that would be.
[[nodiscard]] std::vector<std::string> sweep_staged_names(const std::filesystem::path& directory,
                                                          std::chrono::seconds minimum_age, bool dry_run,
                                                          std::error_code& ec);

}  // namespace lockkit::detail
