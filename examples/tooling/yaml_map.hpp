#pragma once
/// Reading YAML strictly: every refusal names file, line and column, what was expected, and for an unknown key the
/// nearest one that exists.

#include <yaml-cpp/yaml.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace tooling {

/// A file's root. Not a regular file, unreadable, or no YAML: failure.
[[nodiscard]] YAML::Node load_yaml(const std::filesystem::path& file);

/// One map of a file. `file` must outlive it.
class yaml_map {
 public:
  /// Refuses anything but a map, a key twice, and keys other than `keys` (empty: any).
  yaml_map(const std::filesystem::path& file, const YAML::Node& node, std::string what,
           std::vector<std::string_view> keys);

  [[nodiscard]] bool has(std::string_view key) const;
  [[nodiscard]] YAML::Node at(std::string_view key) const;  ///< refuses if it is missing
  [[nodiscard]] const YAML::Node& node() const noexcept { return node_; }

  [[nodiscard]] std::string text(std::string_view key) const;
  [[nodiscard]] std::string text(std::string_view key, std::string_view otherwise) const;
  [[nodiscard]] bool flag(std::string_view key, bool otherwise) const;
  [[nodiscard]] std::int64_t number(std::string_view key, std::int64_t otherwise, std::int64_t least,
                                    std::int64_t most) const;
  /// "500ms", "2s", "10min", "1h", "2d".
  [[nodiscard]] std::chrono::milliseconds duration(std::string_view key, std::chrono::milliseconds otherwise) const;
  /// A number of bytes, or "80GiB", "16 GB".
  [[nodiscard]] std::uint64_t bytes(std::string_view key) const;
  [[nodiscard]] std::vector<std::string> words(std::string_view key) const;
  [[nodiscard]] std::map<std::string, std::string> texts(std::string_view key) const;
  /// A map of plain values as a JSON object; "{}" if there is none.
  [[nodiscard]] std::string json_object(std::string_view key) const;

  [[noreturn]] void refuse(const YAML::Node& where, std::string_view reason) const;

 private:
  [[nodiscard]] std::string scalar(std::string_view key, std::string_view expected) const;

  const std::filesystem::path& file_;
  YAML::Node node_;
  std::string what_;
};

/// The one of `names` with the fewest letters to change.
[[nodiscard]] std::string_view nearest(std::string_view name, const std::vector<std::string_view>& names);

}  // namespace tooling
