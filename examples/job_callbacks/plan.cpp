#include "job_callbacks/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include <lockkit/error.hpp>

#include "job_callbacks/step_task.hpp"

namespace job_callbacks {
namespace {

/// Steps are numbered from 1 in the file's order.
std::string directory_of(const workflow& what, const std::string& name, const material& whose) {
  const auto at = std::ranges::find(what.steps, name, &step::name);
  return fmt::format("step_{:03}_{}/{}", at - what.steps.begin() + 1, name, directory_of_material(whose.name));
}

/// Where those before it are: steps that were planned before stay where they are, whatever is put before them later.
using places = std::map<std::string, std::string>;

lockkit::new_task task_of(const workflow& what, const step& each, const material& whose, const places& before) {
  const step_payload payload{.material = whose.name,
                             .source = whose.source.native(),
                             .step = each.name,
                             .directory = directory_of(what, each.name, whose),
                             .before = each.after.empty() ? "" : before.at(each.after.front()),
                             .command = each.command,
                             .options = each.options};
  lockkit::new_task result;
  result.key = key_of(each.name, whose.name);
  result.payload = to_text(payload);
  result.needs.pool = slot_pool;
  result.needs.life = lockkit::claim_life::released;  // the work is in Slurm's hands
  result.max_attempts = what.limit.attempts;
  return result;
}

}  // namespace

planned plan(lockkit::task_queue& queue, const workflow& what) {
  planned result;
  for (const material& whose : what.materials) {
    std::map<std::string, std::uint64_t> numbers;
    places directories;
    for (const step& each : what.steps) {
      lockkit::new_task task = task_of(what, each, whose, directories);
      for (const std::string& other : each.after) task.after.push_back(numbers.at(other));
      const lockkit::submission made = queue.submit(task);
      numbers[each.name] = made.id;
      const auto known = made.fresh ? std::nullopt : queue.find(made.id);
      directories[each.name] = known ? parse_payload(known->payload).directory : directory_of(what, each.name, whose);
      ++(made.fresh ? result.fresh : result.known);
    }
  }
  return result;
}

bool set_limit(lockkit::claim_store& store, const limits& limit) {
  std::error_code ec;
  store.add({.pool = slot_pool, .name = slot_name, .capacity = limit.max_jobs - limit.reserve}, ec);
  if (ec == lockkit::errc::in_use) return false;
  if (ec) throw std::system_error(ec, "cannot set the number of jobs");
  return true;
}

}  // namespace job_callbacks
