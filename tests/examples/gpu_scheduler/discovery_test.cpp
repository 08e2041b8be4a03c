// GPUs found by NVML, by a stand-in for the library. The real one: real_gpu_test.cpp.

#include <cstdlib>

#include "examples/gpu_scheduler/site.hpp"
#include "failure.hpp"
#include "gpu_pool.hpp"
#include "nvml.hpp"
#include "support/catch.hpp"

using testing::eventually;
using testing::scheduler_site;
using testing::write_file;

namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

constexpr const char* two_gpus =
    "GPU-bbbb H100 85899345920 00000000:3B:00.0\nGPU-aaaa A30 25769803776 00000000:17:00.0\n";

/// GPUs as the stand-in says.
struct nvml_site : scheduler_site {
  explicit nvml_site(const std::string& more = "") : scheduler_site() {
    ::setenv("NVML_STAND_IN", path("nvml").c_str(), 1);
    configure(more + "discovery: {library: '" LOCKKIT_TEST_NVML "', group: model, foreign_every: 40ms}\n", "");
    say(two_gpus);
  }
  /// In one step, as it is read at any moment.
  void say(const std::string& text) {
    write_file(path("nvml.new"), text);
    std::filesystem::rename(path("nvml.new"), path("nvml"));
  }
  nlohmann::json gpu(const std::string& name) const {
    for (const auto& each : nlohmann::json::parse(run({"resources", "--json", "--all"}).out)) {
      if (each.at("name") == name) return each;
    }
    return {{"state", "not there"}};
  }
  bool gpu_becomes(const std::string& name, const std::string& state) const {
    return eventually([&] { return gpu(name).at("state") == state; });
  }
};

}  // namespace

TEST_CASE("GPUs are found by NVML and named by UUID, whatever their order") {
  nvml_site site;
  site.add_case("a", "true", "group: A30\n");
  const auto daemon = site.start();
  REQUIRE(site.becomes("a", "done"));
  CHECK(site.gpu("GPU-bbbb").at("memory") == 85899345920);
  CHECK(site.gpu("GPU-bbbb").at("attributes").at("pci") == "0000:3b:00.0");
  CHECK(site.gpu("GPU-bbbb").at("group") == "H100");
  REQUIRE(site.log().size() == 2);
  CHECK(site.log()[0][5] == "GPU-aaaa");  // CUDA_VISIBLE_DEVICES: no number, in NVML's order or CUDA's
}

TEST_CASE("a GPU that is gone is retired, but not under a running case, and comes back as itself") {
  nvml_site site;
  site.add_case("a", "wait_for gate", "group: A30\n");
  {
    const auto daemon = site.start();
    REQUIRE(site.begins("a"));
  }
  site.say("GPU-bbbb H100 85899345920 00000000:3B:00.0\n");
  {
    const auto daemon = site.start();
    REQUIRE(site.gpu_becomes("GPU-aaaa", "retired"));
    CHECK(site.gpu("GPU-aaaa").at("used") == 1);
    site.open_gate("gate");
    CHECK(site.becomes("a", "done"));
  }
  site.say(two_gpus);
  const auto daemon = site.start();
  CHECK(site.gpu_becomes("GPU-aaaa", "up"));
}

TEST_CASE("NVML that is missing or fails is a message, and other GPUs serve all the same") {
  nvml_site site("resources: {mine: [m0]}\n");
  {
    const auto daemon = site.start();
    REQUIRE(site.gpu_becomes("GPU-aaaa", "up"));
  }
  site.say("init 9\n" + std::string(two_gpus));
  std::string expected = "Driver Not Loaded";
  SECTION("it can't begin") {}
  SECTION("it is not there") {
    expected = "NVML can't be loaded";
    site.configure("resources: {mine: [m0]}\ndiscovery: {library: /no/such/library.so}\n", "");
  }
  site.add_case("a", "true", "group: mine\n");
  const auto daemon = site.start();
  CHECK(daemon.says(expected));
  CHECK(site.becomes("a", "done"));
  CHECK(site.gpu("GPU-aaaa").at("state") == "up");  // what is not known is not retired
}

