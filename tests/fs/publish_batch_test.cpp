// Many files in one go: what becomes of each when one of them fails, and when the power does.
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>

#include <lockkit/error.hpp>
#include <lockkit/publish_batch.hpp>

#include "fs/staging_support.hpp"
#include "support/catch.hpp"
#include "support/power_cut.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"
#include "support/syscall_sweep.hpp"

using lockkit::batch_result;
using lockkit::durability;
using lockkit::errc;
using lockkit::publish_batch;
using lockkit::publish_mode;
using lockkit::publish_options;
using lockkit::publish_result;
using testing::read_file;
using testing::write_file;
namespace fault = lockkit::platform::fault;

namespace {

namespace fs = std::filesystem;

constexpr std::array all_levels = {durability::visible, durability::consistent, durability::durable,
                                   durability::durable_path};

std::string old_content(std::size_t i) {
  return std::string(3000 + i, 'o');
}
std::string new_content(std::size_t i) {
  return std::string(5000 + i, 'n');
}

/// The even ones exist before; the directory changes in the middle.
struct some_files {
  fs::path root;
  std::size_t count;

  fs::path file(std::size_t i) const { return root / (i < count / 2 ? "one" : "two") / std::to_string(i); }
  void prepare() const {
    for (const char* name : {"one", "two"}) {
      fs::remove_all(root / name);
      fs::create_directory(root / name);
    }
    for (std::size_t i = 0; i < count; i += 2) write_file(file(i), old_content(i));
  }
  void add_all(publish_batch& batch) const {
    for (std::size_t i = 0; i < count; ++i) batch.add(file(i), new_content(i));
  }
  void publish(durability level) const {
    publish_batch batch;
    add_all(batch);
    batch.commit(level);
  }
  bool is_new(std::size_t i) const { return fs::exists(file(i)) && read_file(file(i)) == new_content(i); }
  bool is_old(std::size_t i) const {
    return i % 2 == 0 ? fs::exists(file(i)) && read_file(file(i)) == old_content(i) : !fs::exists(file(i));
  }
  std::size_t renewed() const {
    std::size_t found = 0;
    for (std::size_t i = 0; i < count; ++i) {
      CHECK(is_new(i) != is_old(i));
      if (is_new(i)) ++found;
    }
    return found;
  }
  std::size_t names() const {
    std::size_t found = 0;
    for (const char* name : {"one", "two"}) {
      found += static_cast<std::size_t>(std::distance(fs::directory_iterator(root / name), fs::directory_iterator()));
    }
    return found;
  }
};

}  // namespace

TEST_CASE("a batch publishes every file at every level, and leaves nothing else") {
  const testing::scratch_directory place;
  const some_files files{place.path(), 10};
  for (const durability level : all_levels) {
    files.prepare();
    publish_batch batch;
    files.add_all(batch);
    CHECK(batch.size() == 10);
    CHECK(files.renewed() == 0);
    batch.commit(level);
    CHECK(files.renewed() == 10);
    CHECK(files.names() == 10);
    CHECK(batch.size() == 0);
    REQUIRE(batch.results().size() == 10);
    for (std::size_t i = 0; i < 10; ++i) {
      CHECK(batch.results()[i].target == files.file(i));
      CHECK_FALSE(batch.results()[i].error);
    }
    batch.commit(level);
    CHECK(batch.results().empty());
  }
}

TEST_CASE("a batch that is not committed leaves nothing, and no descriptor") {
  const testing::scratch_directory place;
  const some_files files{place.path(), 6};
  files.prepare();
  const auto before = testing::open_descriptors();
  {
    publish_batch batch;
    files.add_all(batch);
    publish_batch other;
    files.add_all(other);
    batch = std::move(other);
  }
  CHECK(files.renewed() == 0);
  CHECK(files.names() == 3);
  CHECK(testing::open_descriptors() == before);
}

