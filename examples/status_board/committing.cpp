#include "committing.hpp"

#include <algorithm>
#include <lockkit/backoff.hpp>

#include "git_locks.hpp"
#include "objects.hpp"
#include "status_files.hpp"
#include "status_record.hpp"
#include "text.hpp"
#include "update_log.hpp"

namespace status_board {
namespace {

constexpr lockkit::backoff_policy short_pauses = {.first = std::chrono::milliseconds(5),
                                                  .longest = std::chrono::milliseconds(100)};

/// The branch's tip with what is put upon it.
struct line_of_commits {
  std::string tip;
  tree_entries blobs;
  std::map<std::string, std::string> texts;  ///< blob -> content
};

line_of_commits read_branch(const board& here, const std::string& branch) {
  line_of_commits line;
  line.tip = commit_of(here, branch);
  line.blobs = status_entries(here, line.tip);
  return line;
}

/// One version of a job's file: job and content.
using version = std::pair<std::string, std::string>;

/// What the branch has of those files; one call for all.
void read_texts(const board& here, const std::vector<version>& versions, line_of_commits& line) {
  std::vector<std::string> wanted;
  for (const auto& [job, text] : versions) {
    const auto found = line.blobs.find(path_of_job(job));
    if (found != line.blobs.end()) wanted.push_back(found->second);
  }
  line.texts = contents(here, wanted);
}

void put_upon(const board& here, const std::string& job, const std::string& text, private_index& index,
              line_of_commits& line) {
  const std::string blob = write_blob(here, text);
  index.set(path_of_job(job), blob);
  line.tip = write_commit(
      here, {.tree = index.write_tree(), .parent = line.tip, .message = commit_message(job, text), .author = {}});
  line.blobs[path_of_job(job)] = blob;
  line.texts[blob] = text;
}

/// A checkout may have its files with \r\n (core.autocrlf): that alone is no other status.
bool is_same(std::string_view file, std::string_view blob) {
  const auto without_returns = [](std::string_view text) {
    std::string result(text);
    for (std::size_t at = 0; (at = result.find("\r\n", at)) != std::string::npos;) result.erase(at, 1);
    return result;
  };
  return file == blob || without_returns(file) == without_returns(blob);
}

/// One attempt: builds the commits, and moves the branch. False: the branch is elsewhere by now, or locked.
bool try_to_commit(const board& here, const std::string& branch, const std::vector<version>& versions,
                   line_of_commits& line, commits_made& made) {
  line = read_branch(here, branch);
  read_texts(here, versions, line);
  made = {};
  const std::string base = line.tip;
  std::optional<private_index> index;
  for (const auto& [job, text] : versions) {
    const auto known = line.blobs.find(path_of_job(job));
    const std::string there = known == line.blobs.end() ? std::string() : line.texts[known->second];
    made.outdated.erase(job);
    if (!there.empty() && is_same(text, there)) continue;
    if (!there.empty() && !is_later(text, there)) {
      made.outdated[job] = there;
      continue;
    }
    if (!index) index.emplace(here, base);
    put_upon(here, job, text, *index, line);
    made.of_jobs[job] = line.tip;
  }
  return line.tip == base || move_ref(here, branch, line.tip, base, made.trouble);
}

/// The index's status files that differ from the commit.
std::vector<std::string> paths_that_lag(const board& here, const std::string& commit) {
  std::vector<std::string> result;
  const git_answer answer = here.program.run(
      {.arguments = {"diff-index", "--cached", "-z", "--no-renames", commit, "--", std::string(status_folder)}});
  const std::vector<std::string> parts = split_at_nul(answer.out);  // ":100644 100644 <id> <id> M", path, ...
  for (std::size_t i = 1; i < parts.size(); i += 2) result.push_back(parts[i]);
  return result;
}

/// Rule 3: the entries whose file is what the branch has.
void align_index(const board& here, const std::map<std::string, std::string>& files, const line_of_commits& line) {
  std::string lines;
  for (const std::string& path : paths_that_lag(here, line.tip)) {
    const auto job = job_of_path(path);
    const auto file = job ? files.find(*job) : files.end();
    const auto blob = line.blobs.find(path);
    if (file == files.end() || blob == line.blobs.end()) continue;
    const auto text = line.texts.find(blob->second);
    if (text != line.texts.end() && is_same(file->second, text->second)) lines += index_line(path, blob->second);
  }
  if (lines.empty()) return;
  const auto until = lockkit::deadline::after(std::chrono::seconds(1));
  lockkit::backoff pauses(short_pauses);
  git_answer answer;
  do {
    answer = here.program.run({.arguments = {"update-index", "-z", "--index-info"}, .input = lines});
  } while (!answer.ok() && !index_lock_in_the_way(here).empty() && pauses.sleep(until));
  if (!answer.ok()) here.say("the index of the checkout follows later: {}", answer.complaint());
}

}  // namespace

bool is_later(std::string_view ours, std::string_view theirs) {
  const auto our_record = parse_record(ours);
  const auto their_record = parse_record(theirs);
  if (!our_record || !their_record) return our_record || !their_record;
  return our_record->updated.empty() || their_record->updated.empty() || our_record->updated >= their_record->updated;
}

commits_made commit_later(const board& here, const std::string& job, const std::map<std::string, std::string>& files) {
  const std::string branch = current_branch(here);
  const auto until = lockkit::deadline::after(std::chrono::seconds(2));
  const std::vector<logged_update> logged = logged_updates(here, job);
  std::vector<version> versions;
  for (const logged_update& each : logged) {
    if (parse_record(each.text)) versions.emplace_back(each.job, each.text);  // a power cut leaves empty ones
  }
  versions.insert(versions.end(), files.begin(), files.end());
  lockkit::backoff pauses(short_pauses);
  commits_made made;
  line_of_commits line;
  while (!try_to_commit(here, branch, versions, line, made)) {
    if (pauses.sleep(until)) continue;
    made.of_jobs.clear();
    return made;
  }
  forget(logged);
  if (!line.tip.empty()) align_index(here, files, line);
  return made;
}

void align_statuses(const board& here, const std::map<std::string, std::string>& files) {
  line_of_commits line = read_branch(here, current_branch(here));
  if (line.tip.empty()) return;
  read_texts(here, {files.begin(), files.end()}, line);
  align_index(here, files, line);
}

}  // namespace status_board
