#include "exit_code.hpp"

#include <lockkit/error.hpp>

namespace lockkit_command {

exit_code exit_code_for(const std::error_code& ec) noexcept {
  using lockkit::errc;
  if (ec == errc::invalid_name || ec == std::errc::filename_too_long) return wrong_usage;
  if (ec == errc::unsupported_filesystem) return unsupported;
  if (ec == errc::leftover_of_another_user || ec == std::errc::permission_denied ||
      ec == std::errc::operation_not_permitted || ec == std::errc::read_only_file_system) {
    return no_permission;
  }
  if (ec == errc::not_a_lock_file || ec == std::errc::no_such_file_or_directory || ec == std::errc::not_a_directory ||
      ec == std::errc::is_a_directory || ec == std::errc::no_space_on_device) {
    return cannot_create;
  }
  return io_error;
}

}  // namespace lockkit_command
