#include "owner_record.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "platform/fault.hpp"

namespace lockkit::detail {
namespace {

constexpr std::string_view mark = " lockkit/1 ";
constexpr std::string_view fence_key = " fence=";
constexpr std::string_view time_key = " t=";
constexpr std::size_t word_key = word_offset - 3;  // " w=" before the letters

bool is_graphic(char c) noexcept {
  return c > ' ' && c < '\x7f';
}

/// Appends `value` with rule 5's escapes, never beyond `limit` characters in all.
void append_escaped(std::string& text, std::string_view value, std::size_t limit) {
  for (const char c : value) {
    const bool plain = is_graphic(c) && c != '%';
    if (text.size() + (plain ? 1 : 3) > limit) return;
    if (plain) {
      text += c;
    } else {
      fmt::format_to(std::back_inserter(text), "%{:02X}", static_cast<unsigned char>(c));
    }
  }
}

template <class Integer>
std::optional<Integer> parse_number(std::string_view text, int base = 10) noexcept {
  Integer value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

std::string unescape(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte =
        text[i] == '%' && i + 2 < text.size() ? parse_number<unsigned char>(text.substr(i + 1, 2), 16) : std::nullopt;
    result += byte ? static_cast<char>(*byte) : text[i];
    if (byte) i += 2;
  }
  return result;
}

std::string_view trimmed(std::string_view text) noexcept {
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

std::optional<std::int32_t> parse_pid(std::string_view line) noexcept {
  const auto pid = parse_number<std::int32_t>(trimmed(line));
  return pid && *pid > 0 ? pid : std::nullopt;
}

/// The value after " key=" up to the next space.
std::string_view field(std::string_view line, std::string_view key) noexcept {
  const std::size_t at = line.find(key);
  if (at == std::string_view::npos) return {};
  line.remove_prefix(at + key.size());
  return line.substr(0, line.find(' '));
}

bool is_hex32(std::string_view text) noexcept {
  constexpr std::string_view digits = "0123456789abcdef";
  return text.size() == 32 && text.find_first_not_of(digits) == std::string_view::npos;
}

/// Two lines of graphic ASCII and spaces, nothing else but the word.
bool has_shape(std::string_view bytes) noexcept {
  if (bytes.size() != record_size || bytes[10] != '\n' || bytes.back() != '\n') return false;
  const auto plain = [](char c) { return c == ' ' || is_graphic(c); };
  return std::ranges::all_of(bytes.substr(0, 10), plain) &&
         std::ranges::all_of(bytes.substr(11, word_offset - 11), plain);
}

std::optional<record_kind> parse_kind(std::string_view line) noexcept {
  const std::string_view kind = field(line, " k=");
  if (kind == "flock") return record_kind::lock_file;
  if (kind == "mutex") return record_kind::mutex;
  return std::nullopt;
}

std::uint32_t word_letters(std::uint64_t fence) noexcept {
  if (platform::fault::is_broken("word_counts")) fence = 0;
  std::array<char, 4> letters{};
  for (char& letter : letters) {
    letter = static_cast<char>('a' + (fence & 15U));
    fence >>= 4U;
  }
  std::uint32_t word = 0;
  std::memcpy(&word, letters.data(), sizeof word);
  return word;
}

std::optional<owner> parse_identity(std::string_view line) {
  owner who;
  const auto ns = parse_number<std::uint64_t>(field(line, " ns="));
  const auto start = parse_number<std::uint64_t>(field(line, " start="));
  const auto pidfd = parse_number<std::uint64_t>(field(line, " pf="));
  const auto fence = parse_number<std::uint64_t>(field(line, fence_key));
  const auto since = parse_number<std::int64_t>(field(line, time_key));
  const std::string_view boot = field(line, " b=");
  if (!ns || !start || !pidfd || !fence || !since || !is_hex32(boot) || !parse_kind(line)) return {};
  who.boot_id = boot;
  who.pid_namespace = *ns;
  who.start_time = *start;
  who.pidfd_inode = *pidfd;
  who.token = fencing_token{*fence};
  constexpr std::int64_t latest = 9'000'000'000'000;  // year 2255, in milliseconds: what the clock can represent
  who.since =
      std::chrono::system_clock::time_point(std::chrono::milliseconds(std::clamp<std::int64_t>(*since, 0, latest)));
  who.command = unescape(field(line, " c="));
  who.label = unescape(field(line, " l="));
  return who;
}

/// Where the value after `key` begins. The last one: a host's name comes before the fields and may hold anything.
std::size_t value_position(const record_bytes& record, std::string_view key) noexcept {
  return std::string_view(record.data(), record.size()).rfind(key) + key.size();
}

void overwrite_number(char* first, std::size_t width, std::uint64_t value) noexcept {
  for (std::size_t i = width; i-- > 0; value /= 10) first[i] = static_cast<char>('0' + value % 10);
}

}  // namespace

reusable_record::reusable_record(const owner& who, record_kind kind)
    : bytes_(format_record(who, kind)),
      fence_at_(value_position(bytes_, fence_key)),
      time_at_(value_position(bytes_, time_key)) {}

void reusable_record::stamp(fencing_token token, std::uint64_t wall_ms) noexcept {
  overwrite_number(bytes_.data() + fence_at_, 20, token.value);
  overwrite_number(bytes_.data() + time_at_, 13, wall_ms);
  const std::uint32_t word = word_letters(token.value);
  std::memcpy(bytes_.data() + word_offset, &word, sizeof word);
}

record_bytes format_record(const owner& who, record_kind kind) {
  const auto since = std::chrono::floor<std::chrono::milliseconds>(who.since.time_since_epoch()).count();
  const std::string identity =
      fmt::format("{}k={} b={:0>32} ns={} start={} pf={} fence={:020} t={:013}", mark,
                  kind == record_kind::lock_file ? "flock" : "mutex", who.boot_id, who.pid_namespace, who.start_time,
                  who.pidfd_inode, who.token.value, std::max<std::int64_t>(since, 0));
  std::string text = fmt::format("{:<10}\n", who.pid);
  append_escaped(text, who.host, std::min(text.size() + 64, word_key - identity.size()));
  text += identity;
  if (text.size() + 4 < word_key) {
    text += " c=";
    append_escaped(text, who.command, word_key);
  }
  if (!who.label.empty() && text.size() + 4 < word_key) {
    text += " l=";
    append_escaped(text, who.label, word_key);
  }
  text.resize(word_key, ' ');
  text += " w=";
  record_bytes record;
  record.fill(' ');
  std::ranges::copy(text, record.begin());
  const std::uint32_t word = word_letters(who.token.value);
  std::memcpy(record.data() + word_offset, &word, sizeof word);
  record.back() = '\n';
  return record;
}

std::optional<owner> parse_record(std::string_view bytes) {
  if (!has_shape(bytes)) return std::nullopt;
  const auto pid = parse_pid(bytes.substr(0, 10));
  const std::string_view line = bytes.substr(11, word_key - 11);
  const std::size_t host_end = line.find(mark);
  if (!pid || host_end == std::string_view::npos || bytes.substr(word_key, 3) != " w=") return std::nullopt;
  auto who = parse_identity(line.substr(host_end));
  if (!who) return std::nullopt;
  who->pid = *pid;
  who->host = unescape(line.substr(0, host_end));
  return who;
}

record_kind kind_of(std::string_view record) noexcept {
  return parse_kind(record.substr(0, word_key)).value_or(record_kind::lock_file);
}

bool is_blank(std::string_view bytes) noexcept {
  return bytes.find_first_not_of('\0') == std::string_view::npos;
}

bool has_record_mark(std::string_view bytes) noexcept {
  return bytes.substr(0, record_size).find(mark) != std::string_view::npos;
}

std::optional<owner> parse_foreign(std::string_view bytes) {
  if (has_record_mark(bytes)) return std::nullopt;
  const std::size_t end = bytes.find('\n');
  const auto pid = parse_pid(bytes.substr(0, end));
  if (!pid) return std::nullopt;
  owner who;
  who.pid = *pid;
  if (end == std::string_view::npos) return who;
  const std::string_view host = bytes.substr(end + 1, bytes.find('\n', end + 1) - end - 1);
  if (host.size() <= 64 && std::ranges::all_of(host, is_graphic)) who.host = host;
  return who;
}

std::uint32_t record_word(std::string_view bytes) noexcept {
  std::uint32_t word = 0;
  if (bytes.size() >= word_offset + sizeof word) std::memcpy(&word, bytes.data() + word_offset, sizeof word);
  return word;
}

std::uint64_t record_fence(std::string_view bytes) noexcept {
  return parse_number<std::uint64_t>(field(bytes.substr(0, word_key), fence_key)).value_or(0);
}

}  // namespace lockkit::detail
