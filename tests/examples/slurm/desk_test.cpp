// The protocol by which no attempt runs twice in Slurm, against programs that lie, fail, hang and forget. The real Slurm is
// in system_test.cpp.

#include "slurm/desk.hpp"

#include <lockkit/error.hpp>

#include "examples/slurm/stand_in.hpp"
#include "slurm/begin.hpp"
#include "slurm/job_mark.hpp"
#include "support/catch.hpp"
#include "tooling/failure.hpp"

using namespace testing;
using namespace std::chrono_literals;
using lockkit::task_state;
using kind = slurm::finding::kind;

namespace {

/// One attempt on its way into Slurm.
struct desk_place {
  desk_place() : store(memory_directory() / scratch_name()), queue(store, "q") {
    how.prefix = slurm.prefix();
    how.settle = 300ms;
    how.timeout = 2s;
    queue.submit({.key = "t", .needs = {.life = lockkit::claim_life::released}});
    ref = take();
  }
  std::string scratch_name() const { return slurm.folder().path().filename().string() + "/db"; }

  lockkit::task_ref take() {
    auto taken = queue.try_take({.submitting = true});
    REQUIRE(taken);
    queue.submitting(taken->ref, ::slurm::mark_of_intent(taken->ref));
    taken->held.detach();
    return taken->ref;
  }
  [[nodiscard]] ::slurm::job job() const {
    return {.ref = ref,
            .begin = {"true"},
            .command = {"true"},
            .environment = {},
            .directory = "/",
            .script = slurm.folder() / "script",
            .output = slurm.folder() / "out",
            .errors = slurm.folder() / "err"};
  }
  [[nodiscard]] std::string name() const { return ::slurm::job_name(ref); }
  [[nodiscard]] lockkit::task_status task() const { return *queue.find(ref.id); }
  [[nodiscard]] std::vector<::slurm::finding> look() {
    auto found = desk.look({task()});
    REQUIRE(found);
    return std::move(*found);
  }
  /// What Slurm says, to both questions.
  void answers(const std::string& queue_lines, const std::string& accounting_lines = {}) const {
    slurm.set("squeue", printing(queue_lines));
    slurm.set("sacct", printing(accounting_lines));
  }
  /// Looks until something is found; the last look's finding.
  [[nodiscard]] ::slurm::finding find_out() {
    for (;;) {
      auto found = look();
      if (!found.empty()) return found.front();
      std::this_thread::sleep_for(20ms);
    }
  }

  slurm_stand_in slurm;
  lockkit::claim_store store;
  lockkit::task_queue queue;
  ::slurm::settings how;
  std::vector<std::string> said;
  ::slurm::desk desk{how, queue, [this](const std::string& text) { said.push_back(text); }};
  lockkit::task_ref ref;
};

}  // namespace

TEST_CASE("a number that sbatch printed counts, among warnings and whatever its exit status") {
  desk_place place;
  const auto [output, exit] = GENERATE(values<std::pair<std::string, std::string>>({
      {"echo 17", "exit 0"},
      {"echo 17", "exit 1"},
      {"echo '17;cluster'", "exit 0"},
      {"echo 'sbatch: warning: 3 nodes are down'; echo 17; echo 'sbatch: lua: billed to x' >&2", "exit 0"},
      {"echo 'sbatch: error: Batch job submission failed: Socket timed out' >&2; echo 17", "exit 1"},
  }));
  place.slurm.set("sbatch", output + "\n" + exit);
  CHECK(place.desk.submit(place.job()) == "slurm:17");
}

TEST_CASE("whether an sbatch that fails, hangs or says nothing did submit is not known, and its job is found by name") {
  desk_place place;
  const std::string accept = "echo x >>\"$here/calls\"\n";
  const std::string end = GENERATE(values<std::string>({"exit 1", "exit 0", "exec sleep 1000", "kill -9 $$"}));
  if (end == "exec sleep 1000") place.how.timeout = 300ms;
  place.slurm.set("sbatch", accept + end);
  CHECK_FALSE(place.desk.submit(place.job()).has_value());
  CHECK(place.look().empty());  // not yet there
  place.answers(queue_line("23", "PENDING", place.name()));
  const auto found = place.look();
  REQUIRE(found.size() == 1);
  CHECK((found[0].how == kind::waits));
  CHECK(found[0].mark == "slurm:23");
  CHECK(read_file(place.slurm.folder() / "calls") == "x\n");
}

