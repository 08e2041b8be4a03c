#include "configuration.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "text.hpp"
#include "tooling/yaml_map.hpp"

namespace status_board {

using tooling::yaml_map;

namespace {

/// Names whose `.lock` is git's own.
constexpr std::array names_of_git = {
    std::string_view("index"),     std::string_view("HEAD"),       std::string_view("config"),
    std::string_view("shallow"),   std::string_view("FETCH_HEAD"), std::string_view("packed-refs"),
    std::string_view("ORIG_HEAD"), std::string_view("MERGE_HEAD"), std::string_view("config.worktree"),
    std::string_view("logs"),      std::string_view("refs"),       std::string_view("gc")};

std::string lock_name(const yaml_map& map, const std::string& otherwise) {
  std::string name = map.text("lock", otherwise);
  if (const std::string fault = fault_of_job(name); !fault.empty()) {
    map.refuse(map.at("lock"), fmt::format("lock: '{}' can't be the name of a file: {}", printable(name), fault));
  }
  if (std::ranges::find(names_of_git, name) != names_of_git.end()) {
    map.refuse(map.at("lock"), fmt::format("lock: '.git/{}.lock' belongs to git itself", name));
  }
  return name;
}

/// An option's value where a name is expected would be read as an option by git.
std::string git_name(const yaml_map& map, std::string_view key) {
  std::string name = map.text(key, "");
  if (name.starts_with('-') || !fault_of_message(name).empty()) {
    map.refuse(map.at(key), fmt::format("{}: '{}' can't be a name", key, printable(name)));
  }
  return name;
}

/// "never", or a time.
std::optional<std::chrono::milliseconds> limit(const yaml_map& map, std::string_view key,
                                               std::optional<std::chrono::milliseconds> otherwise) {
  if (!map.has(key)) return otherwise;
  if (map.text(key) == "never") return std::nullopt;
  return map.duration(key, {});
}

void read_push(const yaml_map& map, configuration& settings) {
  settings.push_attempts = static_cast<unsigned>(map.number("attempts", settings.push_attempts, 1, 1000));
  settings.first_pause = map.duration("first_pause", settings.first_pause);
  settings.longest_pause = map.duration("longest_pause", settings.longest_pause);
  settings.network_timeout = map.duration("network_timeout", settings.network_timeout);
}

void read_author(const yaml_map& map, configuration& settings) {
  settings.author_name = map.text("name", settings.author_name);
  settings.author_email = map.text("email", settings.author_email);
}

}  // namespace

configuration read_configuration(const std::filesystem::path& given, const std::filesystem::path& git_directory) {
  configuration settings;
  const std::filesystem::path file = given.empty() ? git_directory / "status_board.yaml" : given;
  std::error_code ec;
  if (given.empty() && !std::filesystem::exists(file, ec)) return settings;
  const YAML::Node root = tooling::load_yaml(file);
  if (root.IsNull()) return settings;
  const yaml_map map(file, root, "the configuration",
                     {"lock", "timeout", "reclaim_dead", "reclaim_empty_after", "remote", "branch", "push",
                      "reclaim_ref_locks_after", "reclaim_index_lock_after", "author"});
  settings.lock = lock_name(map, settings.lock);
  settings.timeout = map.duration("timeout", settings.timeout);
  settings.reclaim_dead = map.flag("reclaim_dead", settings.reclaim_dead);
  settings.reclaim_empty_after = limit(map, "reclaim_empty_after", settings.reclaim_empty_after);
  settings.remote = git_name(map, "remote");
  settings.branch = git_name(map, "branch");
  settings.reclaim_ref_locks_after = limit(map, "reclaim_ref_locks_after", settings.reclaim_ref_locks_after);
  settings.reclaim_index_lock_after = limit(map, "reclaim_index_lock_after", settings.reclaim_index_lock_after);
  const std::vector<std::string_view> of_push = {"attempts", "first_pause", "longest_pause", "network_timeout"};
  if (map.has("push")) read_push(yaml_map(file, map.at("push"), "push", of_push), settings);
  if (map.has("author")) read_author(yaml_map(file, map.at("author"), "author", {"name", "email"}), settings);
  return settings;
}

}  // namespace status_board
