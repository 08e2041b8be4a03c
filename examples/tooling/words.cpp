#include "tooling/words.hpp"

#include <fmt/format.h>

#include <charconv>

namespace tooling {
namespace {

bool is_letter_or_digit(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

}  // namespace

std::string percent_encode(std::string_view bytes, std::string_view also) {
  std::string result;
  for (const char c : bytes) {
    const bool plain = is_letter_or_digit(c) || (c != '%' && also.find(c) != std::string_view::npos);
    result += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return result;
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    if (text.front() != '%') {
      result += text.front();
      text.remove_prefix(1);
      continue;
    }
    unsigned byte = 0;
    if (text.size() < 3) return std::nullopt;
    const auto [end, error] = std::from_chars(text.data() + 1, text.data() + 3, byte, 16);
    if (error != std::errc() || end != text.data() + 3) return std::nullopt;
    result += static_cast<char>(byte);
    text.remove_prefix(3);
  }
  return result;
}

std::vector<std::string> behind_env(const std::vector<std::string>& command) {
  std::vector<std::string> result;
  if (command.front().find('=') != std::string::npos) result = {"nice", "-n", "0", "--"};  // starts it, and no more
  result.insert(result.end(), command.begin(), command.end());
  return result;
}

std::string visible(std::string_view bytes) {
  return percent_encode(bytes, " !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~");
}

}  // namespace tooling
