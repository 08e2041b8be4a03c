/// Killed at every system call of publishing a directory, and of sweeping one; the power cut at every moment.
///
/// Seen to fail: without the sync of the tree, or of its files alone (empty files). That nothing of an old tree goes before
/// its directory was synced is a matter of the calls' order here: these three filesystems keep the order of names.
#include <lockkit/publish_directory.hpp>
#include <lockkit/staged_file.hpp>
#include <lockkit/sweep_leftovers.hpp>

#include "fs/tree_testing.hpp"
#include "platform/fault.hpp"
#include "support/catch.hpp"
#include "support/power_cut.hpp"
#include "support/scratch.hpp"
#include "support/syscall_sweep.hpp"

using namespace lockkit;
using testing::fill_tree;
using testing::power_cut;
using testing::version_of;
namespace fs = std::filesystem;

namespace {

constexpr directory_layout both_layouts[] = {directory_layout::in_place, directory_layout::linked};

void publish_version(const fs::path& target, const std::string& version, durability level,
                     const directory_publish_options& options) {
  publish_directory(target, [&](const fs::path& staged) { fill_tree(staged, version); }, level, options);
}

bool is_long() {
  return std::getenv("LOCKKIT_TEST_LONG") != nullptr;
}

void sweep_all(const fs::path& directory) {
  std::error_code ec;
  sweep_staged(directory, std::chrono::seconds(0), ec);
  CHECK_FALSE(ec);
}

/// At every call of commit, not of filling: the tree is filled in `prepare`, which runs in the same process.
void kill_commit(const directory_publish_options& options, bool exists) {
  const testing::scratch_directory place(testing::memory_directory());
  const fs::path target = place / "d";
  std::optional<staged_directory> staged;
  const auto prepare = [&] {
    sweep_all(place.path());
    fs::remove_all(target);
    sweep_all(place.path());
    if (exists) publish_version(target, "old", durability::visible, {.layout = options.layout});
    staged.emplace(target, options);
    fill_tree(staged->path(), "new");
  };
  std::size_t before = 0;
  std::size_t after = 0;
  const auto check = [&](std::size_t point) {
    INFO("killed before call " << point);
    const std::string version = version_of(target);
    CHECK((version == "new" || version == (exists ? "old" : "ABSENT")));
    ++(version == "new" ? after : before);
    sweep_all(place.path());
    CHECK(version_of(target) == version);
    const std::size_t own = options.layout == directory_layout::linked ? 2 : 1;
    CHECK(place.names().size() == (version == "ABSENT" ? 0 : own));
  };
  const auto body = [&] { staged->commit(durability::durable); };
  CHECK(testing::kill_at_every_call(prepare, body, check) > 20);
  CHECK(before > 5);
  CHECK((after > 2) == (options.mode == publish_mode::replace || !exists));
}

}  // namespace

TEST_CASE("killed at any system call of publishing a directory, the old tree or the new one stands there, whole") {
  for (const directory_layout layout : both_layouts) {
#if defined(__SANITIZE_ADDRESS__)  // under which each of the hundreds of forks takes many times as long
    if (layout == directory_layout::linked && !is_long()) continue;
#endif
    kill_commit({.mode = publish_mode::replace, .layout = layout}, true);
    kill_commit({.mode = publish_mode::if_absent, .layout = layout}, false);
    if (!is_long()) continue;
    kill_commit({.mode = publish_mode::replace, .layout = layout}, false);
    kill_commit({.mode = publish_mode::if_absent, .layout = layout}, true);
  }
}

TEST_CASE(
    "killed at any system call while it sweeps a tree, what is published stays, and another sweep ends the work") {
  for (const directory_layout layout : both_layouts) {
    if (layout == directory_layout::linked && !is_long()) continue;
    const testing::scratch_directory place(testing::memory_directory());
    const fs::path target = place / "d";
    const auto prepare = [&] {
      sweep_all(place.path());
      publish_version(target, "old", durability::visible, {.layout = layout, .old = old_tree::leave_to_sweep});
      publish_version(target, "new", durability::visible, {.layout = layout, .old = old_tree::leave_to_sweep});
    };
    const auto body = [&] { sweep_all(place.path()); };
    const auto check = [&](std::size_t point) {
      INFO("killed before call " << point);
      CHECK(version_of(target) == "new");
      sweep_all(place.path());
      CHECK(version_of(target) == "new");
      CHECK(place.names().size() == (layout == directory_layout::linked ? 2 : 1));
    };
    CHECK(testing::kill_at_every_call(prepare, body, check) > 30);
  }
}

