#pragma once
/// Bytes as words: names of files may hold anything, and terminals, logs and JSON may not.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tooling {

/// Every byte but letters, digits and those of `also` as %XX. Different texts have different results.
[[nodiscard]] std::string percent_encode(std::string_view bytes, std::string_view also);
/// nullopt: no such result.
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text);

/// Printable ASCII as it is, the rest and '%' as %XX: for messages, tables and JSON.
[[nodiscard]] std::string visible(std::string_view bytes);

/// A command as `env` takes it behind its variables: it would take a program with '=' in its name for one more of them.
[[nodiscard]] std::vector<std::string> behind_env(const std::vector<std::string>& command);

}  // namespace tooling
