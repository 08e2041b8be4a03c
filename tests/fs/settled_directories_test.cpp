// The service: every directory inside a parent.
#include <lockkit/settle.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>

#include "fs/settle_support.hpp"
#include "support/catch.hpp"

using lockkit::settle_options;
using lockkit::settle_state;
using lockkit::settled_directories;
using testing::news;
using testing::put_file;
using testing::quiet_for;
using testing::running_service;
using testing::write_file;
using kind = testing::news::kind;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

TEST_CASE("directories present at the start and later ones are told once each, and nothing else is") {
  testing::scratch_directory place;
  put_file(place / "early/sub/file");
  put_file(place / "file");
  put_file(place / ".hidden/file");
  fs::create_directory_symlink(place / "early", place / "link");
  running_service service(place.path(), quiet_for(10ms));
  const news early = service.await(kind::settled, "early");
  CHECK(early.result.state == settle_state::settled);
  CHECK(early.result.where == place / "early");
  put_file(place / "late/file");
  service.await(kind::settled, "late");
  put_file(place / "last/file");
  service.await(kind::settled, "last");
  CHECK_FALSE(service.stop());
  CHECK(service.count(kind::settled) == 3);
  CHECK(service.count(kind::vanished) == 0);
}

namespace {

/// What can happen inside a directory, one after the other.
const std::vector<std::pair<const char*, void (*)(const fs::path&)>> every_change = {
    {"make directories", [](const fs::path& d) { fs::create_directories(d / "sub/sub2"); }},
    {"make a file", [](const fs::path& d) { write_file(d / "sub/sub2/file", "1"); }},
    {"write", [](const fs::path& d) { write_file(d / "sub/sub2/file", "2"); }},
    {"change the mode", [](const fs::path& d) { ::chmod((d / "sub/sub2/file").c_str(), 0600); }},
    {"rename a file", [](const fs::path& d) { fs::rename(d / "sub/sub2/file", d / "sub/sub2/g"); }},
    {"link", [](const fs::path& d) { fs::create_hard_link(d / "sub/sub2/g", d / "sub/link"); }},
    {"make a symbolic link", [](const fs::path& d) { fs::create_symlink("nowhere", d / "sub/sub2/symbolic"); }},
    {"rename a directory", [](const fs::path& d) { fs::rename(d / "sub/sub2", d / "sub/sub3"); }},
    {"truncate", [](const fs::path& d) { fs::resize_file(d / "sub/sub3/g", 0); }},
    {"set the time", [](const fs::path& d) { fs::last_write_time(d / "sub/sub3/g", fs::file_time_type()); }},
    {"remove a file", [](const fs::path& d) { fs::remove(d / "sub/sub3/symbolic"); }},
    {"make a FIFO", [](const fs::path& d) { ::mkfifo((d / "sub/sub3/fifo").c_str(), 0600); }},
    {"change a directory's mode", [](const fs::path& d) { ::chmod((d / "sub/sub3").c_str(), 0711); }},
    {"change its own mode", [](const fs::path& d) { ::chmod(d.c_str(), 0711); }},
    {"make and remove a file",  // which leaves nothing to compare
     [](const fs::path& d) {
       write_file(d / "sub/passing", "");
       fs::remove(d / "sub/passing");
     }},
    {"remove a tree", [](const fs::path& d) { fs::remove_all(d / "sub"); }},
};

}  // namespace

TEST_CASE("after each kind of activity anywhere inside, a settled directory is told again, and else never") {
  testing::scratch_directory place;
  put_file(place / "case/first");
  running_service service(place.path(), quiet_for(10ms));
  service.await(kind::settled, "case");
  for (const auto& [what, change] : every_change) {
    INFO(what);
    change(place / "case");
    service.await(kind::settled, "case");
  }
  (void)testing::read_file(place / "case/first");
  CHECK(std::distance(fs::recursive_directory_iterator(place / "case"), fs::recursive_directory_iterator()) == 1);
  put_file(place / "other/file");
  service.await(kind::settled, "other");
  CHECK_FALSE(service.stop());
  CHECK(service.count(kind::settled, "case") == every_change.size() + 1);
}

TEST_CASE("a directory that was moved in whole needs no quiet time") {
  testing::scratch_directory place;
  fs::create_directory(place / "parent");
  put_file(place / "a/sub/file");
  put_file(place / "b/sub/file");
  put_file(place / "c/sub/x.part");
  put_file(place / "d/sub/file");
  fs::create_directory(place / "e");
  const testing::held_open writer(place / "d/sub/file", O_WRONLY);
  running_service service(place / "parent", quiet_for(testing::very_quiet));
  for (const char* name : {"c", "d", "e", "a"}) fs::rename(place / name, place / "parent" / name);
  service.await(kind::settled, "a");
  CHECK(service.await(kind::waiting, "c").result.where == place / "parent/c/sub/x.part");
  CHECK(service.await(kind::waiting, "d").result.where == place / "parent/d/sub/file");
  CHECK(service.await(kind::waiting, "e").result.reason == "it holds 0 of at least 1 files");
  fs::rename(place / "parent/c/sub/x.part", place / "parent/c/sub/x");  // no longer moved in whole
  fs::rename(place / "b", place / "parent/b");
  service.await(kind::settled, "b");
  CHECK_FALSE(service.stop());
  CHECK(service.count(kind::settled) == 2);
}

