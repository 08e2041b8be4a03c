#pragma once
/// NVIDIA's management library, loaded when it is there. Its header is not needed: the few functions and structures of
/// its stable interface are declared in nvml.cpp.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace gpu_scheduler {

struct gpu {
  std::string uuid;  ///< the identity: numbers differ between NVML and CUDA, and between boots
  std::string model;
  std::string pci;  ///< "0000:3b:00.0"
  int numa_node = -1;
  std::uint64_t memory = 0;
};

/// Pids of processes that compute on a GPU. In a container they may be the host's, or hidden.
struct gpu_use {
  std::string uuid;
  std::vector<std::uint32_t> pids;
};

class nvml {
 public:
  /// Throws failure if the library is missing or can't begin; the message says what that means.
  explicit nvml(const std::string& library);
  ~nvml();
  nvml(const nvml&) = delete;
  nvml& operator=(const nvml&) = delete;

  /// Every GPU that can be asked.
  [[nodiscard]] std::vector<gpu> devices() const;
  [[nodiscard]] std::vector<gpu_use> uses() const;

 private:
  struct library;
  std::unique_ptr<library> library_;
};

}  // namespace gpu_scheduler
