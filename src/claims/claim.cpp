/// The grant in its holder's hands.
#include <fmt/format.h>

#include <lockkit/error.hpp>

#include "claim_end.hpp"
#include "claim_impl.hpp"
#include "core/throw_error.hpp"

namespace lockkit::inline v0 {

using detail::connection;
using detail::guarded;

void claim::impl::release(std::error_code& ec, detail::claim_farewell how) {
  const bool was_ours = !is_over && guarded(ec, [&] {
    bool ended = false;
    try {
      ended = store->write(deadline::after(detail::turn_patience), [&](connection& db) { return how(db, key, life); });
    } catch (const detail::sqlite_failure& failure) {
      const auto stands = [&](connection& db) { return detail::find_items(db, key).has_value(); };
      if (!failure.is_in_doubt || store->read(stands)) throw;  // may be tried again
      ended = true;
    }
    is_over = true;
    if (ended) store->wake_others();
    return ended;
  });
  if (!was_ours && !ec) ec = errc::claim_lost;
}

/// Of an object that goes: what can't be given back now goes with this store's next change, or with the process.
void claim::impl::let_go() noexcept {
  if (is_over || !store->is_own_process()) return;
  std::error_code ec;
  release(ec, &detail::drop_claim);
  if (is_over) return;
  store->at_next_write([name = std::move(key), how = life](connection& db) { detail::drop_claim(db, name, how); });
}

claim::claim(std::unique_ptr<impl> state) noexcept : impl_(std::move(state)) {}

claim::~claim() {
  if (impl_) impl_->let_go();
}

claim::claim(claim&& other) noexcept = default;

claim& claim::operator=(claim&& other) noexcept {
  claim(std::move(other)).impl_.swap(impl_);
  return *this;
}

const std::string& claim::key() const noexcept {
  return impl_->key;
}

const std::vector<claimed_item>& claim::items() const noexcept {
  return impl_->items;
}

bool claim::verify(std::error_code& ec) {
  ec.clear();
  return !impl_->is_over && guarded(ec, [&] {
    const bool stands = impl_->store->read([&](connection& db) { return detail::claim_stands(db, impl_->key); });
    impl_->store->check_files();  // of a database that nobody else uses any more it would be true for ever
    return stands;
  });
}

bool claim::verify() {
  return detail::throwing("verify a claim in", impl_->store->path(), [&](std::error_code& ec) { return verify(ec); });
}

int claim::life_descriptor() const noexcept {
  return impl_->mark.get();
}

bool claim::renew(std::error_code& ec) {
  if (impl_->life != claim_life::lease) return verify(ec);
  ec.clear();
  return !impl_->is_over && guarded(ec, [&] {
    return impl_->store->write(deadline::after(detail::turn_patience),
                               [&](connection& db) { return detail::renew_claim(db, impl_->key); });
  });
}

bool claim::renew() {
  return detail::throwing("renew a claim in", impl_->store->path(), [&](std::error_code& ec) { return renew(ec); });
}

std::string claim::guard() const {
  std::string tokens;
  for (const claimed_item& item : impl_->items) {
    tokens += fmt::format("{}{}", tokens.empty() ? "" : ",", item.token.value);
  }
  return fmt::format(
      "EXISTS (SELECT 1 FROM claim WHERE key = '{}' AND "
      "(SELECT count(*) FROM claim_item WHERE claim_id = claim.id AND token IN ({})) = {})",
      impl_->key, tokens, impl_->items.size());
}

void claim::detach() noexcept {
  if (std::exchange(impl_->is_over, true)) return;
  if (impl_->life == claim_life::process) impl_->store->keep_life_mark();
  impl_->mark.reset();
}

void claim::release(std::error_code& ec) {
  impl_->release(ec, &detail::release_claim);
}

void claim::release() {
  detail::throwing("release a claim in", impl_->store->path(), [&](std::error_code& ec) { release(ec); });
}

}  // namespace lockkit::inline v0
