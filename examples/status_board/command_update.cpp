// update: one job says what it does.

#include <chrono>
#include <memory>
#include <optional>

#include "board.hpp"
#include "command.hpp"
#include "committing.hpp"
#include "following.hpp"
#include "status_files.hpp"
#include "status_record.hpp"
#include "text.hpp"
#include "tooling/failure.hpp"
#include "update_log.hpp"

namespace status_board {
namespace {

using tooling::exit_status;
using tooling::failure;

struct update_arguments {
  std::string checkout;
  status_record record;
  std::optional<int> progress;
};

void refuse_if(std::string_view what, const std::string& value, const std::string& fault) {
  if (fault.empty()) return;
  throw failure(exit_status::usage, fmt::format("{} '{}': {}", what, printable(value).substr(0, 80), fault));
}

/// Nothing as well for a link, a FIFO, something huge: they are replaced.
std::optional<std::string> read_text(const status_files& files, const std::string& job) try {
  return files.read(job);
} catch (const failure&) {
  return std::nullopt;
}

/// What the file says, if it can be read.
std::optional<status_record> read_previous(const status_files& files, const std::string& job) {
  const auto text = read_text(files, job);
  return text ? parse_record(*text) : std::nullopt;
}

/// In turn with others that write one. Somebody who is stopped in the middle of the same keeps nobody from it for long.
lockkit::file_mutex take_turn(const board& here) {
  lockkit::file_mutex turn = here.files_mutex();
  std::error_code ec;
  static_cast<void>(turn.try_lock_until(lockkit::deadline::after(std::chrono::seconds(2)), ec));
  return turn;
}

/// Rule 1 of board.hpp. `published`: a version of another checkout, which this one is to be later than.
std::string write_status(const board& here, const status_files& files, status_record record,
                         const std::optional<status_record>& published) {
  const lockkit::file_mutex turn = take_turn(here);
  auto previous = read_previous(files, record.job);
  if (published && (!previous || previous->updated < published->updated)) previous = published;
  record = succeed(std::move(record), previous);
  std::string text = to_text(record);
  files.publish(record.job, text);
  log_update(here, record, text);
  return text;
}

/// What is committed now: ours, unless the job has updated it since. A checkout or a stash of somebody may have taken our
/// file away, or put an old one there.
std::string keep_status(const board& here, const status_files& files, const std::string& job, const std::string& ours) {
  const lockkit::file_mutex turn = take_turn(here);
  const auto now = read_text(files, job);
  if (now && (*now == ours || is_later(*now, ours))) return *now;
  files.publish(job, ours);
  return ours;
}

/// Under the lock. If the branch is later, another checkout's clock was ahead, of which no file here told when ours was
/// `first` written; or the job has said more since, and that is to stay.
commits_made commit_ours(const board& here, const status_record& record, const std::string& ours, bool first) {
  const status_files files(here.place.checkout, status_files::missing::make);  // the directory may be another by now
  std::string text = keep_status(here, files, record.job, ours);
  commits_made made = commit_later(here, record.job, {{record.job, text}});
  const auto later = made.outdated.find(record.job);
  if (!first || later == made.outdated.end() || text != ours || made.of_jobs.contains(record.job)) return made;
  text = write_status(here, files, record, parse_record(later->second));
  return commit_later(here, record.job, {{record.job, text}});
}

/// Rule 2. The job is not to fail because of what happens here.
void commit_status(const board& here, const status_record& record, const std::string& ours, bool first) {
  constexpr std::string_view later = "the file is updated here; the next update or sync of it commits it";
  try {
    auto lock = here.lock();
    if (!lock) return here.say("{}", later);
    static_cast<void>(finish_move(here));
    const commits_made made = commit_ours(here, record, ours, first);
    here.unlock(*lock);
    if (!made.trouble.empty()) return here.say("not committed: {}; {}", made.trouble, later);
    const auto commit = made.of_jobs.find(record.job);
    here.say("{}", commit == made.of_jobs.end() ? "committed already, by somebody else"
                                                : fmt::format("committed as {}", commit->second.substr(0, 10)));
  } catch (const std::exception& wrong) {
    here.say("not committed: {}; {}", wrong.what(), later);
  }
}

void update(const update_arguments& given, const context& shared) {
  status_record record = given.record;
  refuse_if("the job's name", record.job, fault_of_job(record.job));
  refuse_if("the state", record.state, fault_of_state(record.state));
  refuse_if("the message", record.message, fault_of_message(record.message));
  record.progress = given.progress;
  const board here(given.checkout, shared.configuration_file, "update " + record.job);
  const status_files files(here.place.checkout, status_files::missing::make);
  const bool first = !read_previous(files, record.job);
  commit_status(here, record, write_status(here, files, record, {}), first);
}

}  // namespace

void add_update(CLI::App& app, context& shared) {
  CLI::App* command = app.add_subcommand("update", "writes a job's status and commits it");
  auto given = std::make_shared<update_arguments>();
  command->add_option("checkout", given->checkout, "the top of a git checkout")->required();
  command->add_option("job", given->record.job, "the job's name; after -- it may begin with '-'")->required();
  command->add_option("state", given->record.state, "queued, running, waiting, paused, done, failed, cancelled, ...")
      ->required();
  command->add_option("--progress", given->progress, "percent")->check(CLI::Range(0, 100));
  command->add_option("--message", given->record.message, "a few words for people");
  command->callback([given, &shared] { update(*given, shared); });
}

}  // namespace status_board
