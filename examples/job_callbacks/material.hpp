#pragma once
/// Materials: names that people and file systems give, which may hold anything.

#include <filesystem>
#include <string>
#include <vector>

namespace job_callbacks {

struct material {
  std::string name;
  std::filesystem::path source{};  ///< its file, where the materials are those of a folder
};

/// Why it can't be one; empty: it can.
[[nodiscard]] std::string problem_with_material(const std::string& name);

/// "mat_<id>": plain letters, at most 255 of them, different for different names (beyond about 170 bytes: by a hash).
[[nodiscard]] std::string directory_of_material(const std::string& name);

/// One per file of the folder, in the order of their names. Hidden ones are left out, links and special files refused.
[[nodiscard]] std::vector<material> materials_of_folder(const std::filesystem::path& folder);

}  // namespace job_callbacks
