// Where there is an NVIDIA GPU: it is found, a case computes on it by CUDA, and NVML sees that.

#include <algorithm>
#include <map>

#include "examples/gpu_scheduler/site.hpp"
#include "failure.hpp"
#include "nvml.hpp"
#include "support/catch.hpp"

using testing::eventually;
using testing::scheduler_site;
using testing::write_file;

namespace {

/// What NVML says here; nothing, loudly, where there is no GPU.
std::vector<gpu_scheduler::gpu> real_gpus() {
  try {
    return gpu_scheduler::nvml("libnvidia-ml.so.1").devices();
  } catch (const gpu_scheduler::failure& missing) {
    WARN("not run: there is no NVIDIA GPU here: " << missing.what());
    return {};
  }
}

/// In a container the pids are another namespace's: that there is one more than before is what can be known everywhere.
std::size_t processes_on(const std::string& uuid) {
  for (const auto& use : gpu_scheduler::nvml("libnvidia-ml.so.1").uses()) {
    if (use.uuid == uuid) return use.pids.size();
  }
  return 0;
}

}  // namespace

TEST_CASE("the real NVML names real GPUs") {
  for (const auto& each : real_gpus()) {
    CHECK(each.uuid.starts_with("GPU-"));
    CHECK(each.memory > 0);
  }
}

TEST_CASE("a case computes by CUDA on the GPU that was claimed for it, and NVML sees it there") {
  const auto gpus = real_gpus();
  if (gpus.empty()) return;
  scheduler_site site("discovery: {foreign: false}\n");
  site.add_case("a", "\"" LOCKKIT_TEST_CUDA_JOB "\" \"$witness/result\" \"$witness/gate\"");
  std::map<std::string, std::size_t> before;
  for (const auto& each : gpus) before[each.uuid] = processes_on(each.uuid);
  const auto daemon = site.start();
  REQUIRE(site.begins("a"));
  const std::string claimed = site.log().at(0).at(2);
  CHECK(std::any_of(gpus.begin(), gpus.end(), [&](const auto& each) { return each.uuid == claimed; }));
  REQUIRE(
      eventually([&] { return std::filesystem::exists(site.witness() / "result") || site.state_of("a") == "failed"; }));
  CHECK(testing::read_file(site.witness() / "result") == claimed + " 1 1024\n");
  CHECK(eventually([&] { return processes_on(claimed) > before[claimed]; }));
  site.open_gate("gate");
  CHECK(site.becomes("a", "done"));
}
