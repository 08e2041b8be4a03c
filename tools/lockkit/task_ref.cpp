/// Attempts as scripts name them.
#include <algorithm>
#include <charconv>

#include <lockkit/error.hpp>

#include "exit_code.hpp"
#include "failure.hpp"
#include "message.hpp"
#include "task_command.hpp"

namespace lockkit_command {
namespace {

/// Takes a number and the dot behind it off the text; false: there is none.
template <class Number>
bool take_number(std::string_view& text, Number& number) noexcept {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (!text.starts_with('.')) return false;
  text.remove_prefix(1);
  return true;
}

bool is_key(std::string_view text) noexcept {
  constexpr std::size_t digits = 32;
  const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return text.size() == digits && std::ranges::all_of(text, is_hex);
}

}  // namespace

std::string attempt_text(const lockkit::task_ref& ref) {
  return fmt::format("{}.{}.{}", ref.id, ref.attempt, ref.claim_key);
}

lockkit::task_ref parse_ref(const std::string& text) {
  lockkit::task_ref ref;
  std::string_view rest = text;
  if (!take_number(rest, ref.id) || !take_number(rest, ref.attempt) || !is_key(rest)) {
    throw failure(bad_data, fmt::format("{} is no attempt of a task; give what 'task take' printed", in_quotes(text)));
  }
  ref.claim_key = rest;
  return ref;
}

std::uint64_t parse_task(const std::string& text) {
  std::uint64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error == std::errc() && end == text.data() + text.size()) return id;
  return parse_ref(text).id;
}

int judge_report(const std::string& ref, const std::error_code& ec, const lockkit::claim_store& store) {
  if (!ec) return done;
  if (ec != lockkit::errc::claim_lost) throw lockkit::error("report about a task in", store.path(), ec);
  say("the attempt {} is over, or was given to somebody else: nothing was changed; discard what it did",
      in_quotes(ref));
  return answer_is_no;
}

}  // namespace lockkit_command
