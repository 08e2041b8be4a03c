#include "gate_file.hpp"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include <lockkit/error.hpp>

#include "platform/fault.hpp"
#include "platform/file.hpp"

namespace lockkit::detail {
namespace {

/// FNV-1a, 64 bits: tells damage, not malice.
std::uint64_t checksum(std::string_view text) noexcept {
  std::uint64_t sum = 0xcbf29ce484222325U;
  for (const char c : text) sum = (sum ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return sum;
}

struct slot {
  std::uint64_t offset = 0;
  std::string bytes;
  std::optional<fencing_token> token;
};

using slots = std::array<slot, gate_slot_offsets.size()>;

slots read_slots(int fd, std::error_code& ec) {
  slots found;
  for (std::size_t i = 0; i < found.size(); ++i) {
    found[i].offset = gate_slot_offsets[i];
    found[i].bytes.resize(gate_slot_size);
    const std::size_t size =
        platform::pread_all(fd, std::as_writable_bytes(std::span(found[i].bytes)), found[i].offset, ec);
    if (ec) return found;
    found[i].bytes.resize(size);
    found[i].token = parse_gate_slot(found[i].bytes);
  }
  if (found[1].token < found[0].token) std::swap(found[0], found[1]);  // none comes before all
  return found;
}

void write_slot(int fd, const slot& old, const std::string& bytes, std::error_code& ec) {
  platform::pwrite_all(fd, std::as_bytes(std::span(bytes)), old.offset, ec);
  platform::fault::point("fence_gate.written");
  if (!ec) platform::sync_file(fd, ec);
  if (!ec) return;
  std::error_code ignored;  // rule 5
  platform::pwrite_all(fd, std::as_bytes(std::span(old.bytes)), old.offset, ignored);
}

}  // namespace

std::string format_gate_slot(fencing_token token) {
  const std::string text = fmt::format("lockkit-gate/1 token={:020}", token.value);
  return fmt::format("{:<46} {:016x}\n", text, checksum(text));
}

std::optional<fencing_token> parse_gate_slot(std::string_view bytes) {
  constexpr std::size_t digits_at = 21;
  constexpr std::size_t digits = 20;
  if (bytes.size() != gate_slot_size) return std::nullopt;
  fencing_token token;
  const char* const first = bytes.data() + digits_at;
  const auto [end, error] = std::from_chars(first, first + digits, token.value);
  if (error != std::errc() || end != first + digits || bytes != format_gate_slot(token)) return std::nullopt;
  return token;
}

std::string new_gate_file() {
  std::string file(gate_slot_offsets.back() + gate_slot_size, '\0');
  for (const std::uint64_t offset : gate_slot_offsets) file.replace(offset, gate_slot_size, format_gate_slot({}));
  return file;
}

gate_tokens read_gate(int fd, std::error_code& ec) {
  const slots found = read_slots(fd, ec);
  if (!ec && !found.back().token) ec = errc::gate_damaged;
  if (ec) return {};
  return {.sure = found.front().token.value_or(*found.back().token), .seen = *found.back().token};
}

void raise_gate(int fd, fencing_token token, std::optional<fencing_token> settled, std::error_code& ec) {
  const std::string bytes = format_gate_slot(token);
  const slots found = read_slots(fd, ec);
  const bool are_ours = settled && found.front().token == settled && found.back().token == settled;
  if (!ec && !are_ours) platform::sync_file(fd, ec);  // rule 6
  for (const slot& one : found) {                     // rule 3
    if (!ec && one.bytes != bytes) write_slot(fd, one, bytes, ec);
    if (ec) return;
  }
}

}  // namespace lockkit::detail
