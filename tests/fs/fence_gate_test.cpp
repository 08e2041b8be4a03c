/// The gate of a resource's side: overtaken holders are refused, whatever is killed, damaged or cut.
///
/// Seen to fail: with a token that is not synced; with one slot only; with damage taken for zero; with the mutex let go of
/// before the effect; with a slot that stays when its sync has failed; without the comparison.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <future>

#include <lockkit/break_lock.hpp>
#include <lockkit/fence_gate.hpp>
#include <lockkit/lock_file.hpp>

#include "fs/fence_support.hpp"
#include "fs/gate_file.hpp"
#include "platform/fault.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"
#include "support/shared_memory.hpp"
#include "support/syscall_sweep.hpp"

using namespace lockkit;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
namespace fault = platform::fault;
using testing::is_admitted;
using testing::token;

namespace {

std::error_code code_of(const fs::path& path, std::uint64_t value) {
  std::error_code ec;
  fence_gate gate(path);
  CHECK_FALSE(gate.admit(token(value), deadline(), ec));
  return ec;
}

void damage(const fs::path& path, std::uint64_t offset) {
  std::string bytes = testing::read_file(path);
  bytes[offset] = static_cast<char>(bytes[offset] ^ 1);
  testing::write_file(path, bytes);
}

}  // namespace

TEST_CASE("a gate refuses every token below the highest, and remembers it for every process") {
  testing::scratch_directory place;
  fence_gate gate(place / "g");
  CHECK(gate.highest() == token(0));
  CHECK(gate.admit(token(5)));
  CHECK(gate.admit(token(5)));
  CHECK_FALSE(gate.admit(token(4)));
  testing::child_process other([&] { return is_admitted(place / "g", 7) && !is_admitted(place / "g", 6) ? 0 : 1; });
  CHECK(other.wait() == 0);
  CHECK_FALSE(gate.admit(token(5)));
  CHECK(gate.highest() == token(7));
  CHECK(is_admitted(place / "g", ~std::uint64_t{0}));
  CHECK_FALSE(is_admitted(place / "g", 7));
  CHECK(place.names() == std::set<std::string>{"g"});
}

TEST_CASE("the token of no hold is not admitted") {
  testing::scratch_directory place;
  CHECK(code_of(place / "g", 0) == errc::not_held);
  lock_file lock(place / "l");
  fence_gate gate(place / "g");
  CHECK_THROWS_AS(gate.admit(lock.token()), error);
  CHECK(place.names().empty());
}

TEST_CASE("while one is admitted nobody else is, with whatever token, and who waits is told whom for") {
  testing::scratch_directory place;
  fence_gate gate(place / "g", {.timeout = 10ms});
  auto admitted = gate.admit(token(5));
  REQUIRE(admitted);
  CHECK(admitted->token() == token(5));
  for (const std::uint64_t value : {4, 5, 6}) CHECK(code_of(place / "g", value) == errc::timed_out);
  fence_gate other(place / "g", {.timeout = 10ms});
  try {
    (void)other.admit(token(6));
    FAIL("not thrown");
  } catch (const error& failure) {
    CHECK(failure.code() == errc::timed_out);
    CHECK(std::string(failure.what()).find("pid " + std::to_string(::getpid())) != std::string::npos);
  }
  CHECK(gate.highest() == token(5));
  std::promise<void> waits;
  auto waiting = std::async(std::launch::async, [&] {
    fence_gate third(place / "g", {.on_wait = [&](const wait_notice&) { waits.set_value(); }});
    return third.admit(token(6)).has_value();
  });
  waits.get_future().wait();
  admitted.reset();
  CHECK(waiting.get());
}

TEST_CASE("an admission outlives its gate's object, is moved, and ends once") {
  testing::scratch_directory place;
  std::optional<fence_gate::admission> kept;
  {
    fence_gate gate(place / "g");
    kept = gate.admit(token(5));
    fence_gate moved(std::move(gate));
  }
  CHECK(code_of(place / "g", 6) == errc::timed_out);
  fence_gate::admission elsewhere(std::move(*kept));
  kept.reset();
  CHECK(code_of(place / "g", 6) == errc::timed_out);
  fence_gate another(place / "h");
  elsewhere = *another.admit(token(1));
  CHECK(is_admitted(place / "g", 6));
  CHECK(code_of(place / "h", 6) == errc::timed_out);
}

