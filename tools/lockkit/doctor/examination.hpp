#pragma once
/// What `lockkit doctor` finds out about a directory's filesystem, and what follows from it.
///
/// Nothing is looked up by the filesystem's name: each ability is tried, in a subdirectory of its own that is removed at
/// the end, and each promise by using lockkit itself.

#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

namespace lockkit_command {

/// One ability of the filesystem.
struct probe_result {
  std::string name;
  std::optional<bool> works;  ///< unset: could not be tried
  std::string detail;         ///< how, or why not
};

enum class verdict { holds, weaker, refuses };

/// One promise of lockkit.
struct promise {
  std::string name;
  verdict value = verdict::refuses;
  std::string reason;
};

struct examination {
  std::string filesystem;  ///< as the kernel's list of mounts calls it
  std::error_code error;   ///< nothing could be made there: no probes
  std::vector<probe_result> probes;
  std::vector<promise> promises;
};

[[nodiscard]] examination examine(const std::filesystem::path& directory);

/// Every ability, tried inside `place`, an empty directory.
[[nodiscard]] std::vector<probe_result> probe_filesystem(const std::filesystem::path& place);
/// Those that need another process as the witness.
[[nodiscard]] std::vector<probe_result> probe_locks(const std::filesystem::path& place);
[[nodiscard]] std::vector<promise> judge_promises(const std::filesystem::path& place,
                                                  const std::vector<probe_result>& probes);

}  // namespace lockkit_command
