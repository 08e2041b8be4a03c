#include "configuration.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "failure.hpp"
#include "placeholders.hpp"
#include "tooling/yaml_map.hpp"

namespace gpu_scheduler {
namespace {

namespace fs = std::filesystem;
using tooling::load_yaml;
using tooling::yaml_map;

constexpr std::int64_t many = std::numeric_limits<std::int32_t>::max();

/// One function per part of the file.
class reader {
 public:
  explicit reader(const fs::path& file) : file_(file) {}

  configuration read() const {
    const yaml_map root(file_, load_yaml(file_), "the configuration",
                        {"database", "folder", "state", "settle", "in_progress", "complete", "pool", "resources",
                         "discovery", "executor", "command", "environment", "limits"});
    configuration result;
    read_places(root, result);
    read_command(root, result);
    if (root.has("resources")) read_resources(root.at("resources"), result);
    if (root.has("discovery")) read_discovery(root, result);
    if (root.has("executor")) read_executor(root, result);
    const bool by_env = result.pueue || result.slurm;
    if (by_env && result.command.front().find('=') != std::string::npos) {
      root.refuse(root.at("command"), "command: the program's name can't have '=' in it: `env` starts it");
    }
    if (root.has("limits")) read_limits(root.at("limits"), result.limit);
    if (result.resources.empty() && !result.discovery) {
      root.refuse(root.node(), "no GPU can be known: name some under 'resources', or say 'discovery: true'");
    }
    return result;
  }

 private:
  fs::path path_of(const std::string& text) const {
    const fs::path path = fs::absolute(file_.parent_path() / text).lexically_normal();
    return path.has_filename() ? path : path.parent_path();  // "new/" is "new"
  }

  void read_places(const yaml_map& root, configuration& result) const {
    result.file = fs::absolute(file_);
    result.database = path_of(root.text("database"));
    result.folder = path_of(root.text("folder"));
    result.state = path_of(root.text("state", root.text("database") + "-state"));
    refuse_cases_of_our_own(root, result);
    result.settle = root.duration("settle", result.settle);
    if (root.has("in_progress")) result.in_progress = root.words("in_progress");
    result.complete = root.text("complete", "");
    result.pool = root.text("pool", result.pool);
  }

  /// What is told from a case by nothing but its place must not lie among the cases.
  static void refuse_cases_of_our_own(const yaml_map& root, const configuration& made) {
    const fs::path inside = made.state.lexically_relative(made.folder);
    const std::string first = inside.begin()->native();
    if (first == ".." || (first.front() == '.' && first != ".")) return;  // hidden names are no cases
    root.refuse(root.at("folder"),
                fmt::format("folder: '{}' lies inside, where each directory is a case: give the cases a folder of "
                            "their own, or name another 'state'",
                            made.state.native()));
  }

  static void read_command(const yaml_map& root, configuration& result) {
    result.command = root.words("command");
    for (std::size_t n = 0; n < result.command.size(); ++n) {
      const std::string problem = problem_with(result.command[n]);
      if (!problem.empty()) root.refuse(root.at("command")[n], "command: " + problem);
    }
    if (result.command.front().empty()) root.refuse(root.at("command"), "command: the program's name is empty");
    result.environment = root.texts("environment");
  }

  void read_resources(const YAML::Node& groups, configuration& result) const {
    const yaml_map map(file_, groups, "resources", {});
    for (const auto& group : map.node()) {
      const std::string& name = group.first.Scalar();
      if (group.second.IsSequence()) {
        for (const auto& each : group.second) add(map, each, {result.pool, scalar(map, each), 1, name}, result);
        continue;
      }
      const yaml_map members(file_, group.second, fmt::format("the group '{}'", name), {});
      for (const auto& each : members.node()) {
        add(map, each.first, resource_of(each.first.Scalar(), each.second, name, result.pool), result);
      }
    }
  }

  static std::string scalar(const yaml_map& map, const YAML::Node& node) {
    if (!node.IsScalar() || node.Scalar().empty()) map.refuse(node, "expected the name of a resource");
    return node.Scalar();
  }