TEST_CASE("a batch takes options, staged files of its caller's, and a target twice") {
  const testing::scratch_directory place;
  write_file(place / "there", "old");
  publish_batch batch({.mode = publish_mode::if_absent, .create_parents = true});
  lockkit::staged_file staged(place / "staged", {.permissions = fs::perms(0600), .seal = true});
  staged.write("by itself");
  batch.add(place / "there", "new");
  batch.add(std::move(staged));
  batch.add(place / "a/b/f", "first");
  batch.add(place / "a/b/f", "second");
  batch.commit(durability::durable_path);
  const std::vector<batch_result>& results = batch.results();
  REQUIRE(results.size() == 4);
  CHECK(results[0].result == publish_result::already_exists);
  CHECK(read_file(place / "there") == "old");
  CHECK(results[1].report.seal == lockkit::seal_result::sealed);
  CHECK(read_file(place / "staged") == "by itself");
  CHECK((fs::status(place / "staged").permissions() & fs::perms::mask) == fs::perms(0600));
  CHECK(results[3].result == publish_result::already_exists);
  CHECK(read_file(place / "a/b/f") == "first");
  publish_batch replacing;
  replacing.add(place / "there", "first");
  replacing.add(place / "there", "second");
  replacing.commit();
  CHECK(read_file(place / "there") == "second");
  CHECK(place.names() == std::set<std::string>{"a", "staged", "there"});
}

TEST_CASE("a file that can't be staged is refused alone, one that can't be published keeps all others back") {
  const testing::scratch_directory place;
  fs::create_directory(place / "directory");
  publish_batch batch;
  batch.add(place / "f", "new");
  std::error_code ec;
  batch.add(place / "missing/g", testing::bytes("new"), ec);
  CHECK(ec == std::errc::no_such_file_or_directory);
  CHECK_THROWS_AS(batch.add(place / "..", "new"), lockkit::error);
  CHECK(batch.size() == 1);
  batch.add(place / "directory", "new");
  batch.add(place / "h", "new");
  batch.commit(durability::visible, ec);
  CHECK(ec == std::errc::is_a_directory);
  CHECK(place.names() == std::set<std::string>{"directory"});
  REQUIRE(batch.results().size() == 3);
  CHECK(batch.results()[0].error == std::errc::operation_canceled);
  CHECK(batch.results()[1].error == std::errc::is_a_directory);
  CHECK(batch.results()[2].error == std::errc::operation_canceled);
}

TEST_CASE("a full disk keeps a whole batch from being published, and every old file whole") {
  const testing::scratch_mount mount("tmpfs", "size=256k");
  if (!mount.mounted()) {
    WARN("mounting is not permitted here");
    return;
  }
  write_file(mount.path() / "0", "old");
  publish_batch batch;
  std::error_code ec;
  for (int i = 0; i < 100 && !ec; ++i) batch.add(mount.path() / std::to_string(i), testing::bytes(new_content(0)), ec);
  CHECK(ec == std::errc::no_space_on_device);
  batch = publish_batch();
  CHECK(read_file(mount.path() / "0") == "old");
  CHECK(std::distance(fs::directory_iterator(mount.path()), fs::directory_iterator()) == 1);
}

#if defined(LOCKKIT_FAULT_INJECTION)
TEST_CASE("a batch begins all writing first, syncs each file once, then names all, then syncs each directory once") {
  const testing::scratch_directory place;
  const some_files files{place.path(), 8};
  files.prepare();
  publish_batch batch;
  files.add_all(batch);
  fault::start_recording();
  batch.commit(durability::durable);
  const auto calls = fault::stop_recording();
  CHECK(std::count(calls.begin(), calls.end(), "sync_file_range") == 8);
  CHECK(std::count(calls.begin(), calls.end(), "fsync") == 10);
  const auto last_begun = std::find(calls.rbegin(), calls.rend(), "sync_file_range").base();
  CHECK(std::find(calls.begin(), last_begun, "fsync") == last_begun);
  const auto first_name = std::find(calls.begin(), calls.end(), "renameat");
  CHECK(std::count(calls.begin(), first_name, "fsync") == 8);
  const auto last_name = std::find(calls.rbegin(), calls.rend(), "renameat").base();
  CHECK(std::count(last_name, calls.end(), "fsync") == 2);
}

