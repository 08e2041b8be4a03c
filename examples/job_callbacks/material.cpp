#include "job_callbacks/material.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "tooling/failure.hpp"
#include "tooling/words.hpp"

namespace job_callbacks {
namespace {

namespace fs = std::filesystem;
using tooling::exit_status;
using tooling::failure;

/// FNV-1a. Not against enemies: two names of one id are one task, whose second is refused.
std::uint64_t hash_of(std::string_view text, std::uint64_t seed) {
  std::uint64_t hash = 0xcbf29ce484222325ULL ^ seed;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return hash;
}

}  // namespace

std::string problem_with_material(const std::string& name) {
  if (name.empty()) return "it is empty";
  if (name == "." || name == ".." || name.find('/') != std::string::npos) return "it is a path, not a name";
  if (name.find('\0') != std::string::npos) return "it has a zero byte in it";
  if (name.front() == '-') return "programs would take it for an option";
  if (name.size() > 255) return "it has more than 255 bytes";
  return {};
}

std::string directory_of_material(const std::string& name) {
  constexpr std::size_t longest = 255 - 4;
  std::string id = tooling::percent_encode(name, "._+-=,@");
  if (id.size() > longest) {
    id = fmt::format("{}~{:016x}{:016x}", id.substr(0, longest - 33), hash_of(name, 0),
                     hash_of(name, 0x9e3779b97f4a7c15ULL));
  }
  return "mat_" + id;
}

std::vector<material> materials_of_folder(const fs::path& folder) {
  std::vector<material> result;
  std::error_code ec;
  for (fs::directory_iterator at(folder, ec), end; !ec && at != end; at.increment(ec)) {
    const std::string name = at->path().filename().native();
    if (name.starts_with('.')) continue;
    const fs::file_type type = at->symlink_status().type();
    if (type != fs::file_type::regular && type != fs::file_type::directory) {
      throw failure(exit_status::bad_data, fmt::format("'{}' in '{}' is a link or a special file, and no material",
                                                       tooling::visible(name), folder.native()));
    }
    result.push_back({name, fs::absolute(at->path())});
  }
  if (ec) {
    throw failure(exit_status::no_input, fmt::format("cannot list the folder '{}': {}", folder.native(), ec.message()));
  }
  std::ranges::sort(result, {}, &material::name);
  return result;
}

}  // namespace job_callbacks
