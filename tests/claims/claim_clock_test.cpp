/// A lease under a wall clock that jumps by an hour. libfaketime gives the process such a clock; it is this program again,
/// running the hidden test below. Seen to fail with the monotonic clock stepped as well.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <optional>

#include <lockkit/claim_store.hpp>

#include "claims/claims_support.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using namespace lockkit;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

std::optional<fs::path> find_faketime() {
  for (const auto& folder : fs::directory_iterator("/usr/lib")) {
    const fs::path library = folder.path() / "faketime" / "libfaketime.so.1";
    std::error_code ignored;
    if (fs::exists(library, ignored)) return library;
  }
  return std::nullopt;
}

void set_offset(const fs::path& folder, const std::string& offset) {
  testing::write_file(folder / "next", offset + "\n");
  fs::rename(folder / "next", folder / "offset");
}

}  // namespace

TEST_CASE("hidden: one lease while the wall clock steps", "[.]") {
  const fs::path folder = ::getenv("LOCKKIT_TEST_CLOCK");
  claim_store store(folder / "claims.db");
  store.add({.pool = "gpu", .name = "g0"});
  auto held = store.try_claim({.pool = "gpu", .life = claim_life::lease, .lease = 1500ms});
  REQUIRE(held);
  const auto wall_before = std::chrono::system_clock::now();
  set_offset(folder, ::getenv("LOCKKIT_TEST_STEP"));
  const auto stepped = std::chrono::system_clock::now() - wall_before;
  CHECK((stepped > 30min || stepped < -30min));
  CHECK(held->verify());
  CHECK_FALSE(store.try_claim({.pool = "gpu"}));
  CHECK(held->renew());
  const auto next = store.claim_for({.pool = "gpu"}, 60s);  // it ends all the same
  CHECK(next);
  CHECK_FALSE(held->verify());
}

TEST_CASE("a wall clock that steps by an hour neither ends a lease nor prolongs it") {
  const auto library = find_faketime();
  if (!library) {
    WARN("skipped: libfaketime (package libfaketime) is not installed");
    return;
  }
  for (const char* step : {"+3600s", "-3600s"}) {
    testing::scratch_directory place;
    set_offset(place.path(), "+0s");
    testing::child_process lease([&] {
      ::setenv("LD_PRELOAD", library->c_str(), 1);
      ::setenv("FAKETIME_TIMESTAMP_FILE", (place / "offset").c_str(), 1);
      ::setenv("FAKETIME_NO_CACHE", "1", 1);
      ::setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1", 1);
      ::setenv("LOCKKIT_TEST_CLOCK", place.path().c_str(), 1);
      ::setenv("LOCKKIT_TEST_STEP", step, 1);
      ::execl("/proc/self/exe", "claims_tests", "hidden: one lease while the wall clock steps", nullptr);
      return 127;
    });
    INFO("step " << step);
    CHECK(lease.wait() == 0);
  }
}