TEST_CASE("an sbatch that can't be executed did certainly nothing") {
  desk_place place;
  place.how.prefix = {"/no/such/program"};
  CHECK_THROWS_AS(place.desk.submit(place.job()), slurm::not_submitted);
}

TEST_CASE("a job that ended before squeue saw it is found in the accounting") {
  desk_place place;
  REQUIRE(slurm::may_begin(place.queue, place.ref, "5", "0"));
  place.answers("", accounting_line("5", "COMPLETED", place.name()));
  CHECK((place.find_out().how == kind::done));
  place.answers("", accounting_line("5", "FAILED", place.name(), "4:0"));
  CHECK(place.find_out().text == "exit status 4 (job 5)");
  place.answers(queue_line("5", "FAILED", place.name(), 4));
  CHECK(place.find_out().text == "exit status 4 (job 5)");
}

TEST_CASE("a number that Slurm gave to another job after its counter was reset is not taken for ours") {
  desk_place place;
  REQUIRE(slurm::may_begin(place.queue, place.ref, "5", "0"));
  place.answers(queue_line("5", "RUNNING", "somebody's") + queue_line("6", "RUNNING", "lockkit-1-1-other"),
                accounting_line("5", "COMPLETED", "somebody's") + accounting_line("5", "RUNNING", "somebody's"));
  CHECK(place.look().empty());
  place.answers(queue_line("6", "RUNNING", "lockkit-1-1-other"),
                accounting_line("5", "COMPLETED", "somebody's") + accounting_line("5", "RUNNING", "somebody's"));
  const auto found = place.find_out();
  CHECK((found.how == kind::failed));
  CHECK(found.text == "Slurm does not know job 5 any more");
  place.answers("",
                accounting_line("5", "FAILED", "somebody's", "9:0") + accounting_line("5", "COMPLETED", place.name()));
  CHECK((place.find_out().how == kind::done));
}

TEST_CASE("a job that is known to nobody, twice and long enough, is nowhere; not sooner") {
  desk_place place;
  place.slurm.set("sbatch", "exit 1");
  CHECK(place.desk.missing() == 0);
  CHECK(place.look().empty());
  CHECK(place.desk.missing() == 1);
  std::this_thread::sleep_for(400ms);  // more than settle; but an sbatch that is still on its way may bring it
  CHECK(place.look().empty());
  CHECK_FALSE(place.desk.submit(place.job()).has_value());
  const auto ended = std::chrono::steady_clock::now();
  const auto found = place.find_out();
  CHECK(std::chrono::steady_clock::now() - ended >= place.how.settle);
  CHECK((found.how == kind::nowhere));
  CHECK(slurm::report(place.queue, found));
  CHECK(place.task().state == task_state::ready);
  CHECK(place.desk.missing() == 0);
}

TEST_CASE("a job that has begun and was renamed is not gone: nothing is concluded while squeue shows its number") {
  desk_place place;
  place.how.settle = 1ms;
  REQUIRE(slurm::may_begin(place.queue, place.ref, "5", "0"));
  place.answers(queue_line("5", "RUNNING", "x"));
  for (int n = 0; n < 3; ++n) {
    CHECK(place.look().empty());
    CHECK(place.desk.missing() == 0);
    std::this_thread::sleep_for(5ms);
  }
}

TEST_CASE("an attempt that was missing and has ended otherwise is missing no longer") {
  desk_place place;
  place.answers("");
  CHECK(place.look().empty());
  CHECK(place.desk.missing() == 1);
  CHECK(place.desk.look({})->empty());
  CHECK(place.desk.missing() == 0);
}

TEST_CASE(
    "Slurm's programs see nothing of what is set for other jobs: no other cluster, no cards of a job that calls") {
  desk_place place;
  place.slurm.set("sbatch", "env >\"$here/environment\"; echo 1");
  const std::vector<const char*> names = {"SBATCH_CLUSTERS", "SQUEUE_CLUSTERS", "SLURM_JOB_ID", "CUDA_VISIBLE_DEVICES"};
  for (const char* each : names) ::setenv(each, "withheld", 1);
  CHECK(place.desk.submit(place.job()));
  for (const char* each : names) ::unsetenv(each);
  CHECK(read_file(place.slurm.folder() / "environment").find("withheld") == std::string::npos);
}