TEST_CASE("each file of a batch has a durable name, also in a directory that can't be synced") {
  const testing::scratch_directory place;
  fs::permissions(place.path(), fs::perms(0777));
  testing::child_process child([&] {
    if (::geteuid() == 0 && (::setgid(1000) != 0 || ::setuid(1000) != 0)) return 98;
    fs::create_directory(place / "d");
    fs::permissions(place / "d", fs::perms(0300));  // searched, not read: nobody opens it for a sync
    publish_batch batch;
    for (const char* name : {"a", "b", "c"}) batch.add(place / "d" / name, "text");
    fault::start_recording();
    batch.commit(durability::durable);
    const auto calls = fault::stop_recording();
    const auto last_name = std::find(calls.rbegin(), calls.rend(), "linkat").base();
    fs::permissions(place / "d", fs::perms(0700));
    return std::count(last_name, calls.end(), "fsync") == 1 + 3 ? 0 : 1;  // the directory's fails
  });
  CHECK(child.wait() == 0);
}

TEST_CASE("each call of a batch failing once leaves all files old, or tells which ones are") {
  const testing::scratch_directory place(testing::memory_directory());
  const some_files files{place.path(), 4};
  const auto run = [&](publish_batch& batch, std::error_code& ec) { batch.commit(durability::durable_path, ec); };
  const auto fill = [&] {
    files.prepare();
    publish_batch batch;
    files.add_all(batch);
    return batch;
  };
  std::error_code ec;
  publish_batch first = fill();
  fault::start_recording();
  run(first, ec);
  const auto calls = fault::stop_recording();
  for (std::uint64_t i = 1; i <= calls.size(); ++i) {
    for (const int error : {EIO, ENOSPC, EACCES, EINTR}) {
      publish_batch batch = fill();
      fault::arm({.what = fault::action::fail, .nth = i, .error = error});
      run(batch, ec);
      fault::disarm();
      INFO(calls[i - 1] << " (call " << i << ") fails with " << error << ": " << ec.message());
      const std::size_t renewed = files.renewed();
      for (std::size_t k = 0; k < 4; ++k) {
        const batch_result& result = batch.results()[k];
        CHECK(files.is_new(k) == (!result.error || result.error == errc::published_not_durable));
      }
      CHECK((ec || renewed == 4));
      if (calls[i - 1] == "fsync" && i < calls.size() / 2) CHECK(renewed == (error == EINTR ? 4 : 0));
      CHECK(files.names() == 2U + files.is_new(1) + files.is_new(3));
    }
  }
}
#endif

TEST_CASE("killed at any system call of a batch, every file is old or new, and a sweep leaves nothing else") {
  const testing::scratch_directory place(testing::memory_directory());
  const some_files files{place.path(), 4};
  std::set<std::size_t> states;
  const auto body = [&] { files.publish(durability::durable); };
  const std::size_t points =
      testing::kill_at_every_call([&] { files.prepare(); }, body,
                                  [&](std::size_t point) {
                                    INFO("killed before call " << point);
                                    states.insert(files.renewed());
                                    lockkit::sweep_staged(place / "one");
                                    lockkit::sweep_staged(place / "two");
                                    CHECK(files.names() == 2U + files.is_new(1) + files.is_new(3));
                                  });
  CHECK(points > 40);
  CHECK(states == std::set<std::size_t>{0, 1, 2, 3, 4});  // also between one name and the next
}

TEST_CASE("after a power cut each file of a batch is old or new, and new once a durable commit has returned") {
  const std::vector<testing::bystander> others = testing::bystanders_to_try();
  const std::size_t count = others.size() <= 2 ? 2 : 6;
  for (const durability level : {durability::durable, durability::consistent}) {
    if (level == durability::consistent && others.size() <= 2) break;  // the long form
    testing::on_every_power_cut(
        others, [&](const fs::path& root) { some_files{root, count}.prepare(); },
        [&](const fs::path& root) { some_files{root, count}.publish(level); },
        [&](const testing::power_cut& cut) {
          INFO(describe(cut) << ", level " << static_cast<int>(level));
          const std::size_t renewed = some_files{cut.root, count}.renewed();
          if (cut.finished && level == durability::durable) CHECK(renewed == count);
        });
  }
}
