#include "claims/model/world.hpp"

#include <algorithm>

namespace model {

using lockkit::claim_life;
using lockkit::claim_request;
using lockkit::resource_state;
using lockkit::task_state;

std::uint32_t world::used(const std::string& name) const {
  std::uint32_t count = 0;
  for (const auto& [key, claim] : claims) count += static_cast<std::uint32_t>(std::ranges::count(claim.names, name));
  return count;
}

std::vector<const unit*> world::matching(const claim_request& request, bool only_free) const {
  std::vector<const unit*> found;
  for (const auto& [name, each] : units) {
    const bool fits = each.what.memory >= request.memory && (request.group.empty() || each.what.group == request.group);
    const bool may = only_free ? each.state == resource_state::up && used(name) < each.what.capacity
                               : each.state != resource_state::retired;
    if (fits && may) found.push_back(&each);
  }
  return found;
}

bool enough(const std::vector<const unit*>& found, const claim_request& request) {
  if (!request.one_group) return found.size() >= request.count;
  std::map<std::string, std::uint32_t> by_group;
  for (const unit* each : found) ++by_group[each->what.group];
  return std::ranges::any_of(by_group, [&](const auto& group) { return group.second >= request.count; });
}

outcome world::expected(const claim_request& request) const {
  if (enough(matching(request, true), request)) return outcome::granted;
  return enough(matching(request, false), request) ? outcome::none : outcome::never;
}

bool world::may_get(const claim_request& request, const std::vector<std::string>& names) const {
  const auto free = matching(request, true);
  std::set<std::string> different(names.begin(), names.end());
  std::set<std::string> groups;
  for (const std::string& name : names) {
    if (std::ranges::none_of(free, [&](const unit* each) { return each->what.name == name; })) return false;
    groups.insert(units.at(name).what.group);
  }
  return different.size() == request.count && names.size() == request.count &&
         (!request.one_group || groups.size() == 1);
}

bool world::is_blocked(const work& task) const {
  return std::ranges::any_of(task.what.after, [&](std::uint64_t id) { return tasks.at(id).state != task_state::done; });
}

std::vector<std::pair<std::uint64_t, const work*>> world::ready() const {
  std::vector<std::pair<std::uint64_t, const work*>> found;
  for (const auto& [id, task] : tasks) {
    if (task.state == task_state::ready && !is_blocked(task)) found.emplace_back(id, &task);
  }
  std::ranges::stable_sort(
      found, [](const auto& a, const auto& b) { return a.second->what.priority > b.second->what.priority; });
  return found;
}

std::optional<std::uint64_t> world::next_task() const {
  for (const auto& [id, task] : ready()) {
    if (task->what.needs.pool.empty() || expected(task->what.needs) == outcome::granted) return id;
  }
  return std::nullopt;
}

bool world::has_hungry_task_before(std::uint64_t id) const {
  for (const auto& [each, task] : ready()) {
    if (each == id) return false;
    if (expected(task->what.needs) == outcome::none) return true;
  }
  return false;
}

work* world::task_of(const std::string& key) {
  for (auto& [id, task] : tasks) {
    const bool is_open =
        task.state == task_state::taken || task.state == task_state::submitting || task.state == task_state::running;
    if (task.claim_key == key && is_open) return &task;
  }
  return nullptr;
}

void world::lose(const std::string& key) {
  claims.erase(key);
  work* const task = task_of(key);
  if (task == nullptr) return;
  if (task->state != task_state::taken) {
    task->state = task_state::unknown;
  } else if (task->cancel_wanted) {
    task->state = task_state::cancelled;
  } else {
    task->state = task->attempt < task->max_attempts ? task_state::ready : task_state::failed;
  }
}

void world::lose_holder(const std::string& key) {
  if (claims.at(key).life != claim_life::released) return lose(key);
  work* const task = task_of(key);
  if (task == nullptr) return;
  if (task->state == task_state::taken) return lose(key);
  task->state = task_state::unknown;
}

void world::kill(int actor) {
  std::vector<std::string> lost;
  for (const auto& [key, claim] : claims) {
    if (claim.actor == actor && claim.life != claim_life::lease) lost.push_back(key);
  }
  for (const std::string& key : lost) lose_holder(key);
}

void world::reboot() {
  std::vector<std::string> lost;
  for (const auto& [key, claim] : claims) lost.push_back(key);
  for (const std::string& key : lost) lose_holder(key);
}

void world::over(std::uint64_t id, task_state state) {
  work& task = tasks.at(id);
  claims.erase(task.claim_key);
  task.state = state;
}

}  // namespace model
