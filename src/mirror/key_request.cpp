/// Who fetches, and whom a fetch serves.
///
///  1. `if_missing` and `if_older_than` look without a lock first; what they find and like is the answer. `never` ends
///     there, too.
///  2. Everybody else takes the key's lock, and looks once more: whoever held it before may have fetched.
///  3. Holds of the lock are numbered by its fencing token, and a record carries the number of the hold under which its
///     content was fetched: its generation. On arrival a request notes the greatest number in existence, from the lock
///     and from the record. A content with a greater generation was fetched under a hold that began after the arrival,
///     so the fetch did. That is what `always` promises, without comparing times:
///
///       A holds 7, fetches ---------- stores 7, leaves
///            B arrives, notes 7, waits ---------------- holds 8; 7 is not > 7: fetches, stores 8, leaves
///            C arrives, notes 7, waits ------------------------------------------------- holds 9; 8 > 7: B's will do
///                                                             D arrives, notes 8, waits ------- holds 10; fetches
///
///     A's fetch began before B and C were there; C shares B's; B's began before D was there.
///     The note is made before the first look, so a fetch that ends in between is not mistaken for a later one.
///  4. A generation must also be smaller than the number of the own hold. If it is not, the lock file was lost and the
///     clock stepped back, and comparing says nothing: fetch. The record is asked on arrival for the same reason: a
///     lost lock file begins with a greater number than what it forgot.
///     And a lock file that was removed during the fetch: who came then holds a new one, numbered from the clock, and
///     noted less than our number. Such a fetch stores the generation 0, which answers no `always`.
///  5. `if_older_than` takes what a fetch after its arrival brought, whatever the clocks say: a wrong clock must not make
///     every waiting request fetch.
///  6. The lock decides how often is fetched, never whether the result is right (see content_store.cpp).
///  7. A request that asks, from inside its fetch function, for the same key would wait for itself: would_deadlock.
///     Other keys are other locks. The gate is never held while a fetch function runs.

#include "key_request.hpp"

#include <algorithm>

#include <lockkit/error.hpp>

#include "content_store.hpp"
#include "digest.hpp"

namespace lockkit::detail {
namespace {

std::string lowercase(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

}  // namespace

std::string name_of_key(const cache_layout& layout, std::string_view key) {
  if (is_usable_key(key)) return sha256_of(key);
  throw error("use a key in", layout.directory(), errc::invalid_name,
              "keys are 1 to 1024 bytes without NUL; this one: '" + escape_key(key.substr(0, 64)) + "'");
}

key_request::key_request(const cache_layout& layout, std::string_view key, fetch_policy policy,
                         const request_options& options)
    : layout_(layout),
      key_(key),
      name_(name_of_key(layout, key)),
      policy_(policy),
      options_(options),
      only_try_(options.until.expired()) {
  if (!options_.sha256) return;
  options_.sha256 = lowercase(*options_.sha256);
  if (!is_digest(*options_.sha256)) {
    fail(std::make_error_code(std::errc::invalid_argument), "a SHA-256 has 64 hexadecimal digits");
  }
}

void key_request::fail(const std::error_code& ec, std::string detail) const {
  throw error("get '" + escape_key(key_) + "' from", layout_.directory(), ec, std::move(detail));
}

std::optional<pinned_content> key_request::find() const {
  std::error_code ec;
  auto found = find_content(layout_, key_, name_, ec);
  require(ec);
  if (found && !has_wanted_digest(*found)) found.reset();
  return found;
}

bool key_request::has_wanted_digest(const pinned_content& content) const noexcept {
  return !options_.sha256 || *options_.sha256 == content.record.sha256;
}

bool key_request::is_young_enough(const pinned_content& content) const noexcept {
  switch (policy_.which()) {
    case fetch_policy::kind::if_missing:
    case fetch_policy::kind::never:
      return true;
    case fetch_policy::kind::if_older_than: {
      const auto age = std::chrono::system_clock::now() - content.record.fetched_at;
      return age >= std::chrono::system_clock::duration::zero() &&
             age <= policy_.age();  // from the future: as good as old
    }
    case fetch_policy::kind::always:
      break;
  }
  return false;
}

/// Rule 3.
void key_request::note_arrival() {
  std::function<void(const wait_notice&)> notice;
  if (options_.on_wait) notice = [this](const wait_notice& wait) { options_.on_wait(key_, wait.holder); };
  lock_ = std::make_unique<key_lock>(layout_, name_, key_, std::move(notice));
  std::error_code ec;
  arrival_ = lock_->latest(ec);
  require(ec);
}

/// Rules 3 to 5.
bool key_request::answers(const pinned_content& content, std::uint64_t hold) const noexcept {
  const std::uint64_t generation = content.record.generation;
  return is_young_enough(content) || (generation > arrival_ && generation < hold);
}

void key_request::take_lock() {
  std::error_code ec;
  lock_->acquire(options_.until, options_.stop, ec);
  require(ec);
}

answer key_request::run(const fetch_call& fetch) {
  if (policy_.which() == fetch_policy::kind::always) note_arrival();
  std::optional<pinned_content> cached = find();
  if (cached && is_young_enough(*cached)) return {std::move(*cached), nullptr};
  if (policy_.which() == fetch_policy::kind::never) fail(errc::not_cached);
  if (!lock_) note_arrival();
  if (cached) arrival_ = std::max(arrival_, cached->record.generation);
  take_lock();
  cached = find();
  if (cached && answers(*cached, lock_->number())) return {std::move(*cached), nullptr};
  return fetch_and_store(fetch);
}

answer key_request::fetch_and_store(const fetch_call& fetch) {
  std::error_code ec;
  fetch_stream stream(layout_, name_, options_, only_try_, ec);
  require(ec);
  fetch(stream);
  key_record record{.key = key_, .sha256 = {}, .generation = lock_->is_the_lock() ? lock_->number() : 0};
  // Who only tries has waited for nobody; the passage to publishing is short, and a finished fetch is worth it.
  const deadline until = options_.until.expired() ? deadline::after(std::chrono::seconds(60)) : options_.until;
  pinned_content content = store_content(layout_, name_, stream, std::move(record), until, options_.stop, ec);
  require(ec);
  return {std::move(content), std::move(lock_)};
}

}  // namespace lockkit::detail
