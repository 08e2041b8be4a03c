#include "slurm/settings.hpp"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "tooling/braces.hpp"

namespace slurm {
namespace {

bool is_ssh(const std::vector<std::string>& prefix) {
  return !prefix.empty() && std::filesystem::path(prefix.front()).filename() == "ssh";
}

constexpr std::array refused = {
    std::pair{"job-name", "jobs are found by the name that they get here"},
    std::pair{"requeue", "each attempt runs once; 'attempts' says how often a step is tried"},
    std::pair{"clusters", "jobs are looked for in one cluster alone"},
    std::pair{"array", "each step is one job"},
    std::pair{"wrap", "the script is made here"},
    std::pair{"wait", "sbatch must end when the job is accepted"},
    std::pair{"test-only", "nothing would be submitted"},
};

void check_options(const tooling::yaml_map& map, const std::vector<std::string>& options,
                   const std::vector<std::string_view>& placeholders) {
  for (std::size_t n = 0; n < options.size(); ++n) {
    std::string problem = tooling::problem_with_braces(options[n], placeholders);
    if (problem.empty()) problem = problem_with_option(options[n]);
    if (!problem.empty()) map.refuse(map.at("options")[n], "options: " + problem);
  }
}

}  // namespace

std::string problem_with_option(const std::string& option) {
  if (!option.starts_with("--") || option == "--") {
    return fmt::format("'{}' is no option of one word such as --partition=gpu", option);
  }
  const std::string name = option.substr(2, option.find('=') - 2);
  if (name.find('{') != std::string::npos) return fmt::format("'{}': its name can't be a placeholder", option);
  for (const auto& [full, reason] : refused) {  // sbatch takes their beginnings, too
    if (std::string_view(full).starts_with(name)) return fmt::format("'{}' can't be given: {}", option, reason);
  }
  return {};
}

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
