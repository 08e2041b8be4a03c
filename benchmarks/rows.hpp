#pragma once
/// The tables, by subject. Each works inside `directory`, which exists and is empty.

#include <chrono>
#include <cstdint>
#include <filesystem>

namespace benchmark {

struct row_options {
  std::filesystem::path directory;
  std::chrono::milliseconds budget;  ///< per table
  std::uint64_t largest_mib = 1024;  ///< of the contents that cache hits are measured with
  bool in_memory = false;            ///< on a tmpfs: creating a file is much cheaper there
};

void lock_rows(const row_options& options);
void handoff_rows(const row_options& options);
void publish_rows(const row_options& options);
void cache_rows(const row_options& options);
void claim_rows(const row_options& options);
#if defined(LOCKKIT_COMMAND)
void startup_rows(const row_options& options);
#endif

}  // namespace benchmark
