#pragma once
/// The tables, by subject. Each works inside `directory`, which exists and is empty.

#include <chrono>
#include <filesystem>

namespace benchmark {

struct row_options {
  std::filesystem::path directory;
  std::chrono::milliseconds budget;  ///< per table
  bool in_memory = false;            ///< on a tmpfs: creating a file is much cheaper there
};

void lock_rows(const row_options& options);
void handoff_rows(const row_options& options);

}  // namespace benchmark
