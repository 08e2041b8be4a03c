// Publishing only what nobody has changed since it was read.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include <lockkit/error.hpp>
#include <lockkit/if_unchanged.hpp>

#include "fs/staging_support.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"
#include "support/stopped_process.hpp"

using lockkit::durability;
using lockkit::errc;
using lockkit::file_version;
using lockkit::publish_if_unchanged;
using lockkit::rivals;
using lockkit::symlink_policy;
using lockkit::unchanged_outcome;
using lockkit::unchanged_result;
using lockkit::version_content;
using lockkit::version_of;
using testing::read_file;
using testing::write_file;
namespace fault = lockkit::platform::fault;

namespace {

namespace fs = std::filesystem;

constexpr std::array both_rivals = {rivals::cooperating, rivals::any};

/// A version without its content, which follows after the sixth dash.
file_version times_only(const file_version& version) {
  std::string text = version.text();
  std::size_t end = 0;
  for (int dashes = 0; end < text.size() && dashes < 6; ++end) dashes += text[end] == '-' ? 1 : 0;
  if (end < text.size()) text.resize(end - 1);
  return *file_version::parse(text);
}

/// The names that publishing leaves on purpose are not worth telling.
std::set<std::string> names_in(const testing::scratch_directory& place) {
  std::set<std::string> names = place.names();
  std::erase_if(names, [](const std::string& name) { return name.ends_with(".update.guard"); });
  return names;
}

/// Adds one to the number in the file, again until nobody was in between.
void increment(const fs::path& file, rivals against) {
  for (;;) {
    const file_version version = version_of(file);
    const unsigned long next = version.exists() ? std::stoul(read_file(file)) + 1 : 1;
    const auto outcome =
        publish_if_unchanged(file, std::to_string(next), version, {.level = durability::visible, .against = against});
    if (outcome.result == unchanged_result::published) return;
  }
}

}  // namespace

TEST_CASE("a file is published if it is the version that was read, and left alone if it is not") {
  for (const rivals against : both_rivals) {
    for (const durability level : testing::every_level) {
      const testing::scratch_directory place;
      const lockkit::unchanged_options how{.level = level, .against = against};
      const fs::path f = place / "f";
      const file_version nothing = version_of(f);
      CHECK_FALSE(nothing.exists());
      CHECK(publish_if_unchanged(f, "first", nothing, how).result == unchanged_result::published);
      CHECK(publish_if_unchanged(f, "x", nothing, how).result == unchanged_result::changed);
      const file_version first = version_of(f);
      CHECK(publish_if_unchanged(f, "second", first, how).result == unchanged_result::published);
      CHECK(publish_if_unchanged(f, "x", first, how).result == unchanged_result::changed);
      CHECK(read_file(f) == "second");
      const file_version second = version_of(f);
      fs::remove(f);
      CHECK(publish_if_unchanged(f, "x", second, how).result == unchanged_result::changed);
      CHECK(names_in(place).empty());
    }
  }
}

TEST_CASE("a version is a line of text that comes back the same, and nothing else is one") {
  const testing::scratch_directory place;
  write_file(place / "f", "content");
  const file_version version = version_of(place / "f");
  const std::string text = version.text();
  CHECK(text.find_first_of(" \n\t") == std::string::npos);
  REQUIRE(file_version::parse(text));
  CHECK(file_version::parse(text)->text() == text);
  CHECK(file_version::parse("absent")->text() == "absent");
  CHECK(file_version().text() == "absent");
  for (const char* wrong : {"", "Absent", "1", "1-", "1-2-3-4-5", "2-1-1-1-1-1", "1-1-1-1-1-1-1", "1-1-1-1-1-1-",
                            "1-1-1-1-1-1-1-1-1", "1--1-1-1-1", "1-1-1-1-1-x", "1-1-1-1-1-10000000000000000"}) {
    INFO(wrong);
    CHECK_FALSE(file_version::parse(wrong));
  }
  CHECK(publish_if_unchanged(place / "f", "next", *file_version::parse(text)).result == unchanged_result::published);
}

