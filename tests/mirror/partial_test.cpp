// What a fetch that ended early leaves for the next one.

#include <sys/stat.h>
#include <unistd.h>

#include <lockkit/error.hpp>
#include <lockkit/mirror_cache.hpp>
#include <lockkit/owner.hpp>

#include "mirror/cache_testing.hpp"
#include "mirror/digest.hpp"
#include "mirror/partial_record.hpp"
#include "platform/fault.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/scratch.hpp"

using namespace lockkit;
using testing::code_of;
using testing::content_of;
namespace fs = std::filesystem;

namespace {

const content_validators first_version{"\"1\"", "", ""};
const std::string whole = "0123456789 and the rest";

/// Brings `part`, kept under the first version, and breaks.
fetch_function broken_after(std::string part) {
  return [part = std::move(part)](fetch_sink& sink) {
    sink.expect_size(whole.size());
    sink.keep_partial(first_version);
    sink.write(part);
    throw std::runtime_error("connection lost");
  };
}

/// Goes on where the last one ended, if there is something; tells from where.
fetch_function going_on(std::uint64_t& from) {
  return [&from](fetch_sink& sink) {
    const auto left = sink.partial();
    from = left ? left->bytes : 0;
    if (left && left->validators == first_version) sink.resume();
    sink.write(std::string_view(whole).substr(sink.size()));
  };
}

struct fixture {
  testing::scratch_directory place{testing::memory_directory()};
  fs::path directory = place / "cache";
  mirror_cache cache{directory};
  std::uint64_t from = 0;

  std::vector<fs::path> partials() const {
    std::vector<fs::path> found;
    if (!fs::exists(directory / "p")) return found;
    for (const auto& entry : fs::directory_iterator(directory / "p")) found.push_back(entry.path());
    std::sort(found.begin(), found.end());
    return found;
  }
  void leave(const std::string& part) {
    CHECK_THROWS_WITH(cache.get("key", broken_after(part), fetch_policy::always()), "connection lost");
  }
  std::string go_on(const request_options& request = {}) {
    return content_of(cache.get("key", going_on(from), fetch_policy::always(), request));
  }
  detail::partial_record record() const {
    return detail::parse_partial_record(testing::read_file(partials().at(1))).value();
  }
  void change_record(const detail::partial_record& record) const {
    testing::write_file(partials().at(1), detail::format_partial_record(record));
  }
};

}  // namespace

TEST_CASE_METHOD(fixture, "a fetch goes on where the last one failed, and what comes out is hashed as a whole") {
  leave("0123456789");
  REQUIRE(partials().size() == 2);
  CHECK(testing::read_file(partials()[0]) == "0123456789");
  CHECK(record().synced == 10);
  const cache_entry entry = cache.get("key", going_on(from));
  CHECK(from == 10);
  CHECK(content_of(entry) == whole);
  CHECK(entry.sha256() == detail::sha256_of(whole));
  CHECK(partials().empty());
  CHECK(cache.verify().empty());
}

TEST_CASE_METHOD(fixture, "a fetch that did not ask for it leaves no partial content") {
  const auto broken = [](fetch_sink& sink) {
    sink.write("half");
    throw std::runtime_error("connection lost");
  };
  CHECK_THROWS(cache.get("key", broken));
  CHECK_FALSE(fs::exists(directory / "p"));
  const auto without_a_byte = [](fetch_sink& sink) {
    sink.keep_partial(first_version);
    throw std::runtime_error("connection lost");
  };
  CHECK_THROWS(cache.get("key", without_a_byte));
  CHECK(partials().empty());
}

TEST_CASE_METHOD(fixture, "a partial content that is not gone on with is dropped by the first byte, and not before") {
  leave("0123456789");
  const auto refused = [](fetch_sink& sink) {
    CHECK(sink.partial().has_value());
    throw std::runtime_error("no connection");
  };
  CHECK_THROWS(cache.get("key", refused));
  CHECK(partials().size() == 2);
  const auto anew = [](fetch_sink& sink) {
    CHECK(sink.partial().value().bytes == 10);
    CHECK(sink.size() == 0);
    sink.write("another version");  // as after a 200 to a Range request
  };
  CHECK(content_of(cache.get("key", anew)) == "another version");
  CHECK(partials().empty());
}

TEST_CASE_METHOD(fixture, "a partial content belongs to its key") {
  leave("0123456789");
  bool any = true;
  const auto look = [&](fetch_sink& sink) {
    any = sink.partial().has_value();
    sink.write("x");
  };
  (void)cache.get("other", look);
  CHECK_FALSE(any);
  CHECK(go_on() == whole);
  CHECK(from == 10);
}

TEST_CASE_METHOD(fixture, "a fetch that breaks again and again gets further each time") {
  leave("0123");
  for (const std::size_t end : {8U, 12U, 20U}) {
    const auto further = [&](fetch_sink& sink) {
      REQUIRE(sink.partial());
      sink.resume();
      sink.write(std::string_view(whole).substr(sink.size(), end - sink.size()));
      throw std::runtime_error("connection lost");
    };
    CHECK_THROWS(cache.get("key", further));
    CHECK(testing::read_file(partials().at(0)) == whole.substr(0, end));
  }
  CHECK(go_on() == whole);
  CHECK(from == 20);
}

