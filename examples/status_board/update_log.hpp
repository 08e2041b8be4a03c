#pragma once
/// Updates that were written and are not committed yet: .git/<lock>.updates/<time>-<job>.json, one file for each.
///
/// The checkout has one file for a job. Without this, an update that could not be committed (the lock was not had in time,
/// the job was killed) would be in nobody's history once the job's next update has replaced it.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "board.hpp"
#include "status_record.hpp"

namespace status_board {

struct logged_update {
  std::string job;
  std::string text;
  std::filesystem::path file;
};

/// If that fails, it is said: the file is written already, and stands for it.
void log_update(const board& here, const status_record& record, const std::string& text);
/// Of one job, or of all (empty); the earliest first.
[[nodiscard]] std::vector<logged_update> logged_updates(const board& here, const std::string& job);
/// They are committed.
void forget(const std::vector<logged_update>& updates);

}  // namespace status_board
