// What a failing call, a kill and a power cut leave of publishing if unchanged: one of the contents, and none lost.
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include <lockkit/error.hpp>
#include <lockkit/if_unchanged.hpp>

#include "fs/staging_support.hpp"
#include "support/catch.hpp"
#include "support/power_cut.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"
#include "support/syscall_sweep.hpp"

using lockkit::durability;
using lockkit::errc;
using lockkit::file_version;
using lockkit::publish_if_unchanged;
using lockkit::rivals;
using lockkit::unchanged_outcome;
using lockkit::unchanged_result;
using lockkit::version_of;
using testing::read_file;
using testing::write_file;
namespace fault = lockkit::platform::fault;

namespace {

namespace fs = std::filesystem;

constexpr std::array both_rivals = {rivals::cooperating, rivals::any};
const std::string old_content(6000, 'o');
const std::string new_content(9000, 'n');

void update(const fs::path& file, rivals against, durability level) {
  publish_if_unchanged(file, new_content, version_of(file), {.level = level, .against = against});
}

std::set<std::string> names_in(const fs::path& directory) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) {
    const std::string name = entry.path().filename();
    if (!name.ends_with(".update.guard") && name != "lost+found") names.insert(name);
  }
  return names;
}

/// Some file in there has that content.
bool is_anywhere(const fs::path& directory, const std::string& content) {
  return std::ranges::any_of(names_in(directory),
                             [&](const std::string& name) { return read_file(directory / name) == content; });
}

}  // namespace

TEST_CASE("killed at any system call of publishing if unchanged, the file is old or new, and the next one works") {
  for (const rivals against : both_rivals) {
    const testing::scratch_directory place(testing::memory_directory());
    std::size_t renewed = 0;
    const auto body = [&] { update(place / "f", against, durability::durable); };
    const std::size_t points =
        testing::kill_at_every_call([&] { write_file(place / "f", old_content); }, body,
                                    [&](std::size_t point) {
                                      INFO("killed before call " << point << ", rivals " << static_cast<int>(against));
                                      const std::string found = read_file(place / "f");
                                      CHECK((found == old_content) != (found == new_content));
                                      if (found == new_content) ++renewed;
                                      std::error_code ec;
                                      lockkit::sweep_staged(place.path(), std::chrono::seconds(0), ec);
                                      CHECK_FALSE(ec);
                                      CHECK(names_in(place.path()) == std::set<std::string>{"f"});
                                      body();
                                      CHECK(read_file(place / "f") == new_content);
                                    });
    CHECK(points > 30);
    CHECK(renewed >= 3);
  }
}

#if defined(LOCKKIT_FAULT_INJECTION)
TEST_CASE("killed at any system call of exchanging back, a rival's update is at the target or beside it, for ever") {
  const testing::scratch_directory place(testing::memory_directory());
  const fs::path f = place / "f";
  const std::string rivals_content(7000, 'r');
  std::optional<file_version> version;
  const auto prepare = [&] {
    write_file(f, old_content);
    version = version_of(f);
    write_file(place / "r", rivals_content);
    fs::rename(place / "r", f);
    fault::break_rule("exchange only what was looked at");  // as though the rival had come right after the look
  };
  std::size_t aside = 0;
  testing::kill_at_every_call(
      prepare,
      [&] { publish_if_unchanged(f, new_content, *version, {.level = durability::durable, .against = rivals::any}); },
      [&](std::size_t point) {
        INFO("killed before call " << point);
        std::error_code ec;
        lockkit::sweep_staged(place.path(), std::chrono::seconds(0), ec);
        CHECK_FALSE(ec);
        CHECK(is_anywhere(place.path(), rivals_content));
        if (read_file(f) != rivals_content) ++aside;
        for (const std::string& name : names_in(place.path())) fs::remove(place / name);
      });
  CHECK(aside >= 3);  // from the exchange to the exchange back
  CHECK(aside < 20);
}

TEST_CASE(
    "each call of publishing if unchanged failing once gives an error or the truth, and nothing is lost or left") {
  for (const rivals against : both_rivals) {
    const testing::scratch_directory place(testing::memory_directory());
    const fs::path f = place / "f";
    write_file(f, old_content);
    const auto run = [&](std::error_code& ec) {
      return publish_if_unchanged(f, testing::bytes(new_content), version_of(f),
                                  {.level = durability::durable, .against = against}, {}, ec);
    };
    std::error_code ec;
    fault::start_recording();
    run(ec);
    const auto calls = fault::stop_recording();
    for (std::uint64_t i = 1; i <= calls.size(); ++i) {
      for (const int error : {EIO, ENOSPC, EACCES, EINTR}) {
        write_file(f, old_content);
        const auto descriptors = testing::open_descriptors();
        fault::arm({.what = fault::action::fail, .nth = i, .error = error});
        unchanged_outcome outcome;
        try {
          outcome = run(ec);
        } catch (const lockkit::error& failure) {  // of version_of
          ec = failure.code();
        }
        fault::disarm();
        INFO(calls[i - 1] << " (call " << i << ") fails with " << error << ": " << ec.message());
        const bool renewed = read_file(f) == new_content;
        CHECK((renewed || read_file(f) == old_content));
        if (!ec) CHECK(renewed == (outcome.result == unchanged_result::published));
        if (renewed) CHECK((!ec || ec == errc::published_not_durable));
        CHECK(outcome.displaced.empty());
        lockkit::sweep_staged(place.path(), std::chrono::seconds(0), ec);
        CHECK(names_in(place.path()) == std::set<std::string>{"f"});
        CHECK(testing::open_descriptors() == descriptors);
      }
    }
  }
}
#endif

TEST_CASE("after a power cut a file published if unchanged is old or new, and new once that has returned durably") {
  const std::vector<testing::bystander> others = testing::bystanders_to_try();
  for (const rivals against : both_rivals) {
    for (const durability level : {durability::durable, durability::consistent}) {
      const bool in_full = others.size() > 2;
      if (!in_full && (level == durability::consistent || against == rivals::cooperating)) continue;
      testing::on_every_power_cut(
          others, [](const fs::path& root) { write_file(root / "f", old_content); },
          [&](const fs::path& root) { update(root / "f", against, level); },
          [&](const testing::power_cut& cut) {
            INFO(describe(cut) << ", rivals " << static_cast<int>(against));
            const std::string found = read_file(cut.root / "f");
            CHECK((found == old_content) != (found == new_content));
            if (cut.finished && level == durability::durable) CHECK(found == new_content);
          });
    }
  }
}