TEST_CASE_METHOD(fixture, "a partial content is claimed once, and a killed fetch gives its claim up") {
  testing::signal_pipe begun;
  testing::child_process killed([&] {
    const auto fetch = [&](fetch_sink& sink) {
      sink.keep_partial(first_version);
      sink.write("0123456789");
      begun.send();
      ::pause();
    };
    (void)mirror_cache(directory).get("key", fetch);
    return 0;
  });
  begun.receive();
  request_options beside;
  beside.unlocked_after = std::chrono::nanoseconds(0);
  CHECK(go_on(beside) == whole);  // while the other one lives
  CHECK(from == 0);
  killed.kill();
  CHECK(go_on() == whole);
  CHECK(from == 10);
  CHECK(go_on() == whole);
  CHECK(from == 0);
}

TEST_CASE_METHOD(fixture, "restart drops what could be gone on with, until it is said anew") {
  const auto restarting = [&](fetch_sink& sink) {
    sink.keep_partial(first_version);
    sink.write("of a version that went");
    sink.restart();
    CHECK(partials().size() == 1);  // without its record, it is nothing
    sink.write("x");
    throw std::runtime_error("connection lost");
  };
  CHECK_THROWS(cache.get("key", restarting));
  CHECK(partials().empty());
  const auto anew = [&](fetch_sink& sink) {
    sink.keep_partial({"\"0\"", "", ""});
    sink.write("of a version that went");
    sink.restart();
    sink.keep_partial(first_version);
    sink.write("0123");
    throw std::runtime_error("connection lost");
  };
  CHECK_THROWS(cache.get("key", anew));
  CHECK(go_on() == whole);
  CHECK(from == 4);
}

TEST_CASE_METHOD(fixture, "what the cache refused is not gone on with") {
  const auto too_long = [&](fetch_sink& sink) {
    sink.expect_size(3);
    sink.keep_partial(first_version);
    sink.write("123");
    sink.write("4");
  };
  CHECK(code_of([&] { (void)cache.get("key", too_long); }) == errc::integrity_mismatch);
  CHECK(partials().empty());
  const auto short_of_it = [&](fetch_sink& sink) {
    sink.expect_size(3);
    sink.keep_partial(first_version);
    sink.write("12");
  };
  CHECK(code_of([&] { (void)cache.get("key", short_of_it); }) == errc::integrity_mismatch);
  CHECK(partials().empty());
}

TEST_CASE_METHOD(fixture, "a fetch that is stopped leaves what came") {
  std::stop_source stopping;
  request_options request;
  request.stop = stopping.get_token();
  const auto obedient = [&](fetch_sink& sink) {
    sink.keep_partial(first_version);
    sink.write("0123456789");
    stopping.request_stop();
    CHECK(sink.cancelled());
  };
  CHECK(code_of([&] { (void)cache.get("key", obedient, fetch_policy::always(), request); }) ==
        std::errc::operation_canceled);
  CHECK(go_on() == whole);
  CHECK(from == 10);
}

TEST_CASE_METHOD(fixture, "a resumed content without the promised digest is fetched whole, once") {
  leave("XXXX");
  request_options request;
  request.sha256 = detail::sha256_of(whole);
  int calls = 0;
  std::uint64_t sum = 0;
  const auto fetch = [&](fetch_sink& sink) {
    ++calls;
    going_on(from)(sink);
    sum += from;
  };
  CHECK(content_of(cache.get("key", fetch, fetch_policy::always(), request)) == whole);
  CHECK(calls == 2);
  CHECK(sum == 4);
  CHECK(partials().empty());
}

TEST_CASE_METHOD(fixture, "after a power cut only what was synced is trusted, and zeros behind it are never served") {
  leave("0123456789");
  auto earlier = record();
  CHECK(earlier.boot_id == current_process().boot_id);
  earlier.boot_id = std::string(32, '0');  // the machine has been started since
  earlier.synced = 4;
  change_record(earlier);
  testing::write_file(partials().at(0), std::string("0123") + std::string(6, '\0'));
  CHECK(go_on() == whole);
  CHECK(from == 4);
  leave("0123456789");
  earlier = record();
  earlier.boot_id = std::string(32, '0');
  earlier.synced = 0;
  change_record(earlier);
  CHECK(go_on() == whole);
  CHECK(from == 0);
  CHECK(partials().empty());
}

