#pragma once
/// The GPUs of the database: brought in line with the configuration and with what NVML finds, and watched for programs
/// that use them without asking.

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include <lockkit/claim_store.hpp>

#include "configuration.hpp"
#include "nvml.hpp"

namespace gpu_scheduler {

class gpu_pool {
 public:
  using message = std::function<void(const std::string&)>;

  gpu_pool(lockkit::claim_store& store, const configuration& settings, message say);

  /// Adds what is new, retires what is gone (a case that runs there keeps it). Where discovery fails, what it found
  /// before stays as it is, and so does every other resource.
  void synchronize();
  /// Drains the free GPUs on which somebody else computes, and restores those that he has left. Two samples in a row
  /// decide. To be called every discovery_settings::foreign_every.
  void look_for_foreign_use();
  [[nodiscard]] bool watches() const noexcept { return nvml_ != nullptr && settings_.discovery->foreign; }

 private:
  [[nodiscard]] std::vector<lockkit::resource> discovered();
  void add(lockkit::resource wanted, const std::map<std::string, lockkit::resource_status>& known);
  [[nodiscard]] std::map<std::string, lockkit::resource_status> known() const;
  void judge(const lockkit::resource_status& gpu, const std::vector<std::uint32_t>& pids);
  void forget(const std::string& name);
  void drain(const lockkit::resource_status& gpu, std::uint32_t pid);
  void restore(const lockkit::resource_status& gpu);

  lockkit::claim_store& store_;
  const configuration& settings_;
  message say_;
  std::unique_ptr<nvml> nvml_;
  std::set<std::string> used_before_;    ///< by somebody else, when last looked at
  std::set<std::string> unused_before_;  ///< drained, and nobody there when last looked at
  bool answers_ = true;
};

}  // namespace gpu_scheduler
