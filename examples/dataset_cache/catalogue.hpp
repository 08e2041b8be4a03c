#pragma once
/// The catalogue: a YAML file that gives data sets names.
///
///   mnist-labels:                       # letters, digits, ". _ -"; starts with a letter or a digit
///     url: https://example.org/labels.gz
///     sha256: 9f86d0…                   # 64 hexadecimal digits; optional, but without it nothing proves the content
///     size: 28881                       # bytes; optional
///     description: What it is           # optional
///     unpack: true                      # an archive: where it is mirrored to, it becomes a directory; optional

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dataset_cache {

struct data_set {
  std::string name;  ///< empty for one that was asked for by its URL
  std::string url;
  std::optional<std::string> sha256;
  std::optional<std::uint64_t> size;
  std::string description;
  bool unpack = false;

  /// For messages.
  [[nodiscard]] const std::string& label() const noexcept { return name.empty() ? url : name; }
};

class catalogue {
 public:
  /// No data sets.
  catalogue() = default;
  /// Throws failure with file, line, what stands there and what is expected.
  explicit catalogue(const std::filesystem::path& file);

  /// Throws failure if there is none.
  [[nodiscard]] const data_set& find(std::string_view name) const;
  /// What an argument NAME|URL means. A URL that the catalogue lists has the catalogue's size and digest.
  [[nodiscard]] data_set resolve(const std::string& name_or_url) const;
  [[nodiscard]] const data_set* with_url(std::string_view url) const noexcept;
  [[nodiscard]] const std::vector<data_set>& all() const noexcept { return data_sets_; }

 private:
  std::filesystem::path file_;
  std::vector<data_set> data_sets_;
};

}  // namespace dataset_cache
