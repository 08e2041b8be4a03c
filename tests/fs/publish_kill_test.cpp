// SIGKILL at every system call that publishing makes, found by tracing.
#include <lockkit/error.hpp>

#include "fs/staging_support.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"
#include "support/syscall_sweep.hpp"

using lockkit::durability;
using lockkit::publish_mode;
using lockkit::detail::staging_route;
using testing::read_file;

namespace {

const std::string old_content(3000, 'o');
const std::string new_content(5000, 'n');

void kill_everywhere(staging_route route, publish_mode mode, durability level, bool exists) {
  testing::scratch_directory place;
  const auto target = place / "f";
  const auto prepare = [&] {
    std::filesystem::remove(target);
    if (exists) testing::write_file(target, old_content);
  };
  const auto body = [&] {
    std::error_code ec;
    testing::publish_by(route, place.path(), new_content, level, mode, ec);
    if (ec) throw std::system_error(ec);
  };
  std::size_t as_before = 0;
  std::size_t renewed = 0;
  const auto check = [&](std::size_t point) {
    INFO("killed before call " << point);
    const std::string found = std::filesystem::exists(target) ? read_file(target) : std::string();
    const bool is_old = exists ? found == old_content : !std::filesystem::exists(target);
    const bool is_new = found == new_content;
    CHECK(is_old != is_new);
    is_old ? ++as_before : ++renewed;
    std::error_code ec;
    testing::publish_by(route, place.path(), "next", durability::visible, publish_mode::replace, ec);
    CHECK_FALSE(ec);
    CHECK(read_file(target) == "next");
    lockkit::sweep_staged(place.path(), std::chrono::seconds(0), ec);
    CHECK_FALSE(ec);
    CHECK(place.names() == std::set<std::string>{"f"});
  };
  const std::size_t points = testing::kill_at_every_call(prepare, body, check);
  CHECK(points >= 5);
  CHECK(as_before >= 3);
  const bool publishes = mode == publish_mode::replace || !exists;
  CHECK((renewed >= 1) == publishes);  // closing the file comes after
  CHECK(read_file(target) == (publishes ? new_content : old_content));
}

void kill_by(staging_route route) {
  for (const publish_mode mode : testing::both_modes) {
    for (const durability level : testing::every_level) {
      for (const bool exists : {false, true}) kill_everywhere(route, mode, level, exists);
    }
  }
}

}  // namespace

TEST_CASE("killed at any system call of publish, the target is old or new, and a sweep leaves nothing else") {
  kill_by(staging_route::automatic);
}

TEST_CASE("the same holds where files can't be made without a name") {
  kill_by(staging_route::named);
}

TEST_CASE("killed at any call while it replaces by an unnamed file, publish leaves at most one name for the sweep") {
  testing::scratch_directory place;
  std::size_t leftovers = 0;
  const auto body = [&] { lockkit::publish(place / "f", new_content, durability::durable); };
  testing::kill_at_every_call(
      [&] { testing::write_file(place / "f", old_content); }, body,
      [&](std::size_t) {
        CHECK(place.names().size() <= 2);
        if (place.names().size() == 2) ++leftovers;
        CHECK(lockkit::sweep_staged(place.path()) == place.names().size() - 1);  // young, but born locked
        CHECK(place.names().size() == 1);
      });
  CHECK(leftovers >= 1);  // between the link and the rename, around the sync
  CHECK(leftovers <= 3);
}
