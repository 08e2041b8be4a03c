// Every platform call that settling makes, found by recording one run, fails once in every way.
#include <lockkit/settle.hpp>

#include <fcntl.h>

#include <optional>

#include "fs/settle_support.hpp"
#include "platform/fault.hpp"
#include "support/catch.hpp"

#if defined(LOCKKIT_FAULT_INJECTION)

using lockkit::deadline;
using lockkit::settle_result;
using lockkit::settle_state;
using lockkit::settled_directories;
using lockkit::wait_until_settled;
using testing::put_file;
using testing::quiet_for;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
namespace fault = lockkit::platform::fault;

namespace {

constexpr auto blink = 1ms;

/// Runs `operation` once for each call that it makes and each error, with that call failing.
template <class Operation>
std::size_t for_each_fault(Operation operation, std::initializer_list<int> errors) {
  fault::start_recording();
  operation(0, "none");
  const std::vector<std::string> calls = fault::stop_recording();
  std::size_t visited = 0;
  for (std::uint64_t i = 1; i <= calls.size(); ++i) {
    for (const int error : errors) {
      fault::arm({.what = fault::action::fail, .nth = i, .error = error});
      operation(error, calls[i - 1]);
      fault::disarm();
      ++visited;
    }
  }
  return visited;
}

}  // namespace

TEST_CASE("each call of a wait failing once gives a clean error or the right answer, and no descriptor is left") {
  testing::scratch_directory place(testing::memory_directory());
  put_file(place / "case/a/file");
  put_file(place / "case/b");
  const std::size_t visited = for_each_fault(
      [&](int error, const std::string& call) {
        const std::size_t before = testing::open_descriptors();
        std::error_code ec;
        const std::stop_source source;
        const settle_result result =
            wait_until_settled(place / "case", quiet_for(blink), deadline::after(60s), source.get_token(), ec);
        INFO(call << " fails with errno " << error << ": " << ec.message() << ", " << result.reason);
        if (error == EINTR) CHECK_FALSE(ec);
        CHECK((ec || result.state == settle_state::settled));
        CHECK(testing::open_descriptors() == before);
      },
      {EIO, EMFILE, EACCES, EINTR});
  CHECK(visited > 4 * 30);
}

TEST_CASE("no call failing once makes a directory with a writer or an unfinished name count as settled") {
  testing::scratch_directory place(testing::memory_directory());
  for (const bool named : {false, true}) {
    fs::remove_all(place / "case");
    put_file(place / "case/a/file");
    put_file(place / (named ? "case/b/x.part" : "case/b/x"));
    std::optional<testing::writing_process> writer;
    if (!named) writer.emplace(place / "case/b/x");
    for_each_fault(
        [&](int error, const std::string& call) {
          std::error_code ec;
          const settle_result result =
              wait_until_settled(place / "case", quiet_for(blink), deadline::after(3 * blink), {}, ec);
          INFO(call << " fails with errno " << error << ": " << ec.message());
          CHECK(result.state != settle_state::settled);
        },
        {EIO});
    if (writer) writer->release();
  }
}

TEST_CASE(
    "each call of the service failing once ends run with an error or changes nothing, and no descriptor is left") {
  testing::scratch_directory place(testing::memory_directory());
  const std::size_t visited = for_each_fault(
      [&](int error, const std::string& call) {
        INFO(call << " fails with errno " << error);
        fs::remove_all(place / "case");
        put_file(place / "case/a/file");
        const std::size_t before = testing::open_descriptors();
        std::stop_source source;
        int told = 0;
        std::error_code ec;
        {
          settled_directories service(place.path(), quiet_for(blink),
                                      {.on_settled =
                                           [&](const fs::path&, const auto&) {
                                             ++told;
                                             source.request_stop();
                                           }},
                                      ec);
          if (!ec) service.run(source.get_token(), ec);
          if (ec) CHECK(error != EINTR);
          if (ec && told == 0) service.run(source.get_token(), ec);  // the trouble has passed
        }
        CHECK((ec || told == 1));
        CHECK(testing::open_descriptors() == before);
      },
      {EIO, EMFILE, EINTR});
  CHECK(visited > 3 * 30);
}

#endif
