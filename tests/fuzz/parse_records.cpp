/// What must hold for any bytes that stand in a lock file, and for any owner that is written into one. Called by
/// libFuzzer, and by replay.cpp with what libFuzzer found.
///
///  1. Reading never goes beyond the bytes: the sanitizers see to that, the view is exactly as long as its memory.
///  2. Whatever is accepted has a PID in 1..2^31-1; a whole record besides a boot id of 32 digits.
///  3. What is written reads back as it was: the identity always, host, command and label up to where they were
///     shortened; stamped again it is the same as written anew.
///  4. What was read from a whole record and is written again reads back the same.
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "core/owner_record.hpp"

namespace {

using lockkit::owner;
using lockkit::detail::record_kind;
using std::chrono::milliseconds;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

std::string_view text(const lockkit::detail::record_bytes& bytes) {
  return {bytes.data(), bytes.size()};
}

/// Takes values from the input's beginning; zeros when it is used up.
class input {
 public:
  explicit input(std::string_view bytes) : rest_(bytes) {}

  template <class Number>
  Number number() {
    Number value{};
    const std::size_t size = std::min(sizeof value, rest_.size());
    std::copy_n(rest_.begin(), size, reinterpret_cast<char*>(&value));
    rest_.remove_prefix(size);
    return value;
  }
  std::string string(std::size_t longest) {
    const std::size_t wanted = number<std::uint8_t>() % (longest + 1);
    const std::size_t size = std::min(wanted, rest_.size());
    std::string value(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return value;
  }

 private:
  std::string_view rest_;
};

std::string hexadecimal(std::uint64_t high, std::uint64_t low) {
  std::array<char, 33> digits{};
  std::snprintf(digits.data(), digits.size(), "%016lx%016lx", static_cast<unsigned long>(high),
                static_cast<unsigned long>(low));
  return digits.data();
}

owner any_owner(input& from) {
  constexpr std::uint64_t latest = 9'000'000'000'000;  // milliseconds: year 2255
  owner who;
  who.pid = std::max(1, from.number<std::int32_t>() & 0x7fffffff);
  who.pid_namespace = from.number<std::uint64_t>();
  who.pidfd_inode = from.number<std::uint64_t>();
  who.start_time = from.number<std::uint64_t>();
  who.token.value = from.number<std::uint64_t>();
  who.since = std::chrono::system_clock::time_point(milliseconds(from.number<std::uint64_t>() % latest));
  const auto high = from.number<std::uint64_t>();
  who.boot_id = hexadecimal(high, from.number<std::uint64_t>());
  who.host = from.string(64);
  who.command = from.string(15);
  who.label = from.string(200);
  return who;
}

bool same_identity(const owner& a, const owner& b) {
  return a.pid == b.pid && a.boot_id == b.boot_id && a.pid_namespace == b.pid_namespace &&
         a.pidfd_inode == b.pidfd_inode && a.start_time == b.start_time && a.token == b.token && a.since == b.since;
}

void check_written(const owner& who, record_kind kind) {
  const auto bytes = lockkit::detail::format_record(who, kind);
  const auto read = lockkit::detail::parse_record(text(bytes));
  require(read.has_value(), "a written record is a record");
  require(same_identity(*read, who), "the identity reads back as it was written");
  require(who.host.starts_with(read->host), "the host reads back, perhaps shortened");
  require(who.command.starts_with(read->command), "the command reads back, perhaps shortened");
  require(who.label.starts_with(read->label), "the label reads back, perhaps shortened");
  require(lockkit::detail::kind_of(text(bytes)) == kind, "the kind reads back");
  require(lockkit::detail::record_fence(text(bytes)) == who.token.value, "the fence reads back");
  require(!lockkit::detail::parse_foreign(text(bytes)), "a record is nobody else's");

  lockkit::detail::reusable_record again(who, kind);
  again.stamp(who.token, static_cast<std::uint64_t>(who.since.time_since_epoch() / milliseconds(1)));
  require(again.bytes() == bytes, "stamped again it is as written anew");
}

void check_any(std::string_view bytes) {
  static_cast<void>(lockkit::detail::is_blank(bytes));
  static_cast<void>(lockkit::detail::record_word(bytes));
  static_cast<void>(lockkit::detail::record_fence(bytes));
  const record_kind kind = lockkit::detail::kind_of(bytes);
  const auto foreign = lockkit::detail::parse_foreign(bytes);
  if (foreign) require(foreign->pid > 0, "a foreign PID lies in 1..2^31-1");
  const auto whole = lockkit::detail::parse_record(bytes);
  if (!whole) return;
  require(!foreign, "a whole record is not taken for a script's");
  require(lockkit::detail::has_record_mark(bytes), "a whole record has its mark");
  require(whole->pid > 0, "a record's PID lies in 1..2^31-1");
  require(whole->boot_id.size() == 32, "a boot id has 32 digits");
  const auto again = lockkit::detail::parse_record(text(lockkit::detail::format_record(*whole, kind)));
  require(again && same_identity(*again, *whole), "what was read and is written again reads back the same");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check_any(bytes);
  input from(bytes);
  const bool mutex = from.number<std::uint8_t>() % 2 != 0;
  check_written(any_owner(from), mutex ? record_kind::mutex : record_kind::lock_file);
  return 0;
}