TEST_CASE("a forked child neither has its parent's admission nor ends it") {
  testing::scratch_directory place;
  fence_gate gate(place / "g");
  auto admitted = gate.admit(token(5));
  testing::child_process child([&] {
    admitted.reset();
    std::error_code ec;
    return !gate.admit(token(5), deadline(), ec) && ec == errc::timed_out ? 0 : 1;
  });
  CHECK(child.wait() == 0);
  CHECK(code_of(place / "g", 5) == errc::timed_out);
}

TEST_CASE("a stopped holder whose lock was broken is refused when it wakes, and its successor's work stays") {
  testing::scratch_directory place;
  struct order {
    std::atomic<std::uint64_t> first{0};
    std::atomic<bool> refused{false};
  };
  const testing::shared_memory<order> seen;
  testing::signal_pipe locked;
  testing::child_process old_holder([&] {
    lock_file lock(place / "l");
    lock.lock();
    seen->first = lock.token().value;
    locked.send();
    ::raise(SIGSTOP);
    fence_gate gate(place / "g");
    if (gate.admit(lock.token())) {
      testing::write_file(place / "data", "old");
      return 1;
    }
    seen->refused = true;
    return 0;
  });
  locked.receive();
  int status = 0;
  REQUIRE(::waitpid(old_holder.pid(), &status, WUNTRACED) == old_holder.pid());
  REQUIRE(WIFSTOPPED(status));
  CHECK_FALSE(lock_file(place / "l").try_lock());
  std::error_code ec;
  REQUIRE(break_lock(place / "l", {.force = true}, ec).result == break_result::broken);
  lock_file lock(place / "l");
  REQUIRE(lock.try_lock());
  CHECK(lock.token().value > seen->first);
  fence_gate gate(place / "g");
  {
    const auto admitted = gate.admit(lock.token());
    REQUIRE(admitted);
    testing::write_file(place / "data", "new");
  }
  old_holder.signal(SIGCONT);
  CHECK(old_holder.wait() == 0);
  CHECK(seen->refused);
  CHECK(testing::read_file(place / "data") == "new");
}

TEST_CASE("an admitted process that is stopped is waited for, and one that is killed is not") {
  testing::scratch_directory place;
  testing::signal_pipe inside;
  testing::child_process admitted([&] {
    fence_gate gate(place / "g");
    const auto mine = gate.admit(token(5));
    inside.send();
    ::pause();
    return 0;
  });
  inside.receive();
  admitted.signal(SIGSTOP);
  CHECK(code_of(place / "g", 6) == errc::timed_out);
  admitted.kill();
  CHECK(is_admitted(place / "g", 6));
}

TEST_CASE("a gate's file that does not say which tokens it has seen is an error, never a new beginning") {
  const std::vector<std::function<void(const fs::path&)>> deeds = {
      [](const fs::path& gate) { testing::write_file(gate, ""); },
      [](const fs::path& gate) { fs::resize_file(gate, 256); },
      [](const fs::path& gate) { fs::resize_file(gate, 4096 + 63); },
      [](const fs::path& gate) { testing::write_file(gate, std::string(8256, '\0')); },
      [](const fs::path& gate) { damage(gate, 4096 + 30), damage(gate, 8192 + 30); },
  };
  for (std::size_t i = 0; i < deeds.size(); ++i) {
    INFO(i);
    testing::scratch_directory place;
    REQUIRE(is_admitted(place / "g", 5));
    deeds[i](place / "g");
    for (const std::uint64_t value : {1, 5, 9}) CHECK(code_of(place / "g", value) == errc::gate_damaged);
    std::error_code ec;
    (void)fence_gate(place / "g").highest(ec);
    CHECK(ec == errc::gate_damaged);
  }
  testing::scratch_directory place;
  testing::write_file(place / "g", "somebody's data");
  CHECK(code_of(place / "g", 5) == errc::not_a_lock_file);
  CHECK(testing::read_file(place / "g") == "somebody's data");
  fs::create_directory(place / "d");
  CHECK(code_of(place / "d", 5) == std::errc::is_a_directory);
}

