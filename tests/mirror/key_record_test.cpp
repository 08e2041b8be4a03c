#include "mirror/key_record.hpp"

#include <random>

#include "mirror/digest.hpp"
#include "support/catch.hpp"

using namespace lockkit::detail;

namespace {

key_record sample(std::string key) {
  using namespace std::chrono;
  const system_clock::time_point fetched(nanoseconds(1'763'625'600'123'456'789));
  return {std::move(key), std::string(64, 'a'), 53, fetched, 41, {}, {}};
}

bool equal(const key_record& a, const key_record& b) {
  return a.key == b.key && a.sha256 == b.sha256 && a.size == b.size && a.fetched_at == b.fetched_at &&
         a.generation == b.generation && a.validators == b.validators && a.expires == b.expires;
}

std::string every_byte() {
  std::string key;
  for (int byte = 1; byte < 256; ++byte) key += static_cast<char>(byte);
  return key;
}

}  // namespace

TEST_CASE("a cache record reads back as it was written, whatever bytes the key has") {
  for (const std::string& key : {std::string("https://example.org/a b?c=%20"), std::string("x\nsize 9\n"), every_byte(),
                                 std::string(1024, '\xff')}) {
    const std::string text = format_key_record(sample(key));
    CHECK(text.size() <= largest_record);
    const auto read = parse_key_record(text);
    REQUIRE(read);
    CHECK(equal(*read, sample(key)));
  }
}

TEST_CASE("validators and an expiry in a cache record read back, whatever bytes they have, and absent ones stay so") {
  const std::string long_one(512, '\xff');
  const std::vector<lockkit::content_validators> all = {{},
                                                        {"\"5f70bf\"", "", ""},
                                                        {"", "Thu, 19 Nov 2026 08:00:00 GMT", ""},
                                                        {"", "", every_byte()},
                                                        {long_one, long_one, long_one}};
  for (const lockkit::content_validators& each : all) {
    for (const bool expires : {false, true}) {
      key_record record = sample(std::string(1024, '\xff'));
      record.validators = each;
      if (expires) record.expires = record.fetched_at + std::chrono::hours(1);
      const std::string text = format_key_record(record);
      CHECK(text.size() <= largest_record);
      const auto read = parse_key_record(text);
      REQUIRE(read);
      CHECK(equal(*read, record));
    }
  }
  key_record record = sample("key");
  record.validators = {"short", std::string(513, 'x'), ""};
  CHECK(parse_key_record(format_key_record(record)).value().validators == lockkit::content_validators{"short", "", ""});
}

TEST_CASE("a cache record of version 1 is read, and knows no validators") {
  const std::string now = format_key_record(sample("key"));
  std::string text = "lockkit-cache/1" + now.substr(now.find('\n'), now.find("check ") - now.find('\n'));
  const auto read = parse_key_record(close_record(text));
  REQUIRE(read);
  CHECK(equal(*read, sample("key")));
  CHECK_FALSE(parse_key_record(close_record(text + "etag x\n")));
}

TEST_CASE("a cache record that was cut, extended, or changed in any byte is none") {
  const std::string text = format_key_record(sample("key"));
  for (std::size_t size = 0; size < text.size(); ++size) CHECK_FALSE(parse_key_record(text.substr(0, size)));
  CHECK_FALSE(parse_key_record(text + "\n"));
  CHECK_FALSE(parse_key_record(text + text));
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string changed = text;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    CHECK_FALSE(parse_key_record(changed));
  }
}

TEST_CASE("a cache record whose checksum is right is still read strictly") {
  const std::string good = format_key_record(sample("key"));
  const auto rewritten = [&](const std::string& from, const std::string& to) {
    std::string text = good.substr(0, good.find("check "));
    text.replace(text.find(from), from.size(), to);
    return text + "check " + sha256_of(text) + "\n";
  };
  CHECK(parse_key_record(rewritten("size 53", "size 54")));
  CHECK_FALSE(parse_key_record(rewritten("size 53", "size -1")));
  CHECK_FALSE(parse_key_record(rewritten("size 53", "size 99999999999999999999")));
  CHECK_FALSE(parse_key_record(rewritten("size 53", "size 5x")));
  CHECK_FALSE(parse_key_record(rewritten("size 53\n", "")));
  CHECK_FALSE(parse_key_record(rewritten("size 53\n", "size 53\nsize 53\n")));
  CHECK_FALSE(parse_key_record(rewritten("fetched 1", "fetched -1")));
  CHECK_FALSE(parse_key_record(rewritten("sha256 a", "sha256 A")));
  CHECK_FALSE(parse_key_record(rewritten("sha256 aa", "sha256 a")));
  CHECK_FALSE(parse_key_record(rewritten("key key", "key ")));
  CHECK_FALSE(parse_key_record(rewritten("key key", "key k%00y")));
  CHECK_FALSE(parse_key_record(rewritten("key key", "key %41")));  // 'A' is never escaped: one way to write a key
  CHECK_FALSE(parse_key_record(rewritten("key key", "key k%4")));
  CHECK_FALSE(parse_key_record(rewritten("key key", "key k y")));
  CHECK_FALSE(parse_key_record(rewritten("lockkit-cache/2", "lockkit-cache/3")));
  CHECK_FALSE(parse_key_record(rewritten("generation 41\n", "generation 41\netag %41\n")));
  CHECK_FALSE(parse_key_record(rewritten("generation 41\n", "generation 41\netag \n")));
  CHECK_FALSE(parse_key_record(rewritten("generation 41\n", "generation 41\nmodified x\netag y\n")));
  CHECK_FALSE(parse_key_record(rewritten("generation 41\n", "generation 41\nexpires 1\nexpires 1\n")));
  CHECK_FALSE(parse_key_record(rewritten("generation 41\n", "generation 41\nexpires x\n")));
}

TEST_CASE("the parser of cache records takes any bytes") {
  std::mt19937 random(4711);
  const std::string good = format_key_record(sample("key"));
  for (int round = 0; round < 2000; ++round) {
    std::string bytes(random() % (largest_record + 100), '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    CHECK_FALSE(parse_key_record(bytes));
    std::string spliced = good;
    spliced.insert(random() % good.size(), bytes.substr(0, 1 + random() % 8));
    CHECK_FALSE(parse_key_record(spliced));
  }
}

TEST_CASE("usable keys are 1 to 1024 bytes without NUL") {
  CHECK_FALSE(is_usable_key(""));
  CHECK(is_usable_key("../../x"));
  CHECK(is_usable_key(std::string(1024, 'k')));
  CHECK_FALSE(is_usable_key(std::string(1025, 'k')));
  CHECK_FALSE(is_usable_key(std::string_view("a\0b", 3)));
}
