#include "case_queue.hpp"

#include <fmt/format.h>

#include "failure.hpp"
#include "placeholders.hpp"

namespace gpu_scheduler {
namespace {

namespace fs = std::filesystem;

/// The needs of a case whose own are not known: nothing, so that it comes to its end without waiting for a GPU.
lockkit::new_task wrong_case(std::string reason) {
  lockkit::new_task task;
  task.payload = std::move(reason);
  return task;
}

lockkit::new_task task_for(const configuration& settings, const fs::path& directory) {
  try {
    const case_wishes wishes = read_wishes(directory, settings.pool);
    lockkit::new_task task;
    task.needs = wishes.needs;
    task.priority = wishes.priority;
    task.max_attempts = settings.limit.attempts;
    return task;
  } catch (const failure& why) {
    return wrong_case(why.what());
  }
}

/// Without symbolic links: one case under two names would run twice.
fs::path resolved(const fs::path& path) {
  std::error_code ec;
  const fs::path result = fs::weakly_canonical(path, ec);
  return ec ? fs::absolute(path).lexically_normal() : result;
}

/// The jobs' host may see the cases where this one does not.
bool lies_elsewhere(const configuration& settings) {
  return (settings.pueue && settings.pueue->remote_shell) || (settings.slurm && settings.slurm->remote_shell);
}

}  // namespace

std::string key_of(const configuration& settings, const fs::path& case_directory) {
  const fs::path directory = resolved(case_directory);
  const fs::path inside = directory.lexically_relative(resolved(settings.folder));
  const bool outside = inside.empty() || inside == "." || *inside.begin() == "..";
  std::string key = (outside ? directory : inside).native();
  while (key.size() > 1 && key.ends_with('/')) key.pop_back();
  return key;
}

fs::path directory_of(const configuration& settings, const std::string& key) {
  return settings.folder / key;
}

lockkit::claim_life life_of(const configuration& settings) {
  return settings.pueue || settings.slurm ? lockkit::claim_life::released : lockkit::claim_life::job;
}

lockkit::submission submit_case(lockkit::task_queue& queue, const configuration& settings,
                                const fs::path& case_directory) {
  lockkit::new_task task = task_for(settings, case_directory);
  task.key = key_of(settings, case_directory);
  task.needs.life = life_of(settings);
  return queue.submit(task);
}

job prepare(const configuration& settings, const lockkit::taken_task& taken) {
  if (!taken.payload.empty()) {
    throw failure(exit_status::bad_data,
                  taken.payload + " (it is read once: correct it, and give the directory another name)");
  }
  job what{taken.ref, taken.key, directory_of(settings, taken.key), taken.held.items(), {}, settings.environment};
  std::error_code ec;
  if (!fs::is_directory(what.directory, ec) && !lies_elsewhere(settings)) {
    throw failure(exit_status::no_input, fmt::format("the case directory '{}' is gone", what.directory.native()));
  }
  what.command = expand(settings.command, what);
  if (settings.slurm) return what;  // which cards these are, Slurm says
  what.environment["CUDA_VISIBLE_DEVICES"] = names_of(what.items);
  what.environment["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID";
  return what;
}

}  // namespace gpu_scheduler
