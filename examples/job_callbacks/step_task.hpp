#pragma once
/// A step of a material as a task of the queue.

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <lockkit/task_queue.hpp>

#include "job_callbacks/workflow.hpp"

namespace job_callbacks {

inline constexpr const char* queue_name = "steps";
inline constexpr const char* slot_pool = "slurm";
inline constexpr const char* slot_name = "jobs";

/// What a task carries from its plan to its submission: the file may have changed meanwhile.
struct step_payload {
  std::string material;
  std::string source;
  std::string step;
  std::string directory;             ///< "step_002_SP/mat_<id>", under the root
  std::string before;                ///< the same of the first step that it comes after; or empty
  std::vector<std::string> command;  ///< with placeholders
  std::vector<std::string> options;
};

[[nodiscard]] std::string to_text(const step_payload& payload);
/// Throws tooling::failure if it is none.
[[nodiscard]] step_payload parse_payload(const std::string& text);

/// Its key for ever: "SP/mat_<id>". Not by the number of the step, which changes when others are put before it.
[[nodiscard]] std::string key_of(const std::string& step, const std::string& material);

/// A command's words with everything put in.
[[nodiscard]] std::vector<std::string> expand(const std::vector<std::string>& words, const step_payload& payload,
                                              const std::filesystem::path& root, const std::filesystem::path& run,
                                              std::uint32_t attempt);

}  // namespace job_callbacks