TEST_CASE("any damage to one of a gate's two slots loses nothing, and is mended by the next admission") {
  testing::scratch_directory place(testing::memory_directory());
  REQUIRE(is_admitted(place / "g", 5));
  for (const std::uint64_t slot : detail::gate_slot_offsets) {
    for (std::uint64_t byte = 0; byte < detail::gate_slot_size; ++byte) {
      damage(place / "g", slot + byte);
      fence_gate gate(place / "g");
      REQUIRE(gate.highest() == token(5));
      REQUIRE_FALSE(gate.admit(token(4)));
      REQUIRE(gate.admit(token(5)));
      const std::string bytes = testing::read_file(place / "g");
      for (const std::uint64_t each : detail::gate_slot_offsets) {
        REQUIRE(detail::parse_gate_slot(bytes.substr(each, detail::gate_slot_size)) == token(5));
      }
    }
  }
}

TEST_CASE("killed at any system call of an admission, a gate never goes back and lets the next one in") {
  for (const bool fresh : {true, false}) {
    testing::scratch_directory place(testing::memory_directory());
    const testing::shared_memory<std::atomic<std::uint64_t>> admitted;
    const auto prepare = [&] {
      for (const auto& name : place.names()) fs::remove(place / name);
      *admitted = 0;
      if (!fresh && is_admitted(place / "g", 5)) *admitted = 5;
    };
    const auto body = [&] {
      fence_gate gate(place / "g");
      const auto mine = gate.admit(token(7));
      if (mine) *admitted = 7;
    };
    const auto points = testing::kill_at_every_call(prepare, body, [&](std::size_t point) {
      INFO("killed before call " << point);
      fence_gate next(place / "g");
      REQUIRE(next.highest().value >= *admitted);
      REQUIRE(next.admit(token(8)));
      REQUIRE_FALSE(next.admit(token(7)));
    });
    CHECK(points >= 10);
  }
}

TEST_CASE("what a gate admitted is remembered after a power cut") {
  for (const char* kind : {"ext4", "xfs", "btrfs"}) {
    INFO(kind);
    testing::scratch_directory place;
    const fs::path cut = place / "cut";
    const fs::path after = place / "after";
    fs::create_directory(after);
    {
      const testing::scratch_mount mount(kind);
      if (!mount.mounted()) {
        WARN("skipped: cannot make and mount " << kind << " here");
        continue;
      }
      REQUIRE(is_admitted(mount.path() / "g", 5));
      fence_gate gate(mount.path() / "g");
      const auto admitted = gate.admit(token(7));
      REQUIRE(testing::run_program({"cp", "--sparse=always", mount.image().string(), cut.string()}) == 0);
    }
    if (std::string(kind) == "btrfs") testing::capture_program({"btrfs", "device", "scan", "--forget"});
    const std::string how = std::string(kind) == "xfs" ? "loop,nouuid" : "loop";
    REQUIRE(testing::run_program({"mount", "-o", how, cut.string(), after.string()}) == 0);
    const fencing_token highest = fence_gate(after / "g").highest();
    testing::run_program({"umount", after.string()});
    CHECK(highest == token(7));
  }
}

TEST_CASE("a gate in memory refuses what was overtaken, and admits one thread at a time") {
  memory_fence_gate gate(token(3));
  CHECK_FALSE(gate.admit(token(0)));
  CHECK_FALSE(gate.admit(token(2)));
  auto first = gate.admit(token(3));
  REQUIRE(first);
  std::atomic<bool> ended{false};
  auto second = std::async(std::launch::async, [&] {
    const auto mine = gate.admit(token(4));
    return mine.has_value() && ended;
  });
  ended = true;
  first.reset();
  CHECK(second.get());
  CHECK_FALSE(gate.admit(token(3)));
}

