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
///  7. A fetch function may find that what is cached is current. Then its record alone is replaced, with the new
///     generation, so that this answers those who wait as a content would. If the content has gone meanwhile (nobody
///     holds its name for us during a fetch), or is a layer's, it is stored again from the descriptor that we hold; if
///     that is not what its digest says any more, it is fetched whole.
///  8. Who would rather fetch twice than wait longer (unlocked_after) goes on without the lock, and says so in the record:
///     generation 0. Nobody else is told that he holds anything.
///  9. A request that asks, from inside its fetch function, for the same key would wait for itself: would_deadlock.
///     Other keys are other locks. The gate is never held while a fetch function runs.

#include "key_request.hpp"

#include <algorithm>
#include <new>
#include <utility>

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
    case fetch_policy::kind::if_stale: {
      const auto now = std::chrono::system_clock::now();
      return content.record.expires && now < *content.record.expires && now >= content.record.fetched_at;
    }
    case fetch_policy::kind::always:
      break;
  }
  return false;
}

/// Rule 3.
void key_request::note_arrival() {
  std::function<void(const wait_notice&)> notice;
  if (options_.on_wait) {
    notice = [this](const wait_notice& wait) {
      if (!std::exchange(notice_given_, true)) options_.on_wait(key_, wait.holder);
    };
  }
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

/// What looks, during a wait, how far the other's fetch is.
std::function<void()> key_request::pulse() {
  if (!options_.on_wait_progress) return {};
  return [this] {
    const auto now = read_progress(layout_, name_);
    if (!now || (told_ && told_->bytes == now->bytes && told_->total == now->total)) return;
    told_ = now;
    options_.on_wait_progress(*now);
  };
}

/// Rule 8.
void key_request::take_lock() {
  const deadline patience = options_.unlocked_after ? deadline::after(*options_.unlocked_after) : deadline::never();
  std::error_code ec;
  lock_->acquire(earlier(options_.until, patience), options_.stop, pulse(), ec);
  if (ec == errc::timed_out && patience.expired() && !options_.until.expired()) {
    unlocked_ = true;
    ec.clear();
  }
  require(ec);
}

answer key_request::run(const fetch_call& fetch) {
  const bool offline = options_.offline == offline_mode::only;
  if (policy_.which() == fetch_policy::kind::always && !offline) note_arrival();
  std::optional<pinned_content> cached = find();
  if (cached && (offline || is_young_enough(*cached))) return {std::move(*cached), nullptr};
  if (offline) fail(errc::not_cached, "the request is offline");
  if (policy_.which() == fetch_policy::kind::never) fail(errc::not_cached);
  if (!lock_) note_arrival();
  if (cached) arrival_ = std::max(arrival_, cached->record.generation);
  take_lock();
  cached = find();
  if (cached && answers(*cached, unlocked_ ? 0 : lock_->number())) return {std::move(*cached), nullptr};
  return fetch_and_store(fetch, std::move(cached));
}

/// A second time, from nothing, if what the first relied on turned out to be no good.
answer key_request::fetch_and_store(const fetch_call& fetch, std::optional<pinned_content> cached) {
  std::optional<answer> result = fetch_once(fetch, cached, false);
  if (!result) {
    cached.reset();
    result = fetch_once(fetch, cached, true);
  }
  if (!result) fail(errc::integrity_mismatch);
  return std::move(*result);
}

std::optional<answer> key_request::fetch_once(const fetch_call& fetch, std::optional<pinned_content>& cached,
                                              bool whole) {
  std::error_code ec;
  fetch_subject subject{.name = name_, .key = key_, .only_try = only_try_, .whole = whole};
  if (cached) {
    const key_record& record = cached->record;
    subject.cached = {record.validators, record.sha256, record.size, record.fetched_at};
  }
  fetch_stream stream(layout_, options_, std::move(subject), ec);
  require(ec);
  try {
    fetch(stream);
  } catch (const std::exception& failure) {
    stream.keep_what_came();
    if (!cached || !hides(failure, stream)) throw;
    return answer{std::move(*cached), nullptr, failure.what()};
  } catch (...) {
    stream.keep_what_came();
    throw;
  }
  const bool stopped = stream.was_told_to_stop();
  key_record record = new_record(stream);
  std::optional<pinned_content> content;
  bool store = true;
  if (stream.is_unmodified(ec)) {
    if (record.validators.empty()) record.validators = cached->record.validators;
    content = renew_content(layout_, name_, *cached, record, until_published(), options_.stop, ec);
    store = !content && !ec && stream.take_from(cached->file.get());
  }
  if (store && !ec) {
    content = store_content(layout_, name_, stream, std::move(record), until_published(), options_.stop, ec);
  }
  if (ec && stopped) stream.keep_what_came();
  if (ec == errc::integrity_mismatch && stream.relied_on_what_was_there() && !whole) return std::nullopt;
  require(ec);
  if (!content) return std::nullopt;
  if (unlocked_) lock_.reset();
  return answer{std::move(*content), std::move(lock_)};
}

/// What the caller asked for, and what the cache itself found wrong, is not the source's failure.
bool key_request::hides(const std::exception& failure, fetch_stream& stream) const {
  if (options_.offline != offline_mode::stale_if_error || stream.failed_by_itself()) return false;
  if (dynamic_cast<const std::bad_alloc*>(&failure) != nullptr) return false;
  const auto* coded = dynamic_cast<const std::system_error*>(&failure);
  return coded == nullptr || coded->code() != errc::integrity_mismatch;
}

key_record key_request::new_record(const fetch_stream& stream) const {
  key_record record{.key = key_, .sha256 = {}};
  record.fetched_at = stream.began();
  record.generation = !unlocked_ && lock_->is_the_lock() ? lock_->number() : 0;
  record.validators = stream.new_validators().value_or(content_validators());
  record.expires = stream.expires();
  return record;
}

/// Who only tries has waited for nobody; the passage to publishing is short, and a finished fetch is worth it.
deadline key_request::until_published() const {
  return options_.until.expired() ? deadline::after(std::chrono::seconds(60)) : options_.until;
}

}  // namespace lockkit::detail
