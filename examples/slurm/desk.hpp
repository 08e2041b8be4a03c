#pragma once
/// Where jobs are handed to Slurm, and where it is found out what became of them. The protocol by which no attempt runs
/// twice: desk.cpp opens with its rules.

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include <lockkit/task_queue.hpp>

#include "slurm/batch_script.hpp"
#include "slurm/client.hpp"
#include "slurm/job_mark.hpp"
#include "slurm/settings.hpp"

namespace slurm {

/// No program was started: the job is certainly not there.
class not_submitted : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// What is known of an attempt.
struct finding {
  enum class kind {
    waits,    ///< Slurm has it: `mark` says under which number
    runs,     ///< it has begun: `mark` as it has said so itself
    done,     ///< with exit status 0
    failed,   ///< `text` says how
    stopped,  ///< because it was to be cancelled
    nowhere,  ///< Slurm knows nothing of it: hand_back_unless_running
  };
  lockkit::task_ref ref;
  kind how = kind::waits;
  std::string mark{};
  std::string text{};
};

/// Says it to the queue. False: it was not this one's to say any more, which is no error. Throws std::system_error.
bool report(lockkit::task_queue& queue, const finding& what, std::chrono::milliseconds retry_after = {});

/// Whether these are all attempts of which Slurm may know.
enum class reach { all, some };

/// May be used from several threads; look() from one at a time.
class desk {
 public:
  using message = std::function<void(const std::string&)>;

  /// `say` gets what people should know, such as that Slurm can't be reached; once, and that it can again.
  desk(const settings& how, const lockkit::task_queue& queue, message say)
      : how_(how), queue_(queue), say_(std::move(say)), slurm_(how_) {}

  /// To be called when the queue has the intent (state submitting, mark_of_intent) on disk. The mark under which Slurm
  /// has accepted it; nullopt: whether it has is not known, look() finds out. Throws not_submitted.
  [[nodiscard]] std::optional<std::string> submit(const job& what);
  /// What Slurm says about attempts that are submitting, running or unknown. Those of which nothing is known yet are
  /// missing. Stops those of which `cancel_wanted` says so. nullopt: it can't be asked, and nothing is known.
  [[nodiscard]] std::optional<std::vector<finding>> look(const std::vector<lockkit::task_status>& tasks,
                                                         reach how_many = reach::all);
  /// Attempts that Slurm did not know in the last look, and of which it is too early to say that they are nowhere.
  [[nodiscard]] std::size_t missing() const noexcept { return missing_; }

 private:
  using clock = std::chrono::steady_clock;
  struct answers {
    std::map<std::string, std::vector<job_row>> rows;  ///< by name
    std::set<std::string> others;                      ///< numbers that squeue shows under names that are not asked for
  };

  [[nodiscard]] answers ask(const std::vector<lockkit::task_status>& tasks) const;
  void add_accounting(const std::vector<lockkit::task_status>& tasks, answers& told) const;
  [[nodiscard]] std::optional<finding> judge(const lockkit::task_status& task, answers& told);
  [[nodiscard]] std::optional<finding> judge_end(const lockkit::task_status& task, const job_mark& mark,
                                                 const job_row& row) const;
  [[nodiscard]] std::optional<finding> judge_missing(const lockkit::task_status& task, const job_mark& mark);
  [[nodiscard]] clock::time_point gone_at(const lockkit::task_status& task, clock::time_point missing_since);
  void forget(const std::string& name);
  void forget_all_but(const std::vector<lockkit::task_status>& tasks);
  void stop(const job_row& row) const;

  const settings& how_;
  const lockkit::task_queue& queue_;
  message say_;
  client slurm_;
  std::mutex mutex_;
  std::map<std::string, clock::time_point> doubtful_;  ///< handed to an sbatch of ours that ended without an answer
  std::map<std::string, clock::time_point> missing_since_;
  std::size_t missing_ = 0;
  bool reached_ = true;
};

}  // namespace slurm
