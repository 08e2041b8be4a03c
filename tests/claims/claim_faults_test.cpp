/// What fails once, everywhere: system calls, SQLite's file operations, the disk, COMMIT's answer.
#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <lockkit/claim_store.hpp>

#include "claims/claims_support.hpp"
#include "claims/faulty_vfs.hpp"
#include "platform/fault.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using namespace lockkit;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
using testing::add_gpus;
using testing::ask_sqlite;

namespace {

/// Claims and releases; whether the claim was had, and what went wrong.
struct outcome {
  bool granted = false;
  std::error_code claim_error;
  std::error_code release_error;
};

outcome claim_and_release(claim_store& store, claim_life life) {
  outcome result;
  const std::chrono::milliseconds lease = life == claim_life::lease ? 60s : 0s;
  auto held =
      store.claim_until({.pool = "gpu", .life = life, .lease = lease}, deadline::after(30s), {}, result.claim_error);
  result.granted = held.has_value();
  if (!held) return result;
  held->release(result.release_error);
  return result;  // what could not be released goes with the object, or with the next change
}

/// Nothing is left of whatever happened: another process gets the unit, and the books agree.
void check_nothing_is_left(const fs::path& database, claim_store& store) {
  store.set_state("gpu", "g0", resource_state::drained);  // a next change of this store
  store.set_state("gpu", "g0", resource_state::up);
  CHECK(store.claims().empty());
  CHECK(store.try_claim({.pool = "gpu"}));
  claim_store other(database);
  CHECK(other.try_claim({.pool = "gpu"}));
  CHECK(ask_sqlite(database, "SELECT count(*) FROM waiter") == "0\n");
  CHECK(ask_sqlite(database, "SELECT sum(used) FROM resource") == "0\n");
}

void check_outcome(const outcome& seen, const claim_store& store) {
  CHECK(seen.granted != static_cast<bool>(seen.claim_error));
  // A claim that was not granted leaves nothing: no phantom that lives as long as this process.
  if (!seen.granted && store.claims().size() > 0) CHECK_FALSE(store.claims().front().alive);
}

}  // namespace

#if defined(LOCKKIT_FAULT_INJECTION)

namespace fault = lockkit::platform::fault;

TEST_CASE("any platform call of claiming and releasing failing gives a clean error or a claim, and leaves nothing") {
  for (const claim_life life : {claim_life::process, claim_life::job, claim_life::lease}) {
    testing::scratch_directory place(testing::memory_directory());
    claim_store store(place / "claims.db");
    add_gpus(store, 1);
    std::vector<std::string> calls;
    {
      claim_store fresh(place / "claims.db");
      fault::start_recording();
      claim_and_release(fresh, life);
      calls = fault::stop_recording();
    }
    REQUIRE(calls.size() > 10);
    for (std::size_t i = 0; i < calls.size(); ++i) {
      for (const int error : {EIO, ENOMEM}) {
        INFO("life " << static_cast<int>(life) << ", call " << i << ", " << calls[i] << ": " << error);
        claim_store fresh(place / "claims.db");
        fault::arm({.what = fault::action::fail, .nth = i + 1, .error = error});
        const outcome seen = claim_and_release(fresh, life);
        const bool fired = fault::fired();
        fault::disarm();
        CHECK(fired);
        check_outcome(seen, fresh);
        check_nothing_is_left(place / "claims.db", fresh);
      }
    }
    CHECK(ask_sqlite(place / "claims.db", "PRAGMA integrity_check") == "ok\n");
  }
}

TEST_CASE("any platform call of opening a store failing gives a clean error or a store") {
  testing::scratch_directory place(testing::memory_directory());
  {
    claim_store store(place / "claims.db");
  }
  fault::start_recording();
  {
    claim_store store(place / "claims.db");
  }
  const auto calls = fault::stop_recording();
  for (std::size_t i = 0; i < calls.size(); ++i) {
    INFO("call " << i << ", " << calls[i]);
    std::error_code ec;
    fault::arm({.what = fault::action::fail, .nth = i + 1, .error = EIO});
    {
      claim_store store(place / "claims.db", {}, ec);
    }
    fault::disarm();
    claim_store after(place / "claims.db");
    CHECK(after.list().empty());
  }
}

