#include "nvml.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>

#include "failure.hpp"

namespace gpu_scheduler {
namespace {

// From NVML's reference: sizes and order of members are its stable binary interface.
using device = void*;
using status = int;
constexpr status success = 0;
constexpr status not_found = 6;
constexpr status too_small = 7;

struct memory_info {
  unsigned long long total;
  unsigned long long free;
  unsigned long long used;
};

struct pci_info {
  std::array<char, 16> legacy_bus_id;
  unsigned domain;
  unsigned bus;
  unsigned device_number;
  unsigned device_id;
  unsigned subsystem_id;
  std::array<char, 32> bus_id;
};

struct process_info {
  unsigned pid;
  unsigned long long used_memory;
  unsigned gpu_instance;
  unsigned compute_instance;
};

std::string text_of(const char* characters, std::size_t most) {
  return {characters, std::find(characters, characters + most, '\0')};
}

/// NVML writes "00000000:3B:00.0", sysfs has "0000:3b:00.0".
std::string sysfs_name(std::string bus_id) {
  if (bus_id.size() > 12) bus_id.erase(0, bus_id.size() - 12);
  std::ranges::transform(bus_id, bus_id.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return bus_id;
}

int numa_node_of(const std::string& pci) {
  std::ifstream file("/sys/bus/pci/devices/" + pci + "/numa_node");
  int node = -1;
  file >> node;
  return file ? node : -1;
}

}  // namespace

struct nvml::library {
  explicit library(const std::string& file) : handle(::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL)) {
    if (handle == nullptr) {
      throw failure(exit_status::unavailable,
                    fmt::format("NVML can't be loaded ({}): no GPU is discovered", ::dlerror()));
    }
  }
  ~library() {
    if (begun) shutdown();
    ::dlclose(handle);
  }
  library(const library&) = delete;
  library& operator=(const library&) = delete;

  template <class Function>
  void find(Function*& function, const char* symbol) const {
    function = reinterpret_cast<Function*>(::dlsym(handle, symbol));
    if (function == nullptr) {
      throw failure(exit_status::unavailable, fmt::format("NVML has no function {}: no GPU is discovered", symbol));
    }
  }

  void find_all() {
    find(init, "nvmlInit_v2");
    find(shutdown, "nvmlShutdown");
    find(error_text, "nvmlErrorString");
    find(count, "nvmlDeviceGetCount_v2");
    find(by_index, "nvmlDeviceGetHandleByIndex_v2");
    find(uuid, "nvmlDeviceGetUUID");
    find(name, "nvmlDeviceGetName");
    find(memory, "nvmlDeviceGetMemoryInfo");
    find(pci, "nvmlDeviceGetPciInfo_v3");
    find(processes, "nvmlDeviceGetComputeRunningProcesses_v3");
  }

  void check(status result, std::string_view what) const {
    if (result == success) return;
    throw failure(exit_status::unavailable, fmt::format("NVML: {}: {}", what, error_text(result)));
  }

  /// Calls `body(device, uuid)` for each that can be asked: one that has fallen off the bus does not hide the others.
  template <class Body>
  void for_each(Body body) const {
    unsigned number = 0;
    check(count(&number), "counting the GPUs");
    for (unsigned n = 0; n < number; ++n) {
      device found = nullptr;
      std::array<char, 96> text{};
      if (by_index(n, &found) != success || uuid(found, text.data(), text.size()) != success) continue;
      body(found, text_of(text.data(), text.size()));
    }
  }

  [[nodiscard]] gpu describe(device asked, std::string identity) const {
    gpu result;
    result.uuid = std::move(identity);
    std::array<char, 96> text{};
    memory_info size{};
    pci_info place{};
    if (name(asked, text.data(), text.size()) == success) result.model = text_of(text.data(), text.size());
    if (memory(asked, &size) == success) result.memory = size.total;
    if (pci(asked, &place) == success) result.pci = sysfs_name(text_of(place.bus_id.data(), place.bus_id.size()));
    result.numa_node = numa_node_of(result.pci);
    return result;
  }

  [[nodiscard]] std::vector<std::uint32_t> pids_on(device asked) const {
    std::vector<process_info> found(16);
    auto number = static_cast<unsigned>(found.size());
    status result = processes(asked, &number, found.data());
    while (result == too_small) {  // it says how many there are; more may come meanwhile
      found.resize(std::max<std::size_t>(number, found.size()) * 2);
      number = static_cast<unsigned>(found.size());
      result = processes(asked, &number, found.data());
    }
    if (result != not_found) check(result, "listing the processes of a GPU");
    std::vector<std::uint32_t> pids;
    for (unsigned n = 0; n < number && result == success; ++n) pids.push_back(found[n].pid);
    return pids;
  }

  void* handle;
  bool begun = false;
  status (*init)() = nullptr;
  status (*shutdown)() = nullptr;
  const char* (*error_text)(status) = nullptr;
  status (*count)(unsigned*) = nullptr;
  status (*by_index)(unsigned, device*) = nullptr;
  status (*uuid)(device, char*, unsigned) = nullptr;
  status (*name)(device, char*, unsigned) = nullptr;
  status (*memory)(device, memory_info*) = nullptr;
  status (*pci)(device, pci_info*) = nullptr;
  status (*processes)(device, unsigned*, process_info*) = nullptr;
};

nvml::nvml(const std::string& library_name) : library_(std::make_unique<library>(library_name)) {
  library_->find_all();
  library_->check(library_->init(), "nvmlInit");
  library_->begun = true;
}

nvml::~nvml() = default;

std::vector<gpu> nvml::devices() const {
  std::vector<gpu> result;
  library_->for_each(
      [&](device each, std::string uuid) { result.push_back(library_->describe(each, std::move(uuid))); });
  return result;
}

std::vector<gpu_use> nvml::uses() const {
  std::vector<gpu_use> result;
  library_->for_each(
      [&](device each, std::string uuid) { result.push_back({std::move(uuid), library_->pids_on(each)}); });
  return result;
}

}  // namespace gpu_scheduler
