// What a power cut leaves of one published file, at every moment (the method: support/power_cut.hpp).
#include <array>
#include <set>

#include <lockkit/staged_file.hpp>

#include "fs/staging_support.hpp"
#include "support/catch.hpp"
#include "support/power_cut.hpp"
#include "support/scratch.hpp"

using lockkit::durability;
using lockkit::publish_mode;
using testing::bystander;
using testing::power_cut;

namespace {

namespace fs = std::filesystem;

const std::string old_content(6000, 'o');
const std::string new_content(9000, 'n');

enum class outcome { old_one, new_one, empty, absent, something_else };

std::ostream& operator<<(std::ostream& out, outcome found) {
  constexpr std::array names = {"OLD", "NEW", "EMPTY", "ABSENT", "SOMETHING ELSE"};
  return out << names[static_cast<std::size_t>(found)];
}

outcome classify(const fs::path& file) {
  if (!fs::exists(file)) return outcome::absent;
  const std::string text = testing::read_file(file);
  if (text == old_content) return outcome::old_one;
  if (text == new_content) return outcome::new_one;
  return text.empty() ? outcome::empty : outcome::something_else;
}

std::function<void(const fs::path&)> old_one_there(bool exists) {
  return [exists](const fs::path& root) {
    if (exists) testing::write_file(root / "f", old_content);
  };
}

std::function<void(const fs::path&)> publishing(durability level) {
  return [level](const fs::path& root) { lockkit::publish(root / "f", new_content, level); };
}

void sync_directory(const fs::path& root) {
  const testing::held_directory held(root);
  ::fsync(held.fd.get());
}

void check_old_or_new(const power_cut& cut, bool exists) {
  const outcome found = classify(cut.root / "f");
  CHECK((found == outcome::new_one || found == (exists ? outcome::old_one : outcome::absent)));
}

}  // namespace

TEST_CASE("what was published durably is there after a power cut, and old or new after one before its end") {
  for (const bool exists : {false, true}) {
    std::size_t cuts = 0;
    testing::on_every_power_cut(testing::bystanders_to_try(), old_one_there(exists), publishing(durability::durable),
                                [&](const power_cut& cut) {
                                  INFO(describe(cut) << (exists ? ", replacing" : ", new"));
                                  check_old_or_new(cut, exists);
                                  if (cut.finished) CHECK(classify(cut.root / "f") == outcome::new_one);
                                  ++cuts;
                                });
    CHECK((cuts == 0 || cuts > 8));  // or no filesystem could be mounted
  }
}

TEST_CASE("what was published consistently is old or new after a power cut at any moment") {
  for (const bool exists : {false, true}) {
    testing::on_every_power_cut({testing::bystanders_to_try().back()}, old_one_there(exists),
                                publishing(durability::consistent), [&](const power_cut& cut) {
                                  INFO(describe(cut) << (exists ? ", replacing" : ", new"));
                                  check_old_or_new(cut, exists);
                                });
  }
}

TEST_CASE("consistent means consistent when the directory reaches the disk right after") {
  for (const bool exists : {false, true}) {
    testing::on_every_power_cut(
        {bystander::none}, old_one_there(exists),
        [](const fs::path& root) {
          lockkit::publish(root / "f", new_content, durability::consistent);
          sync_directory(root);
        },
        [&](const power_cut& cut) {
          INFO(describe(cut));
          check_old_or_new(cut, exists);
          if (cut.finished) CHECK(classify(cut.root / "f") == outcome::new_one);
        });
  }
}

TEST_CASE("the method finds the hole that level visible has, so that it would find one in the others") {
  testing::on_every_power_cut(
      {bystander::none}, old_one_there(false),
      [](const fs::path& root) {
        lockkit::publish(root / "f", new_content, durability::visible);
        sync_directory(root);
      },
      [](const power_cut& cut) {
        INFO(describe(cut));
        if (cut.finished) CHECK(classify(cut.root / "f") == outcome::empty);
      });
}

TEST_CASE("a bystander who syncs a file of his own finds that hole where the publisher syncs nothing at all") {
  std::set<std::string> holes;
  testing::on_every_power_cut({bystander::syncs_a_file}, old_one_there(false), publishing(durability::visible),
                              [&](const power_cut& cut) {
                                if (classify(cut.root / "f") == outcome::empty) holes.insert(cut.filesystem);
                              });
  if (!holes.empty()) CHECK(holes.contains("ext4"));  // one journal for all; xfs's as well
}
