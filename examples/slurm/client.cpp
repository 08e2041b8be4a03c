#include "slurm/client.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "slurm/job_mark.hpp"
#include "tooling/failure.hpp"

namespace slurm {
namespace {

constexpr std::array phases = {
    std::pair{"PENDING", job_phase::waits},        std::pair{"CONFIGURING", job_phase::waits},
    std::pair{"REQUEUE_HOLD", job_phase::waits},   std::pair{"REQUEUE_FED", job_phase::waits},
    std::pair{"SPECIAL_EXIT", job_phase::waits},   std::pair{"RESV_DEL_HOLD", job_phase::waits},
    std::pair{"COMPLETED", job_phase::succeeded},  std::pair{"CANCELLED", job_phase::cancelled},
    std::pair{"REVOKED", job_phase::cancelled},    std::pair{"BOOT_FAIL", job_phase::failed},
    std::pair{"DEADLINE", job_phase::failed},      std::pair{"FAILED", job_phase::failed},
    std::pair{"NODE_FAIL", job_phase::failed},     std::pair{"OUT_OF_MEMORY", job_phase::failed},
    std::pair{"PREEMPTED", job_phase::failed},     std::pair{"TIMEOUT", job_phase::failed},
    std::pair{"LAUNCH_FAILED", job_phase::failed}, std::pair{"RECONFIG_FAIL", job_phase::failed},
    std::pair{"REQUEUED", job_phase::replaced},
};

/// The first `count` fields and the rest of a line; nullopt: it has fewer.
template <std::size_t Count>
std::optional<std::array<std::string_view, Count + 1>> split(std::string_view line, char mark) {
  std::array<std::string_view, Count + 1> result;
  for (std::size_t n = 0; n < Count; ++n) {
    const std::size_t end = line.find(mark);
    if (end == std::string_view::npos) return std::nullopt;
    result[n] = line.substr(0, end);
    line.remove_prefix(end + 1);
    while (mark == ' ' && line.starts_with(mark)) line.remove_prefix(1);  // columns
  }
  result[Count] = line;
  return result;
}

template <class Use>
void for_each_line(std::string_view text, Use use) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    use(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

/// "status:signal" of sacct, or the number that wait() gave, of squeue.
std::pair<std::string, std::string> status_and_signal(std::string_view exit) {
  const std::size_t colon = exit.find(':');
  if (colon != std::string_view::npos) return {std::string(exit.substr(0, colon)), std::string(exit.substr(colon + 1))};
  unsigned number = 0;
  std::from_chars(exit.data(), exit.data() + exit.size(), number);
  return {std::to_string(number >> 8U & 0xffU), std::to_string(number & 0x7fU)};
}

std::string describe(std::string_view state, std::string_view exit) {
  const auto [status, signal] = status_and_signal(exit);
  if (state == "COMPLETED" || (state == "FAILED" && signal == "0")) return fmt::format("exit status {}", status);
  if (state == "FAILED") return fmt::format("killed by signal {}", signal);
  return std::string(state);
}

}  // namespace

job_phase phase_of(std::string_view state) {
  const std::string_view word = state.substr(0, state.find_first_of(" +"));
  for (const auto& [name, phase] : phases) {
    if (word == name) return phase;
  }
  return job_phase::runs;
}

std::vector<job_row> parse_queue(std::string_view text) {
  std::vector<job_row> result;
  for_each_line(text, [&](std::string_view line) {
    const auto fields =
        split<3>(line, ' ');  // others' names may hold anything, ends of lines too: odd ones are not ours
    if (!fields || !is_number(fields->at(0))) return;
    const auto& [id, state, exit, name] = *fields;
    const std::string_view trimmed = name.substr(0, name.find_last_not_of(' ') + 1);
    result.push_back({std::string(id), std::string(trimmed), phase_of(state), describe(state, exit)});
  });
  return result;
}

std::vector<job_row> parse_accounting(std::string_view text) {
  std::vector<job_row> result;
  for_each_line(text, [&](std::string_view line) {
    const auto fields = split<3>(line, '|');
    if (!fields || !is_number(fields->at(0))) return;
    const auto& [id, state, exit, name] = *fields;
    result.push_back({std::string(id), std::string(name), phase_of(state), describe(state, exit)});
  });
  return result;
}

std::optional<std::string> parse_submission(std::string_view text) {
  std::optional<std::string> result;
  for_each_line(text, [&](std::string_view line) {
    const std::string_view id = line.substr(0, line.find(';'));  // "1234;cluster"
    if (is_number(id)) result = id;
  });
  return result;
}

tooling::client_answer client::call(const std::vector<std::string>& arguments) const {
  // Of a callback's own job, and what people have set for jobs of their own (another cluster, say); with SLURM_CONF,
  // which is everybody's.
  return tooling::call_client(
      tooling::by_way_of(how_.prefix, how_.remote_shell, arguments), how_.timeout,
      {.beginnings = {"SLURM_", "SBATCH_", "SQUEUE_", "SACCT_", "SCANCEL_", "CUDA_VISIBLE_DEVICES",
                      "GPU_DEVICE_ORDINAL", "ROCR_VISIBLE_DEVICES", "TMPDIR"},
       .but = "SLURM_CONF"});
}

std::string client::ask(const std::vector<std::string>& arguments) const {
  tooling::client_answer answer = call(arguments);
  if (!answer.succeeded()) {
    throw tooling::failure(tooling::exit_status::unavailable,
                           fmt::format("{}: {}", arguments.front(), answer.complaint()));
  }
  return std::move(answer.output);
}

tooling::client_answer client::submit(const std::vector<std::string>& arguments) const {
  std::vector<std::string> all = {"sbatch"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return call(all);
}

std::vector<job_row> client::queue() const {
  return parse_queue(
      ask({"squeue", "--noheader", "--me", "--states=all", "--Format=JobID:24,State:24,exit_code:24,Name:256"}));
}

/// Numbers of jobs begin anew when somebody resets them: all of them are asked for (--duplicates), since a day or two
/// before the task was made, in whatever time zone Slurm's host lives.
std::vector<job_row> client::accounting(const std::vector<std::string>& names, const std::string& since) const {
  constexpr std::size_t at_once = 1000;  // a single argument may have 128 KiB
  std::vector<job_row> result;
  for (std::size_t first = 0; first < names.size(); first += at_once) {
    const auto end = names.begin() + static_cast<std::ptrdiff_t>(std::min(first + at_once, names.size()));
    const auto rows = parse_accounting(
        ask({"sacct", "--noheader", "--parsable2", "--allocations", "--duplicates", "--starttime=" + since,
             "--format=JobIDRaw,State,ExitCode,JobName",
             fmt::format("--name={}", fmt::join(names.begin() + static_cast<std::ptrdiff_t>(first), end, ","))}));
    result.insert(result.end(), rows.begin(), rows.end());
  }
  return result;
}

tooling::client_answer client::cancel(const std::string& id, const std::string& name) const {
  return call({"scancel", "--name=" + name, id});
}

}  // namespace slurm
