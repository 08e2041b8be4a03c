// cuda_job RESULT GATE: a case's command where there is an NVIDIA GPU. Computes on the one GPU that it is shown, by CUDA's
// driver library (loaded, so that the build needs no CUDA), writes "UUID COUNT CORRECT" to RESULT (COUNT: GPUs that it
// was shown), and keeps its context until GATE exists. Ends with 0 only if all of that worked.

#include <dlfcn.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

constexpr unsigned numbers = 1024;

/// out[i] = i * i; for any GPU since Maxwell.
constexpr const char* squares = R"(
.version 6.0
.target sm_50
.address_size 64
.visible .entry squares(.param .u64 out)
{
  .reg .u32 %block, %width, %thread, %i, %square;
  .reg .u64 %base, %offset;
  ld.param.u64 %base, [out];
  mov.u32 %block, %ctaid.x;
  mov.u32 %width, %ntid.x;
  mov.u32 %thread, %tid.x;
  mad.lo.u32 %i, %block, %width, %thread;
  mul.lo.u32 %square, %i, %i;
  mul.wide.u32 %offset, %i, 4;
  add.u64 %base, %base, %offset;
  st.global.u32 [%base], %square;
  ret;
}
)";

using address = unsigned long long;

/// The functions of CUDA's driver interface that are used here; their versions are part of its ABI.
class cuda {
 public:
  cuda() {
    if (library_ == nullptr) throw std::runtime_error(std::string("no CUDA driver: ") + ::dlerror());
  }
  template <typename... Arguments>
  void call(const char* name, Arguments... arguments) const {
    auto* const function = reinterpret_cast<int (*)(Arguments...)>(::dlsym(library_, name));
    if (function == nullptr) throw std::runtime_error(std::string("libcuda has no ") + name);
    const int result = function(arguments...);
    if (result != 0) throw std::runtime_error(std::string(name) + " failed with " + std::to_string(result));
  }

 private:
  void* library_ = ::dlopen("libcuda.so.1", RTLD_NOW);
};

std::string uuid_of(const cuda& driver, int device) {
  std::array<unsigned char, 16> bytes{};
  driver.call("cuDeviceGetUuid", static_cast<void*>(bytes.data()), device);
  std::string text = "GPU";
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 0 || i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    std::array<char, 3> two{};
    std::snprintf(two.data(), two.size(), "%02x", bytes[i]);
    text += two.data();
  }
  return text;
}

unsigned count_correct(const cuda& driver) {
  void* module = nullptr;
  void* kernel = nullptr;
  address out = 0;
  driver.call("cuModuleLoadData", &module, static_cast<const void*>(squares));
  driver.call("cuModuleGetFunction", &kernel, module, "squares");
  driver.call("cuMemAlloc_v2", &out, numbers * sizeof(unsigned));
  std::array<void*, 1> parameters = {&out};
  driver.call("cuLaunchKernel", kernel, numbers / 128, 1U, 1U, 128U, 1U, 1U, 0U, static_cast<void*>(nullptr),
              parameters.data(), static_cast<void**>(nullptr));
  std::vector<unsigned> result(numbers);
  driver.call("cuMemcpyDtoH_v2", static_cast<void*>(result.data()), out, numbers * sizeof(unsigned));
  unsigned correct = 0;
  for (unsigned i = 0; i < numbers; ++i) correct += result[i] == i * i ? 1 : 0;
  return correct;
}

void compute(const std::filesystem::path& result, const std::filesystem::path& gate) {
  const cuda driver;
  int count = 0;
  int device = 0;
  void* context = nullptr;
  driver.call("cuInit", 0U);
  driver.call("cuDeviceGetCount", &count);
  driver.call("cuDeviceGet", &device, 0);
  driver.call("cuCtxCreate_v2", &context, 0U, device);
  std::ofstream(result.native() + ".new")
      << uuid_of(driver, device) << ' ' << count << ' ' << count_correct(driver) << '\n';
  std::filesystem::rename(result.native() + ".new", result);
  while (std::filesystem::exists(result.parent_path()) && !std::filesystem::exists(gate)) ::usleep(20'000);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc != 3) throw std::runtime_error("usage: cuda_job RESULT GATE");
    compute(argv[1], argv[2]);
    return 0;
  } catch (const std::exception& failed) {
    std::fprintf(stderr, "cuda_job: %s\n", failed.what());
    return 1;
  }
}
