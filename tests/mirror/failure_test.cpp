#include <set>

#include <lockkit/error.hpp>
#include <lockkit/mirror_cache.hpp>

#include "mirror/cache_testing.hpp"
#include "platform/fault.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"

#if defined(LOCKKIT_FAULT_INJECTION)

using namespace lockkit;
using testing::brings;
using testing::content_of;
using testing::files_of_cache;
using testing::forbidden;
namespace fs = std::filesystem;
namespace fault = lockkit::platform::fault;

namespace {

/// What a request does on a cache that `prepare` has left, once for every call that it makes and every error.
class failing {
 public:
  failing(std::function<void()> prepare, std::function<void()> request, std::function<void(bool failed)> check)
      : prepare_(std::move(prepare)), request_(std::move(request)), check_(std::move(check)) {}

  std::size_t run() {
    prepare_();
    request_();  // a process's first request also finds out who it is, once for all
    prepare_();
    fault::start_recording();
    request_();
    const auto calls = fault::stop_recording();
    for (std::uint64_t nth = 1; nth <= calls.size(); ++nth) {
      for (const int error : {EIO, ENOSPC, EMFILE, EACCES, EINTR}) {
        INFO("call " << nth << ", " << calls[nth - 1] << ", error " << error);
        once({.what = fault::action::fail, .nth = nth, .error = error});
      }
    }
    shorten("write", calls);
    shorten("pwrite64", calls);
    return calls.size();
  }

 private:
  void shorten(const std::string& name, const std::vector<std::string>& calls) {
    const auto count = static_cast<std::uint64_t>(std::count(calls.begin(), calls.end(), name));
    for (std::uint64_t nth = 1; nth <= count; ++nth) {
      INFO("short " << name << " " << nth);
      once({.what = fault::action::shorten, .name = name, .nth = nth, .bytes = 3});
    }
  }

  void once(const fault::plan& plan) {
    prepare_();
    const std::size_t descriptors = testing::open_descriptors();
    fault::arm(plan);
    bool failed = false;
    try {
      request_();
    } catch (const std::system_error&) {
      failed = true;
    }
    fault::disarm();
    CHECK(fault::fired());
    CHECK_FALSE((plan.error == EINTR && failed));
    CHECK_FALSE((plan.what == fault::action::shorten && failed));
    CHECK(testing::open_descriptors() == descriptors);
    check_(failed);
  }

  std::function<void()> prepare_;
  std::function<void()> request_;
  std::function<void(bool)> check_;
};

struct fixture {
  testing::scratch_directory place{testing::memory_directory()};
  fs::path directory = place / "cache";
  std::unique_ptr<mirror_cache> cache;

  void start_anew() {
    for (const std::string& name : place.names()) fs::remove_all(place / name);
    cache = std::make_unique<mirror_cache>(directory, cache_options{.level = durability::durable});
  }
  /// The content of "key", or "none".
  std::string current() {
    try {
      return content_of(cache->get("key", {}, fetch_policy::never()));
    } catch (const error&) {
      return "none";
    }
  }
  bool has_no_damage() { return cache->verify().empty() && fs::is_empty(directory / "t"); }
};

}  // namespace

TEST_CASE_METHOD(fixture, "a miss that fails at any call leaves no key, no file and no descriptor behind") {
  const auto calls = failing([&] { start_anew(); }, [&] { (void)cache->get("key", brings("new")); },
                             [&](bool failed) {
                               const std::string found = current();
                               CHECK((found == "new" || (failed && found == "none")));
                               // Nothing, or the record and its content.
                               CHECK(files_of_cache(directory).size() == (found == "new" ? 2U : 0U));
                               CHECK(content_of(cache->get("key", brings("new"))) == "new");
                               CHECK(has_no_damage());
                             })
                         .run();
  CHECK(calls > 40);
}

TEST_CASE_METHOD(fixture, "a refresh that fails at any call keeps the old content, whole") {
  failing(
      [&] {
        start_anew();
        (void)cache->get("key", brings("old"));
      },
      [&] { (void)cache->get("key", brings("new"), fetch_policy::always()); },
      [&](bool failed) {
        const std::string found = current();
        CHECK((found == "new" || (failed && found == "old")));
        CHECK(files_of_cache(directory).size() == (found == "new" ? 3U : 2U));
        CHECK(content_of(cache->get("key", brings("newer"), fetch_policy::always())) == "newer");
        CHECK(has_no_damage());
      })
      .run();
}

