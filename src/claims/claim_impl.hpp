#pragma once
/// What stands behind the public objects, and the border between this module's exceptions and error codes.

#include <new>

#include <lockkit/claim_store.hpp>
#include <lockkit/error.hpp>

#include "claim_end.hpp"
#include "store.hpp"

namespace lockkit::inline v0 {

struct claim_store::impl : detail::store {
  using store::store;
};

struct claim::impl {
  std::shared_ptr<detail::store> store;
  std::string key;
  claim_life life = claim_life::process;
  std::vector<claimed_item> items{};
  platform::unique_fd mark{};  ///< of claim_life::job
  bool is_over = false;        ///< released, or somebody else's to release

  void release(std::error_code& ec, detail::claim_farewell how);
  void let_go() noexcept;
};

}  // namespace lockkit::inline v0

namespace lockkit::detail {

/// A change waits for its turn as long as anybody could sensibly want; a stopped holder of the gate must not hang us.
inline constexpr std::chrono::seconds turn_patience{60};

/// Failures of the module, as the border's error_code.
template <class Body>
auto guarded(std::error_code& ec, Body&& body) -> decltype(body()) {
  ec.clear();
  try {
    return body();
  } catch (const sqlite_failure& failure) {
    ec = failure.code;
  } catch (const std::bad_alloc&) {
    ec = std::make_error_code(std::errc::not_enough_memory);
  }
  return decltype(body())();
}

/// 32 hexadecimal digits that nobody else has.
[[nodiscard]] std::string fresh_key();

/// Throws std::errc::invalid_argument for what makes no sense.
void check_request(const claim_request& request);

}  // namespace lockkit::detail
