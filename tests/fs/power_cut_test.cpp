// What a power cut leaves: the filesystem's image is copied while it is mounted, and the copy is mounted, so that its
// journal is replayed. That is the state in which everything sent to the disk so far is on it, and nothing later. Old
// or empty files there are proofs of a hole; new ones are evidence, since a real disk can also reorder.
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <optional>

#include <lockkit/staged_file.hpp>

#include "fs/staging_support.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using lockkit::durability;
using lockkit::publish_mode;
using testing::run_program;

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

/// Old content, if there is any, as it lies there for long: everything on the disk.
void prepare(const fs::path& directory, bool exists) {
  if (exists) testing::write_file(directory / "f", old_content);
  const int fd = ::open(directory.c_str(), O_RDONLY | O_CLOEXEC);
  ::syncfs(fd);
  ::close(fd);
}

/// Runs `steps` in the root of a new filesystem and says how /f looks after a power cut right behind them. Nothing
/// where such a filesystem can't be made and mounted.
std::optional<outcome> after_power_cut(const std::string& kind, bool exists,
                                       const std::function<void(const fs::path&)>& steps) {
  testing::scratch_directory place;
  const fs::path cut = place / "cut";
  const fs::path after = place / "after";
  fs::create_directory(after);
  {
    const testing::scratch_mount mount(kind);
    if (!mount.mounted()) return {};
    prepare(mount.path(), exists);
    steps(mount.path());
    if (run_program({"cp", "--sparse=always", mount.image().string(), cut.string()}) != 0) return {};
  }
  // btrfs would find the original by its identity, and xfs refuse a second filesystem of one identity.
  if (kind == "btrfs") testing::capture_program({"btrfs", "device", "scan", "--forget"});
  if (run_program({"mount", "-o", kind == "xfs" ? "loop,nouuid" : "loop", cut.string(), after.string()}) != 0)
    return {};
  const outcome found = classify(after / "f");
  ::umount2(after.c_str(), MNT_DETACH);
  return found;
}

template <class Check>
void on_every_filesystem(bool exists, const std::function<void(const fs::path&)>& steps, Check check) {
  for (const char* kind : {"ext4", "xfs", "btrfs"}) {
    const auto found = after_power_cut(kind, exists, steps);
    if (!found) {
      WARN("cannot make, mount and copy " << kind << " here");
      continue;
    }
    INFO(kind << (exists ? ", replacing" : ", new"));
    check(kind, *found);
  }
}

std::function<void(const fs::path&)> publishing(durability level) {
  return [level](const fs::path& directory) { lockkit::publish(directory / "f", new_content, level); };
}

}  // namespace

TEST_CASE("what was published durably is there after a power cut") {
  for (const bool exists : {false, true}) {
    on_every_filesystem(exists, publishing(durability::durable),
                        [](const std::string&, outcome found) { CHECK(found == outcome::new_one); });
  }
}

TEST_CASE("what was published consistently is old or new after a power cut") {
  for (const bool exists : {false, true}) {
    on_every_filesystem(exists, publishing(durability::consistent), [&](const std::string&, outcome found) {
      CHECK((found == outcome::new_one || found == (exists ? outcome::old_one : outcome::absent)));
    });
  }
}

TEST_CASE("consistent means consistent when the directory reaches the disk right after") {
  for (const bool exists : {false, true}) {
    on_every_filesystem(
        exists,
        [](const fs::path& directory) {
          lockkit::publish(directory / "f", new_content, durability::consistent);
          const testing::held_directory held(directory);
          ::fsync(held.fd.get());
        },
        [](const std::string&, outcome found) { CHECK(found == outcome::new_one); });
  }
}

TEST_CASE("the method finds the hole that level visible has, so that it would find one in the others") {
  on_every_filesystem(
      false,
      [](const fs::path& directory) {
        lockkit::publish(directory / "f", new_content, durability::visible);
        const testing::held_directory held(directory);
        ::fsync(held.fd.get());
      },
      [](const std::string&, outcome found) { CHECK(found == outcome::empty); });
}
