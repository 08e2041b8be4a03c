#pragma once
/// Paths that stay inside a folder: nothing that is planted on the way, no link and no "..", leads out of it.

#include <filesystem>
#include <utility>

#include "tooling/descriptor.hpp"

namespace tooling {

/// Opens the directory of that name in `parent`, no link and no way out of it; -1 with errno. The kernel refuses those
/// (openat2); where it has no such call, a plain name is opened without following.
[[nodiscard]] int open_component(int parent, const char* name) noexcept;

/// An open directory inside a root. Whoever renames or replaces names on the way to it afterwards changes nothing about
/// which directory it is.
class confined_directory {
 public:
  /// Makes what is missing of `inside` (relative, plain names) under `root`, which must exist, and opens the last.
  /// Throws failure: a component is a link or no directory, or leads out. std::system_error: whatever else went wrong.
  static confined_directory make(const std::filesystem::path& root, const std::filesystem::path& inside);

  /// Names this very directory, as long as the object lives, in this process.
  [[nodiscard]] std::filesystem::path path() const;

 private:
  explicit confined_directory(descriptor directory) noexcept : directory_(std::move(directory)) {}
  descriptor directory_;
};

}  // namespace tooling
