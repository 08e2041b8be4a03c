// What is read from the headers of an answer, and what is not.

#include "fetching/http_answer.hpp"

#include <initializer_list>

#include "support/catch.hpp"

using fetching::http_answer;
using lockkit::content_validators;

namespace {

http_answer answer(std::initializer_list<const char*> lines) {
  http_answer result;
  result.add_line("HTTP/1.1 200 OK\r\n");
  for (const char* line : lines) result.add_line(std::string(line) + "\r\n");
  return result;
}

bool has_range(const char* value) {
  return answer({(std::string("Content-Range: ") + value).c_str()}).range().has_value();
}

/// In seconds from now.
long freshness(const http_answer& from) {
  const auto left = from.expiry().value() - std::chrono::system_clock::now();
  return std::chrono::duration_cast<std::chrono::seconds>(left + std::chrono::milliseconds(500)).count();
}

}  // namespace

TEST_CASE("a range of an answer counts only in its exact form") {
  const auto range = answer({"content-range:  bytes 100-199/200"}).range();
  REQUIRE(range);
  CHECK(range->first == 100);
  CHECK(range->last == 199);
  CHECK(range->total == 200);
  for (const char* wrong : {"", "bytes 100-199/*", "bytes */200", "bytes 100-200/200", "bytes 150-149/200",
                            "bytes 100-199/200 ", "bytes=100-199/200", "bytes -1-5/200", "bytes 100-199", "items 1-2/3",
                            "bytes 100-199/99999999999999999999", "bytes 100-199/200, bytes 1-2/3"}) {
    INFO(wrong);
    CHECK(has_range(wrong) == (std::string(wrong) == "bytes 100-199/200 "));  // blanks around a value are no part of it
  }
  CHECK_FALSE(answer({"Content-Range: bytes 1-2/3", "Content-Range: bytes 1-2/3"}).range());
  CHECK_FALSE(answer({}).range());
}

TEST_CASE("a version is a tag, or a time that is old enough, at a URL") {
  const char* const date = "Date: Thu, 19 Nov 2026 08:00:59 GMT";
  const char* const modified = "Last-Modified: Thu, 19 Nov 2026 08:00:00 GMT";
  CHECK(answer({"ETag: \"x\""}).version_at("u") == content_validators{"\"x\"", "", "u"});
  CHECK(answer({date, modified}).version_at("u").empty());  // 59 s: it may have changed within that second
  CHECK(answer({"Date: Thu, 19 Nov 2026 08:01:00 GMT", modified}).version_at("u").last_modified ==
        "Thu, 19 Nov 2026 08:00:00 GMT");
  CHECK(answer({modified}).version_at("u").empty());  // old compared with what?
  CHECK(answer({"Date: yesterday", modified}).version_at("u").empty());
}

TEST_CASE("parts are put together under strong tags, and under times only where there is no tag") {
  CHECK(fetching::range_validator({"\"x\"", "time", ""}) == "\"x\"");
  CHECK(fetching::range_validator({"", "time", ""}) == "time");
  for (const char* weak : {"W/\"x\"", "x", "\"", "\"a\", \"b\""}) {
    CHECK(fetching::range_validator({weak, "time", ""}).empty());
  }
  CHECK(answer({}).may_have_ranges());
  CHECK(answer({"Accept-Ranges: bytes"}).may_have_ranges());
  CHECK_FALSE(answer({"Accept-Ranges: none"}).may_have_ranges());
  CHECK_FALSE(answer({"Content-Encoding: gzip"}).may_have_ranges());
}

TEST_CASE("how long an answer is fresh is read from Cache-Control, else from Expires") {
  CHECK_FALSE(answer({}).expiry());
  CHECK_FALSE(answer({"Cache-Control: public"}).expiry());
  CHECK(freshness(answer({"Cache-Control: public, Max-Age=60"})) == 60);
  CHECK(freshness(answer({"Cache-Control: max-age=\"60\"", "Age: 20"})) == 40);
  CHECK(freshness(answer({"Cache-Control: public", "Cache-Control: max-age=60"})) == 60);
  CHECK(freshness(answer({"Cache-Control: max-age=60, no-cache"})) == 0);
  CHECK(freshness(answer({"Cache-Control: no-store"})) == 0);
  CHECK(freshness(answer({"Cache-Control: max-age=soon"})) == 0);
  CHECK(freshness(answer({"Cache-Control: max-age=99999999999999"})) == 36500L * 86400);
  CHECK(freshness(answer({"Date: Thu, 19 Nov 2026 08:00:00 GMT", "Expires: Thu, 19 Nov 2026 09:00:00 GMT"})) == 3600);
  CHECK(freshness(answer({"Date: Thu, 19 Nov 2026 08:00:00 GMT", "Expires: Thu, 19 Nov 2026 07:00:00 GMT"})) == 0);
  CHECK(freshness(answer({"Expires: 0"})) == 0);
}

TEST_CASE("each status line begins a new answer, and what is no header is passed over") {
  http_answer twice = answer({"ETag: \"x\""});
  twice.add_line("HTTP/2 206");
  CHECK(twice.status() == 206);
  CHECK(twice.version_at("u").empty());
  twice.add_line("no colon here");
  twice.add_line("\r\n");
  twice.add_line("HTTP/");
  CHECK(twice.status() == 0);
}
