#include "tooling/failure.hpp"

#include <array>
#include <utility>

#include <lockkit/error.hpp>

namespace tooling {
namespace {

constexpr std::array own_errors = {
    std::pair{lockkit::errc::not_our_database, exit_status::bad_data},
    std::pair{lockkit::errc::newer_schema, exit_status::bad_data},
    std::pair{lockkit::errc::database_damaged, exit_status::bad_data},
    std::pair{lockkit::errc::no_such_task, exit_status::no_input},
    std::pair{lockkit::errc::no_such_resource, exit_status::no_input},
    std::pair{lockkit::errc::unsupported_filesystem, exit_status::cannot_create},
};

constexpr std::array system_errors = {
    std::pair{std::errc::permission_denied, exit_status::no_permission},
    std::pair{std::errc::operation_not_permitted, exit_status::no_permission},
    std::pair{std::errc::no_such_file_or_directory, exit_status::no_input},
    std::pair{std::errc::read_only_file_system, exit_status::cannot_create},
};

exit_status status_of_code(const std::error_code& code) noexcept {
  for (const auto& [error, status] : own_errors) {
    if (code == error) return status;
  }
  for (const auto& [error, status] : system_errors) {
    if (code == error) return status;
  }
  return exit_status::io_error;
}

}  // namespace

exit_status status_of(const std::exception& thrown) noexcept {
  if (const auto* own = dynamic_cast<const failure*>(&thrown)) return own->status();
  if (const auto* system = dynamic_cast<const std::system_error*>(&thrown)) return status_of_code(system->code());
  return exit_status::software;
}

}  // namespace tooling
