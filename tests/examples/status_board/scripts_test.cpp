/// Old scripts on the same lock: those that died, and those that judge staleness by themselves.
#include <signal.h>

#include "examples/status_board/board_site.hpp"
#include "support/catch.hpp"

using namespace testing;
namespace fs = std::filesystem;

namespace {

/// What the README describes as "can still go wrong": scripts that remove what they think is stale, by name. Each of
/// its rounds commits a status under the lock, if it gets it, as such scripts do.
const char* const judging_script = R"(
set -C; cd "$0"; name=$1; rounds=$2; lock=.git/status_board.lock; n=0
while [ $n -lt $rounds ]; do
  if { echo $$ > $lock; } 2>/dev/null; then
    n=$((n + 1))
    echo "{\"state\": \"running\", \"message\": \"$name $n\"}" >| data/status/$name.json
    git add data/status/$name.json && git commit -q -m "old $name $n" -- data/status/$name.json || n=$((n - 1))
    rm -f $lock
  elif read -r p 2>/dev/null < $lock && ! kill -0 "$p" 2>/dev/null; then
    rm -f $lock   # judged by name: it may be somebody else's by now
  fi
  sleep 0.003
done
)";

running_program start_judging(const board_site& site, const std::string& shell, int rounds) {
  return {site.directory(),
          {"env", "HOME=" + (site.directory() / "home").string(), shell, "-c", judging_script, site.checkout().string(),
           shell, std::to_string(rounds)}};
}

}  // namespace

TEST_CASE("a dead script's lock is broken by the next update, a live one's never, an empty one's after its age") {
  for (const char* shell : {"bash", "dash"}) {
    INFO(shell);
    board_site site("timeout: 200ms\nreclaim_empty_after: 1h\n");
    {
      running_program script = hold_as_script(site, shell);
      CHECK(site.update("a", "running").err.find("lock not had") != std::string::npos);
      script.signal(SIGKILL);
      static_cast<void>(script.wait());
    }
    REQUIRE(fs::exists(site.lock()));
    CHECK(site.update("a", "running").err.find("committed as ") != std::string::npos);
    write_file(site.lock(), "");
    tool_result result = site.update("a", "running");
    CHECK(result.err.find("held by a script that left no PID") != std::string::npos);
    site.configure("timeout: 10s\nreclaim_empty_after: 300ms\n", site.checkout());
    CHECK(site.update("a", "running").err.find("committed as ") != std::string::npos);
    CHECK_FALSE(fs::exists(site.lock()));
  }
}

TEST_CASE("a dead script's lock stays where the configuration says so") {
  board_site site("timeout: 50ms\nreclaim_dead: false\n");
  {
    running_program script = hold_as_script(site);
    script.signal(SIGKILL);
    static_cast<void>(script.wait());
  }
  CHECK(site.update("a", "running").err.find("lock not had") != std::string::npos);
  CHECK(fs::exists(site.lock()));
}

TEST_CASE("a script that removes the lock of a living update is told of, and the update is committed") {
  board_site site;
  const tool_result result = site.run({"update", site.checkout().string(), "a", "running"},
                                      site.meddle_before("update-ref", "rm checkout/.git/status_board.lock"));
  CHECK(result.status == 0);
  CHECK(result.err.find("somebody removed the lock") != std::string::npos);
  CHECK(result.err.find("committed as ") != std::string::npos);
}

TEST_CASE("beside scripts that remove locks by their own judgement, updates lose nothing") {
  board_site site("push: {first_pause: 5ms}\n");
  REQUIRE(site.update("a", "queued", {"--message", "0"}).status == 0);
  running_program bash = start_judging(site, "bash", 12);
  running_program dash = start_judging(site, "dash", 12);
  for (int n = 1; n <= 12; ++n) {
    REQUIRE(site.update("a", "running", {"--message", std::to_string(n)}).status == 0);
    // What a script that died in the middle leaves: each of the others judges it at once, and we take it over.
    if (n % 4 == 0)
      testing::run_program({"dash", "-c", "set -C; { echo $$ > \"$0\"; } 2>/dev/null; true", site.lock().string()});
  }
  CHECK(bash.wait().status == 0);
  CHECK(dash.wait().status == 0);
  REQUIRE(site.sync().status == 0);
  std::vector<std::string> expected;
  for (int n = 0; n <= 12; ++n) expected.push_back(std::to_string(n));
  CHECK(site.history("a") == expected);
  CHECK(site.published("bash").at("message") == "bash 12");
  CHECK(site.published("dash").at("message") == "dash 12");
  CHECK(site.history("bash").size() == 12);
  CHECK(site.judge().empty());
}