TEST_CASE("each way of changing a file makes it another version: in place, by another file, by its attributes") {
  const testing::scratch_directory place;
  const fs::path f = place / "f";
  const auto changed_by = [&](const std::function<void()>& change) {
    write_file(f, "content");
    const file_version version = version_of(f);
    change();
    return publish_if_unchanged(f, "x", version, {.level = durability::visible}).result == unchanged_result::changed;
  };
  CHECK_FALSE(changed_by([] {}));
  CHECK(changed_by([&] { write_file(f, "contenx"); }));
  CHECK(changed_by([&] { write_file(f, "longer content"); }));
  CHECK(changed_by([&] {
    write_file(place / "g", "content");
    fs::rename(place / "g", f);
  }));
  CHECK(changed_by([&] { fs::permissions(f, fs::perms(0600)); }));
  CHECK(changed_by([&] {
    fs::remove(f);
    fs::create_directory(f);
  }));
  fs::remove(f);
  CHECK(changed_by([&] {
    fs::remove(f);
    fs::create_symlink("g", f);
  }));
}

TEST_CASE("of a file that was changed just now the content counts, since its times may be those of the next change") {
  const testing::scratch_directory place;
  const fs::path f = place / "f";
  write_file(f, "one");
  const file_version one = version_of(f);
  CHECK(one.text() != times_only(one).text());
  write_file(f, "two");
  const std::string two = times_only(version_of(f)).text();
  // What a clock that stands still makes of it: the same times, and the content of then.
  const auto mixed = file_version::parse(two + one.text().substr(times_only(one).text().size()));
  REQUIRE(mixed);
  for (const rivals against : both_rivals) {
    CHECK(publish_if_unchanged(f, "x", *mixed, {.against = against}).result == unchanged_result::changed);
    CHECK(read_file(f) == "two");
  }
  CHECK(publish_if_unchanged(f, "x", *file_version::parse(two)).result == unchanged_result::published);
  write_file(f, std::string(1'000'000, 'a'));
  const std::string large = version_of(f, symlink_policy::replace, version_content::always).text();
  write_file(f, std::string(999'999, 'a') + 'b');
  const std::string other = version_of(f, symlink_policy::replace, version_content::always).text();
  CHECK(large.substr(large.rfind('-')) != other.substr(other.rfind('-')));
}

TEST_CASE("what has no version says so: a directory, a FIFO, a link, a file that may not be read") {
  const testing::scratch_directory place;
  fs::create_directory(place / "d");
  REQUIRE(::mkfifo((place / "fifo").c_str(), 0600) == 0);
  write_file(place / "f", "content");
  fs::create_symlink("f", place / "link");
  const auto failure = [&](const fs::path& file) {
    std::error_code ec;
    CHECK_FALSE(version_of(file, symlink_policy::replace, version_content::when_recent, ec).exists());
    return ec;
  };
  CHECK(failure(place / "d") == std::errc::is_a_directory);
  CHECK(failure(place / "fifo") == errc::not_a_regular_file);
  CHECK(failure(place / "link") == std::errc::too_many_symbolic_link_levels);
  CHECK_FALSE(failure(place / "no/such/f"));
  CHECK_THROWS_AS(version_of(place / "d"), lockkit::error);
  CHECK(version_of(place / "link", symlink_policy::follow).text() == version_of(place / "f").text());
}

TEST_CASE("a link that is followed leads to one file with one lock, and new parents to a new one") {
  const testing::scratch_directory place;
  for (const char* name : {"real", "links"}) fs::create_directory(place / name);
  write_file(place / "real/f", "0");
  fs::create_symlink("../real/f", place / "links/f");
  const lockkit::publish_options follow{.symlinks = symlink_policy::follow};
  const file_version version = version_of(place / "links/f", symlink_policy::follow);
  CHECK(publish_if_unchanged(place / "links/f", "1", version, {.against = rivals::any}, follow).result ==
        unchanged_result::published);
  CHECK(publish_if_unchanged(place / "real/f", "x", version).result == unchanged_result::changed);
  CHECK(read_file(place / "real/f") == "1");
  CHECK(fs::exists(place / "real/.f.update.guard"));
  CHECK_FALSE(fs::exists(place / "links/.f.update.guard"));
  CHECK(
      publish_if_unchanged(place / "a/b/f", "new", version_of(place / "a/b/f"), {}, {.create_parents = true}).result ==
      unchanged_result::published);
}

TEST_CASE("in a directory that a group shares, each of the group can publish if unchanged") {
  const testing::scratch_directory place;
  if (::geteuid() != 0) {
    WARN("only root can be two users");
    return;
  }
  write_file(place / "f", "0");
  REQUIRE(::chown(place.path().c_str(), 1000, 1000) == 0);
  REQUIRE(::chown((place / "f").c_str(), 1000, 1000) == 0);
  fs::permissions(place.path(), fs::perms(02775));
  for (const unsigned user : {1001U, 1002U}) {
    testing::child_process child([&] {
      if (::setgid(1000) != 0 || ::setuid(user) != 0) return 98;
      ::umask(022);
      return publish_if_unchanged(place / "f", std::to_string(user), version_of(place / "f")).result ==
                     unchanged_result::published
                 ? 0
                 : 1;
    });
    CHECK(child.wait() == 0);
  }
  CHECK(read_file(place / "f") == "1002");
}

TEST_CASE("names of 255 bytes can be published if unchanged, against any rival") {
  const testing::scratch_directory place;
  const fs::path f = place / std::string(255, 'n');
  for (const rivals against : both_rivals) {
    write_file(f, "old");
    CHECK(publish_if_unchanged(f, "new", version_of(f), {.against = against}).result == unchanged_result::published);
    CHECK(names_in(place) == std::set<std::string>{f.filename()});
  }
}

TEST_CASE("processes that count in one file lose no step, in both ways at once") {
  const testing::scratch_directory place(testing::memory_directory());
  constexpr int each = 200;
  std::vector<testing::child_process> counters;
  for (int i = 0; i < 4; ++i) {
    counters.emplace_back([&place, i] {
      for (int step = 0; step < each; ++step) increment(place / "f", both_rivals[static_cast<std::size_t>(i % 2)]);
      return 0;
    });
  }
  for (auto& counter : counters) CHECK(counter.wait() == 0);
  CHECK(read_file(place / "f") == std::to_string(4 * each));
  CHECK(names_in(place) == std::set<std::string>{"f"});
}

TEST_CASE("no update of a program that just renames its file over ours is ever lost") {
  const testing::scratch_directory place(testing::memory_directory());
  const fs::path f = place / "f";
  write_file(f, "0:");
  testing::signal_pipe done;
  std::vector<testing::child_process> ours;
  for (int i = 0; i < 2; ++i) {
    ours.emplace_back([&] {  // adds a letter to whatever the other one has published
      while (!done.ready(0)) {
        const file_version version = version_of(f);
        const std::string text = read_file(f);
        const std::string next = text.size() > 50 ? text.substr(0, text.find(':') + 1) : text + "x";
        publish_if_unchanged(f, next, version, {.level = durability::visible, .against = rivals::any});
      }
      return 0;
    });
  }
  int lost = 0;
  for (int round = 1; round <= 3000; ++round) {
    write_file(place / "temporary", std::to_string(round) + ":");
    fs::rename(place / "temporary", f);
    // It can be away for the microseconds of an exchange. If it does not come back, it was replaced by one who never read it.
    const std::string mine = std::to_string(round) + ":";
    const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    bool came_back = false;
    while (!came_back && std::chrono::steady_clock::now() < patience) came_back = read_file(f).starts_with(mine);
    if (!came_back) ++lost;
    if (lost > 0) break;
  }
  done.send();
  for (auto& one : ours) CHECK(one.wait() == 0);
  CHECK(lost == 0);
}

TEST_CASE("a file that somebody has open for writing counts as changed at the exchange") {
  const testing::scratch_directory place;
  write_file(place / "f", "content");
  const file_version version = version_of(place / "f");
  const lockkit::unchanged_options how{.against = rivals::any};
  {
    std::error_code ec;
    const auto writer = lockkit::platform::open_at(AT_FDCWD, (place / "f").c_str(), O_WRONLY, 0, ec);
    CHECK(publish_if_unchanged(place / "f", "x", version, how).result == unchanged_result::changed);
    CHECK(read_file(place / "f") == "content");
  }
  CHECK(publish_if_unchanged(place / "f", "x", version_of(place / "f"), how).result == unchanged_result::published);
}

#if defined(LOCKKIT_FAULT_INJECTION)
namespace {

/// A publication in another process that stops before its N-th renameat2: 1 gives it the name for the exchange, 2 exchanges,
/// 3 exchanges back.
testing::stopped_process stopped_update(const fs::path& file, std::uint64_t nth) {
  return {"renameat2", nth, [&, version = version_of(file)] {
            const unchanged_outcome outcome = publish_if_unchanged(file, "ours", version, {.against = rivals::any});
            const bool displaced = !outcome.displaced.empty() && fs::exists(outcome.displaced);
            if (!outcome.displaced.empty() && !displaced) return 9;
            return static_cast<int>(outcome.result) + (displaced ? 10 : 0);
          }};
}

constexpr int published = static_cast<int>(unchanged_result::published);
constexpr int changed = static_cast<int>(unchanged_result::changed);
constexpr int kept_aside = changed + 10;

void replace_by_renaming(const fs::path& file, const std::string& text) {
  write_file(file.string() + ".new", text);
  fs::rename(file.string() + ".new", file);
}

std::string displaced_in(const testing::scratch_directory& place) {
  for (const std::string& name : place.names()) {
    if (name.ends_with(".lkx")) return read_file(place / name);
  }
  return {};
}

}  // namespace

TEST_CASE("a rival that replaces the file between the comparison and the exchange keeps it") {
  const testing::scratch_directory place;
  const fs::path f = place / "f";
  const std::vector<std::function<void()>> rival_does = {[&] { replace_by_renaming(f, "the rival's"); },
                                                         [&] { write_file(f, "the rival's"); }};
  for (const auto& rival : rival_does) {
    write_file(f, "old");
    auto stopped = stopped_update(f, 2);
    rival();
    CHECK(stopped.go_on() == changed);
    CHECK(read_file(f) == "the rival's");
    CHECK(names_in(place) == std::set<std::string>{"f"});
  }
  write_file(f, "old");
  auto undisturbed = stopped_update(f, 2);
  CHECK(undisturbed.go_on() == published);
}

TEST_CASE("what becomes a directory, or nothing, between the comparison and the exchange stays that") {
  const testing::scratch_directory place;
  write_file(place / "f", "old");
  {
    auto stopped = stopped_update(place / "f", 2);
    fs::remove(place / "f");
    CHECK(stopped.go_on() == changed);
    CHECK(names_in(place).empty());
  }
  write_file(place / "f", "old");
  auto stopped = stopped_update(place / "f", 2);
  fs::remove(place / "f");
  fs::create_directory(place / "f");
  CHECK(stopped.go_on() == changed);
  CHECK(fs::is_directory(place / "f"));
  CHECK(names_in(place) == std::set<std::string>{"f"});
}

TEST_CASE("of three writers at once the latest stands at the target, and the other's content is kept and named") {
  const testing::scratch_directory place;
  const fs::path f = place / "f";
  write_file(f, "old");
  // A version that never was there goes straight to the exchange, as one does that was replaced in that moment.
  testing::signal_pipe reached;
  testing::signal_pipe resume;
  testing::child_process updater([&, version = version_of(f)] {
    replace_by_renaming(f, "the second's");
    fault::break_rule("exchange only what was looked at");
    fault::arm({.what = fault::action::stop,
                .name = "renameat2",
                .nth = 3,
                .announce_fd = reached.write_end(),
                .resume_fd = resume.read_end()});
    const unchanged_outcome outcome = publish_if_unchanged(f, "ours", version, {.against = rivals::any});
    return outcome.result == unchanged_result::changed && read_file(outcome.displaced) == "the second's" ? 0 : 1;
  });
  reached.receive();
  CHECK(read_file(f) == "ours");
  replace_by_renaming(f, "the third's");
  resume.send();
  CHECK(updater.wait() == 0);
  CHECK(read_file(f) == "the third's");
  CHECK(displaced_in(place) == "the second's");
  CHECK(lockkit::sweep_staged(place.path()) == 0);
  CHECK(displaced_in(place) == "the second's");
}

TEST_CASE("a sweep in the middle of an exchange takes nothing away") {
  const testing::scratch_directory place;
  for (const std::uint64_t nth : {1U, 2U}) {
    write_file(place / "f", "old");
    auto stopped = stopped_update(place / "f", nth);
    std::error_code ec;
    CHECK(lockkit::sweep_staged(place.path(), std::chrono::seconds(0), ec) == 0);
    CHECK(stopped.go_on() == published);
    CHECK(read_file(place / "f") == "ours");
  }
  write_file(place / "f", "old");
  testing::signal_pipe reached;
  testing::signal_pipe resume;
  testing::child_process updater([&] {
    const file_version version = version_of(place / "f");
    fault::arm({.what = fault::action::stop,
                .name = "unlinkat",
                .announce_fd = reached.write_end(),
                .resume_fd = resume.read_end()});
    publish_if_unchanged(place / "f", "ours", version, {.against = rivals::any});
    return 0;
  });
  reached.receive();
  CHECK(lockkit::sweep_staged(place.path()) == 0);  // the replaced version, under a name that tells so
  updater.kill();
  CHECK(lockkit::sweep_staged(place.path()) == 1);
  CHECK(names_in(place) == std::set<std::string>{"f"});
}

TEST_CASE("where names can't be exchanged, publishing against any rival is refused, and nothing is weaker unsaid") {
  const testing::scratch_directory place;
  write_file(place / "f", "old");
  for (const int error : {EINVAL, ENOSYS, EOPNOTSUPP}) {
    for (const std::uint64_t nth : {1U, 2U}) {
      std::error_code ec;
      fault::arm({.what = fault::action::fail, .name = "renameat2", .nth = nth, .error = error});
      publish_if_unchanged(place / "f", testing::bytes("x"), version_of(place / "f"), {.against = rivals::any}, {}, ec);
      fault::disarm();
      CHECK(ec == errc::unsupported_filesystem);
      CHECK(read_file(place / "f") == "old");
      CHECK(names_in(place) == std::set<std::string>{"f"});
    }
  }
}

TEST_CASE("while another has its turn, who does not wait is told so") {
  const testing::scratch_directory place;
  write_file(place / "f", "old");
  const file_version version = version_of(place / "f");
  testing::signal_pipe reached;
  testing::signal_pipe resume;
  testing::child_process other([&] {
    fault::arm({.what = fault::action::stop,
                .name = "renameat",
                .announce_fd = reached.write_end(),
                .resume_fd = resume.read_end()});
    return publish_if_unchanged(place / "f", "other", version).result == unchanged_result::published ? 0 : 1;
  });
  reached.receive();
  for (const rivals against : both_rivals) {
    const auto outcome =
        publish_if_unchanged(place / "f", "x", version, {.against = against, .timeout = std::chrono::nanoseconds(0)});
    CHECK(outcome.result == unchanged_result::busy);
  }
  resume.send();
  CHECK(other.wait() == 0);
  CHECK(publish_if_unchanged(place / "f", "x", version).result == unchanged_result::changed);
  CHECK(read_file(place / "f") == "other");
}
#endif
