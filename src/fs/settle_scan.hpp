#pragma once
/// One look at a whole tree: its fingerprint, and whatever in it says "not finished".

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <system_error>

#include <lockkit/settle.hpp>

#include "platform/unique_fd.hpp"
#include "settle_watches.hpp"

namespace lockkit::detail {

/// Everything that is compared between two looks, in 128 bits: relative paths, types, sizes, times, inode numbers.
/// Nobody gains by a collision, so mixing is enough.
class fingerprint {
 public:
  void add(std::uint64_t value) noexcept;
  void add(const std::string& text) noexcept;
  friend bool operator==(const fingerprint&, const fingerprint&) noexcept = default;

 private:
  std::array<std::uint64_t, 2> state_{0x9e3779b97f4a7c15U, 0xc2b2ae3d27d4eb4fU};
};

inline constexpr const char* unfinished_name = "its name says that it is not finished";

/// A path inside, and what is wrong with it.
struct offence {
  std::string reason;
  std::filesystem::path where;  ///< relative
};

struct tree_look {
  enum class outcome {
    complete,  ///< everything below holds
    moving,    ///< something vanished or was replaced while it was looked at
    gone,      ///< the directory itself does not exist
    refused,   ///< `error` at `trouble`
    stopped,
  };
  outcome end = outcome::complete;
  fingerprint print{};
  std::size_t files = 0;              ///< regular ones
  std::optional<offence> unfinished;  ///< the first name in progress, else the first file with a writer
  bool writers_seen = true;
  bool events_seen = true;
  std::error_code error{};
  std::filesystem::path trouble{};  ///< relative
};

/// Where a case lies.
struct case_place {
  std::string path;              ///< absolute: the program may change its working directory
  bool named_by_caller = false;  ///< then a symbolic link at the path is followed, and its name says nothing
};

struct scan_terms {
  const settle_options& options;
  settle_watches& watches;
  case_number owner;
  bool probe_writers;  ///< also if there are events
  std::stop_token stop;
};

/// Walks the tree in the order of names. Directories are watched before they are listed.
[[nodiscard]] tree_look scan_tree(const case_place& place, const scan_terms& terms);

}  // namespace lockkit::detail
