#pragma once
/// Messages to people, on stderr: "lockkit: ...". What others chose (names, labels) is made printable first.

#include <fmt/format.h>

#include <exception>
#include <filesystem>
#include <string>
#include <string_view>

namespace lockkit_command {

/// Whether the text is well-formed UTF-8.
[[nodiscard]] bool is_utf8(std::string_view text) noexcept;
/// Control characters, and bytes that are no UTF-8, as \xNN: they must not be able to steer a terminal.
[[nodiscard]] std::string printable(std::string_view text);
/// The same in quotes: 'name'.
[[nodiscard]] std::string in_quotes(const std::filesystem::path& path);

/// What the library says of a failure, without its own name before it.
[[nodiscard]] std::string failure_text(const std::exception& failure);

void say_line(std::string_view text) noexcept;

template <class... Arguments>
void say(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  say_line(fmt::format(format, std::forward<Arguments>(arguments)...));
}

}  // namespace lockkit_command
