#include "run_record.hpp"

#include <fmt/format.h>

#include <array>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

#include <lockkit/directory.hpp>
#include <lockkit/staged_file.hpp>

#include "failure.hpp"

namespace gpu_scheduler {
namespace {

constexpr std::array ends = {std::pair{job_end::done, "done"}, std::pair{job_end::failed, "failed"},
                             std::pair{job_end::cancelled, "cancelled"}};

std::string read_all(const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

}  // namespace

run_record::run_record(const std::filesystem::path& state, const lockkit::task_ref& ref)
    : ref_(ref), base_(state / "runs" / fmt::format("{}-{}", ref.id, ref.attempt)), begun_(base_), ended_(base_) {
  begun_ += ".begun";
  ended_ += ".ended";
}

bool run_record::begin(const std::string& about) const {
  lockkit::ensure_directory(base_);
  const auto made = lockkit::publish(begun_, std::as_bytes(std::span(about)), lockkit::durability::durable,
                                     {.mode = lockkit::publish_mode::if_absent});
  return made == lockkit::publish_result::published;
}

bool run_record::has_begun() const {
  return std::filesystem::exists(std::filesystem::symlink_status(begun_));
}

bool run_record::is_of_this_claim() const {
  const nlohmann::json about = nlohmann::json::parse(read_all(begun_), nullptr, false);
  const std::string claim = about.is_object() ? about.value("claim", "") : "";
  return claim == ref_.claim_key;
}

void run_record::end(job_end how, const std::string& text) const {
  const auto* const named = std::ranges::find(ends, how, &std::pair<job_end, const char*>::first);
  const nlohmann::json status = {{"end", named->second}, {"text", text}, {"claim", ref_.claim_key}};
  lockkit::publish(ended_, status.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n",
                   lockkit::durability::durable);
}

std::optional<job_report> run_record::ending() const {
  if (!std::filesystem::exists(std::filesystem::symlink_status(ended_))) return std::nullopt;
  const nlohmann::json status = nlohmann::json::parse(read_all(ended_), nullptr, false);
  const bool is_ours = status.is_object() && status.value("claim", "") == ref_.claim_key;
  const std::string how = is_ours ? status.value("end", "") : "";
  for (const auto& [end, name] : ends) {
    if (how == name) return job_report{ref_, end, status.value("text", "")};
  }
  return job_report{ref_, job_end::failed, fmt::format("'{}' does not say how it ended", ended_.native())};
}

}  // namespace gpu_scheduler
