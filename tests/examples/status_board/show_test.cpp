/// show: what people see.
/// Seen to fail: with the order reversed, without the lock's holder, without the page's refresh.
#include <signal.h>

#include "examples/status_board/board_site.hpp"
#include "support/catch.hpp"

using namespace testing;

TEST_CASE("a table has what needs a look first, shortened to the width, and who holds the lock") {
  board_site site;
  for (const char* state : {"done", "queued", "failed", "running", "paused"}) {
    REQUIRE(site.update(std::string("job-") + state, state, {"--progress", "50", "--message", std::string(150, 'm')})
                .status == 0);
  }
  running_program script = hold_as_script(site);
  const tool_result table = site.run({"show", site.checkout().string()});
  CHECK(table.status == 0);
  std::size_t last = 0;
  for (const char* job : {"job-failed", "job-running", "job-paused", "job-queued", "job-done"}) {
    const std::size_t at = table.out.find(job);
    CHECK(at != std::string::npos);
    CHECK(at > last);
    last = at;
  }
  CHECK(table.out.find("#####.....  50%") != std::string::npos);
  CHECK(table.out.find(std::string(100, 'm')) == std::string::npos);
  CHECK(table.out.find("5 jobs; lock: held by a script, pid " + std::to_string(script.pid())) != std::string::npos);
}

TEST_CASE("a watched table follows, and a watched page renews itself") {
  board_site site;
  running_program table = site.start({"show", site.checkout().string(), "--watch", "--every", "0.1"});
  REQUIRE(table.prints("0 jobs; lock: free"));
  const std::filesystem::path page = site.directory() / "page.html";
  running_program pages =
      site.start({"show", site.checkout().string(), "--watch", "--every", "0.1", "--html", page.string()});
  REQUIRE(site.update("new-job", "running").status == 0);
  CHECK(table.prints("new-job"));
  CHECK(eventually(
      [&] { return std::filesystem::exists(page) && read_file(page).find(">new-job<") != std::string::npos; }));
  CHECK(read_file(page).find("http-equiv=\"refresh\"") != std::string::npos);
  CHECK(read_file(page).find("</html>") != std::string::npos);
}
