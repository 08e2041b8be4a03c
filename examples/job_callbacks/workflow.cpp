#include "job_callbacks/workflow.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <set>

#include "tooling/braces.hpp"
#include "tooling/words.hpp"
#include "tooling/yaml_map.hpp"

namespace job_callbacks {
namespace {

namespace fs = std::filesystem;
using tooling::yaml_map;

constexpr std::int64_t many = std::numeric_limits<std::int32_t>::max();

/// One function per part of the file.
class reader {
 public:
  explicit reader(const fs::path& file) : file_(file) {}

  workflow read(reading how) const {
    const yaml_map root(file_, tooling::load_yaml(file_), "the workflow",
                        {"root", "state", "limits", "slurm", "materials", "steps"});
    workflow result;
    result.file = fs::absolute(file_).lexically_normal();
    result.root = path_of(root.text("root"));
    result.state = path_of(root.text("state", root.text("root") + "/.job_callbacks"));
    if (root.has("limits")) read_limits(root.at("limits"), result.limit);
    if (root.has("slurm")) result.slurm = slurm::read_settings(file_, root.at("slurm"), placeholder_names());
    if (how == reading::with_materials) read_materials(root, result);
    read_steps(root, result);
    return result;
  }

 private:
  fs::path path_of(const std::string& text) const {
    const fs::path path = fs::absolute(file_.parent_path() / text).lexically_normal();
    return path.has_filename() ? path : path.parent_path();
  }

  void read_limits(const YAML::Node& node, limits& result) const {
    const yaml_map map(file_, node, "limits", {"max_jobs", "reserve", "max_submit", "attempts"});
    const auto number = [&](const char* key, std::uint32_t otherwise, std::int64_t least) {
      return static_cast<std::uint32_t>(map.number(key, otherwise, least, many));
    };
    result.max_jobs = number("max_jobs", result.max_jobs, 1);
    result.reserve = number("reserve", result.reserve, 0);
    result.max_submit = number("max_submit", result.max_submit, 1);
    result.attempts = number("attempts", result.attempts, 1);
    if (result.reserve >= result.max_jobs) {
      map.refuse(map.at("reserve"), fmt::format("reserve: {} of {} leaves nothing", result.reserve, result.max_jobs));
    }
  }

  void read_materials(const yaml_map& root, workflow& result) const {
    const YAML::Node node = root.at("materials");
    if (node.IsMap()) {
      const yaml_map map(file_, node, "materials", {"folder"});
      result.materials = materials_of_folder(path_of(map.text("folder")));
    } else {
      for (std::string& name : root.words("materials")) result.materials.push_back({std::move(name)});
    }
    std::set<std::string> seen;
    for (const material& each : result.materials) {
      std::string problem = problem_with_material(each.name);
      if (!seen.insert(directory_of_material(each.name)).second) problem = "it stands here a second time";
      if (problem.empty()) continue;
      root.refuse(node, fmt::format("materials: '{}' can't be one: {}", tooling::visible(each.name), problem));
    }
  }

  void read_steps(const yaml_map& root, workflow& result) const {
    const YAML::Node list = root.at("steps");
    if (!list.IsSequence() || list.size() == 0) root.refuse(list, "steps: expected a list of maps 'name: ...'");
    for (const auto& node : list) {
      const yaml_map map(file_, node, "a step", {"name", "command", "after", "options"});
      step made = read_step(map);
      for (const std::string& other : made.after) {
        if (std::ranges::find(result.steps, other, &step::name) != result.steps.end()) continue;
        map.refuse(map.at("after"), fmt::format("after: there is no step '{}' above '{}'", other, made.name));
      }
      if (std::ranges::find(result.steps, made.name, &step::name) != result.steps.end()) {
        map.refuse(map.at("name"), fmt::format("name: '{}' stands here a second time", made.name));
      }
      result.steps.push_back(std::move(made));
    }
  }

  static step read_step(const yaml_map& map) {
    step made;
    made.name = map.text("name");
    if (tooling::percent_encode(made.name, "_") != made.name || made.name.size() > 100) {
      map.refuse(map.at("name"), "name: letters, digits and _ alone: it is part of a directory's name");
    }
    made.command = map.words("command");
    if (made.command.front().empty() || made.command.front().find('=') != std::string::npos) {
      map.refuse(map.at("command"), "command: a program's name is not empty, and has no '=' in it (`env` starts it)");
    }
    if (map.has("after")) made.after = map.words("after");
    if (map.has("options")) made.options = map.words("options");
    check_words(map, "command", made.command);
    check_words(map, "options", made.options);
    for (const std::string& each : made.options) {
      const std::string problem = slurm::problem_with_option(each);
      if (!problem.empty()) map.refuse(map.at("options"), "options: " + problem);
    }
    return made;
  }

  static void check_words(const yaml_map& map, const char* key, const std::vector<std::string>& words) {
    for (std::size_t n = 0; n < words.size(); ++n) {
      const std::string problem = tooling::problem_with_braces(words[n], placeholder_names());
      if (!problem.empty()) map.refuse(map.at(key)[n], fmt::format("{}: {}", key, problem));
    }
  }

  const fs::path& file_;
};

}  // namespace

const std::vector<std::string_view>& placeholder_names() {
  static const std::vector<std::string_view> names = {"material", "source", "directory", "before",
                                                      "run",      "step",   "root",      "attempt"};
  return names;
}

workflow read_workflow(const fs::path& file, reading how) {
  return reader(file).read(how);
}

}  // namespace job_callbacks
