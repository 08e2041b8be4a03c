// Rules, each with its reason.
//  1. The intent is in the queue and on disk before sbatch is called, and with it the job's name, which no other attempt
//     ever has. Slurm knows no key by which it would refuse the same job twice: the name is what a job is found by.
//  2. sbatch may fail, hang or be killed after Slurm has accepted. Its exit status therefore says nothing. A number that
//     it printed means accepted; everything else means "not known", and nothing is submitted again while that is so.
//     Only an sbatch that could not be executed did certainly nothing.
//  3. What is not known is asked of squeue and then of sacct, by name: a job that ends at once is gone from the first,
//     and one that was accepted just now may not yet be in the second. Numbers begin anew when Slurm is set up again:
//     one counts only together with the name.
//  4. Known to neither, in two looks `settle` apart, the second after the last sbatch that could still bring it has
//     ended: it is nowhere, and its attempt is handed back. A job may still come to life after that (a controller that
//     was cut off for an hour). So
//  5. the first line of each job asks the queue whether the attempt is its own. One job gets it, and no other afterwards,
//     nor the same one after a restart; and handing back is refused once one has got it. This, not the looks, is what
//     keeps a step from running twice; the looks keep jobs from being lost.
//  6. Whether a job has begun is what it told the queue (its mark), not what Slurm says: one that Slurm saw running may
//     have been refused by its first line. A job that is over and has not begun, ran nothing. The queue is read again
//     after Slurm's answer, as it may have begun between the first reading and its end.
//  7. A job that has begun is nowhere only if nobody has its number any more: people rename jobs. Under another name
//     its number says nothing, neither that it runs nor that it is gone.
//  8. No answer, or only one of squeue without one of sacct where that is needed, says nothing about any job.
#include "slurm/desk.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include <lockkit/error.hpp>
#include <lockkit/staged_file.hpp>

#include "tooling/failure.hpp"

