#include "job_callbacks/step_task.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tooling/braces.hpp"
#include "tooling/failure.hpp"
#include "tooling/words.hpp"

namespace job_callbacks {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// JSON has no bytes, and names of files are made of them.
json encoded(const std::vector<std::string>& words) {
  json result = json::array();
  for (const std::string& each : words) result.push_back(tooling::visible(each));
  return result;
}

std::string decoded(const json& word) {
  auto result = tooling::percent_decode(word.get<std::string>());
  if (!result) throw tooling::failure(tooling::exit_status::bad_data, "a percent sign without its two digits");
  return std::move(*result);
}

std::vector<std::string> decoded_words(const json& words) {
  std::vector<std::string> result;
  for (const json& each : words) result.push_back(decoded(each));
  return result;
}

}  // namespace

std::string to_text(const step_payload& payload) {
  const json text = {{"material", tooling::visible(payload.material)},
                     {"source", tooling::visible(payload.source)},
                     {"step", payload.step},
                     {"directory", tooling::visible(payload.directory)},
                     {"before", tooling::visible(payload.before)},
                     {"command", encoded(payload.command)},
                     {"options", encoded(payload.options)}};
  return text.dump();
}

step_payload parse_payload(const std::string& text) {
  try {
    const json all = json::parse(text);
    return {.material = decoded(all.at("material")),
            .source = decoded(all.at("source")),
            .step = decoded(all.at("step")),
            .directory = decoded(all.at("directory")),
            .before = decoded(all.at("before")),
            .command = decoded_words(all.at("command")),
            .options = decoded_words(all.at("options"))};
  } catch (const json::exception& wrong) {
    throw tooling::failure(tooling::exit_status::bad_data,
                           fmt::format("the database has a step that says nothing of use: {}", wrong.what()));
  }
}

std::string key_of(const std::string& step, const std::string& material) {
  return step + "/" + directory_of_material(material);
}

std::vector<std::string> expand(const std::vector<std::string>& words, const step_payload& payload,
                                const fs::path& root, const fs::path& run, std::uint32_t attempt) {
  return tooling::expand_braces(words, [&](std::string_view name) -> std::string {
    if (name == "material") return payload.material;
    if (name == "source") return payload.source;
    if (name == "directory") return (root / payload.directory).native();
    if (name == "before") return payload.before.empty() ? "" : (root / payload.before).native();
    if (name == "run") return run.native();
    if (name == "step") return payload.step;
    if (name == "root") return root.native();
    return std::to_string(attempt);
  });
}

}  // namespace job_callbacks