TEST_CASE_METHOD(fixture,
                 "a record that is damaged or another key's, or a file that is no plain one, is not gone on with") {
  const std::string other = std::string(64, '0') + ".aaaaaaaaaaaaaaaaaaaaaaaaaa";
  SECTION("damaged") {
    leave("0123456789");
    testing::write_file(partials().at(1), testing::read_file(partials().at(1)).substr(1));
  }
  SECTION("another key's") {
    leave("0123456789");
    auto moved = record();
    moved.key = "other";
    change_record(moved);
  }
  SECTION("a symbolic link") {
    leave("0123456789");
    fs::rename(partials().at(0), place / "elsewhere");
    fs::create_symlink(place / "elsewhere", partials().at(0).string().substr(0, partials().at(0).string().size() - 6));
  }
  SECTION("a hard link of something else") {
    leave("0123456789");
    fs::create_hard_link(partials().at(0), place / "elsewhere");
  }
  CHECK(go_on() == whole);
  CHECK(from == 0);
  if (fs::exists(place / "elsewhere")) CHECK(testing::read_file(place / "elsewhere") == "0123456789");
}

TEST_CASE_METHOD(fixture, "what a child of the failed fetch can still write into is not gone on with") {
  testing::signal_pipe done;
  std::vector<testing::child_process> children;
  const auto forking = [&](fetch_sink& sink) {
    sink.keep_partial(first_version);
    sink.write("0123456789");
    children.emplace_back([&] {
      done.close_write();
      char byte = 0;
      return ::read(done.read_end(), &byte, 1) == 0 ? 0 : 1;
    });
    throw std::runtime_error("connection lost");
  };
  CHECK_THROWS(cache.get("key", forking));
  CHECK(go_on() == whole);
  CHECK(from == 0);
  done.close_write();
  CHECK(children.front().wait() == 0);
  CHECK(go_on() == whole);
  CHECK(from == 10);  // now it is nobody's
}

TEST_CASE_METHOD(fixture, "a resumed content is sealed before it is published") {
  leave("0123456789");
  (void)go_on();
  struct stat file{};
  REQUIRE(::stat(testing::only_file(directory, 'b').c_str(), &file) == 0);
  CHECK(file.st_nlink == 1);
  CHECK((file.st_mode & 0777) == 0400);
}

TEST_CASE_METHOD(fixture, "resume and keep_partial are refused where they make no sense") {
  const auto early = [](fetch_sink& sink) { sink.resume(); };
  CHECK(code_of([&] { (void)cache.get("key", early); }) == std::errc::invalid_argument);
  const auto late = [](fetch_sink& sink) {
    sink.write("x");
    sink.keep_partial(first_version);
  };
  CHECK(code_of([&] { (void)cache.get("key", late); }) == std::errc::invalid_argument);
  leave("0123456789");
  const auto after = [](fetch_sink& sink) {
    CHECK(sink.partial());
    sink.write("x");
    sink.resume();
  };
  CHECK(code_of([&] { (void)cache.get("key", after); }) == std::errc::invalid_argument);
}

TEST_CASE_METHOD(fixture, "a sweep takes partial contents that are a week old, and leaves younger ones") {
  for (const int days : {8, -8}) {  // of the clock that was wrong no future will come
    leave("0123456789");
    (void)cache.verify(true);
    CHECK(partials().size() == 2);
    const fs::path left = partials().at(0);
    fs::last_write_time(left, fs::file_time_type::clock::now() - std::chrono::hours(24 * days));
    (void)cache.verify(true);
    CHECK(partials().empty());
  }
}

TEST_CASE_METHOD(fixture, "a sweep takes files and records that are without each other, and nothing that is in use") {
  leave("0123456789");
  const auto two = partials();
  std::string another = two.at(0).string();
  another.back() = another.back() == 'a' ? 'b' : 'a';
  fs::copy_file(two.at(0), another);
  fs::copy_file(two.at(1), (directory / "p" / (std::string(64, '0') + ".aaaaaaaaaaaaaaaaaaaaaaaaaa.about")));
  testing::write_file(directory / "p" / "note", "a person's");
  (void)cache.verify(true);
  CHECK(partials().size() == 3);
  const auto sweeping = [&](fetch_sink& sink) {
    REQUIRE(sink.partial());
    fs::remove(two.at(1));
    (void)cache.verify(true);
    CHECK(fs::exists(two.at(0)));
    sink.resume();
    sink.write(std::string_view(whole).substr(10));
  };
  CHECK(content_of(cache.get("key", sweeping)) == whole);
}

#if defined(LOCKKIT_FAULT_INJECTION)
TEST_CASE_METHOD(fixture, "where every lock is granted nothing is gone on with, kept, or swept") {
  leave("0123456789");
  testing::child_process unlocked([&] {
    lockkit::platform::fault::break_rule("flock_excludes");
    std::uint64_t at = 0;
    const bool right = content_of(cache.get("key", going_on(at))) == whole && at == 0;
    (void)cache.verify(true);
    if (!right || partials().size() != 2) return 1;
    try {
      (void)cache.get("other", broken_after("0123"));
    } catch (const std::runtime_error&) {
      return partials().size() == 2 ? 0 : 2;
    }
    return 3;
  });
  CHECK(unlocked.wait() == 0);
  CHECK(go_on() == whole);
  CHECK(from == 10);
}
#endif
