#pragma once
/// What lies in a cache directory: names and states, read without any lock.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <system_error>
#include <vector>

#include "cache_layout.hpp"
#include "key_record.hpp"

namespace lockkit::detail {

/// A file whose name is a digest's: a record, named by its key, or a content.
struct cache_file {
  std::string path;
  std::string name;
};

/// The file's state when it was looked at.
struct file_stamp {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size = 0;
  std::int64_t modified_ns = 0;
  std::int64_t changed_ns = 0;

  friend bool operator==(const file_stamp&, const file_stamp&) = default;
};

/// What lies in `directory`; nothing if it has gone, or with a code.
[[nodiscard]] std::vector<std::filesystem::path> list_directory(const std::filesystem::path& directory,
                                                                std::error_code& ec);
/// The directories b/ab or k/ab.
[[nodiscard]] std::vector<std::filesystem::path> list_shards(const cache_layout& layout, char part,
                                                             std::error_code& ec);
/// Every file in part `b` or `k` whose name is a digest's. Ends where `visit` leaves a code in `ec`.
void visit_files(const cache_layout& layout, char part, const std::function<void(const cache_file&)>& visit,
                 std::error_code& ec);
[[nodiscard]] std::vector<cache_file> files_in_part(const cache_layout& layout, char part, std::error_code& ec);

[[nodiscard]] file_stamp stamp_at(const std::string& path, std::error_code& ec);
[[nodiscard]] std::chrono::system_clock::time_point time_of(std::int64_t nanoseconds) noexcept;

/// The record, if it is one and lies where its key belongs.
[[nodiscard]] std::optional<key_record> read_own_record(const cache_file& file, std::error_code& ec);

}  // namespace lockkit::detail
