#include "job_callbacks/event_folder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include <lockkit/directory.hpp>
#include <lockkit/staged_file.hpp>

namespace job_callbacks {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// The claim is random: no two events of different attempts have one name.
std::string name_of(const event& what) {
  return fmt::format("{}-{}-{}.json", what.ref.id, what.ref.attempt, what.ref.claim_key);
}

bool is_event(const fs::path& file) {
  return file.extension() == ".json" && !file.filename().native().starts_with('.');
}

}  // namespace

event_folder::event_folder(const fs::path& state) : folder_(state / "events"), rejected_(state / "rejected") {
  lockkit::ensure_directory(folder_);
}

void event_folder::leave(const event& what) const {
  const json text = {
      {"task", what.ref.id}, {"attempt", what.ref.attempt}, {"claim", what.ref.claim_key}, {"status", what.status}};
  lockkit::publish(folder_ / name_of(what), text.dump() + "\n", lockkit::durability::durable);
}

bool event_folder::is_empty() const {
  return std::ranges::none_of(fs::directory_iterator(folder_), [](const auto& each) { return is_event(each.path()); });
}

std::vector<fs::path> event_folder::list() const {
  std::vector<fs::path> result;
  for (const auto& each : fs::directory_iterator(folder_)) {
    if (is_event(each.path())) result.push_back(each.path());
  }
  std::ranges::sort(result);
  return result;
}

/// Looks before it opens: a FIFO would block.
std::optional<event> event_folder::read(const fs::path& file) {
  std::error_code ec;
  if (fs::symlink_status(file, ec).type() != fs::file_type::regular || fs::file_size(file, ec) > 4096) {
    return std::nullopt;
  }
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  try {
    const json all = json::parse(text.str());
    return event{.ref = {all.at("task"), all.at("attempt"), all.at("claim")}, .status = all.at("status")};
  } catch (const json::exception&) {
    return std::nullopt;
  }
}

void event_folder::remove(const fs::path& file) {
  std::error_code gone;
  fs::remove(file, gone);  // one that stays is reported again, which changes nothing
}

void event_folder::reject(const fs::path& file) const {
  lockkit::ensure_directory(rejected_);
  fs::rename(file, rejected_ / file.filename());
}

}  // namespace job_callbacks
