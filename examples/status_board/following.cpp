#include "following.hpp"

#include <sysexits.h>

#include <fstream>
#include <lockkit/staged_file.hpp>

#include "committing.hpp"
#include "git_locks.hpp"
#include "objects.hpp"
#include "rebuilding.hpp"
#include "status_files.hpp"
#include "tooling/failure.hpp"

namespace status_board {

namespace fs = std::filesystem;

namespace {

/// Between two commits, both whole names.
struct move_note {
  std::string branch;
  std::string from;
  std::string to;
};

fs::path note_path(const board& here) {
  return here.place.git_dir / (here.settings.lock + ".moving");
}

std::optional<move_note> read_note(const board& here) {
  std::ifstream file(note_path(here));
  move_note note;
  if (file >> note.branch >> note.from >> note.to) return note;
  return std::nullopt;
}

void forget_note(const board& here) {
  std::error_code ec;
  fs::remove(note_path(here), ec);
}

/// Of a git_answer: later it may go.
bool has_to_wait(const git_answer& answer) {
  return !answer.ok() && (answer.status == EX_TEMPFAIL || answer.err.find("index.lock'") != std::string::npos);
}

bool is_real_directory(const fs::path& path) {
  std::error_code ec;
  return fs::symlink_status(path, ec).type() == fs::file_type::directory;
}

/// What stands where `path` is to be made, or where it needs a directory; empty: nothing.
std::string occupied(const fs::path& checkout, const fs::path& path) {
  fs::path above;
  for (const fs::path& part : path) {
    above /= part;
    std::error_code ec;
    if (!fs::exists(fs::symlink_status(checkout / above, ec))) return {};
    if (!is_real_directory(checkout / above)) return above.native();
  }
  return path.native();
}

/// Files that git does not know, and would remove for a new one because they are ignored: to git they are nobody's.
std::vector<std::string> ignored_in_the_way(const board& here, const std::string& from, const std::string& to) {
  std::vector<std::string> look = {"ls-files", "--others", "-z", "--"};
  const std::vector<std::string> added = {"diff-tree",       "-r",          "-z", "--no-renames",
                                          "--diff-filter=A", "--name-only", from, to};
  for (const std::string& path : split_at_nul(here.program.text({.arguments = added}))) {
    if (std::string found = occupied(here.place.checkout, path); !found.empty()) look.push_back(std::move(found));
  }
  return look.size() == 4 ? std::vector<std::string>() : split_at_nul(here.program.text({.arguments = look}));
}

/// All of it or nothing: git refuses when a file that would change is not as `from` has it.
git_answer exchange_files(const board& here, const std::string& from, const std::string& to) {
  lockkit::file_mutex files = here.files_mutex();
  if (!files.try_lock_for(std::chrono::seconds(2))) {
    return {.status = EX_TEMPFAIL, .out = {}, .err = "a status is being written"};
  }
  if (const auto ignored = ignored_in_the_way(here, from, to); !ignored.empty()) {
    return {
        .status = 1, .out = {}, .err = fmt::format("'{}', which git does not know, is in the way", ignored.front())};
  }
  // read-tree goes by the times in the index, and takes a file that was written anew with the same content for dirty.
  static_cast<void>(here.program.run({.arguments = {"update-index", "-q", "--refresh"}}));
  return here.program.run({.arguments = {"read-tree", "-m", "-u", from, to}, .timeout = std::chrono::minutes(10)});
}

bool is_checked_out(const board& here, const std::string& branch) try {
  return current_branch(here) == branch;
} catch (const tooling::failure&) {
  return false;
}

/// The files go where the branch is: what was begun is undone, what was committed meanwhile is not. False: later.
bool take_back(const board& here, const move_note& note) {
  const std::string now = commit_of(here, "HEAD");
  // What was committed while the killed one's git had the index locked is not in it yet.
  align_statuses(here, status_files(here.place.checkout, status_files::missing::leave).read_all());
  return now.empty() || now == note.to || !has_to_wait(exchange_files(here, note.to, now));
}

/// False: it is neither done nor taken back.
bool move_checkout(const board& here, const move_note& note) {
  const git_answer moved = exchange_files(here, note.from, note.to);
  bool settled = !has_to_wait(moved);
  std::string why = moved.ok() ? std::string() : moved.complaint();
  if (moved.ok() && !is_checked_out(here, note.branch)) why = "another branch was checked out meanwhile";
  // Somebody committed meanwhile, or checked something out, or the ref is locked.
  if (moved.ok() && (!why.empty() || !move_ref(here, note.branch, note.to, note.from, why))) {
    settled = take_back(here, note);
  }
  if (!why.empty()) here.say("the checkout stays where it is (what was sent is sent): {}", why);
  return settled;
}

}  // namespace

bool finish_move(const board& here) {
  const auto note = read_note(here);
  if (!note) return true;
  if (!index_lock_in_the_way(here).empty()) return false;
  const std::string branch = current_branch(here);
  const bool begun = branch == note->branch && commit_of(here, branch) == note->from;
  if (begun ? !move_checkout(here, *note) : !take_back(here, *note)) return false;
  forget_note(here);
  return true;
}

void follow(const board& here, const std::string& head) {
  const std::string branch = current_branch(here);
  const std::string from = commit_of(here, branch);
  const rebuilt_line line = rebuild(here, head, from);
  if (!line.strangers.empty()) {
    here.say("the checkout stays where it is: {} has {} commits of others that are not published", branch,
             line.strangers.size());
    return;
  }
  if (line.tip == from) return;
  lockkit::publish(note_path(here), fmt::format("{} {} {}\n", branch, from, line.tip), lockkit::durability::consistent);
  if (move_checkout(here, {.branch = branch, .from = from, .to = line.tip})) forget_note(here);
}

}  // namespace status_board