namespace {

void cut_everywhere(const std::vector<testing::bystander>& others, durability level,
                    const directory_publish_options& options, bool exists) {
  testing::on_every_power_cut(
      others,
      [&](const fs::path& root) {
        if (exists) publish_version(root / "d", "old", durability::visible, {.layout = options.layout});
      },
      [&](const fs::path& root) { publish_version(root / "d", "new", level, options); },
      [&](const power_cut& cut) {
        INFO(describe(cut));
        const std::string version = version_of(cut.root / "d");
        CHECK((version == "new" || version == (exists ? "old" : "ABSENT")));
        if (cut.finished && level == durability::durable) CHECK(version == "new");
        sweep_all(cut.root);
        CHECK(version_of(cut.root / "d") == version);
      });
}

}  // namespace

TEST_CASE("a directory published durably is the old one or the new one after a power cut at any moment, and then new") {
  cut_everywhere(testing::bystanders_to_try(), durability::durable, {}, true);
  cut_everywhere({testing::bystander::none}, durability::durable, {}, false);
}

TEST_CASE("a directory published consistently is old or new after a power cut, by a link as well") {
  cut_everywhere({testing::bystanders_to_try().back()}, durability::consistent, {}, true);
  cut_everywhere({testing::bystander::none}, durability::durable, {.layout = directory_layout::linked}, true);
  if (!is_long()) return;
  for (const directory_layout layout : both_layouts) {
    for (const bool exists : {false, true}) {
      for (const publish_mode mode : {publish_mode::replace, publish_mode::if_absent}) {
        if (mode == publish_mode::if_absent && exists) continue;  // publishes nothing
        cut_everywhere(testing::bystanders_to_try(), durability::consistent, {.mode = mode, .layout = layout}, exists);
        cut_everywhere(testing::bystanders_to_try(), durability::durable, {.mode = mode, .layout = layout}, exists);
      }
    }
  }
}

TEST_CASE("a directory of many files, synced all at once, is there after a power cut") {
  constexpr int many = 80;
  const auto fill = [](const fs::path& staged) {
    testing::uncounted([&] {
      for (int i = 0; i < many; ++i) testing::write_file(staged / std::to_string(i), "content");
    });
  };
  testing::on_every_power_cut(
      {testing::bystander::none}, [](const fs::path&) {},
      [&](const fs::path& root) { publish_directory(root / "d", fill, durability::durable); },
      [&](const power_cut& cut) {
        INFO(describe(cut));
        int whole = 0;
        for (int i = 0; i < many; ++i) {
          if (fs::exists(cut.root / "d") && testing::read_file(cut.root / "d" / std::to_string(i)) == "content")
            ++whole;
        }
        CHECK((whole == many || (whole == 0 && !cut.finished && !fs::exists(cut.root / "d"))));
      });
}

TEST_CASE("the method finds the holes of a directory published without syncing, so that it would find others") {
  testing::on_every_power_cut(
      {testing::bystander::syncs_a_file}, [](const fs::path&) {},
      [&](const fs::path& root) { publish_version(root / "d", "new", durability::visible, {}); },
      [&](const power_cut& cut) {
        INFO(describe(cut));
        if (cut.finished && cut.filesystem == "ext4") CHECK(version_of(cut.root / "d") != "new");
      });
}

TEST_CASE("a power cut while a sweep removes the replaced tree brings back no tree with holes") {
  testing::on_every_power_cut(
      {testing::bystander::none},
      [&](const fs::path& root) { publish_version(root / "d", "old", durability::visible, {}); },
      [&](const fs::path& root) {
        publish_version(root / "d", "new", durability::consistent, {.old = old_tree::leave_to_sweep});
        std::error_code ec;
        sweep_staged(root, std::chrono::seconds(0), ec);
      },
      [&](const power_cut& cut) {
        INFO(describe(cut));
        const std::string version = version_of(cut.root / "d");
        CHECK((version == "new" || version == "old"));
      });
}

#if defined(LOCKKIT_FAULT_INJECTION)
TEST_CASE("nothing of a replaced tree is removed before the directory that it lies in was synced") {
  namespace fault = platform::fault;
  const auto synced_before_removal = [](const std::vector<std::string>& calls, const char* since) {
    const auto from = std::find(calls.begin(), calls.end(), since);
    const auto removal = std::find(from, calls.end(), "unlinkat");
    return removal != calls.end() && std::find(from, removal, "fsync") != removal;
  };
  const testing::scratch_directory place;
  publish_version(place / "d", "first", durability::visible, {});
  fault::start_recording();
  publish_version(place / "d", "second", durability::consistent, {});
  CHECK(synced_before_removal(fault::stop_recording(), "renameat2"));
  publish_version(place / "d", "third", durability::visible, {.old = old_tree::leave_to_sweep});
  fault::start_recording();
  sweep_all(place.path());
  CHECK(synced_before_removal(fault::stop_recording(), "flock"));
}
#endif
