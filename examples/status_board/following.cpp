#include "following.hpp"

#include <fstream>
#include <lockkit/staged_file.hpp>

#include "git_locks.hpp"
#include "objects.hpp"
#include "rebuilding.hpp"

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

/// All of it or nothing: git refuses when a file that would change is not as `from` has it.
git_answer exchange_files(const board& here, const std::string& from, const std::string& to) {
  lockkit::file_mutex files = here.files_mutex();
  if (!files.try_lock_for(std::chrono::seconds(2))) return {.status = 1, .out = {}, .err = "a status is being written"};
  // read-tree goes by the times in the index, and takes a file that was written anew with the same content for dirty.
  static_cast<void>(here.program.run({.arguments = {"update-index", "-q", "--refresh"}}));
  return here.program.run({.arguments = {"read-tree", "-m", "-u", from, to}, .timeout = std::chrono::minutes(10)});
}

/// Whether it is done.
bool move_checkout(const board& here, const move_note& note) {
  const git_answer moved = exchange_files(here, note.from, note.to);
  std::string why = moved.ok() ? std::string() : moved.complaint();
  if (moved.ok() && !move_ref(here, note.branch, note.to, note.from, why)) {
    static_cast<void>(exchange_files(here, note.to, note.from));  // somebody committed meanwhile, or the ref is locked
  }
  if (why.empty()) return true;
  here.say("the checkout stays where it is (what was sent is sent): {}", why);
  return false;
}

}  // namespace

void finish_move(const board& here) {
  const auto note = read_note(here);
  if (!note) return;
  const std::string now = current_branch(here) == note->branch ? commit_of(here, note->branch) : std::string();
  if (now == note->from) {
    static_cast<void>(move_checkout(here, *note));
  } else if (!now.empty() && now != note->to) {
    static_cast<void>(exchange_files(here, note->to, note->from));
  }
  forget_note(here);  // another branch is checked out: git took the files there
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
  static_cast<void>(move_checkout(here, {.branch = branch, .from = from, .to = line.tip}));
  forget_note(here);
}

}  // namespace status_board
