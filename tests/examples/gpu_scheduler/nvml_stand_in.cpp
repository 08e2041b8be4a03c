// A library that exports what the gpu_scheduler needs of NVML. It says what the file named by NVML_STAND_IN holds at that
// moment: a line "init CODE", and one line per GPU, in NVML's order: "UUID MODEL BYTES BUS [PID ...]".

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace {

struct device {
  std::string uuid, model, bus;
  unsigned long long bytes = 0;
  std::vector<unsigned> pids;
};

int init_code = 0;
std::vector<device> devices;

void read_file() {
  std::ifstream file(std::getenv("NVML_STAND_IN"));
  devices.clear();
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    device found;
    words >> found.uuid;
    if (found.uuid == "init") {
      words >> init_code;
      continue;
    }
    words >> found.model >> found.bytes >> found.bus;
    for (unsigned pid = 0; words >> pid;) found.pids.push_back(pid);
    devices.push_back(found);
  }
}

const device& at(void* handle) {
  return devices[reinterpret_cast<std::size_t>(handle) - 1];
}

int copy(const std::string& text, char* into, unsigned size) {
  if (text.size() + 1 > size) return 7;
  std::memcpy(into, text.c_str(), text.size() + 1);
  return 0;
}

}  // namespace

extern "C" {

struct memory_info {
  unsigned long long total, free, used;
};
struct pci_info {
  char legacy[16];
  unsigned domain, bus, device, id, subsystem;
  char name[32];
};
struct process_info {
  unsigned pid;
  unsigned long long memory;
  unsigned gpu_instance, compute_instance;
};

int nvmlInit_v2() {
  read_file();
  return init_code;
}
int nvmlShutdown() {
  return 0;
}
const char* nvmlErrorString(int code) {
  return code == 9 ? "Driver Not Loaded" : "Unknown Error";
}
int nvmlDeviceGetCount_v2(unsigned* count) {
  read_file();
  *count = static_cast<unsigned>(devices.size());
  return 0;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** handle) {
  *handle = reinterpret_cast<void*>(static_cast<std::size_t>(index) + 1);
  return index < devices.size() ? 0 : 2;
}
int nvmlDeviceGetUUID(void* handle, char* text, unsigned size) {
  return copy(at(handle).uuid, text, size);
}
int nvmlDeviceGetName(void* handle, char* text, unsigned size) {
  return copy(at(handle).model, text, size);
}
int nvmlDeviceGetMemoryInfo(void* handle, memory_info* info) {
  *info = {at(handle).bytes, 0, 0};
  return 0;
}
int nvmlDeviceGetPciInfo_v3(void* handle, pci_info* info) {
  *info = {};
  return copy(at(handle).bus, info->name, sizeof info->name);
}
int nvmlDeviceGetComputeRunningProcesses_v3(void* handle, unsigned* count, process_info* infos) {
  const std::vector<unsigned>& pids = at(handle).pids;
  const unsigned room = *count;
  *count = static_cast<unsigned>(pids.size());
  if (room < pids.size()) return 7;
  for (std::size_t n = 0; n < pids.size(); ++n) infos[n] = {pids[n], 0, 0, 0};
  return 0;
}
}
