#include "objects.hpp"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <lockkit/directory.hpp>

#include "git_locks.hpp"
#include "status_files.hpp"
#include "text.hpp"
#include "tooling/failure.hpp"

namespace status_board {

namespace fs = std::filesystem;
using tooling::exit_status;
using tooling::failure;

namespace {

/// Private indexes lie in directories of their own below this one.
fs::path scratch_of(const board& here) {
  return here.place.git_dir / (here.settings.lock + ".scratch");
}

/// What processes left that were killed more than an hour ago. No index is used for longer than git may take.
void sweep_scratch(const fs::path& scratch) {
  std::error_code ec;
  const auto limit = fs::file_time_type::clock::now() - std::chrono::hours(1);
  for (const auto& each : fs::directory_iterator(scratch, ec)) {
    const auto changed = fs::last_write_time(each.path(), ec);
    if (!ec && changed < limit) fs::remove_all(each.path(), ec);
  }
}

/// "Name <email> time zone", cut.
std::map<std::string, std::string> author_environment(const std::string& author) {
  const std::size_t mail = author.rfind('<');
  const std::size_t end = author.rfind('>');
  if (mail == std::string::npos || end == std::string::npos || end < mail || mail == 0) return {};
  const std::string name = author.substr(0, mail - 1);
  return {{"GIT_AUTHOR_NAME", name.empty() ? "unknown" : name},
          {"GIT_AUTHOR_EMAIL", author.substr(mail + 1, end - mail - 1)},
          {"GIT_AUTHOR_DATE", fmt::format("@{}", author.substr(std::min(end + 2, author.size())))}};
}

}  // namespace

std::string current_branch(const board& here) {
  const git_answer answer = here.program.run({.arguments = {"symbolic-ref", "-q", "HEAD"}});
  if (!answer.err.empty()) throw failure(exit_status::bad_data, "git symbolic-ref: " + answer.complaint());
  const std::string branch = answer.out.substr(0, answer.out.find('\n'));
  if (!branch.starts_with("refs/heads/")) {
    throw failure(exit_status::bad_data, "no branch is checked out (a rebase or a bisection is under way?)");
  }
  return branch;
}

std::string commit_of(const board& here, const std::string& ref) {
  const git_answer answer =
      here.program.run({.arguments = {"rev-parse", "--verify", "--quiet", "--end-of-options", ref + "^{commit}"}});
  return answer.ok() ? answer.out.substr(0, answer.out.find('\n')) : std::string();
}

tree_entries status_entries(const board& here, const std::string& commit) {
  tree_entries result;
  if (commit.empty()) return result;
  const std::vector<std::string> arguments = {"ls-tree", "-r", "-z", commit, "--", std::string(status_folder)};
  for (const std::string& line : split_at_nul(here.program.text({.arguments = arguments}))) {
    const std::size_t tab = line.find('\t');  // "100644 blob <id>\t<path>"
    const std::size_t id = line.rfind(' ', tab);
    if (tab != std::string::npos) result[line.substr(tab + 1)] = line.substr(id + 1, tab - id - 1);
  }
  return result;
}

std::map<std::string, std::string> contents(const board& here, const std::vector<std::string>& objects) {
  std::map<std::string, std::string> result;
  if (objects.empty()) return result;
  std::string names;
  for (const std::string& each : objects) names += each + "\n";
  const git_answer answer = here.program.run({.arguments = {"cat-file", "--batch"}, .input = names});
  if (!answer.ok()) throw failure(exit_status::io_error, "git cat-file: " + answer.complaint());
  std::string_view rest = answer.out;  // "<id> <type> <size>\n<content>\n"
  while (!rest.empty()) {
    const std::string_view head = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(head.size() + 1, rest.size()));
    const std::size_t at = head.rfind(' ');
    std::size_t size = 0;
    if (at == std::string_view::npos || head.ends_with(" missing")) continue;
    std::from_chars(head.data() + at + 1, head.data() + head.size(), size);
    result[std::string(head.substr(0, head.find(' ')))] = std::string(rest.substr(0, size));
    rest.remove_prefix(std::min(size + 1, rest.size()));
  }
  return result;
}

std::string write_blob(const board& here, std::string_view text) {
  return here.program.text({.arguments = {"hash-object", "-w", "--no-filters", "--stdin"}, .input = text});
}

std::string index_line(const std::string& path, const std::string& blob) {
  return fmt::format("100644 {}\t{}{}", blob, path, '\0');
}

private_index::private_index(const board& here, const std::string& commit) : here_(here) {
  sweep_scratch(scratch_of(here));
  directory_ = lockkit::create_unique_directory(scratch_of(here));
  const std::string tree = commit.empty() ? "--empty" : commit;
  static_cast<void>(here_.program.text({.arguments = {"read-tree", tree}, .environment = environment()}));
}

private_index::~private_index() {
  std::error_code ec;
  fs::remove_all(directory_, ec);
}

std::map<std::string, std::string> private_index::environment() const {
  return {{"GIT_INDEX_FILE", (directory_ / "index").native()}};
}

void private_index::set(const std::string& path, const std::string& blob) {
  std::vector<std::string> arguments = {"update-index", "--add", "--cacheinfo", "100644," + blob + "," + path};
  if (blob.empty()) arguments = {"update-index", "--force-remove", "--", path};
  static_cast<void>(here_.program.text({.arguments = arguments, .environment = environment()}));
}

std::string private_index::write_tree() {
  return here_.program.text({.arguments = {"write-tree"}, .environment = environment()});
}

std::string write_commit(const board& here, const new_commit& what) {
  std::map<std::string, std::string> environment = author_environment(what.author);
  environment.insert({{"GIT_AUTHOR_NAME", here.settings.author_name},
                      {"GIT_AUTHOR_EMAIL", here.settings.author_email},
                      {"GIT_COMMITTER_NAME", here.settings.author_name},
                      {"GIT_COMMITTER_EMAIL", here.settings.author_email}});
  std::vector<std::string> arguments = {"commit-tree", "--no-gpg-sign", "-F", "-"};
  if (!what.parent.empty()) arguments.insert(arguments.end(), {"-p", what.parent});
  arguments.push_back(what.tree);
  return here.program.text({.arguments = arguments, .input = what.message, .environment = environment});
}

bool move_ref(const board& here, const std::string& ref, const std::string& to, const std::string& from,
              std::string& why) {
  reclaim_git_locks(here, ref);
  const std::string expected = from.empty() ? std::string(to.size(), '0') : from;
  const std::string reason = "status_board: " + printable(here.purpose);
  const git_answer answer = here.program.run({.arguments = {"update-ref", "-m", reason, ref, to, expected},
                                              .environment = {{"GIT_COMMITTER_NAME", here.settings.author_name},
                                                              {"GIT_COMMITTER_EMAIL", here.settings.author_email}}});
  why = answer.ok() ? std::string() : answer.complaint();
  return answer.ok();
}

}  // namespace status_board
