#include <lockkit/claim_store.hpp>

#include <fmt/format.h>

#include <array>
#include <exception>

#include <lockkit/error.hpp>

#include "claim_wait.hpp"
#include "core/throw_error.hpp"
#include "platform/process.hpp"
#include "store.hpp"

namespace lockkit::inline v0 {
namespace {

// A change waits for its turn as long as anybody could sensibly want; a stopped holder of the gate must not hang us.
constexpr std::chrono::seconds patience{60};

/// Failures of the module, as the border's error_code.
template <class Body>
auto guarded(std::error_code& ec, Body&& body) -> decltype(body()) {
  ec.clear();
  try {
    return body();
  } catch (const detail::sqlite_failure& failure) {
    ec = failure.code;
  } catch (const std::bad_alloc&) {
    ec = std::make_error_code(std::errc::not_enough_memory);
  }
  return decltype(body())();
}

std::string fresh_key() {
  std::array<std::uint64_t, 2> bits{};
  std::error_code ec;
  platform::fill_random(bits.data(), sizeof bits, ec);
  if (ec) throw detail::sqlite_failure{ec};
  return fmt::format("{:016x}{:016x}", bits[0], bits[1]);
}

void check_request(const claim_request& request) {
  if (request.pool.empty() || request.count == 0) {
    throw detail::sqlite_failure{std::make_error_code(std::errc::invalid_argument)};
  }
}

}  // namespace

struct claim_store::impl : detail::store {
  using store::store;
};

struct claim::impl {
  std::shared_ptr<detail::store> store;
  std::string key;
  std::vector<claimed_item> items;
  bool released = false;

  void release(std::error_code& ec) {
    const bool was_ours = !std::exchange(released, true) && guarded(ec, [&] {
      const bool ended = store->write(deadline::after(patience),
                                      [&](detail::connection& db) { return detail::release_claim(db, key); });
      if (ended) store->wake_others();
      return ended;
    });
    if (!was_ours && !ec) ec = errc::claim_lost;
  }
};

claim::claim(std::unique_ptr<impl> state) noexcept : impl_(std::move(state)) {}

claim::~claim() {
  std::error_code ignored;  // what can't be given back now goes with this process
  if (impl_ && !impl_->released && impl_->store->is_own_process()) impl_->release(ignored);
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
  const bool stands = !impl_->released && guarded(ec, [&] {
    return impl_->store->read([&](detail::connection& db) { return detail::claim_stands(db, impl_->key); });
  });
  return stands && !ec;
}

bool claim::verify() {
  return detail::throwing("verify a claim in", impl_->store->path(), [&](std::error_code& ec) { return verify(ec); });
}

void claim::release(std::error_code& ec) {
  impl_->release(ec);
}

void claim::release() {
  detail::throwing("release a claim in", impl_->store->path(), [&](std::error_code& ec) { release(ec); });
}

claim_store::claim_store(const std::filesystem::path& database, claim_store_options options, std::error_code& ec)
    : impl_(guarded(ec, [&] { return std::make_shared<impl>(database, std::move(options)); })) {}

claim_store::claim_store(const std::filesystem::path& database, claim_store_options options) {
  std::error_code ec;
  claim_store made(database, std::move(options), ec);
  if (ec) detail::throw_error("open the claims in", database, ec);
  impl_ = std::move(made.impl_);
}

claim_store::~claim_store() = default;
claim_store::claim_store(claim_store&& other) noexcept = default;
claim_store& claim_store::operator=(claim_store&& other) noexcept = default;

bool claim_store::add(const resource& what, std::error_code& ec) {
  return guarded(ec, [&] {
    if (what.pool.empty() || what.name.empty()) {
      throw detail::sqlite_failure{std::make_error_code(std::errc::invalid_argument)};
    }
    const bool changed =
        impl_->write(deadline::after(patience), [&](detail::connection& db) { return detail::add_resource(db, what); });
    if (changed) impl_->wake_others();
    return changed;
  });
}

bool claim_store::add(const resource& what) {
  return detail::throwing("add a resource to", path(), [&](std::error_code& ec) { return add(what, ec); });
}

bool claim_store::set_state(std::string_view pool, std::string_view name, resource_state state, std::error_code& ec) {
  return guarded(ec, [&] {
    const bool changed = impl_->write(
        deadline::after(patience), [&](detail::connection& db) { return detail::change_state(db, pool, name, state); });
    if (changed) impl_->wake_others();
    return changed;
  });
}

bool claim_store::set_state(std::string_view pool, std::string_view name, resource_state state) {
  return detail::throwing("change a resource in", path(),
                          [&](std::error_code& ec) { return set_state(pool, name, state, ec); });
}

std::vector<resource_status> claim_store::list(std::string_view pool, bool retired) const {
  return detail::throwing("list the resources in", path(), [&](std::error_code& ec) {
    return guarded(ec, [&] {
      return impl_->read([&](detail::connection& db) { return detail::list_resources(db, pool, retired); });
    });
  });
}

std::vector<claim_event> claim_store::events(std::uint64_t after, std::size_t limit) const {
  return detail::throwing("list the events in", path(), [&](std::error_code& ec) {
    return guarded(
        ec, [&] { return impl_->read([&](detail::connection& db) { return detail::list_events(db, after, limit); }); });
  });
}

std::optional<claim> claim_store::claim_until(const claim_request& request, deadline until, std::stop_token stop,
                                              std::error_code& ec) {
  return guarded(ec, [&]() -> std::optional<claim> {
    check_request(request);
    detail::claim_wait wait(*impl_, {.request = request, .key = fresh_key()}, until, std::move(stop));
    auto items = wait.run();
    if (!items) return std::nullopt;
    return claim(std::make_unique<claim::impl>(claim::impl{impl_, wait.key(), std::move(*items)}));
  });
}

std::optional<claim> claim_store::claim_until(const claim_request& request, deadline until, std::stop_token stop) {
  return detail::throwing("claim from", path(),
                          [&](std::error_code& ec) { return claim_until(request, until, std::move(stop), ec); });
}

std::optional<claim> claim_store::try_claim(const claim_request& request, std::error_code& ec) {
  return claim_until(request, deadline(), {}, ec);
}

std::optional<claim> claim_store::try_claim(const claim_request& request) {
  return claim_until(request, deadline());
}

const std::filesystem::path& claim_store::path() const noexcept {
  return impl_->path();
}

}  // namespace lockkit::inline v0
