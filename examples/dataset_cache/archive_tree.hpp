#pragma once
/// What an archive holds, written into a directory that it cannot get out of.
///
///  1. Every name is a chain of plain names, opened one after the other without following links (tooling/confined.hpp): a link
///     that an earlier member planted leads nowhere.
///  2. Links may point inside only: relative, with ".." at the beginning alone and no more of them than there are directories
///     above. Programs that read the tree later follow links, and trust it.
///  3. Modes are 0777 at the most, under the umask, and the owner can always read, and write in directories: no set-user-ID,
///     nothing that can't be removed. Owners, attributes and ACLs of the archive do not count.
///  4. All sizes together stay under a limit, counted while writing: what an archive says of itself may be a lie. A member
///     counts as 512 bytes at least, and so does each directory that is made on the way to one. A name that no program
///     could open as a path is refused.

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "tooling/descriptor.hpp"

namespace dataset_cache {

class archive_tree {
 public:
  /// `root` is an open directory that nobody else writes to.
  archive_tree(int root, std::uint64_t limit) noexcept : root_(root), left_(limit) {}

  void add_directory(const std::string& name, unsigned mode);
  /// What had that name before, as archives may have a member twice, is replaced.
  void begin_file(const std::string& name, unsigned mode);
  void write(std::span<const char> bytes, std::uint64_t offset);
  /// With the size it has in the end (holes), and the time of its content (seconds since 1970).
  void end_file(std::uint64_t size, std::int64_t modified);
  void add_symlink(const std::string& name, const std::string& target);
  void add_hard_link(const std::string& name, const std::string& target);

 private:
  struct place {
    tooling::descriptor directory;
    std::string name;  ///< empty: the root itself
  };
  [[nodiscard]] place open_parent(const std::string& name);
  void take(std::uint64_t bytes);

  int root_;
  std::uint64_t left_;
  tooling::descriptor file_;
  std::uint64_t reach_ = 0;  // the open file's size so far
};

}  // namespace dataset_cache
