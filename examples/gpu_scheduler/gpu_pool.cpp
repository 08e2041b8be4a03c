// Rules, each with its reason.
//  1. A GPU's name is its UUID. NVML counts in the order of the bus, CUDA by speed: numbers of one are wrong for the
//     other.
//  2. Discovery that fails is a message. It says nothing about any GPU, so none is retired for it, and resources that
//     are configured, of this pool or another, are served all the same.
//  3. A process on a GPU is foreign only if no claim of ours was there while NVML was asked: the resource was free, and
//     had the same fencing token, before and after. So a job of ours that ends or begins meanwhile never counts.
//  4. Two samples in a row decide, in both directions: what comes and goes within one is noise.
//  5. What was drained for foreign use says so in its attributes; an operator's drain has no such mark, and is never
//     undone. The mark is written before the drain and removed after the restoring: between, the next sample goes on.
#include "gpu_pool.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "failure.hpp"

namespace gpu_scheduler {
namespace {

using lockkit::resource;
using lockkit::resource_state;
using lockkit::resource_status;
using nlohmann::json;

constexpr const char* mark = "foreign";       // attribute: pid of the program that uses it
constexpr const char* found_by = "found_by";  // attribute: "nvml"

json attributes_of(const resource& what) {
  const json result = json::parse(what.attributes, nullptr, false);
  return result.is_object() ? result : json::object();
}

bool is_marked(const resource& what) {
  return attributes_of(what).contains(mark);
}

std::string group_of(const gpu& found, const std::string& rule) {
  if (rule == "model") return found.model;
  if (rule == "numa") return fmt::format("numa{}", std::max(found.numa_node, 0));
  return rule;
}

resource resource_of(const gpu& found, const configuration& settings) {
  resource result{.pool = settings.pool, .name = found.uuid, .group = group_of(found, settings.discovery->group)};
  result.memory = found.memory;
  const json attributes = {{found_by, "nvml"}, {"model", found.model}, {"pci", found.pci}, {"numa", found.numa_node}};
  result.attributes = attributes.dump(-1, ' ', false, json::error_handler_t::replace);
  return result;
}

}  // namespace

gpu_pool::gpu_pool(lockkit::claim_store& store, const configuration& settings, message say)
    : store_(store), settings_(settings), say_(std::move(say)) {}

std::map<std::string, resource_status> gpu_pool::known() const {
  std::map<std::string, resource_status> result;
  for (resource_status& each : store_.list(settings_.pool)) result.emplace(each.what.name, std::move(each));
  return result;
}

std::vector<resource> gpu_pool::discovered() {
  std::vector<resource> result;
  nvml_ = std::make_unique<nvml>(settings_.discovery->library);
  for (const gpu& each : nvml_->devices()) result.push_back(resource_of(each, settings_));
  return result;
}

void gpu_pool::synchronize() {
  const auto before = known();
  bool found_all = true;
  std::vector<resource> wanted = settings_.resources;
  try {
    if (settings_.discovery) {
      for (resource& each : discovered()) wanted.push_back(std::move(each));
    }
  } catch (const failure& why) {  // rule 2
    found_all = false;
    say_(why.what());
  }
  std::set<std::string> names;
  for (resource& each : wanted) {
    names.insert(each.name);
    add(std::move(each), before);
  }
  for (const auto& [name, status] : before) {
    const bool may_be_hidden = !found_all && attributes_of(status.what).contains(found_by);
    if (names.contains(name) || may_be_hidden) continue;
    store_.set_state(settings_.pool, name, resource_state::retired);
    say_(fmt::format("GPU {} is not there any more: retired", name));
  }
}

/// Keeps the mark of rule 5.
void gpu_pool::add(resource wanted, const std::map<std::string, resource_status>& known) {
  const auto old = known.find(wanted.name);
  if (old != known.end() && is_marked(old->second.what)) {
    json attributes = attributes_of(wanted);
    attributes[mark] = attributes_of(old->second.what).at(mark);
    wanted.attributes = attributes.dump();
  }
  if (store_.add(wanted) && old == known.end()) say_(fmt::format("GPU {} in group '{}'", wanted.name, wanted.group));
}

void gpu_pool::look_for_foreign_use() {
  try {
    const auto before = known();
    const std::vector<gpu_use> uses = nvml_->uses();
    const auto after = known();
    for (const gpu_use& each : uses) {
      const auto then = before.find(each.uuid);
      const auto now = after.find(each.uuid);
      if (then == before.end() || now == after.end()) continue;
      const bool ours = then->second.used != 0 || now->second.used != 0 || then->second.token != now->second.token;
      ours ? forget(each.uuid) : judge(now->second, each.pids);  // rule 3
    }
    answers_ = true;
  } catch (const failure& why) {
    if (std::exchange(answers_, false)) say_(why.what());
  }
}

void gpu_pool::forget(const std::string& name) {
  used_before_.erase(name);
  unused_before_.erase(name);
}

/// Rule 4.
void gpu_pool::judge(const resource_status& gpu, const std::vector<std::uint32_t>& pids) {
  const std::string& name = gpu.what.name;
  const bool marked = is_marked(gpu.what);
  if (pids.empty()) {
    used_before_.erase(name);
    if (marked && !unused_before_.insert(name).second) restore(gpu);
    return;
  }
  unused_before_.erase(name);
  const bool seen_before = !used_before_.insert(name).second;
  if (seen_before && (!marked || gpu.state == resource_state::up)) drain(gpu, pids.front());
}

void gpu_pool::drain(const resource_status& gpu, std::uint32_t pid) {
  if (gpu.state != resource_state::up) return;  // an operator's
  resource changed = gpu.what;
  json attributes = attributes_of(changed);
  attributes[mark] = pid;
  changed.attributes = attributes.dump();
  store_.add(changed);
  store_.set_state(changed.pool, changed.name, resource_state::drained);
  say_(fmt::format("GPU {}: process {} uses it, which is none of ours: drained until it has left", changed.name, pid));
}

void gpu_pool::restore(const resource_status& gpu) {
  unused_before_.erase(gpu.what.name);
  store_.set_state(gpu.what.pool, gpu.what.name, resource_state::up);
  resource changed = gpu.what;
  json attributes = attributes_of(changed);
  attributes.erase(mark);
  changed.attributes = attributes.dump();
  store_.add(changed);
  say_(fmt::format("GPU {}: nobody else uses it any more: restored", changed.name));
}

}  // namespace gpu_scheduler
