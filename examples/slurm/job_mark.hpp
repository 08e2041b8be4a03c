#pragma once
/// What stands in the queue as the name outside (task_status::external) of an attempt in Slurm:
///
///   slurm:lockkit-7-1-<claim>   about to be handed over; the job's name, unique to the attempt
///   slurm:1234                  Slurm has it under that number
///   slurm:1234.0                that job has begun, after so many restarts: no other may any more

#include <optional>
#include <string>
#include <string_view>

#include <lockkit/task_queue.hpp>

namespace slurm {

inline constexpr std::string_view mark_prefix = "slurm:";

/// Made before the job is handed over, from what no other attempt has: not even one of a database that was replaced.
[[nodiscard]] std::string job_name(const lockkit::task_ref& ref);
[[nodiscard]] lockkit::task_ref ref_of(const lockkit::task_status& task);

struct job_mark {
  std::string id;  ///< Slurm's number; empty: not known
  bool begun = false;
};

[[nodiscard]] std::string mark_of_intent(const lockkit::task_ref& ref);
[[nodiscard]] std::string mark_of_job(std::string_view id);
[[nodiscard]] std::string mark_of_begin(std::string_view id, std::string_view restarts);
/// nullopt: it is not Slurm's.
[[nodiscard]] std::optional<job_mark> parse_mark(std::string_view external);

/// "1234": nothing but digits, and not too many.
[[nodiscard]] bool is_number(std::string_view text) noexcept;

}  // namespace slurm
