#include "slurm/settings.hpp"

#include <fmt/format.h>

#include "tooling/braces.hpp"

namespace slurm {
namespace {

bool is_ssh(const std::vector<std::string>& prefix) {
  return !prefix.empty() && std::filesystem::path(prefix.front()).filename() == "ssh";
}

/// Each option of sbatch is one word that begins with "--": "-p gpu" would make a script's name of "gpu".
void check_options(const tooling::yaml_map& map, const std::vector<std::string>& options,
                   const std::vector<std::string_view>& placeholders) {
  for (std::size_t n = 0; n < options.size(); ++n) {
    std::string problem = tooling::problem_with_braces(options[n], placeholders);
    if (!options[n].starts_with("--") || options[n] == "--") {
      problem = fmt::format("'{}' is no option of one word such as --partition=gpu", options[n]);
    }
    if (!problem.empty()) map.refuse(map.at("options")[n], "options: " + problem);
  }
}

}  // namespace

settings read_settings(const std::filesystem::path& file, const YAML::Node& node,
                       const std::vector<std::string_view>& placeholders) {
  settings made;
  if (node.IsNull()) return made;
  const tooling::yaml_map map(file, node, "slurm",
                              {"prefix", "remote_shell", "back", "back_shell", "options", "poll", "settle", "timeout"});
  if (map.has("prefix")) made.prefix = map.words("prefix");
  made.remote_shell = map.flag("remote_shell", is_ssh(made.prefix));
  if (map.has("back")) made.back = map.words("back");
  made.back_shell = map.flag("back_shell", is_ssh(made.back));
  if (map.has("options")) made.options = map.words("options");
  check_options(map, made.options, placeholders);
  made.poll = map.duration("poll", made.poll);
  made.settle = map.duration("settle", made.settle);
  made.timeout = map.duration("timeout", made.timeout);
  return made;
}

}  // namespace slurm
