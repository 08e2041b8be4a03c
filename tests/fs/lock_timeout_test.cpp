#include <lockkit/lock_options.hpp>

#include "support/catch.hpp"

TEST_CASE("a lock timeout names path, wait, holder and what to do") {
  lockkit::owner holder;
  holder.pid = 4711;
  holder.host = "web1";
  holder.command = "nightly";
  const lockkit::lock_timeout thrown("/data/x.lock", holder, std::chrono::milliseconds(2500));
  const std::string text = thrown.what();
  for (const char* part : {"cannot lock", "/data/x.lock", "2.500 s", "pid 4711", "web1", "nightly", "lockkit status"}) {
    INFO(text);
    CHECK(text.find(part) != std::string::npos);
  }
  CHECK(thrown.code() == lockkit::errc::lock_timeout);
  CHECK(thrown.code() == std::errc::timed_out);
}