TEST_CASE_METHOD(fixture, "a refresh that finds nothing modified and fails at any call keeps the content") {
  const auto unmodified = [](fetch_sink& sink) { sink.cached() ? sink.not_modified() : sink.write("old"); };
  failing(
      [&] {
        start_anew();
        (void)cache->get("key", unmodified);
      },
      [&] { (void)cache->get("key", unmodified, fetch_policy::always()); },
      [&](bool) {
        CHECK(current() == "old");
        CHECK(files_of_cache(directory).size() == 2);
        CHECK(has_no_damage());
      })
      .run();
}

TEST_CASE_METHOD(fixture,
                 "a fetch that goes on with a part and fails at any call leaves no key, or the whole content") {
  const std::string whole = "0123456789 and the rest";
  const auto break_off = [&](fetch_sink& sink) {
    sink.keep_partial({"\"1\"", "", ""});
    sink.write(whole.substr(0, 10));
    throw std::system_error(std::make_error_code(std::errc::connection_reset));
  };
  const auto go_on = [&](fetch_sink& sink) {
    if (sink.partial()) sink.resume();
    sink.write(std::string_view(whole).substr(sink.size()));
  };
  const auto calls = failing(
                         [&] {
                           start_anew();
                           CHECK_THROWS(cache->get("key", break_off));
                         },
                         [&] { (void)cache->get("key", go_on); },
                         [&](bool failed) {
                           const std::string found = current();
                           CHECK((found == whole || (failed && found == "none")));
                           CHECK(content_of(cache->get("key", go_on, fetch_policy::always())) == whole);
                           CHECK(has_no_damage());
                           (void)cache->verify(true);
                           CHECK(fs::is_empty(directory / "p"));
                         })
                         .run();
  CHECK(calls > 60);
}

TEST_CASE_METHOD(fixture, "a name for an unfinished file that is taken already is not the last one that is tried") {
  for (std::uint64_t nth = 1; nth <= 4; ++nth) {
    start_anew();
    (void)cache->get("key", brings("old"));
    fault::arm({.what = fault::action::fail, .name = "linkat", .nth = nth, .error = EEXIST});
    CHECK(content_of(cache->get("key", brings("new"), fetch_policy::always())) == "new");
    if (nth <= 2) CHECK(fault::fired());
    fault::disarm();
    CHECK(has_no_damage());
  }
}

TEST_CASE_METHOD(fixture, "a mirror that fails at any call leaves the destination as it was") {
  for (const mirror_link link : {mirror_link::isolated, mirror_link::hard_link}) {
    for (const bool overwrite : {false, true}) {
      mirror_options options;
      options.link = link;
      options.overwrite = overwrite;
      options.level = durability::durable;
      failing(
          [&] {
            start_anew();
            (void)cache->get("key", brings("new"));
            if (overwrite) testing::write_file(place / "mirror", "old");
          },
          [&] {
            (void)cache->fetch_and_mirror("key", place / "mirror", forbidden(), fetch_policy::if_missing(), options);
          },
          [&](bool failed) {
            const std::string found = testing::read_file(place / "mirror");
            CHECK((found == "new" || (failed && found == (overwrite ? "old" : ""))));
            const bool stands = found == "new" || overwrite;
            CHECK(place.names() ==
                  (stands ? std::set<std::string>{"cache", "mirror"} : std::set<std::string>{"cache"}));
            CHECK(has_no_damage());
          })
          .run();
    }
  }
}

TEST_CASE_METHOD(fixture, "a removal that fails at any call removes the key or keeps it, whole") {
  failing(
      [&] {
        start_anew();
        (void)cache->get("key", brings("old"));
      },
      [&] { cache->remove("key"); },
      [&](bool failed) {
        const std::string found = current();
        CHECK((found == "none" || (failed && found == "old")));
        (void)cache->verify(true);
        CHECK(files_of_cache(directory).size() == (found == "old" ? 2U : 0U));
      })
      .run();
}

#endif
