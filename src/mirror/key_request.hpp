#pragma once
/// One request for one key: which cached content answers it, when to fetch, and who does.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <lockkit/mirror_cache.hpp>

#include "cache_layout.hpp"
#include "content.hpp"
#include "fetch_stream.hpp"
#include "key_lock.hpp"

namespace lockkit::detail {

/// What a request got. `hold` is set if it fetched: the key's lock, held until the caller is done.
struct answer {
  pinned_content content;
  std::unique_ptr<key_lock> hold;
  std::string stale_reason{};  ///< why the fetch failed, if the content is served in spite of that
};

/// Used once, by one thread. Throws lockkit::error, and whatever `fetch` throws.
class key_request {
 public:
  using fetch_call = std::function<void(fetch_stream&)>;

  /// The arguments are checked here, and outlive this object.
  key_request(const cache_layout& layout, std::string_view key, fetch_policy policy, const request_options& options);
  [[nodiscard]] answer run(const fetch_call& fetch);

 private:
  [[noreturn]] void fail(const std::error_code& ec, std::string detail = {}) const;
  void require(const std::error_code& ec) const {
    if (ec) fail(ec);
  }
  [[nodiscard]] std::optional<pinned_content> find() const;
  [[nodiscard]] bool has_wanted_digest(const pinned_content& content) const noexcept;
  [[nodiscard]] bool is_young_enough(const pinned_content& content) const noexcept;
  void note_arrival();
  [[nodiscard]] bool answers(const pinned_content& content, std::uint64_t hold) const noexcept;
  void take_lock();
  [[nodiscard]] std::function<void()> pulse();
  [[nodiscard]] answer fetch_and_store(const fetch_call& fetch, std::optional<pinned_content> cached);
  [[nodiscard]] std::optional<answer> fetch_once(const fetch_call& fetch, std::optional<pinned_content>& cached,
                                                 bool whole);
  [[nodiscard]] bool hides(const std::exception& failure, fetch_stream& stream) const;
  [[nodiscard]] key_record new_record(const fetch_stream& stream) const;
  [[nodiscard]] deadline until_published() const;

  const cache_layout& layout_;
  std::string key_;
  std::string name_;
  fetch_policy policy_;
  request_options options_;
  bool only_try_;  // judged on arrival: a deadline that passes later, even before the fetch begins, ends the fetch
  std::unique_ptr<key_lock> lock_;
  bool notice_given_ = false;
  bool unlocked_ = false;  // goes on without the lock: somebody had it for too long
  std::optional<fetch_progress> told_;
  std::uint64_t arrival_ = 0;
};

/// Throws errc::invalid_name unless `key` is usable; returns its name.
[[nodiscard]] std::string name_of_key(const cache_layout& layout, std::string_view key);

}  // namespace lockkit::detail
