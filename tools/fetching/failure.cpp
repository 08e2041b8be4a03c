#include "failure.hpp"

#include <array>
#include <utility>

#include <lockkit/error.hpp>

namespace fetching {
namespace {

constexpr std::array own_errors = {
    std::pair{lockkit::errc::integrity_mismatch, exit_status::bad_data},
    std::pair{lockkit::errc::destination_differs, exit_status::cannot_create},
    std::pair{lockkit::errc::not_cached, exit_status::no_input},
    std::pair{lockkit::errc::timed_out, exit_status::try_later},
    std::pair{lockkit::errc::lock_timeout, exit_status::try_later},
    std::pair{lockkit::errc::not_writable, exit_status::no_permission},
    std::pair{lockkit::errc::invalid_name, exit_status::usage},
};

constexpr std::array system_errors = {
    std::pair{std::errc::permission_denied, exit_status::no_permission},
    std::pair{std::errc::operation_not_permitted, exit_status::no_permission},
    std::pair{std::errc::read_only_file_system, exit_status::cannot_create},
    std::pair{std::errc::no_such_file_or_directory, exit_status::cannot_create},
    std::pair{std::errc::not_a_directory, exit_status::cannot_create},
    std::pair{std::errc::is_a_directory, exit_status::cannot_create},
    std::pair{std::errc::filename_too_long, exit_status::cannot_create},
};

}  // namespace

exit_status status_of(const std::error_code& code) noexcept {
  for (const auto& [error, status] : own_errors) {
    if (code == error) return status;
  }
  for (const auto& [error, status] : system_errors) {
    if (code == error) return status;
  }
  return exit_status::io_error;
}

exit_status status_of(const std::exception& thrown) noexcept {
  if (const auto* own = dynamic_cast<const failure*>(&thrown)) return own->status();
  if (const auto* system = dynamic_cast<const std::system_error*>(&thrown)) return status_of(system->code());
  return exit_status::software;
}

}  // namespace fetching
