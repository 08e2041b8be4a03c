#pragma once
/// Bytes as words: names of files may hold anything, and terminals, logs and JSON may not.

#include <optional>
#include <string>
#include <string_view>

namespace tooling {

/// Every byte but letters, digits and those of `also` as %XX. Different texts have different results.
[[nodiscard]] std::string percent_encode(std::string_view bytes, std::string_view also);
/// nullopt: no such result.
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text);

/// Printable ASCII as it is, the rest and '%' as %XX: for messages, tables and JSON.
[[nodiscard]] std::string visible(std::string_view bytes);

}  // namespace tooling
