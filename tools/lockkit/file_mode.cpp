#include "file_mode.hpp"

#include <fmt/format.h>

#include <charconv>

namespace lockkit_command {

std::optional<std::filesystem::perms> parse_mode(const std::string& text, unsigned most) noexcept {
  constexpr int octal = 8;
  unsigned value = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value, octal);
  if (error != std::errc() || stopped != end || value > most) return std::nullopt;
  return static_cast<std::filesystem::perms>(value);
}

CLI::Option* add_mode(CLI::App& app, std::optional<std::filesystem::perms>& mode, unsigned most,
                      const std::string& help) {
  const auto take = [&mode, most](const std::string& text) {
    mode = parse_mode(text, most);
    if (mode) return;
    throw CLI::ValidationError("--mode", fmt::format("'{}' is no octal mode from 0 to {:o}", text, most));
  };
  return app.add_option_function<std::string>("--mode", take, help)->type_name("OCTAL");
}

}  // namespace lockkit_command