TEST_CASE("a directory renamed inside the parent is moved in whole only if its old name said unfinished") {
  testing::scratch_directory place;
  put_file(place / "New Folder/file");
  put_file(place / ".copying/file");
  put_file(place / "case.part/file");
  running_service service(place.path(), quiet_for(testing::very_quiet));
  put_file(place / ".ready/file");
  fs::rename(place / ".ready", place / "ready");
  service.await(kind::settled, "ready");  // and what was there before is known
  fs::rename(place / "New Folder", place / "named");
  service.await(kind::vanished, "New Folder");
  fs::rename(place / ".copying", place / "copied");
  service.await(kind::settled, "copied");
  fs::rename(place / "case.part", place / "case");
  service.await(kind::settled, "case");
  CHECK_FALSE(service.stop());
  CHECK(service.count(kind::settled) == 3);
}

TEST_CASE("a directory whose own name says unfinished is held back until it is renamed") {
  testing::scratch_directory place;
  put_file(place / "case.part/file");
  running_service service(place.path(), quiet_for(5ms));
  const news why = service.await(kind::waiting, "case.part");
  CHECK(why.result.where == place / "case.part");
  CHECK(why.result.reason == "its name says that it is not finished");
  fs::rename(place / "case.part", place / "case");
  service.await(kind::settled, "case");
  CHECK_FALSE(service.stop());
  CHECK(service.count(kind::settled) == 1);
}

TEST_CASE("moves are not trusted where the caller does not want it") {
  testing::scratch_directory place;
  fs::create_directory(place / "parent");
  put_file(place / "a/file");
  put_file(place / "b/file");
  settle_options options = quiet_for(20ms);
  options.trust_moves = false;
  std::atomic<int> looks = 0;
  options.complete = [&](const fs::path&) { return ++looks > 0; };
  running_service service(place / "parent", options);
  const auto began = std::chrono::steady_clock::now();
  fs::rename(place / "a", place / "parent/a");
  service.await(kind::settled, "a");
  CHECK(std::chrono::steady_clock::now() - began >= 20ms);
}

TEST_CASE("a directory that vanishes is told as vanished, settled before or not, and its name can come back") {
  testing::scratch_directory place;
  put_file(place / "settled/file");
  put_file(place / "waiting/x.part");
  running_service service(place.path(), quiet_for(10ms));
  service.await(kind::settled, "settled");
  service.await(kind::waiting, "waiting");
  fs::remove_all(place / "settled");
  fs::rename(place / "waiting", place / ".hidden");
  service.await(kind::vanished, "settled");
  service.await(kind::vanished, "waiting");
  put_file(place / "settled/file");
  service.await(kind::settled, "settled");
  CHECK_FALSE(service.stop());
  CHECK(service.count(kind::vanished) == 2);
}

TEST_CASE("another directory under the same name is another one") {
  testing::scratch_directory place;
  put_file(place / "case/file");
  put_file(place / ".next/file");
  running_service service(place.path(), quiet_for(10ms));
  service.await(kind::settled, "case");
  REQUIRE(::renameat2(AT_FDCWD, (place / ".next").c_str(), AT_FDCWD, (place / "case").c_str(), RENAME_EXCHANGE) == 0);
  service.await(kind::vanished, "case");
  service.await(kind::settled, "case");
}

TEST_CASE("what happens in a part that was moved out concerns nobody, or the directory that it was moved into") {
  testing::scratch_directory place;
  fs::create_directory(place / "parent");
  put_file(place / "parent/case/file");
  put_file(place / "parent/case/out/file");
  put_file(place / "parent/case/over/file");
  put_file(place / "parent/other/file");
  running_service service(place / "parent", quiet_for(10ms));
  service.await(kind::settled, "case");
  service.await(kind::settled, "other");
  fs::rename(place / "parent/case/out", place / "out");
  service.await(kind::settled, "case");
  fs::rename(place / "parent/case/over", place / "parent/other/over");
  service.await(kind::settled, "case");
  service.await(kind::settled, "other");
  write_file(place / "out/file", "changed");
  write_file(place / "parent/other/over/file", "changed");
  service.await(kind::settled, "other");
  for (const char* marker : {"marker", "second"}) {
    put_file(place / "parent" / marker / "file");
    service.await(kind::settled, marker);
  }
  CHECK(service.count(kind::settled, "case") == 3);
  CHECK(service.count(kind::settled, "other") == 3);
}

TEST_CASE("why a directory waits is told once, and again when that changes") {
  testing::scratch_directory place;
  put_file(place / "case/a.part");
  running_service service(place.path(), quiet_for(5ms));
  CHECK(service.await(kind::waiting, "case").result.where == place / "case/a.part");
  put_file(place / "other/x");  // settles after several more looks at the first
  service.await(kind::settled, "other");
  CHECK(service.count(kind::waiting, "case") == 1);
  fs::rename(place / "case/a.part", place / "case/b.part");
  CHECK(service.await(kind::waiting, "case").result.where == place / "case/b.part");
  fs::rename(place / "case/b.part", place / "case/b");
  service.await(kind::settled, "case");
}