TEST_CASE("threads that share one gate are admitted one after another") {
  testing::scratch_directory place(testing::memory_directory());
  fence_gate gate(place / "g");
  int inside = 0;  // not atomic: ThreadSanitizer and the sum would tell
  std::vector<std::future<void>> threads;
  for (int i = 0; i < 4; ++i) {
    threads.push_back(std::async(std::launch::async, [&] {
      for (int turn = 0; turn < 50; ++turn) {
        const auto mine = gate.admit(token(5));
        ++inside;
      }
    }));
  }
  for (auto& one : threads) one.get();
  CHECK(inside == 200);
}

#if defined(LOCKKIT_FAULT_INJECTION)

TEST_CASE("any call of an admission failing gives a clean error or an admission that is on the disk") {
  testing::scratch_directory place(testing::memory_directory());
  fence_gate kept(place / "g");
  fault::start_recording();
  (void)kept.admit(token(10));
  const auto names = fault::stop_recording();
  std::uint64_t last = 10;
  for (const int error : {EIO, ENOSPC, EMFILE, EINTR}) {
    for (std::size_t nth = 1; nth <= names.size(); ++nth) {
      INFO("call " << nth << ", errno " << error);
      std::error_code ec;
      std::optional<fence_gate> gate(place / "g");
      fault::arm({.what = fault::action::fail, .nth = nth, .error = error});
      const bool admitted = gate->admit(token(last + 1), deadline::after(1s), ec).has_value();
      fault::disarm();
      gate.reset();  // its unlocking may have been what failed
      REQUIRE((admitted || ec));
      REQUIRE(kept.highest().value <= last + 1);
      REQUIRE(kept.highest().value >= last);
      if (admitted) REQUIRE(kept.highest().value == last + 1);
      REQUIRE_FALSE(kept.admit(token(last - 1)));
      REQUIRE(kept.admit(token(++last)));
      REQUIRE(kept.highest() == token(last));
    }
  }
}

TEST_CASE("a token whose sync failed is synced anew before it is admitted") {
  testing::scratch_directory place(testing::memory_directory());
  fence_gate gate(place / "g");
  REQUIRE(gate.admit(token(5)));
  for (const std::uint64_t nth : {1, 2}) {
    const std::uint64_t next = 5 + nth;
    std::error_code ec;
    fault::arm({.what = fault::action::fail, .name = "fsync", .nth = nth, .error = EIO});
    CHECK_FALSE(gate.admit(token(next), deadline(), ec));
    fault::disarm();
    CHECK(ec == std::errc::io_error);
    fault::start_recording();
    CHECK(gate.admit(token(next)));
    const auto calls = fault::stop_recording();
    CHECK(std::ranges::count(calls, "fsync") == 2);
  }
  fault::start_recording();
  CHECK(gate.admit(token(7)));
  CHECK(std::ranges::count(fault::stop_recording(), "fsync") == 0);
}

TEST_CASE("nothing is admitted between a token's two slots") {
  testing::scratch_directory place(testing::memory_directory());
  REQUIRE(is_admitted(place / "g", 5));
  testing::signal_pipe reached;
  testing::signal_pipe resume;
  testing::child_process child([&] {
    fence_gate gate(place / "g");
    fault::arm({.what = fault::action::stop,
                .name = "fence_gate.written",
                .announce_fd = reached.write_end(),
                .resume_fd = resume.read_end()});
    return gate.admit(token(7)) ? 0 : 1;
  });
  reached.receive();
  for (const std::uint64_t value : {5, 6, 7}) CHECK(code_of(place / "g", value) == errc::timed_out);
  CHECK(fence_gate(place / "g").highest() == token(5));  // a power cut could still forget the other one
  resume.send();
  CHECK(child.wait() == 0);
  CHECK(fence_gate(place / "g").highest() == token(7));
}

#endif
