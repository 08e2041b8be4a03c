#pragma once
/// Paths that stay inside a folder: nothing that is planted on the way, no link and no "..", leads out of it.

#include <filesystem>
#include <utility>

namespace tooling {

/// An open directory inside a root. Whoever renames or replaces names on the way to it afterwards changes nothing about
/// which directory it is.
class confined_directory {
 public:
  /// Makes what is missing of `inside` (relative, plain names) under `root`, which must exist, and opens the last.
  /// Throws failure: a component is a link or no directory, or leads out. std::system_error: whatever else went wrong.
  static confined_directory make(const std::filesystem::path& root, const std::filesystem::path& inside);

  confined_directory(confined_directory&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  confined_directory& operator=(confined_directory&&) = delete;
  ~confined_directory();

  /// Names this very directory, as long as the object lives, in this process.
  [[nodiscard]] std::filesystem::path path() const;

 private:
  explicit confined_directory(int descriptor) noexcept : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace tooling