TEST_CASE("a directory that never comes to rest is told as still changing") {
  testing::scratch_directory place(testing::memory_directory());
  put_file(place / "case/file", "");
  running_service service(place.path(), quiet_for(40ms));
  std::atomic<bool> told = false;
  std::jthread worker([&] {
    for (int i = 0; !told; ++i) {
      fs::resize_file(place / "case/file", static_cast<std::uintmax_t>(i % 7));
      std::this_thread::sleep_for(1ms);
    }
  });
  const news why = service.await(kind::waiting, "case");
  told = true;
  CHECK(why.result.reason == "it is still changing");
  CHECK(why.result.where.filename() != "");
  service.await(kind::settled, "case");
}

TEST_CASE("an exception of a callback leaves run, and running again tells the rest and nothing twice") {
  testing::scratch_directory place;
  for (const char* name : {"a", "b", "c"}) put_file(place / name / "file");
  std::multiset<std::string> told;
  std::stop_source source;
  settled_directories service(place.path(), quiet_for(5ms), {.on_settled = [&](const fs::path& path, const auto&) {
                                told.insert(path.filename().string());
                                if (told.size() == 3) source.request_stop();
                                throw std::runtime_error("mine");
                              }});
  for (int i = 0; i < 3; ++i) CHECK_THROWS_WITH(service.run(source.get_token()), "mine");
  CHECK(told == std::multiset<std::string>{"a", "b", "c"});
  service.run(source.get_token());  // stopped already
}

TEST_CASE("an exception of the caller's own test leaves run, and the directory is not forgotten") {
  testing::scratch_directory place;
  put_file(place / "case/file");
  std::stop_source source;
  settle_options options = quiet_for(5ms);
  int asked = 0;
  options.complete = [&](const fs::path&) -> bool {
    if (++asked == 1) throw std::runtime_error("mine");
    return true;
  };
  settled_directories service(place.path(), options,
                              {.on_settled = [&](const fs::path&, const auto&) { source.request_stop(); }});
  CHECK_THROWS_WITH(service.run(source.get_token()), "mine");
  service.run(source.get_token());
  CHECK(asked == 2);
}

TEST_CASE("what changes between a look and telling is waited for") {
  testing::scratch_directory place;
  put_file(place / "case/file");
  settle_options options = quiet_for(10ms);
  std::atomic<int> asked = 0;
  options.complete = [&](const fs::path&) {
    if (++asked == 1) write_file(place / "case/late", "late");
    return true;
  };
  running_service service(place.path(), options);
  service.await(kind::settled, "case");
  CHECK(asked == 2);
}

TEST_CASE("run ends with an error when the parent is removed or moved away") {
  testing::scratch_directory place;
  for (const bool moved : {false, true}) {
    put_file(place / "parent/case/file");
    running_service service(place / "parent", quiet_for(5ms));
    service.await(kind::settled, "case");
    moved ? fs::rename(place / "parent", place / "elsewhere") : void(fs::remove_all(place / "parent"));
    CHECK(service.join() == std::errc::no_such_file_or_directory);
  }
}

TEST_CASE("a parent that is no directory or can't be named is an error") {
  testing::scratch_directory place;
  put_file(place / "file");
  std::error_code ec;
  settled_directories(place / "none", {}, {}, ec);
  CHECK(ec == std::errc::no_such_file_or_directory);
  settled_directories(place / "file", {}, {}, ec);
  CHECK(ec == std::errc::not_a_directory);
  settled_directories nameless("", {}, {}, ec);
  CHECK(ec == lockkit::errc::invalid_name);
  CHECK_THROWS_AS(nameless.run({}), lockkit::error);
  CHECK_THROWS_AS(settled_directories(place / "none", {}, {}), lockkit::error);
}

TEST_CASE("a forked child can't run its parent's service") {
  testing::scratch_directory place;
  settled_directories service(place.path(), {}, {});
  testing::child_process child([&] {
    std::error_code ec;
    service.run({}, ec);
    return ec == std::errc::operation_not_permitted ? 0 : 1;
  });
  CHECK(child.wait() == 0);
}

TEST_CASE("a service without callbacks watches, can be moved, and leaves no descriptor") {
  testing::scratch_directory place;
  put_file(place / "case/x.part");
  put_file(place / "other/x");
  const std::size_t before = testing::open_descriptors();
  {
    settled_directories first(place.path(), quiet_for(1ms), {});
    settled_directories second(place.path(), quiet_for(1ms), {});
    second = std::move(first);
    std::stop_source source;
    std::jthread stopper([&] {
      std::this_thread::sleep_for(20ms);
      source.request_stop();
    });
    second.run(source.get_token());
  }
  CHECK(testing::open_descriptors() == before);
}
