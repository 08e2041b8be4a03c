// sync: commits what updates could not, sends everything, and lets the checkout follow.

#include <chrono>
#include <lockkit/backoff.hpp>
#include <memory>

#include "board.hpp"
#include "command.hpp"
#include "committing.hpp"
#include "following.hpp"
#include "git_locks.hpp"
#include "objects.hpp"
#include "publishing.hpp"
#include "status_files.hpp"
#include "tooling/failure.hpp"

namespace status_board {
namespace {

struct sync_arguments {
  std::string checkout;
  double every = 0;
};

/// False: some may be left for the next time.
bool commit_what_is_left(const board& here) {
  auto lock = here.lock();
  if (!lock) return false;
  static_cast<void>(finish_move(here));
  const status_files files(here.place.checkout, status_files::missing::leave);
  files.sweep();
  const commits_made made = commit_later(here, {}, files.read_all());
  here.unlock(*lock);
  for (const auto& [job, commit] : made.of_jobs) here.say("committed {} as {}", job, commit.substr(0, 10));
  if (!made.trouble.empty()) here.say("not committed: {}", made.trouble);
  return made.trouble.empty();
}

/// Somebody else may have been killed in the middle of the same since we looked.
void let_checkout_follow(const board& here, const std::string& head) {
  const auto lock = here.lock();
  if (!lock) return;
  if (finish_move(here)) return follow(here, head);
  here.say("the checkout stays where it is: the index is locked, {}", index_lock_in_the_way(here));
}

/// True: everything that was there when it began is on the remote.
bool sync_once(const board& here) {
  const bool committed = commit_what_is_left(here);
  const std::string branch = current_branch(here);
  const std::string tip = commit_of(here, branch);
  const upstream where = find_upstream(here, branch);
  if (tip.empty()) return committed;
  reclaim_tracking_lock(here, where.tracking);
  const publication result = publish_commits(here, where, tip);
  if (!result.done) {
    here.say("not sent: {}", result.trouble);
    return false;
  }
  if (result.sent > 0 || result.refused > 0) {
    here.say("sent {} commits to {} ({}); {} refused pushes tried again", result.sent, where.remote,
             result.head.substr(0, 10), result.refused);
  }
  if (result.strangers > 0) here.say("{} commits of others are left to those who made them", result.strangers);
  if (result.head != commit_of(here, branch)) let_checkout_follow(here, result.head);
  return committed;
}

/// What goes wrong once (somebody's rebase has no branch checked out, the disk is full) may be over the next time.
int sync_again(const board& here) try {
  return sync_once(here) ? EX_OK : EX_TEMPFAIL;
} catch (const std::exception& wrong) {
  here.say("{}; the next sync tries again", wrong.what());
  return static_cast<int>(tooling::status_of(wrong));
}

void sync(const sync_arguments& given, context& shared) {
  const board here(given.checkout, shared.configuration_file, "sync");
  for (;;) {
    const auto next = lockkit::deadline::after(std::chrono::duration<double>(given.every));
    if (given.every <= 0) {
      shared.result = sync_once(here) ? EX_OK : EX_TEMPFAIL;
      return;
    }
    shared.result = sync_again(here);
    lockkit::sleep_until(next);
  }
}

}  // namespace

void add_sync(CLI::App& app, context& shared) {
  CLI::App* command = app.add_subcommand("sync", "commits what is left, sends it, and lets the checkout follow");
  auto given = std::make_shared<sync_arguments>();
  command->add_option("checkout", given->checkout, "the top of a git checkout")->required();
  command->add_option("--every", given->every, "again and again, with so many seconds from start to start")
      ->check(CLI::Range(0.1, 86400.0));
  command->callback([given, &shared] { sync(*given, shared); });
}

}  // namespace status_board