  lockkit::resource resource_of(const std::string& name, const YAML::Node& properties, const std::string& group,
                                const std::string& pool) const {
    lockkit::resource result{.pool = pool, .name = name, .group = group};
    if (properties.IsNull()) return result;
    const yaml_map map(file_, properties, fmt::format("the resource '{}'", name), {"memory", "capacity", "attributes"});
    result.memory = map.bytes("memory");
    result.capacity = static_cast<std::uint32_t>(map.number("capacity", 1, 1, many));
    result.attributes = map.json_object("attributes");
    return result;
  }

  static void add(const yaml_map& map, const YAML::Node& where, lockkit::resource made, configuration& result) {
    const auto same = [&](const lockkit::resource& other) { return other.name == made.name; };
    if (std::ranges::any_of(result.resources, same)) {
      map.refuse(where, fmt::format("the resource '{}' stands here a second time", made.name));
    }
    result.resources.push_back(std::move(made));
  }

  void read_discovery(const yaml_map& root, configuration& result) const {
    const YAML::Node node = root.at("discovery");
    bool wanted = false;
    if (node.IsScalar() && YAML::convert<bool>::decode(node, wanted)) {
      if (wanted) result.discovery.emplace();
      return;
    }
    if (!node.IsMap()) root.refuse(node, "discovery: expected true, false or a map");
    const yaml_map map(file_, node, "discovery", {"library", "group", "foreign", "foreign_every"});
    discovery_settings& made = result.discovery.emplace();
    made.library = map.text("library", made.library);
    made.group = map.text("group", made.group);
    made.foreign = map.flag("foreign", made.foreign);
    made.foreign_every = map.duration("foreign_every", made.foreign_every);
  }

  void read_executor(const yaml_map& root, configuration& result) const {
    const YAML::Node node = root.at("executor");
    const std::string name = node.IsScalar() ? node.Scalar() : "";
    if (name == "local") return;
    if (name == "slurm") result.slurm.emplace();
    if (name == "pueue") result.pueue.emplace();
    if (result.slurm || result.pueue) return;
    if (!node.IsMap()) root.refuse(node, "executor: expected local, pueue, slurm, or a map 'pueue: {client: [...]}'");
    const yaml_map choice(file_, node, "executor", {"pueue", "slurm"});
    if (choice.node().size() != 1) root.refuse(node, "executor: expected one of pueue and slurm");
    if (choice.has("slurm")) {
      result.slurm = slurm::read_settings(file_, choice.at("slurm"), placeholder_names());
    } else {
      read_pueue(choice, result.pueue.emplace());
    }
  }

  void read_pueue(const yaml_map& choice, pueue_settings& made) const {
    const yaml_map map(file_, choice.at("pueue"), "pueue", {"client", "remote_shell", "poll", "settle", "timeout"});
    if (map.has("client")) made.client = map.words("client");
    made.remote_shell = map.flag("remote_shell", fs::path(made.client.front()).filename() == "ssh");
    made.poll = map.duration("poll", made.poll);
    made.settle = map.duration("settle", made.settle);
    made.timeout = map.duration("timeout", made.timeout);
  }

  void read_limits(const YAML::Node& node, limits& result) const {
    const yaml_map map(file_, node, "limits", {"attempts", "retry_after", "time", "grace"});
    result.attempts = static_cast<std::uint32_t>(map.number("attempts", 1, 1, many));
    result.retry_after = map.duration("retry_after", result.retry_after);
    result.time = map.duration("time", result.time);
    result.grace = map.duration("grace", result.grace);
  }

  const fs::path& file_;
};

}  // namespace

configuration read_configuration(const fs::path& file) {
  return reader(file).read();
}

case_wishes read_wishes(const fs::path& case_directory, const std::string& pool) {
  case_wishes result;
  result.needs.pool = pool;
  const fs::path file = case_directory / "case.yaml";
  std::error_code ec;
  if (!fs::exists(fs::symlink_status(file, ec))) return result;
  const YAML::Node root = load_yaml(file);
  if (root.IsNull()) return result;  // empty, or comments alone
  const yaml_map map(file, root, "case.yaml", {"group", "gpus", "memory", "one_group", "attributes", "priority"});
  result.needs.group = map.text("group", "");
  result.needs.count = static_cast<std::uint32_t>(map.number("gpus", 1, 1, 1024));
  result.needs.memory = map.bytes("memory");
  result.needs.one_group = map.flag("one_group", false);
  result.needs.match = map.json_object("attributes");
  result.priority = static_cast<std::int32_t>(map.number("priority", 0, -many, many));
  return result;
}

}  // namespace gpu_scheduler
