#pragma once
/// A tree that says in each of its files which version it is: any mix of two shows.

#include <filesystem>
#include <string>

#include "support/scratch.hpp"

namespace testing {

inline const std::filesystem::path tree_files[] = {"a", "b", "sub/c", "sub/deep/d", "sub/deep/e"};

inline std::string file_of_version(const std::string& version) {
  return version + "\n" + std::string(5000, version.back());
}

inline void fill_tree(const std::filesystem::path& root, const std::string& version) {
  std::filesystem::create_directories(root / "sub" / "deep");
  for (const auto& file : tree_files) write_file(root / file, file_of_version(version));
  std::filesystem::create_symlink("version-" + version, root / "sub" / "link");
}

/// The version; "ABSENT", "EMPTY" (no name in it), or what is wrong with it.
inline std::string version_of(const std::filesystem::path& root) {
  namespace fs = std::filesystem;
  if (!fs::exists(fs::symlink_status(root))) return "ABSENT";
  if (!fs::is_directory(root)) return "not a directory";
  if (fs::is_empty(root)) return "EMPTY";
  const std::string first = read_file(root / "a");
  const std::string version = first.substr(0, first.find('\n'));
  for (const auto& file : tree_files) {
    if (!fs::exists(root / file)) return file.string() + " is missing from " + version;
    const std::string text = read_file(root / file);
    if (version.empty() || text != file_of_version(version)) return file.string() + " is not of version " + version;
  }
  std::error_code ec;
  const auto link = fs::read_symlink(root / "sub" / "link", ec);
  if (link != "version-" + version) return "the link is not of version " + version + ": '" + link.string() + "'";
  return version;
}

}  // namespace testing
