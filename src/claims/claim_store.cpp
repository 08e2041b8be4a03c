#include <lockkit/claim_store.hpp>

#include <fmt/format.h>

#include <array>

#include <lockkit/error.hpp>

#include "claim_end.hpp"
#include "claim_impl.hpp"
#include "claim_wait.hpp"
#include "core/throw_error.hpp"
#include "platform/process.hpp"

namespace lockkit::detail {

std::string fresh_key() {
  std::array<std::uint64_t, 2> bits{};
  std::error_code ec;
  platform::fill_random(bits.data(), sizeof bits, ec);
  if (ec) throw sqlite_failure{ec};
  return fmt::format("{:016x}{:016x}", bits[0], bits[1]);
}

void check_request(const claim_request& request) {
  const bool is_lease = request.life == claim_life::lease;
  const bool has_lease = request.lease > std::chrono::milliseconds::zero();
  if (request.pool.empty() || request.count == 0 || is_lease != has_lease) {
    throw sqlite_failure{std::make_error_code(std::errc::invalid_argument)};
  }
}

}  // namespace lockkit::detail

namespace lockkit::inline v0 {

using detail::connection;
using detail::guarded;

namespace {

/// A change that others may have waited for, if it changed something.
template <class Body>
auto change(detail::store& s, std::error_code& ec, Body&& body) {
  return guarded(ec, [&] {
    const auto changed = s.write(deadline::after(detail::turn_patience), body);
    if (changed) s.wake_others();
    return changed;
  });
}

template <class Body>
auto look(detail::store& s, const char* operation, Body&& body) {
  return detail::throwing(operation, s.path(),
                          [&](std::error_code& ec) { return guarded(ec, [&] { return s.read(body); }); });
}

}  // namespace

claim_store::claim_store(const std::filesystem::path& database, claim_store_options options, std::error_code& ec)
    : impl_(guarded(ec, [&] { return std::make_shared<impl>(database, std::move(options)); })) {}

claim_store::claim_store(const std::filesystem::path& database, claim_store_options options) try
    : impl_(std::make_shared<impl>(database, std::move(options))) {
} catch (const detail::sqlite_failure& failure) {
  detail::throw_error("open the claims in", database, failure.code, failure.message);
}

claim_store::~claim_store() = default;
claim_store::claim_store(claim_store&& other) noexcept = default;
claim_store& claim_store::operator=(claim_store&& other) noexcept = default;

bool claim_store::add(const resource& what, std::error_code& ec) {
  return change(*impl_, ec, [&](connection& db) {
    if (what.pool.empty() || what.name.empty()) {
      throw detail::sqlite_failure{std::make_error_code(std::errc::invalid_argument)};
    }
    return detail::add_resource(db, what);
  });
}

bool claim_store::add(const resource& what) {
  return detail::throwing("add a resource to", path(), [&](std::error_code& ec) { return add(what, ec); });
}

bool claim_store::set_state(std::string_view pool, std::string_view name, resource_state state, std::error_code& ec) {
  return change(*impl_, ec, [&](connection& db) { return detail::change_state(db, pool, name, state); });
}

bool claim_store::set_state(std::string_view pool, std::string_view name, resource_state state) {
  return detail::throwing("change a resource in", path(),
                          [&](std::error_code& ec) { return set_state(pool, name, state, ec); });
}

std::vector<resource_status> claim_store::list(std::string_view pool, bool retired) const {
  return look(*impl_, "list the resources in",
              [&](connection& db) { return detail::list_resources(db, pool, retired); });
}

std::vector<claim_status> claim_store::claims() const {
  return look(*impl_, "list the claims in", [&](connection& db) { return detail::list_claims(db, impl_->death()); });
}

bool claim_store::end_claim(std::string_view key, std::error_code& ec) {
  return change(*impl_, ec, [&](connection& db) { return detail::end_claim(db, key, detail::claim_end::ended); });
}

bool claim_store::end_claim(std::string_view key) {
  return detail::throwing("end a claim in", path(), [&](std::error_code& ec) { return end_claim(key, ec); });
}

std::size_t claim_store::bury_dead(std::error_code& ec) {
  const bool has_dead = guarded(
      ec, [&] { return impl_->read([&](connection& db) { return detail::has_dead(db, {}, impl_->death()); }); });
  if (!has_dead) return 0;
  return change(*impl_, ec, [&](connection& db) { return detail::bury_dead(db, {}, impl_->death()); });
}

std::size_t claim_store::bury_dead() {
  return detail::throwing("end the claims of the dead in", path(), [&](std::error_code& ec) { return bury_dead(ec); });
}

std::vector<claim_event> claim_store::events(std::uint64_t after, std::size_t limit) const {
  return look(*impl_, "list the events in", [&](connection& db) { return detail::list_events(db, after, limit); });
}

std::optional<claim> claim_store::claim_until(const claim_request& request, deadline until, std::stop_token stop,
                                              std::error_code& ec) {
  return guarded(ec, [&]() -> std::optional<claim> {
    detail::check_request(request);
    detail::claim_wait wait(*impl_, {.request = request, .key = detail::fresh_key()}, until, std::move(stop));
    auto items = wait.run();
    if (!items) return std::nullopt;
    return claim(std::make_unique<claim::impl>(claim::impl{.store = impl_,
                                                           .key = wait.key(),
                                                           .life = request.life,
                                                           .items = std::move(*items),
                                                           .mark = wait.take_mark()}));
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
