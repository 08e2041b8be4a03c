#include "rebuilding.hpp"

#include <algorithm>
#include <optional>
#include <set>
#include <sstream>

#include "committing.hpp"
#include "objects.hpp"
#include "status_files.hpp"
#include "text.hpp"
#include "tooling/failure.hpp"

namespace status_board {
namespace {

constexpr std::string_view origin_key = "Status-Board-Origin: ";

struct file_change {
  std::string path;
  std::string before;  ///< blob; empty: there was none
  std::string after;   ///< empty: it was removed
};

struct commit_facts {
  std::string id;
  std::vector<std::string> parents;
  std::vector<file_change> changes;
  std::string author;
  std::string message;
};

/// From git's object: header lines, an empty line, the message.
void read_header(const std::string& object, commit_facts& commit) {
  const std::size_t end = std::min(object.find("\n\n"), object.size());
  std::istringstream header(object.substr(0, end));
  for (std::string line; std::getline(header, line);) {
    if (line.starts_with("author ")) commit.author = line.substr(7);
    if (line.starts_with("parent ")) commit.parents.push_back(line.substr(7));
  }
  if (end + 2 <= object.size()) commit.message = object.substr(end + 2);
}

/// ":100644 100644 <id> <id> M" and a path.
file_change read_change(const std::string& raw, std::string path) {
  std::istringstream words(raw);
  std::string mode_before;
  std::string mode_after;
  file_change change{.path = std::move(path), .before = {}, .after = {}};
  words >> mode_before >> mode_after >> change.before >> change.after;
  const auto is_none = [](const std::string& blob) { return blob.find_first_not_of('0') == std::string::npos; };
  if (is_none(change.before)) change.before.clear();
  if (is_none(change.after)) change.after.clear();
  const bool is_file = mode_after == "100644" || mode_after == "100755" || mode_after == "000000";
  if (!is_file) change.path.clear();  // a link: nobody's status
  return change;
}

/// Oldest first.
std::vector<commit_facts> commits_between(const board& here, const std::string& onto, const std::string& from) {
  std::vector<commit_facts> commits;
  const std::string range = onto + ".." + from;
  const std::string names = here.program.text({.arguments = {"rev-list", "--reverse", "--topo-order", range}}) + "\n";
  std::vector<std::string> ids;
  std::istringstream lines(names);
  for (std::string id; std::getline(lines, id) && !id.empty();) ids.push_back(id);
  const auto objects = contents(here, ids);
  for (const std::string& id : ids) {
    commits.push_back({.id = id, .parents = {}, .changes = {}, .author = {}, .message = {}});
    read_header(objects.at(id), commits.back());
  }
  if (ids.empty()) return commits;
  const std::string out = here.program.text(
      {.arguments = {"diff-tree", "--stdin", "--root", "-r", "-z", "--no-renames", "--no-abbrev"}, .input = names});
  const std::vector<std::string> parts = split_at_nul(out);
  auto commit = commits.end();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (!parts[i].starts_with(':')) {
      commit = std::ranges::find(commits, parts[i], &commit_facts::id);
    } else if (commit != commits.end() && i + 1 < parts.size()) {
      commit->changes.push_back(read_change(parts[i], parts[i + 1]));
      ++i;
    }
  }
  return commits;
}

bool has_origin(const commit_facts& commit) {
  return commit.message.find("\n" + std::string(origin_key)) != std::string::npos;
}

/// Rule 6.
bool is_ours(const commit_facts& commit) {
  if (commit.parents.size() > 1) return false;
  if (commit.changes.empty()) return has_origin(commit);
  return std::ranges::all_of(commit.changes,
                             [](const file_change& each) { return job_of_path(each.path).has_value(); });
}

/// What the commits of `from` that are not in `onto` all stand on: older than each, so no copy of one is in its past.
/// Not simply `from`: somebody who pulled by a merge has the copies in it. Empty: nothing in common.
std::string common_past(const board& here, const std::string& onto, const std::string& from) {
  std::vector<std::string> ask = {"merge-base", "--octopus"};
  std::istringstream lines(here.program.text({.arguments = {"rev-list", "--boundary", onto + ".." + from}}));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('-')) ask.push_back(line.substr(1));
  }
  if (ask.size() == 2) return {};
  const git_answer answer = here.program.run({.arguments = ask});
  return answer.out.substr(0, answer.out.find('\n'));
}

/// Rule 7: what was rebuilt into `onto` already.
std::set<std::string> published_in(const board& here, const std::string& onto, const std::string& from) {
  std::set<std::string> result;
  const std::string past = common_past(here, onto, from);
  std::vector<std::string> ask = {"log", "--format=%(trailers:key=Status-Board-Origin,valueonly)", onto};
  if (!past.empty()) ask.push_back("^" + past);
  ask.emplace_back("--");
  std::istringstream lines(here.program.text({.arguments = ask}));
  for (std::string id; std::getline(lines, id);) {
    if (!id.empty()) result.insert(id);
  }
  return result;
}