TEST_CASE("a COMMIT whose answer was lost is looked up: the claim is had once, and released once") {
  testing::scratch_directory place;
  claim_store store(place / "claims.db");
  add_gpus(store, 2);
  for (const claim_life life : {claim_life::process, claim_life::job}) {
    claim_store fresh(place / "claims.db");  // whose owner is made in the very transaction
    fault::arm({.what = fault::action::fail, .name = "commit", .error = EIO});
    auto held = fresh.try_claim({.pool = "gpu", .life = life});
    CHECK(fault::fired());
    fault::disarm();
    REQUIRE(held);
    CHECK(store.claims().size() == 1);
    CHECK(store.claims()[0].key == held->key());
    CHECK(store.claims()[0].alive);
    CHECK(store.bury_dead() == 0);
    CHECK(testing::names(*held).size() == 1);
    fault::arm({.what = fault::action::fail, .name = "commit", .error = EIO});
    std::error_code ec;
    held->release(ec);
    CHECK(fault::fired());
    fault::disarm();
    CHECK_FALSE(ec);
    CHECK(store.claims().empty());
  }
}

#endif

TEST_CASE("any operation on SQLite's files failing gives a clean error or a claim, and no phantom") {
  testing::scratch_directory place(testing::memory_directory());
  testing::faulty_vfs files;
  claim_store store(place / "claims.db", {.durable = true});
  add_gpus(store, 1);
  for (const int error : {SQLITE_IOERR, SQLITE_FULL, SQLITE_BUSY}) {
    for (std::uint64_t nth = 1;; ++nth) {
      files.fail(nth, error);
      const outcome seen = claim_and_release(store, claim_life::process);
      const bool fired = files.fired();
      files.fail(0, SQLITE_OK);
      if (!fired) break;
      INFO(files.what() << " reports " << error);
      check_outcome(seen, store);
      check_nothing_is_left(place / "claims.db", store);
    }
  }
  CHECK(ask_sqlite(place / "claims.db", "PRAGMA integrity_check") == "ok\n");
}

TEST_CASE("a full disk during a commit is an error that changes nothing, and over when there is room") {
  testing::scratch_mount disk("tmpfs", "size=4m");
  if (!disk.mounted()) {
    WARN("skipped: mounting is not permitted");
    return;
  }
  claim_store store(disk.path() / "claims.db");
  add_gpus(store, 2);
  auto held = store.try_claim({.pool = "gpu"});
  const fs::path filler = disk.path() / "filler";
  {
    const int fd = ::open(filler.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    const std::string block(4096, 'x');
    while (::write(fd, block.data(), block.size()) > 0) {
    }
    ::close(fd);
  }
  std::error_code ec;
  for (int i = 0; i < 1000 && !ec; ++i) {  // the log has room of its own for a while
    auto more = store.try_claim({.pool = "gpu"}, ec);
  }
  CHECK(ec == std::errc::no_space_on_device);
  CHECK(held->verify());
  held->release(ec);
  CHECK(ec == std::errc::no_space_on_device);
  CHECK(held->verify());  // it may be tried again
  fs::remove(filler);
  held->release();
  CHECK(store.try_claim({.pool = "gpu", .count = 2}));
  CHECK(ask_sqlite(disk.path() / "claims.db", "PRAGMA integrity_check") == "ok\n");
}

TEST_CASE("a database that may not be written to is refused with the reason") {
  testing::scratch_directory place;
  {
    claim_store store(place / "claims.db");
  }
  fs::permissions(place.path(), fs::perms::owner_all | fs::perms::group_read | fs::perms::group_exec |
                                    fs::perms::others_read | fs::perms::others_exec);
  testing::child_process other_user([&] {
    if (::geteuid() == 0 && ::seteuid(65534) != 0) return 77;
    std::error_code ec;
    claim_store store(place / "claims.db", {}, ec);
    if (::geteuid() != 65534) return 0;  // not root: the file is ours
    if (ec != std::errc::permission_denied) return 1;
    claim_store fresh(place / "new.db", {}, ec);
    return ec == std::errc::permission_denied ? 0 : 2;
  });
  CHECK(other_user.wait() == 0);
  testing::scratch_mount disk("tmpfs");
  if (!disk.mounted()) return;
  {
    claim_store store(disk.path() / "claims.db");
  }
  REQUIRE(testing::run_program({"mount", "-o", "remount,ro", disk.path().string()}) == 0);
  std::error_code ec;
  claim_store store(disk.path() / "claims.db", {}, ec);
  CHECK(ec == std::errc::read_only_file_system);
}
