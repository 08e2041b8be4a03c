#include <algorithm>
#include <array>
#include <cerrno>

#include <lockkit/retry.hpp>

namespace lockkit::inline v0 {

bool is_transient(const std::error_code& code) noexcept {
  using std::errc;
  constexpr std::array passing = {
      errc::interrupted,
      errc::resource_unavailable_try_again,
      errc::device_or_resource_busy,
      errc::io_error,
      errc::timed_out,
      errc::too_many_files_open,
      errc::too_many_files_open_in_system,
      errc::not_enough_memory,
      errc::no_buffer_space,
      errc::connection_reset,
      errc::connection_refused,
      errc::connection_aborted,
      errc::host_unreachable,
      errc::network_unreachable,
      errc::network_down,
      errc::network_reset,
  };
  if (code.category() != std::system_category() && code.category() != std::generic_category()) return false;
  if (code.value() == ESTALE) return true;
  return std::ranges::any_of(passing, [&](errc value) { return code == value; });
}

}  // namespace lockkit::inline v0
