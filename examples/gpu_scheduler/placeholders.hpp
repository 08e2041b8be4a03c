#pragma once
/// The command of a case: a list of arguments with placeholders. Each argument stays one argument, whatever a case is
/// called; no shell reads it.

#include <string>
#include <string_view>
#include <vector>

#include "job.hpp"

namespace gpu_scheduler {

/// "{case}", ... as they may stand in a command. "{{" and "}}" stand for braces.
[[nodiscard]] const std::vector<std::string_view>& placeholder_names();

/// Empty if the word can be expanded, else what is wrong with it.
[[nodiscard]] std::string problem_with(std::string_view word);

[[nodiscard]] std::vector<std::string> expand(const std::vector<std::string>& words, const job& what);

}  // namespace gpu_scheduler