namespace slurm {
namespace {

using lockkit::task_status;
using kind = finding::kind;

/// Two days before the first of them was made: clocks and time zones differ.
std::string day_before(const std::vector<task_status>& tasks) {
  const auto first = std::ranges::min_element(tasks, {}, &task_status::submitted)->submitted;
  const std::time_t day = std::chrono::system_clock::to_time_t(first - std::chrono::hours(48));
  return fmt::format("{:%Y-%m-%d}", fmt::gmtime(day));
}

bool has_live(const std::vector<job_row>& rows) {
  return std::ranges::any_of(rows, &job_row::lives);
}

/// Of an attempt that has begun, only the job that did (rule 5).
void keep_own(const task_status& task, std::vector<job_row>& rows) {
  const auto mark = parse_mark(task.external);
  if (!mark || !mark->begun) return;
  std::erase_if(rows, [&](const job_row& each) { return each.id != mark->id; });
}

/// squeue decides who lives; sacct adds what squeue does not know, and how exactly a job ended.
void merge(std::vector<job_row>& rows, job_row told) {
  const auto same = std::ranges::find(rows, told.id, &job_row::id);
  if (same == rows.end()) {
    rows.push_back(std::move(told));
  } else if (!same->lives() && !told.lives() && told.phase != job_phase::replaced) {
    *same = std::move(told);
  }
}

}  // namespace

bool report(lockkit::task_queue& queue, const finding& what, std::chrono::milliseconds retry_after) {
  std::error_code ec;
  switch (what.how) {
    case kind::waits:
      queue.submitting(what.ref, what.mark, ec);
      break;
    case kind::runs:
      queue.running(what.ref, what.mark, ec);
      break;
    case kind::done:
      queue.finish(what.ref, what.text, ec);
      break;
    case kind::failed:
      queue.fail(what.ref, what.text, retry_after, ec);
      break;
    case kind::stopped:
      queue.cancelled(what.ref, what.text, ec);
      break;
    case kind::nowhere:
      queue.hand_back_unless_running(what.ref, ec);
      break;
  }
  if (ec && ec != lockkit::errc::claim_lost) {
    throw std::system_error(ec, "cannot report on task " + std::to_string(what.ref.id));
  }
  return !ec;
}

std::optional<std::string> desk::submit(const job& what) {
  try {
    lockkit::publish(what.script, batch_script(what, how_), lockkit::durability::visible);
  } catch (const std::system_error& why) {  // a full disk, say
    throw not_submitted(why.what());
  }
  const tooling::client_answer answer = slurm_.submit(submission_arguments(what));
  std::error_code left_behind;
  std::filesystem::remove(what.script, left_behind);  // Slurm has a copy, or nobody needs one
  if (!answer.started) throw not_submitted(answer.complaint());
  const auto id = parse_submission(answer.output);
  if (id && !answer.succeeded()) {
    say_(fmt::format("sbatch accepted {} as job {}, though it ended so: {}", job_name(what.ref), *id,
                     answer.complaint()));
  }
  if (id) return mark_of_job(*id);
  const std::lock_guard hold(mutex_);
  doubtful_.insert_or_assign(job_name(what.ref), clock::now());
  say_(fmt::format("sbatch for {}: {}; asking Slurm what became of it", job_name(what.ref), answer.complaint()));
  return std::nullopt;
}

desk::answers desk::ask(const std::vector<task_status>& tasks) const {
  answers result;
  for (const task_status& each : tasks) result.rows[job_name(ref_of(each))];
  for (job_row& each : slurm_.queue()) {
    const auto ours = result.rows.find(each.name);
    if (ours != result.rows.end()) {
      ours->second.push_back(std::move(each));
    } else {
      result.others.insert(std::move(each.id));
    }
  }
  for (const task_status& each : tasks) keep_own(each, result.rows[job_name(ref_of(each))]);
  add_accounting(tasks, result);
  return result;
}

/// Rule 3.
void desk::add_accounting(const std::vector<task_status>& tasks, answers& told) const {
  std::vector<std::string> names;
  for (const auto& [name, known] : told.rows) {
    if (!has_live(known)) names.push_back(name);
  }
  if (names.empty()) return;
  for (job_row& each : slurm_.accounting(names, day_before(tasks))) {
    const auto ours = told.rows.find(each.name);
    if (ours != told.rows.end()) merge(ours->second, std::move(each));
  }
}

/// Rule 8.
std::optional<std::vector<finding>> desk::look(const std::vector<task_status>& tasks, reach how_many) {
  std::vector<finding> result;
  missing_ = 0;
  if (how_many == reach::all) forget_all_but(tasks);  // what has ended otherwise
  if (tasks.empty()) return result;
  try {
    answers told = ask(tasks);
    if (!std::exchange(reached_, true)) say_("Slurm answers again");
    for (const task_status& each : tasks) {
      auto found = judge(each, told);
      if (found) result.push_back(std::move(*found));
    }
    return result;
  } catch (const tooling::failure& why) {
    if (std::exchange(reached_, false)) say_(fmt::format("Slurm can't be asked: {}", why.what()));
    return std::nullopt;
  }
}

std::optional<finding> desk::judge(const task_status& task, answers& told) {
  std::vector<job_row>& rows = told.rows[job_name(ref_of(task))];
  const job_mark mark = parse_mark(task.external).value_or(job_mark{});
  keep_own(task, rows);
  std::erase_if(rows, [](const job_row& each) { return each.phase == job_phase::replaced; });
  const bool renamed = rows.empty() && mark.begun && told.others.contains(mark.id);
  if (rows.empty() && !renamed) return judge_missing(task, mark);
  forget(job_name(ref_of(task)));
  if (renamed) return std::nullopt;  // rule 7
  const auto live = std::ranges::find_if(rows, &job_row::lives);
  if (live == rows.end()) return judge_end(task, mark, rows.back());
  if (task.cancel_wanted) {
    for (const job_row& each : rows) {
      if (each.lives()) stop(each);
    }
  }
  if (mark.begun) return finding{ref_of(task), kind::runs, task.external};
  return finding{ref_of(task), kind::waits, mark_of_job(live->id)};
}

/// Rule 6.
std::optional<finding> desk::judge_end(const task_status& task, const job_mark& mark, const job_row& row) const {
  const lockkit::task_ref ref = ref_of(task);
  if (!mark.begun) {
    const auto now = queue_.find(task.id);
    const bool same = now && now->attempt == task.attempt && now->claim_key == task.claim_key;
    if (!same || parse_mark(now->external).value_or(job_mark{}).begun) return std::nullopt;  // the next look knows more
    if (task.cancel_wanted) return finding{ref, kind::stopped, {}, "cancelled before it began"};
    return finding{ref, kind::failed, {}, fmt::format("job {} ended before it began: {}", row.id, row.detail)};
  }
  if (row.phase == job_phase::succeeded) return finding{ref, kind::done, {}, "exit status 0"};
  const bool stopped = task.cancel_wanted && row.phase == job_phase::cancelled;
  return finding{ref, stopped ? kind::stopped : kind::failed, {}, fmt::format("{} (job {})", row.detail, row.id)};
}

/// When it is nowhere, if it has been missing since then. Before an sbatch of ours has ended, that it was missing says
/// nothing; of those of others only the longest time is known.
desk::clock::time_point desk::gone_at(const task_status& task, clock::time_point missing_since) {
  const std::lock_guard hold(mutex_);
  const auto doubt = doubtful_.find(job_name(ref_of(task)));
  if (doubt != doubtful_.end()) return std::max(missing_since, doubt->second) + how_.settle;
  const bool in_flight = task.state == lockkit::task_state::submitting;
  return missing_since + how_.settle + (in_flight ? how_.timeout : milliseconds(0));
}

/// Rule 4.
std::optional<finding> desk::judge_missing(const task_status& task, const job_mark& mark) {
  const auto now = clock::now();
  const std::string name = job_name(ref_of(task));
  const auto since = missing_since_.try_emplace(name, now).first->second;
  if (since == now || now < gone_at(task, since)) {
    ++missing_;
    return std::nullopt;
  }
  forget(name);
  if (mark.begun) {
    return finding{ref_of(task), kind::failed, {}, fmt::format("Slurm does not know job {} any more", mark.id)};
  }
  return finding{ref_of(task), kind::nowhere};
}

void desk::forget(const std::string& name) {
  missing_since_.erase(name);
  const std::lock_guard hold(mutex_);
  doubtful_.erase(name);
}

void desk::forget_all_but(const std::vector<task_status>& tasks) {
  std::set<std::string> names;
  for (const task_status& each : tasks) names.insert(job_name(ref_of(each)));
  const auto is_over = [&](const auto& each) { return !names.contains(each.first); };
  std::erase_if(missing_since_, is_over);
  const std::lock_guard hold(mutex_);
  std::erase_if(doubtful_, is_over);
}

void desk::stop(const job_row& row) const {
  const tooling::client_answer answer = slurm_.cancel(row.id, row.name);
  if (!answer.succeeded()) say_(fmt::format("scancel of job {}: {}", row.id, answer.complaint()));
}

}  // namespace slurm
