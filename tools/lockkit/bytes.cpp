#include "bytes.hpp"

#include <array>
#include <charconv>
#include <utility>

namespace lockkit_command {
namespace {

using byte_unit = std::pair<std::string_view, std::uint64_t>;
constexpr std::uint64_t kilo = 1000;
constexpr std::uint64_t kibi = 1024;
constexpr std::array byte_units = {byte_unit{"", 1},
                                   byte_unit{"B", 1},
                                   byte_unit{"k", kilo},
                                   byte_unit{"M", kilo* kilo},
                                   byte_unit{"G", kilo* kilo* kilo},
                                   byte_unit{"T", kilo* kilo* kilo* kilo},
                                   byte_unit{"kB", kilo},
                                   byte_unit{"MB", kilo* kilo},
                                   byte_unit{"GB", kilo* kilo* kilo},
                                   byte_unit{"TB", kilo* kilo* kilo* kilo},
                                   byte_unit{"KiB", kibi},
                                   byte_unit{"MiB", kibi* kibi},
                                   byte_unit{"GiB", kibi* kibi* kibi},
                                   byte_unit{"TiB", kibi* kibi* kibi* kibi}};

}  // namespace

std::optional<std::uint64_t> parse_bytes(std::string_view text) noexcept {
  constexpr std::uint64_t most = (1ULL << 63U) - 1;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  const std::string_view name = text.substr(static_cast<std::size_t>(end - text.data()));
  for (const auto& [known, factor] : byte_units) {
    if (name == known) return number <= most / factor ? std::optional(number * factor) : std::nullopt;
  }
  return std::nullopt;
}

CLI::Option* add_bytes(CLI::App& app, const std::string& names, std::uint64_t& value, const std::string& help) {
  const auto read = [&value, names](const std::string& text) {
    const auto bytes = parse_bytes(text);
    if (!bytes) throw CLI::ValidationError(names, "'" + text + "' is no number of bytes such as 80GB, 64GiB or 512");
    value = *bytes;
  };
  return app.add_option_function<std::string>(names, read, help)->type_name("BYTES");
}

}  // namespace lockkit_command
