#pragma once
/// Random steps done to a real database and to the plain model; after each the two must agree.

#include <memory>
#include <random>

#include "claims/model/actor_process.hpp"
#include "claims/model/world.hpp"
#include "support/scratch.hpp"

namespace model {

class simulation {
 public:
  explicit simulation(unsigned seed);
  ~simulation();

  /// Does one step. Throws std::runtime_error, which says what was expected and what came, with all steps before.
  void step();
  /// Everything that can be listed, compared.
  void check_all();
  /// The database's own view of itself.
  void check_integrity();

 private:
  struct known_ref {
    lockkit::task_ref ref;
    bool current = true;
  };
  using words = std::vector<std::string>;

  void add_resource();
  void change_state();
  void claim();
  void use_claim();
  void submit();
  void take();
  void report();
  void report_late();
  void cancel_or_retry();
  void kill_actor();
  void step_clock();
  void reboot();
  void end_claim();
  void bury();

  [[nodiscard]] unsigned below(unsigned limit) { return static_cast<unsigned>(random_() % limit); }
  [[nodiscard]] lockkit::claim_request random_request();
  [[nodiscard]] std::string unit_name() { return "gpu" + std::to_string(below(6)); }
  [[nodiscard]] std::optional<std::string> some_claim(bool usable);
  void expect(bool right, const std::string& what);
  words ask(int actor, const std::string& order);
  void note_grant(int actor, const lockkit::claim_request& request, const std::string& key, words::const_iterator first,
                  words::const_iterator last);
  void note_ended_attempt(std::uint64_t id);
  void compare_resources();
  void compare_tasks();
  void compare_claims();
  void start_actor(int actor);
  void open_store();

  testing::scratch_directory place_;
  std::filesystem::path database_;
  std::mt19937 random_;
  std::unique_ptr<testing::fake_clock> clock_;
  std::vector<std::unique_ptr<testing::actor_process>> actors_;
  std::unique_ptr<lockkit::claim_store> store_;
  std::unique_ptr<lockkit::task_queue> queue_;
  world world_;
  std::vector<lockkit::task_ref> refs_;  ///< all ever given out
  unsigned keys_ = 0;
  unsigned grants_ = 0;
  bool unburied_ = false;
  std::string log_;
};

}  // namespace model
