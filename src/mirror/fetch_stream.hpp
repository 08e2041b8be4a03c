#pragma once
/// What a fetch brings, on its way into the cache: written aside, hashed and measured.

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include <lockkit/mirror_cache.hpp>

#include "cache_layout.hpp"
#include "digest.hpp"
#include "fs/staging.hpp"
#include "partial_file.hpp"
#include "platform/unique_fd.hpp"
#include "progress_note.hpp"

namespace lockkit::detail {

/// A finished content: digest, size, and the file that holds it.
struct fetched_content {
  std::string sha256;
  std::uint64_t size = 0;
  std::chrono::system_clock::time_point began{};
};

/// Which fetch of which key.
struct fetch_subject {
  const std::string& name;
  const std::string& key;
  std::optional<cached_version> cached{};
  bool only_try = false;  ///< the request's deadline had passed when it arrived, and says nothing about the fetch
  bool whole = false;     ///< partial contents are not to be gone on with
};

/// Used by the thread that fetches.
class fetch_stream {
 public:
  fetch_stream(const cache_layout& layout, const request_options& request, fetch_subject subject, std::error_code& ec);
  ~fetch_stream();
  fetch_stream(const fetch_stream&) = delete;
  fetch_stream& operator=(const fetch_stream&) = delete;

  /// These throw lockkit::error. What they threw is remembered: a fetch function that swallows it does not get away
  /// with half a content.
  void write(std::span<const std::byte> bytes);
  void expect_size(std::uint64_t bytes);
  void restart();
  [[nodiscard]] std::uint64_t size() const noexcept { return file_.size(); }
  /// Once this has said yes, the content counts as incomplete.
  [[nodiscard]] bool cancelled() noexcept;

  [[nodiscard]] const std::optional<cached_version>& cached() const noexcept { return subject_.cached; }
  void not_modified();
  void set_validators(content_validators validators) { validators_ = storable(std::move(validators)); }
  void set_expiry(std::chrono::system_clock::time_point until) { expires_ = until; }
  [[nodiscard]] std::optional<partial_content> partial();
  void resume();
  void keep_partial(content_validators validators);

  /// After the fetch function returned: everything is there and as promised.
  [[nodiscard]] fetched_content finish(std::error_code& ec);
  /// The fetch function says that what is cached is current, and nothing speaks against it.
  [[nodiscard]] bool is_unmodified(std::error_code& ec);
  [[nodiscard]] const std::optional<content_validators>& new_validators() const noexcept { return validators_; }
  [[nodiscard]] const std::optional<std::chrono::system_clock::time_point>& expires() const noexcept {
    return expires_;
  }
  [[nodiscard]] std::chrono::system_clock::time_point began() const noexcept { return began_; }
  /// Another digest than promised may come from a part that was there already.
  [[nodiscard]] bool relied_on_what_was_there() const noexcept { return resumed_ || taken_; }
  /// What is cached, read through `file` as though it had been fetched; finish() compares it with its own digest. False:
  /// it can't be read.
  [[nodiscard]] bool take_from(int file);
  [[nodiscard]] bool was_told_to_stop() const noexcept { return told_to_stop_; }
  /// The cache refused what came, or the caller has stopped the request: not the source's fault.
  [[nodiscard]] bool failed_by_itself() noexcept { return failure_ || cancelled(); }
  /// The fetch has failed: what came so far is left for the next one, if it said how to go on.
  void keep_what_came() noexcept;
  [[nodiscard]] staging& file() noexcept { return file_; }
  [[nodiscard]] int directory() const noexcept { return directory_.get(); }

 private:
  void require(const std::error_code& ec);
  void refuse_unless(bool allowed, const char* why);
  void report_progress();
  [[nodiscard]] bool deadline_passed() const noexcept;
  [[nodiscard]] std::error_code why_stopped() const;
  void drop_claimed() noexcept;
  template <class Use>
  void read_all(int file, std::uint64_t size, const Use& use, std::error_code& ec);
  void sync_now_and_then();

  const cache_layout& layout_;
  const request_options& request_;
  fetch_subject subject_;
  platform::unique_fd directory_;
  std::optional<partial_file> claimed_;  // told to the fetch function, not used by it yet
  std::optional<partial_file> kept_;     // what file_ is, if it is to outlive a failure
  staging file_;
  sha256_stream digest_;
  std::optional<std::uint64_t> expected_;
  std::chrono::system_clock::time_point began_;
  std::optional<content_validators> validators_;
  std::optional<std::chrono::system_clock::time_point> expires_;
  progress_note note_;
  std::error_code failure_;
  std::uint64_t synced_ = 0;
  bool keeps_ = false;
  bool resumed_ = false;
  bool taken_ = false;
  bool unmodified_ = false;
  bool told_to_stop_ = false;
};

}  // namespace lockkit::detail
