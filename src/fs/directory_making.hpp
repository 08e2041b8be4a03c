#pragma once
/// Steps of making directories that directory.cpp and unique_directory.cpp share.

#include <filesystem>
#include <iterator>
#include <system_error>

#include <lockkit/directory.hpp>

namespace lockkit::detail {

/// Somebody removed it in this moment: worth another attempt. ESTALE, which lockkit::retry knows as passing.
[[nodiscard]] std::error_code vanished() noexcept;

/// One mkdir, and the exact mode if one is asked for. True: it was made, also if there is a code (of setting the mode).
bool make_one(int base, const char* name, const directory_options& options, std::error_code& ec) noexcept;

/// A path with its missing parents.
class directory_maker {
 public:
  explicit directory_maker(const directory_options& options) noexcept : options_(options) {}
  /// True if the last one was made here.
  bool make(const std::filesystem::path& path, std::error_code& ec) {
    again_ = 32 + static_cast<int>(std::distance(path.begin(), path.end()));
    return make_with_parents(path, ec);
  }

 private:
  bool make_with_parents(const std::filesystem::path& path, std::error_code& ec);

  const directory_options& options_;
  int again_ = 0;  // attempts: one for each component, and those for what others remove meanwhile
};

}  // namespace lockkit::detail
