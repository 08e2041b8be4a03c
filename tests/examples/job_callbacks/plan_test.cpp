// Planning again, with more than before.

#include "job_callbacks/plan.hpp"

#include "job_callbacks/step_task.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"

using namespace testing;

namespace {

job_callbacks::step step_after(const std::string& name, std::vector<std::string> after) {
  return {.name = name, .command = {"run", "{before}"}, .after = std::move(after), .options = {}};
}

}  // namespace

TEST_CASE("a step that follows one that was planned before finds it where it is, whatever was put before both") {
  const scratch_directory here(memory_directory());
  lockkit::claim_store store(here / "db");
  lockkit::task_queue queue(store, job_callbacks::queue_name);
  job_callbacks::workflow what;
  what.materials = {{"Si", {}}};
  what.steps = {step_after("OPT", {}), step_after("SP", {"OPT"})};
  job_callbacks::plan(queue, what);
  what.steps = {step_after("CHECK", {}), step_after("OPT", {}), step_after("SP", {"OPT"}), step_after("BAND", {"SP"})};
  const auto made = job_callbacks::plan(queue, what);
  CHECK(made.fresh == 2);
  const auto payload_of = [&](const char* step) {
    return job_callbacks::parse_payload(queue.find(job_callbacks::key_of(step, "Si"))->payload);
  };
  CHECK(payload_of("SP").directory == "step_002_SP/mat_Si");
  CHECK(payload_of("BAND").before == "step_002_SP/mat_Si");
  CHECK(payload_of("BAND").directory == "step_004_BAND/mat_Si");
}
