#include "core/owner_record.hpp"

#include <random>

#include "support/catch.hpp"

using namespace lockkit;
using detail::format_record;
using detail::parse_foreign;
using detail::parse_record;

namespace {

std::string_view text(const detail::record_bytes& bytes) {
  return {bytes.data(), bytes.size()};
}

owner sample() {
  owner who = current_process();
  who.label = "nightly sync 100%";
  who.token = fencing_token{18'000'000'000'000'000'123U};
  who.since = std::chrono::system_clock::time_point(std::chrono::milliseconds(1'760'000'000'123));
  return who;
}

}  // namespace

TEST_CASE("a record reads back as it was written") {
  const owner who = sample();
  const auto bytes = format_record(who);
  const auto read = parse_record(text(bytes));
  REQUIRE(read);
  CHECK(read->pid == who.pid);
  CHECK(read->host == who.host);
  CHECK(read->boot_id == who.boot_id);
  CHECK(read->pid_namespace == who.pid_namespace);
  CHECK(read->pidfd_inode == who.pidfd_inode);
  CHECK(read->start_time == who.start_time);
  CHECK(read->token == who.token);
  CHECK(read->since == who.since);
  CHECK(read->command == who.command);
  CHECK(read->label == who.label);
}

TEST_CASE("a record is two lines of 256 bytes whose second line is not the bare host") {
  const owner who = sample();
  const auto bytes = format_record(who);
  const std::string_view record = text(bytes);
  CHECK(record.size() == 256);
  CHECK(std::ranges::count(record, '\n') == 2);
  CHECK(record.back() == '\n');
  CHECK(record.substr(11, who.host.size() + 11) == who.host + " lockkit/1 ");
  for (std::size_t i = 244; i < 248; ++i) CHECK((record[i] >= 'a' && record[i] <= 'p'));
}

TEST_CASE("a record that is stamped again differs from a fresh one in nothing") {
  owner who = sample();
  who.host = "a fence=1 t=2 host";
  who.label = "x fence=3 t=4";
  detail::reusable_record record(who, detail::record_kind::lock_file);
  who.token = fencing_token{7};
  who.since = std::chrono::system_clock::time_point(std::chrono::milliseconds(1'770'000'000'456));
  record.stamp(who.token, 1'770'000'000'456);
  CHECK(text(record.bytes()) == text(format_record(who)));
}

TEST_CASE("the longest host, command and label are shortened and never break the record") {
  owner who = sample();
  who.pid = 2147483647;
  who.host = std::string(64, 'h');
  who.command = std::string(15, 'c');
  who.label = std::string(1000, '\n');
  who.pidfd_inode = who.start_time = who.pid_namespace = 99'999'999'999U;
  const auto read = parse_record(text(format_record(who)));
  REQUIRE(read);
  CHECK(read->host == who.host);
  CHECK(read->boot_id == who.boot_id);
  CHECK(read->pidfd_inode == who.pidfd_inode);
}

TEST_CASE("the largest numbers shorten the host, never the identity") {
  owner who = sample();
  who.pid = 2147483647;
  who.host = std::string(64, 'h');
  who.pidfd_inode = who.start_time = who.pid_namespace = who.token.value = UINT64_MAX;
  const auto read = parse_record(text(format_record(who)));
  REQUIRE(read);
  CHECK(read->pid_namespace == UINT64_MAX);
  CHECK(read->start_time == UINT64_MAX);
  CHECK(read->pidfd_inode == UINT64_MAX);
  CHECK(read->token == who.token);
  CHECK(read->since == who.since);
  CHECK(who.host.starts_with(read->host));
  CHECK_FALSE(read->host.empty());
}

TEST_CASE("a host or label with spaces, newlines and record marks can't forge a field") {
  owner who = sample();
  who.host = "evil lockkit/1 k=none fence=1\n7";
  who.label = "x lockkit/1 b=0";
  const auto read = parse_record(text(format_record(who)));
  REQUIRE(read);
  CHECK(read->token == who.token);
  CHECK(read->boot_id == who.boot_id);
}

TEST_CASE("a PID outside 1..2^31-1 is nobody's") {
  for (const char* bad : {"0\n", "-1\n", "2147483648\n", "1000000000000000000000000000000\n", "1 2\n", "\n", "",
                          "abc\n", "+5\n", " 5\n", "5x\n"}) {
    INFO(bad);
    CHECK_FALSE(parse_foreign(bad));
  }
  CHECK_FALSE(parse_foreign(std::string_view("5\0\n", 3)));
  REQUIRE(parse_foreign("5"));
  REQUIRE(parse_foreign("5\n"));
  CHECK(parse_foreign("4711\nhost\ntoken\n")->host == "host");
  CHECK(parse_foreign("4711\n")->host.empty());
}

TEST_CASE("any bytes are parsed without harm, and only whole records are records") {
  std::mt19937 random(7);
  const auto good = format_record(sample());
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes(text(good));
    const auto edits = 1 + random() % 4;
    for (unsigned i = 0; i < edits; ++i) bytes[random() % bytes.size()] = static_cast<char>(random());
    if (random() % 4 == 0) bytes.resize(random() % 600, static_cast<char>(random()));
    (void)parse_foreign(bytes);
    (void)detail::record_fence(bytes);
    if (const auto read = parse_record(bytes)) {
      REQUIRE(read->pid > 0);
      REQUIRE(read->boot_id.size() == 32);
    }
  }
}

TEST_CASE("an empty or cut record is no record") {
  const auto good = format_record(sample());
  for (std::size_t size = 0; size < good.size(); ++size) CHECK_FALSE(parse_record(text(good).substr(0, size)));
}

TEST_CASE("the own process is alive, its record with another start is dead, other hosts can't be judged") {
  owner self = current_process();
  CHECK(probe(self) == liveness::alive);
  owner recycled = self;
  recycled.pidfd_inode += 1;
  recycled.start_time += 1;
  CHECK(probe(recycled) == liveness::dead);
  owner earlier_boot = self;
  earlier_boot.boot_id = std::string(32, 'e');
  CHECK(probe(earlier_boot) == liveness::dead);
  owner elsewhere = earlier_boot;
  elsewhere.host = "elsewhere";
  CHECK(probe(elsewhere) == liveness::unknown);
}

TEST_CASE("a mutex's record is told from a lock file's, and a word that was woken often does no harm") {
  auto bytes = format_record(sample(), detail::record_kind::mutex);
  CHECK(detail::kind_of(text(bytes)) == detail::record_kind::mutex);
  CHECK(detail::kind_of(text(format_record(sample()))) == detail::record_kind::lock_file);
  bytes[detail::word_offset] = '\xbf';
  bytes[detail::word_offset + 1] = '\0';
  REQUIRE(parse_record(text(bytes)));
  CHECK(parse_record(text(bytes))->label == sample().label);
}

TEST_CASE("a description can't steer a terminal") {
  owner who = sample();
  who.label = "a\x1b[2Jb\nc";
  CHECK(who.describe().find('\x1b') == std::string::npos);
  CHECK(who.describe().find("a\\x1b[2Jb\\x0ac") != std::string::npos);
}
