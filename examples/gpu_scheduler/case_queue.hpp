#pragma once
/// Cases as tasks: what a case is called, what it needs, and how one is made ready to run. Shared by the daemon and the
/// commands.

#include <filesystem>
#include <memory>
#include <string>

#include <lockkit/claim_store.hpp>
#include <lockkit/task_queue.hpp>

#include "configuration.hpp"
#include "executor.hpp"

namespace gpu_scheduler {

inline constexpr const char* queue_name = "cases";

/// "a/b" in the watched folder; elsewhere the absolute path. Together with the folder it gives the directory back.
[[nodiscard]] std::string key_of(const configuration& settings, const std::filesystem::path& case_directory);
[[nodiscard]] std::filesystem::path directory_of(const configuration& settings, const std::string& key);

[[nodiscard]] lockkit::claim_life life_of(const configuration& settings);

/// Once for ever. A case whose case.yaml is wrong is recorded all the same, and fails with the reason when its turn
/// comes, so that it is seen where people look for it.
lockkit::submission submit_case(lockkit::task_queue& queue, const configuration& settings,
                                const std::filesystem::path& case_directory);

/// Ready to start. Throws failure if it can't be: what its task fails with.
[[nodiscard]] job prepare(const configuration& settings, const lockkit::taken_task& taken);

}  // namespace gpu_scheduler
