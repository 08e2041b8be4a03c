#pragma once
/// Results as Markdown, so that a table can go into the documentation as it was printed.

#include <string>
#include <string_view>
#include <vector>

#include "compare.hpp"
#include "handoff.hpp"

namespace benchmark {

[[nodiscard]] std::string filesystem_name(const char* directory);
/// Kernel, processors, filesystem: what the numbers depend on.
void print_machine(const char* directory);
void print_table(std::string_view title, const std::vector<measurement>& rows);
void print_table(int processes, const std::vector<handoff_measurement>& rows);

}  // namespace benchmark
