// A manager killed at every system call of a pass that reads an event and submits a step: the event counts, and of all
// jobs that Slurm has of the step one may run.

#include <set>

#include "examples/slurm/stand_in.hpp"
#include "job_callbacks/manager.hpp"
#include "job_callbacks/plan.hpp"
#include "scenario/long_runs.hpp"
#include "slurm/begin.hpp"
#include "support/catch.hpp"
#include "support/syscall_sweep.hpp"

using namespace testing;
using namespace std::chrono_literals;

namespace {

lockkit::task_ref ref_of(const std::string& job_name) {
  std::istringstream words(job_name);
  std::string word;
  std::vector<std::string> parts;
  while (std::getline(words, word, '-')) parts.push_back(word);
  return {std::stoull(parts.at(1)), static_cast<std::uint32_t>(std::stoul(parts.at(2))), parts.at(3)};
}

/// A manager in this process.
struct one_manager {
  explicit one_manager(const job_callbacks::workflow& what)
      : store(what.database()),
        queue(store, job_callbacks::queue_name),
        managing(what, store, queue, [](const auto&) {}) {}
  lockkit::claim_store store;
  lockkit::task_queue queue;
  job_callbacks::manager managing;
};

/// One step after the other.
class steps {
 public:
  explicit steps(const slurm_stand_in& slurm) : slurm_(slurm) {
    what.root = here_ / "results";
    what.state = here_ / "state";
    what.slurm.prefix = slurm.prefix();
    what.slurm.settle = 1ms;
    what.limit = {.max_jobs = 100'000};
    what.steps = {{.name = "ONE", .command = {"one"}, .after = {}, .options = {}}};
    std::filesystem::create_directories(what.state);
    survivor_.emplace(what);
    job_callbacks::set_limit(survivor_->store, what.limit);
  }
  void plan_next() {
    what.materials = {{"m" + std::to_string(++number_), {}}};
    job_callbacks::plan(survivor_->queue, what);
  }
  void recover() { survivor_->managing.reconcile(lockkit::deadline::after(9s)); }
  /// Of what Slurm has accepted since the last call, how many may run; that one ends and leaves its event.
  [[nodiscard]] int run_new_jobs() {
    int begun = 0;
    const auto all = slurm_.accepted();
    for (; seen_ < all.size(); ++seen_) {
      const lockkit::task_ref ref = ref_of(all[seen_]);
      if (!slurm::may_begin(survivor_->queue, ref, std::to_string(seen_ + 1), "0")) continue;
      job_callbacks::event_folder(what.state).leave({ref, 0});
      last_ = ref.id;
      ++begun;
    }
    return begun;
  }
  [[nodiscard]] bool last_is_done() const {
    return last_ == 0 || survivor_->queue.find(last_)->state == lockkit::task_state::done;
  }

  job_callbacks::workflow what;

 private:
  const slurm_stand_in& slurm_;
  scratch_directory here_{memory_directory()};
  std::optional<one_manager> survivor_;
  std::size_t number_ = 0;
  std::size_t seen_ = 0;
  std::uint64_t last_ = 0;
};

}  // namespace

TEST_CASE("a manager killed at any system call of a pass loses no event, and of each step one job runs") {
  const slurm_stand_in slurm;
  steps all(slurm);
  std::unique_ptr<one_manager> victim;
  const std::size_t stride = in_long_runs<std::size_t>(1, 7);
  std::size_t point = 1;
  for (bool killed = true; killed; point += stride) {
    CAPTURE(point);
    all.plan_next();
    const auto prepare = [&] { victim = std::make_unique<one_manager>(all.what); };
    killed = run_traced(prepare, [&] { (void)victim->managing.run(); }, point).killed;
    all.recover();
    CHECK(all.last_is_done());
    REQUIRE(all.run_new_jobs() == 1);
  }
  CHECK(point > 300);
  WARN(point << " system calls, each " << stride << "th visited");
}
