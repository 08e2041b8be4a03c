// A scheduler killed at every system call between taking a case and having handed it over: the case runs once.

#include "case_queue.hpp"
#include "examples/gpu_scheduler/site.hpp"
#include "local_executor.hpp"
#include "monitoring.hpp"
#include "submission.hpp"
#include "support/catch.hpp"
#include "support/syscall_sweep.hpp"

using namespace gpu_scheduler;
using testing::eventually;
using testing::scheduler_site;

namespace {

void nothing_to_say(const std::string&) {}

/// A scheduler's two halves in this process, one step at a time.
struct scheduler {
  explicit scheduler(const scheduler_site& site)
      : settings(read_configuration(site.path("config.yaml"))),
        store(settings.database),
        queue(store, queue_name),
        jobs(settings, GPU_SCHEDULER_PROGRAM),
        gpus(store, settings, nothing_to_say),
        submission(queue, settings, jobs, nothing_to_say),
        monitoring(store, queue, settings, jobs, gpus, nothing_to_say) {}

  configuration settings;
  lockkit::claim_store store;
  lockkit::task_queue queue;
  local_executor jobs;
  gpu_pool gpus;
  submission_loop submission;
  monitoring_loop monitoring;
};

}  // namespace

TEST_CASE("a scheduler killed at any system call of taking and starting a case leaves one that runs once") {
  scheduler_site site("resources: {any: [g0]}\n");  // one attempt: what never began is not counted
  std::filesystem::create_directories(site.path("state/runs"));
  scheduler survivor(site);
  survivor.gpus.synchronize();
  std::unique_ptr<scheduler> victim;
  std::size_t number = 0;
  const auto name = [&] { return "case-" + std::to_string(number); };
  const auto prepare = [&] { victim = std::make_unique<scheduler>(site); };
  const auto take = [&] {
    if (!victim->submission.start_one()) throw std::runtime_error("nothing was taken");
  };
  const auto next_case = [&] {
    ++number;
    site.add_case(name());
    submit_case(survivor.queue, survivor.settings, site.path("new") / name());
  };
  next_case();
  const std::size_t points = testing::kill_at_every_call(prepare, take, [&](std::size_t point) {
    CAPTURE(point);
    const bool over = eventually([&] {
      survivor.monitoring.look_once();
      survivor.submission.start_one();
      return survivor.queue.find(std::string_view(name()))->state == lockkit::task_state::done;
    });
    CHECK(over);
    CHECK(site.begun(name()) == 1);
    next_case();
  });
  CHECK(points > 20);
  CHECK(eventually([&] { return site.begun(name()) == 1; }));
  WARN(points << " system calls visited");
}