/// The original's, with its name.
std::string message_of(const commit_facts& commit) {
  std::string message = commit.message;
  const std::size_t old = message.find("\n" + std::string(origin_key));
  if (old != std::string::npos) message.resize(old);
  while (message.ends_with('\n')) message.pop_back();
  return fmt::format("{}\n\n{}{}\n", message, origin_key, commit.id);
}

class rebuilding {
 public:
  rebuilding(const board& here, const std::string& onto) : here_(here), blobs_(status_entries(here, onto)) {
    line_.tip = onto;
  }
  void put(const commit_facts& commit);
  /// Rule 6. Their statuses are taken all the same.
  void skip(const commit_facts& stranger, bool published);
  [[nodiscard]] rebuilt_line result() && { return std::move(line_); }

 private:
  [[nodiscard]] bool is_there(const commit_facts& commit) const;
  [[nodiscard]] bool brings_later(const std::string& theirs, const std::string& ours) const;
  bool take(const commit_facts& commit, const file_change& change);

  const board& here_;
  tree_entries blobs_;
  rebuilt_line line_;
  std::optional<private_index> index_;
};

bool rebuilding::is_there(const commit_facts& commit) const {
  return std::ranges::all_of(commit.changes, [&](const file_change& each) {
    const auto found = blobs_.find(each.path);
    return (found == blobs_.end() ? std::string() : found->second) == each.after;
  });
}

bool rebuilding::brings_later(const std::string& theirs, const std::string& ours) const {
  if (theirs == ours) return false;
  auto texts = contents(here_, {theirs, ours});
  return is_later(texts[theirs], texts[ours]);
}

/// Rule 8. Whether the file is the commit's now.
bool rebuilding::take(const commit_facts& commit, const file_change& change) {
  const auto found = blobs_.find(change.path);
  const std::string now = found == blobs_.end() ? std::string() : found->second;
  bool taken = now == change.before || now == change.after;
  if (!taken) {
    std::vector<std::string> both;
    for (const std::string& each : {now, change.after}) {
      if (!each.empty()) both.push_back(each);
    }
    auto texts = contents(here_, both);
    taken = now.empty() || (!change.after.empty() && is_later(texts[change.after], texts[now]));
    here_.say("conflict on {}: {} is the later one; commit {} stays in the history", printable(change.path),
              taken ? "ours" : "theirs", commit.id.substr(0, 10));
  }
  if (taken && now != change.after) {
    index_->set(change.path, change.after);
    blobs_[change.path] = change.after;
    if (change.after.empty()) blobs_.erase(change.path);
  }
  return taken;
}

void rebuilding::put(const commit_facts& commit) {
  line_.ours.push_back(commit.id);
  if (!index_ && !commit.parents.empty() && commit.parents.front() == line_.tip) {  // it stands there already
    line_.tip = commit.id;
    for (const file_change& each : commit.changes) blobs_[each.path] = each.after;
    return;
  }
  if (!commit.changes.empty() && is_there(commit)) return;  // somebody else brought it
  if (!index_) index_.emplace(here_, line_.tip);
  for (const file_change& each : commit.changes) take(commit, each);
  line_.tip = write_commit(
      here_,
      {.tree = index_->write_tree(), .parent = line_.tip, .message = message_of(commit), .author = commit.author});
}

void rebuilding::skip(const commit_facts& stranger, bool published) {
  line_.strangers.push_back(stranger.id);
  bool took = false;
  for (const file_change& each : stranger.changes) {
    if (published || each.after.empty() || !job_of_path(each.path)) continue;
    const auto found = blobs_.find(each.path);
    if (found != blobs_.end() && !brings_later(each.after, found->second)) continue;
    if (!index_) index_.emplace(here_, line_.tip);
    index_->set(each.path, each.after);
    blobs_[each.path] = each.after;
    took = true;
  }
  if (!took) return;
  line_.ours.push_back(stranger.id);
  const commit_facts part{.id = stranger.id,
                          .parents = {},
                          .changes = {},
                          .author = {},
                          .message = "status: out of a commit that is not published yet"};
  line_.tip = write_commit(
      here_,
      {.tree = index_->write_tree(), .parent = line_.tip, .message = message_of(part), .author = stranger.author});
}

}  // namespace

rebuilt_line rebuild(const board& here, const std::string& onto, const std::string& from) {
  const std::vector<commit_facts> commits = commits_between(here, onto, from);
  rebuilding line(here, onto);
  if (commits.empty()) return std::move(line).result();
  const std::set<std::string> published = published_in(here, onto, from);
  for (const commit_facts& each : commits) {
    if (!is_ours(each)) {
      line.skip(each, published.contains(each.id));
    } else if (!published.contains(each.id)) {
      line.put(each);
    }
  }
  return std::move(line).result();
}

}  // namespace status_board
