#include "pueue_status.hpp"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "failure.hpp"

namespace gpu_scheduler {
namespace {

using nlohmann::json;

[[noreturn]] void refuse(std::string_view reason) {
  throw failure(exit_status::unavailable,
                fmt::format("the answer of 'pueue status --json' is not understood: {}", reason));
}

/// "Queued" and {"Queued": {...}} alike: the name, and what belongs to it.
std::pair<std::string, json> variant(const json& value) {
  if (value.is_string()) return {value.get<std::string>(), nullptr};
  if (value.is_object() && value.size() == 1) return {value.begin().key(), value.begin().value()};
  refuse("a status is neither a word nor an object with one member");
}

void read_result(const json& result, pueue_task& task) {
  const auto [name, value] = variant(result);
  if (name == "Success") {
    task.state = pueue_state::succeeded;
  } else if (name == "Killed") {
    task.state = pueue_state::killed;
    task.detail = "killed";
  } else {
    task.state = pueue_state::failed;
    if (name == "Failed" && value.is_number()) {
      task.detail = fmt::format("exit status {}", value.dump());
    } else {
      task.detail = value.is_string() ? fmt::format("{}: {}", name, value.get<std::string>()) : name;
    }
  }
}

pueue_task read_task(const json& value) {
  pueue_task task;
  task.id = value.at("id").get<std::uint64_t>();
  task.label = value.at("label").get<std::string>();
  constexpr std::array waiting = {"Queued", "Stashed", "Locked"};
  constexpr std::array running = {"Running", "Paused"};
  const auto [name, content] = variant(value.at("status"));
  if (std::ranges::find(waiting, name) != waiting.end()) {
    task.state = pueue_state::waiting;
  } else if (std::ranges::find(running, name) != running.end()) {
    task.state = pueue_state::running;
  } else if (name == "Done") {
    read_result(content.is_object() && content.contains("result") ? content.at("result") : content, task);
  } else {
    refuse(fmt::format("there is a status '{}'", name));
  }
  return task;
}

}  // namespace

std::vector<pueue_task> parse_pueue_status(std::string_view text) {
  try {
    std::vector<pueue_task> result;
    const json state = json::parse(text);
    if (!state.at("tasks").is_object()) refuse("'tasks' is no object");
    for (const auto& [key, task] : state.at("tasks").items()) {
      if (task.contains("label") && task.at("label").is_string()) result.push_back(read_task(task));
    }
    return result;
  } catch (const json::exception& wrong) {
    refuse(wrong.what());
  }
}

}  // namespace gpu_scheduler
