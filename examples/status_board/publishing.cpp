#include "publishing.hpp"

#include <lockkit/backoff.hpp>

#include "objects.hpp"
#include "rebuilding.hpp"
#include "text.hpp"
#include "tooling/failure.hpp"

namespace status_board {

using tooling::exit_status;
using tooling::failure;

namespace {

constexpr std::string_view heads = "refs/heads/";

/// The remote's head is brought here. A '+' in this refspec concerns our note of it only: somebody may have rewound it.
git_answer fetch(const board& here, const upstream& where) {
  return here.program.run(
      {.arguments = {"fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules",
                     "--no-auto-maintenance", "--", where.remote, "+" + where.branch + ":" + where.tracking},
       .timeout = here.settings.network_timeout});
}

/// Never forced: what the remote's head does not lead to is refused there.
git_answer push(const board& here, const upstream& where, const std::string& commit) {
  return here.program.run({.arguments = {"push", "--porcelain", "--no-verify", "--no-follow-tags", "--no-signed",
                                         "--recurse-submodules=no", "--", where.remote, commit + ":" + where.branch},
                           .timeout = here.settings.network_timeout});
}

/// "[rejected] (fetch first)" of "!\t<from>:<to>\t[rejected] (fetch first)"; else what git complained of.
std::string reason_of(const git_answer& answer) {
  const std::size_t at = answer.out.find("!\t");
  const std::size_t reason = at == std::string::npos ? at : answer.out.find('\t', at + 2);
  if (reason == std::string::npos) return answer.complaint();
  return printable(answer.out.substr(reason + 1, answer.out.find('\n', reason) - reason - 1));
}

/// A hook or a rule of the server: trying again would not change its mind.
bool is_final(const std::string& reason) {
  return reason.find("hook declined") != std::string::npos || reason.find("protected branch") != std::string::npos;
}

git_answer in_time(const std::function<git_answer()>& call) try { return call(); } catch (const failure& late) {
  return {.status = 1, .out = {}, .err = late.what()};
}

/// Fetches, rebuilds, pushes, once. True: nothing of ours is left to send.
bool try_to_publish(const board& here, const upstream& where, const std::string& tip, publication& result) {
  const git_answer fetched = in_time([&] { return fetch(here, where); });
  if (!fetched.ok()) {
    result.trouble = fmt::format("cannot fetch from {}: {}", printable(where.remote), fetched.complaint());
    return false;
  }
  result.head = commit_of(here, where.tracking);
  const rebuilt_line line = rebuild(here, result.head, tip);
  result.strangers = line.strangers.size();
  if (line.tip == result.head) return true;
  const git_answer pushed = in_time([&] { return push(here, where, line.tip); });
  if (!pushed.ok()) {
    result.trouble = fmt::format("push refused: {}", reason_of(pushed));
    ++result.refused;
    return false;
  }
  result.head = line.tip;
  result.sent = line.ours.size();
  return true;
}

}  // namespace

upstream find_upstream(const board& here, const std::string& local_branch) {
  const std::string format = "--format=%(upstream:remotename)%00%(upstream:remoteref)";
  std::string known = here.program.text({.arguments = {"for-each-ref", format, local_branch}});
  known.resize(std::min(known.find('\n'), known.size()));
  const std::size_t middle = std::min(known.find('\0'), known.size());
  upstream result;
  result.remote = here.settings.remote.empty() ? known.substr(0, middle) : here.settings.remote;
  if (result.remote.empty()) result.remote = "origin";
  result.branch = here.settings.branch.empty() ? std::string() : std::string(heads) + here.settings.branch;
  if (result.branch.empty() && middle + 1 < known.size()) result.branch = known.substr(middle + 1);
  if (!result.branch.starts_with(heads)) result.branch = local_branch;
  result.tracking = fmt::format("refs/remotes/{}/{}", result.remote, result.branch.substr(heads.size()));
  if (here.program.run({.arguments = {"remote", "get-url", "--", result.remote}}).ok()) return result;
  throw failure(exit_status::bad_data, fmt::format("there is no remote '{}' to send to", printable(result.remote)));
}

publication publish_commits(const board& here, const upstream& where, const std::string& tip) {
  publication result;
  lockkit::backoff pauses({.first = here.settings.first_pause, .longest = here.settings.longest_pause});
  for (unsigned attempt = 1;; ++attempt) {
    result.trouble.clear();
    if (try_to_publish(here, where, tip, result)) break;
    if (attempt >= here.settings.push_attempts || is_final(result.trouble)) return result;
    const auto pause = pauses.next();
    here.say("{}; try {} of {} in {:.3f} s", result.trouble, attempt + 1, here.settings.push_attempts,
             std::chrono::duration<double>(pause).count());
    lockkit::sleep_until(lockkit::deadline::after(pause));
  }
  result.done = true;
  return result;
}

}  // namespace status_board
