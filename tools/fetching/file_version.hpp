#pragma once
/// What a file URL names, as far as a second look can tell whether it is still the same.

#include <string>

#include <lockkit/mirror_cache.hpp>

namespace fetching {

class file_version {
 public:
  /// Throws failure unless it is a regular file that can be looked at.
  explicit file_version(const std::string& url);
  friend bool operator==(const file_version&, const file_version&) = default;

  /// Its time is so long past that a change after this look would show.
  [[nodiscard]] bool is_settled() const noexcept { return settled_; }
  [[nodiscard]] lockkit::content_validators validators() const { return {{}, {}, text_}; }

 private:
  std::string text_;
  bool settled_ = false;
};

}  // namespace fetching