TEST_CASE("no answer of squeue, or of sacct where that is needed, concludes nothing") {
  desk_place place;
  place.how.settle = 0ms;
  place.how.timeout = 300ms;
  const std::string program = GENERATE("squeue", "sacct");
  const std::string trouble = GENERATE("echo 'Unable to contact slurm controller' >&2; exit 1", "exec sleep 1000");
  place.slurm.set(program, trouble);
  for (int n = 0; n < 2; ++n) CHECK_FALSE(place.desk.look({place.task()}).has_value());
  REQUIRE(place.said.size() == 1);  // once
  CHECK(place.said[0].find("Slurm can't be asked: " + program) == 0);
  CHECK(place.task().state == task_state::submitting);
  place.answers(queue_line("5", "PENDING", place.name()));
  CHECK((place.look().at(0).how == kind::waits));
  CHECK(place.said.back() == "Slurm answers again");
}

TEST_CASE(
    "a job that comes to life after its attempt was given up is refused, and so is the giving up of one that runs") {
  desk_place place;
  const slurm::finding nowhere{.ref = place.ref, .how = kind::nowhere};
  SECTION("given up first") {
    CHECK(slurm::report(place.queue, nowhere));
    CHECK_FALSE(slurm::may_begin(place.queue, place.ref, "5", "0"));
    const lockkit::task_ref again = place.take();
    CHECK_FALSE(slurm::may_begin(place.queue, place.ref, "5", "0"));
    CHECK(slurm::may_begin(place.queue, again, "6", "0"));
  }
  SECTION("begun first") {
    CHECK(slurm::may_begin(place.queue, place.ref, "5", "0"));
    CHECK_FALSE(slurm::report(place.queue, nowhere));
    CHECK(place.task().state == task_state::running);
  }
}

TEST_CASE("of two jobs of one attempt, and of two runs of one job, only the first begins") {
  desk_place place;
  CHECK(slurm::may_begin(place.queue, place.ref, "5", "0"));
  CHECK_FALSE(slurm::may_begin(place.queue, place.ref, "6", "0"));
  CHECK_FALSE(slurm::may_begin(place.queue, place.ref, "5", "1"));
  CHECK_THROWS_AS(slurm::may_begin(place.queue, place.ref, "5;id", "0"), tooling::failure);
}

TEST_CASE("what becomes of a second job that was refused says nothing about the one that runs") {
  desk_place place;
  REQUIRE(slurm::may_begin(place.queue, place.ref, "5", "0"));
  place.answers(queue_line("6", "FAILED", place.name(), 75) + queue_line("5", "RUNNING", place.name()));
  CHECK((place.look().at(0).how == kind::runs));
  place.answers(queue_line("6", "RUNNING", place.name()), accounting_line("5", "COMPLETED", place.name()));
  CHECK((place.look().at(0).how == kind::done));
}

TEST_CASE("a job that is over and has not begun has run nothing, unless the queue has learnt meanwhile that it did") {
  desk_place place;
  place.answers(queue_line("5", "CANCELLED", place.name()));
  const lockkit::task_status before = place.task();
  SECTION("it never began") {
    const auto found = place.desk.look({before});
    REQUIRE(found->size() == 1);
    CHECK((found->at(0).how == kind::failed));
    CHECK(found->at(0).text == "job 5 ended before it began: CANCELLED");
  }
  SECTION("it began and ended between the look at the queue and Slurm's answer") {
    REQUIRE(slurm::may_begin(place.queue, place.ref, "5", "0"));
    CHECK(place.desk.look({before})->empty());
  }
}

TEST_CASE("a job that is to be cancelled is stopped by number and name") {
  desk_place place;
  place.answers(queue_line("5", "RUNNING", place.name()));
  place.queue.cancel(place.ref.id);
  CHECK((place.look().at(0).how == kind::waits));
  CHECK(read_file(place.slurm.folder() / "cancelled") == "--name=" + place.name() + " 5\n");
  REQUIRE(slurm::may_begin(place.queue, place.ref, "5", "0"));
  place.answers(queue_line("5", "CANCELLED", place.name()));
  CHECK((place.look().at(0).how == kind::stopped));
}

TEST_CASE("Slurm's words for states are understood, and one that is not known concludes nothing") {
  CHECK((slurm::phase_of("CANCELLED by 0") == slurm::job_phase::cancelled));
  CHECK((slurm::phase_of("COMPLETING") == slurm::job_phase::runs));
  CHECK((slurm::phase_of("TIMEOUT") == slurm::job_phase::failed));
  CHECK((slurm::phase_of("NEW_IN_26") == slurm::job_phase::runs));
  CHECK((slurm::phase_of("") == slurm::job_phase::runs));
  const auto rows = slurm::parse_queue("a name with\n7 RUNNING 0 ends of lines\nno number RUNNING 0 x\n8 PENDING\n\n");
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].name == "ends of lines");
}