TEST_CASE("a GPU that somebody else computes on is drained, and restored when he has left") {
  nvml_site site;
  const auto daemon = site.start();
  REQUIRE(daemon.says("serving"));
  site.say("GPU-bbbb H100 1 00000000:3B:00.0\nGPU-aaaa A30 1 00000000:17:00.0 4711\n");
  REQUIRE(site.gpu_becomes("GPU-aaaa", "drained"));
  CHECK(site.gpu("GPU-aaaa").at("attributes").at("foreign") == 4711);
  CHECK(site.gpu("GPU-bbbb").at("state") == "up");
  site.add_case("a", "true", "group: A30\n");
  REQUIRE(site.becomes("a", "ready"));
  CHECK(contains(site.run({"why", "a"}).out, "drained"));
  site.say(two_gpus);
  CHECK(site.becomes("a", "done"));
  CHECK_FALSE(site.gpu("GPU-aaaa").at("attributes").contains("foreign"));
}

TEST_CASE("two samples in a row decide about foreign use, in both directions") {
  nvml_site site;
  const auto settings = gpu_scheduler::read_configuration(site.path("config.yaml"));
  lockkit::claim_store store(settings.database);
  gpu_scheduler::gpu_pool gpus(store, settings, [](const std::string&) {});
  gpus.synchronize();
  const auto state = [&] { return site.gpu("GPU-aaaa").at("state"); };
  const std::string used = "GPU-aaaa A30 1 00000000:17:00.0 4711\n";
  const std::string unused = "GPU-aaaa A30 1 00000000:17:00.0\n";
  for (const std::string& now : {used, unused, used}) {
    site.say(now);
    gpus.look_for_foreign_use();
    CHECK(state() == "up");
  }
  gpus.look_for_foreign_use();
  CHECK(state() == "drained");
  for (const std::string& now : {unused, used, unused}) {
    site.say(now);
    gpus.look_for_foreign_use();
    CHECK(state() == "drained");
  }
  gpus.look_for_foreign_use();
  CHECK(state() == "up");
}

TEST_CASE("a GPU that our own case computes on is never taken for a foreign one") {
  nvml_site site;
  site.add_case("a", "wait_for gate", "group: A30\n");
  const auto daemon = site.start();
  REQUIRE(site.begins("a"));
  site.say("GPU-bbbb H100 1 00000000:3B:00.0 4711\nGPU-aaaa A30 1 00000000:17:00.0 4712\n");
  REQUIRE(site.gpu_becomes("GPU-bbbb", "drained"));  // so samples were taken
  CHECK(site.gpu("GPU-aaaa").at("state") == "up");
  site.say(two_gpus);
  site.open_gate("gate");
  CHECK(site.becomes("a", "done"));
  CHECK(site.gpu_becomes("GPU-bbbb", "up"));
}

TEST_CASE("a GPU that a person drained stays drained") {
  nvml_site site;
  const auto daemon = site.start();
  REQUIRE(site.gpu_becomes("GPU-aaaa", "up"));
  REQUIRE(site.run({"resources", "--drain", "GPU-aaaa"}).status == 0);
  site.say("GPU-bbbb H100 1 00000000:3B:00.0 1\nGPU-aaaa A30 1 00000000:17:00.0 2\n");
  REQUIRE(site.gpu_becomes("GPU-bbbb", "drained"));
  site.say(two_gpus);
  REQUIRE(site.gpu_becomes("GPU-bbbb", "up"));
  CHECK(site.gpu("GPU-aaaa").at("state") == "drained");
}

TEST_CASE("more processes on a GPU than there was room for are all seen") {
  nvml_site site;
  std::string line = "GPU-aaaa A30 1 00000000:17:00.0";
  for (int pid = 1; pid <= 100; ++pid) line += " " + std::to_string(pid);
  site.say(line + "\n");
  const gpu_scheduler::nvml library(LOCKKIT_TEST_NVML);
  REQUIRE(library.uses().size() == 1);
  CHECK(library.uses()[0].pids.size() == 100);
}
