#pragma once
/// What an HTTP answer says besides its body: as far as it decides whether a content is current, and can be gone on with.

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include <lockkit/mirror_cache.hpp>

namespace fetching {

/// "bytes 100-199/200"
struct content_range {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::uint64_t total = 0;
};

class http_answer {
 public:
  /// Header lines in their order; a status line begins a new answer.
  void add_line(std::string_view line);
  void clear();

  [[nodiscard]] long status() const noexcept { return status_; }
  /// None unless it says so in exactly that form, once, and the numbers fit together.
  [[nodiscard]] std::optional<content_range> range() const;
  /// What the content is called here, and where "here" is (in `other`): empty if the answer does not say, or only by a
  /// time so close to its own that a change within the same second could hide behind it.
  [[nodiscard]] lockkit::content_validators version_at(const std::string& url) const;
  /// Whether neither its tag nor its time is another one than that version's. An answer with a part need not say either.
  [[nodiscard]] bool may_be_of(const lockkit::content_validators& version) const;
  /// Whether it says that parts can be asked for, or does not say that they can't.
  [[nodiscard]] bool may_have_ranges() const;
  /// Until when it counts as fresh; none if it does not say.
  [[nodiscard]] std::optional<std::chrono::system_clock::time_point> expiry() const;

 private:
  [[nodiscard]] std::string field(const std::string& name) const;
  [[nodiscard]] std::optional<std::chrono::system_clock::time_point> time_of(const std::string& name) const;
  [[nodiscard]] std::optional<std::chrono::seconds> lifetime() const;

  long status_ = 0;                            // 0: no HTTP at all
  std::map<std::string, std::string> fields_;  // names in lower case; values of one name joined by commas
};

/// A tag that promises the same bytes, not just the same meaning.
[[nodiscard]] bool is_strong_tag(std::string_view etag) noexcept;

/// What may stand in If-Range: a strong tag, or a time where there is no tag. Empty: parts of this version can't be put
/// together.
[[nodiscard]] std::string range_validator(const lockkit::content_validators& version);

}  // namespace fetching
