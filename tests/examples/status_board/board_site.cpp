#include "examples/status_board/board_site.hpp"

#include <sstream>
#include <stdexcept>

namespace testing {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> result;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) result.push_back(line);
  return result;
}

}  // namespace

board_site::board_site(const std::string& settings) : here_(memory_directory()) {
  fs::create_directory(here_ / "home");
  write_file(here_ / "home" / ".gitconfig",
             "[user]\n\tname = A Person\n\temail = person@example.org\n[init]\n\tdefaultBranch = main\n"
             "[advice]\n\tdetachedHead = false\n[core]\n\tfsync = none\n");
  git(here_.path(), {"init", "-q", "--bare", "remote.git"});
  git(remote(), {"config", "receive.denyNonFastForwards", "true"});
  git(remote(), {"config", "core.logAllRefUpdates", "true"});
  git(here_.path(), {"clone", "-q", "remote.git", "checkout"});
  commit(checkout(), "README", "a project\n", true);
  configure(settings, checkout());
}

fs::path board_site::file_of(const std::string& job) const {
  return checkout() / "data" / "status" / (job + ".json");
}

fs::path board_site::clone(const std::string& name) const {
  git(here_.path(), {"clone", "-q", "remote.git", name});
  return here_ / name;
}

void board_site::configure(const std::string& settings, const fs::path& where) const {
  if (!settings.empty()) write_file(where / ".git" / "status_board.yaml", settings);
}

std::string board_site::git(const fs::path& where, const std::vector<std::string>& arguments) const {
  std::vector<std::string> command = {"env",         "HOME=" + (here_ / "home").string(), "LC_ALL=C", "git", "-C",
                                      where.string()};
  command.insert(command.end(), arguments.begin(), arguments.end());
  tool_result result = running_program(here_, command).wait();
  if (result.status != 0) throw std::runtime_error("git " + arguments.front() + ": " + result.err);
  while (result.out.ends_with('\n')) result.out.pop_back();
  return result.out;
}

void board_site::commit(const fs::path& where, const std::string& file, const std::string& text, bool push) const {
  fs::create_directories((where / file).parent_path());
  write_file(where / file, text);
  git(where, {"add", "--", file});
  git(where, {"commit", "-q", "-m", "a person's " + file});
  if (push) git(where, {"push", "-q", "origin", "HEAD"});
}

running_program board_site::start(const std::vector<std::string>& arguments,
                                  const std::vector<std::string>& environment) const {
  std::vector<std::string> command = {"env", "HOME=" + (here_ / "home").string()};
  command.insert(command.end(), environment.begin(), environment.end());
  command.emplace_back(STATUS_BOARD_PROGRAM);
  command.insert(command.end(), arguments.begin(), arguments.end());
  return {here_, command};
}

tool_result board_site::run(const std::vector<std::string>& arguments,
                            const std::vector<std::string>& environment) const {
  return start(arguments, environment).wait();
}

tool_result board_site::update(const std::string& job, const std::string& state,
                               const std::vector<std::string>& more) const {
  std::vector<std::string> arguments = {"update"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  arguments.insert(arguments.end(), {"--", checkout().string(), job, state});
  return run(arguments);
}

std::vector<std::string> board_site::meddle_before(const std::string& subcommand, const std::string& script) const {
  const fs::path program = here_ / "meddler" / "git";
  fs::create_directories(program.parent_path());
  fs::remove(here_ / "meddled");
  write_file(program, "#!/bin/sh\nfor word do\n  if [ \"$word\" = " + subcommand + " ] && [ ! -e " +
                          (here_ / "meddled").string() + " ]; then\n    touch " + (here_ / "meddled").string() +
                          "\n    (PATH=/usr/bin:/bin; cd " + here_.path().string() + "\n" + script +
                          "\n) >/dev/null </dev/null\n    break\n  fi\ndone\nexec /usr/bin/git \"$@\"\n");
  fs::permissions(program, fs::perms(0755));
  return {"PATH=" + program.parent_path().string() + ":/usr/bin:/bin"};
}

json board_site::published(const std::string& job) const try {
  return json::parse(git(remote(), {"show", "main:data/status/" + job + ".json"}));
} catch (const std::runtime_error&) {
  return nullptr;
}

std::vector<std::string> board_site::history(const std::string& job) const {
  std::vector<std::string> result;
  const std::string path = "data/status/" + job + ".json";
  for (const auto& id :
       lines_of(git(remote(), {"log", "--reverse", "--topo-order", "--format=%H", "main", "--", path}))) {
    result.push_back(json::parse(git(remote(), {"show", id + ":" + path})).value("message", ""));
  }
  return result;
}

std::string board_site::judge() const {
  std::string faults;
  for (const fs::path& where : {checkout(), remote()}) {
    if (!git(where, {"for-each-ref", "refs/stash"}).empty()) faults += "a stash; ";
    git(where, {"fsck", "--strict", "--no-progress", "--no-dangling"});
  }
  // Every entry of the remote's log leads from an ancestor to its successor: nothing was forced.
  std::string before;
  for (const auto& line : lines_of(read_file(remote() / "logs" / "refs" / "heads" / "main"))) {
    const std::string from = line.substr(0, line.find(' '));
    const std::string to = line.substr(from.size() + 1, from.size());
    if (!before.empty() && from != before) faults += "the remote's log has a gap; ";
    if (from.find_first_not_of('0') != std::string::npos) git(remote(), {"merge-base", "--is-ancestor", from, to});
    before = to;
  }
  return faults;
}

running_program hold_as_script(const board_site& site, const std::string& shell) {
  running_program script(site.directory(), {shell, "-c",
                                            "set -C; { echo $$ > \"$0\"; } || exit 1; echo held; "
                                            "trap 'rm \"$0\"; exit' TERM; while :; do sleep 0.02; done",
                                            site.lock().string()});
  if (!script.prints("held")) throw std::runtime_error("the script did not get the lock");
  return script;
}

}  // namespace testing
