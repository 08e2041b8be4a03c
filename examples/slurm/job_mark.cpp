#include "slurm/job_mark.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace slurm {

std::string job_name(const lockkit::task_ref& ref) {
  return fmt::format("lockkit-{}-{}-{}", ref.id, ref.attempt, ref.claim_key);
}

lockkit::task_ref ref_of(const lockkit::task_status& task) {
  return {task.id, task.attempt, task.claim_key};
}

std::string mark_of_intent(const lockkit::task_ref& ref) {
  return fmt::format("{}{}", mark_prefix, job_name(ref));
}

std::string mark_of_job(std::string_view id) {
  return fmt::format("{}{}", mark_prefix, id);
}

std::string mark_of_begin(std::string_view id, std::string_view restarts) {
  return fmt::format("{}{}.{}", mark_prefix, id, restarts);
}

bool is_number(std::string_view text) noexcept {
  return !text.empty() && text.size() < 20 && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<job_mark> parse_mark(std::string_view external) {
  if (!external.starts_with(mark_prefix)) return std::nullopt;
  external.remove_prefix(mark_prefix.size());
  const std::size_t point = external.find('.');
  const std::string_view id = external.substr(0, point);
  if (!is_number(id)) return job_mark{};
  return job_mark{std::string(id), point != std::string_view::npos};
}

}  // namespace slurm
