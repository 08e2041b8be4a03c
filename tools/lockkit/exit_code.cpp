#include "exit_code.hpp"

#include <algorithm>
#include <initializer_list>

#include <lockkit/error.hpp>

namespace lockkit_command {
namespace {

using lockkit::errc;

bool is_one_of(const std::error_code& ec, std::initializer_list<errc> codes) noexcept {
  return std::ranges::any_of(codes, [&](errc code) { return ec == make_error_code(code); });
}

bool is_one_of(const std::error_code& ec, std::initializer_list<std::errc> codes) noexcept {
  return std::ranges::any_of(codes, [&](std::errc code) { return ec == code; });
}

exit_code code_for_ours(const std::error_code& ec) noexcept {
  if (is_one_of(ec, {errc::invalid_name})) return wrong_usage;
  if (is_one_of(ec, {errc::integrity_mismatch, errc::not_our_database, errc::newer_schema, errc::database_damaged,
                     errc::no_such_resource, errc::no_such_task, errc::not_cached})) {
    return bad_data;
  }
  if (is_one_of(ec, {errc::unsupported_filesystem, errc::foreign_clock})) return unsupported;
  if (is_one_of(ec, {errc::not_a_lock_file, errc::destination_differs, errc::not_a_regular_file})) return cannot_create;
  if (is_one_of(ec, {errc::lock_timeout, errc::timed_out, errc::in_use, errc::would_deadlock})) return not_in_time;
  if (is_one_of(ec, {errc::leftover_of_another_user, errc::not_writable})) return no_permission;
  return io_error;
}

}  // namespace

exit_code exit_code_for(const std::error_code& ec) noexcept {
  if (ec.category() == lockkit::lockkit_category()) return code_for_ours(ec);
  if (is_one_of(ec, {std::errc::filename_too_long, std::errc::invalid_argument})) return wrong_usage;
  if (is_one_of(ec, {std::errc::operation_not_supported, std::errc::function_not_supported})) return unsupported;
  if (is_one_of(ec,
                {std::errc::permission_denied, std::errc::operation_not_permitted, std::errc::read_only_file_system})) {
    return no_permission;
  }
  if (is_one_of(ec,
                {std::errc::no_such_file_or_directory, std::errc::not_a_directory, std::errc::is_a_directory,
                 std::errc::no_space_on_device, std::errc::file_exists, std::errc::too_many_symbolic_link_levels}) ||
      ec == std::error_code(EDQUOT, std::system_category())) {
    return cannot_create;
  }
  return io_error;
}

const char* exit_codes_text() noexcept {
  return "Exit codes: that of COMMAND where one is run, 128+n if signal n ended it, 126 or 127 if it can't be "
         "executed;\n"
         "else 0 done, 1 nothing to be done (it exists already, or is not yours any more), 64 wrong usage, 65 bad "
         "data, "
         "69 not\n"
         "supported by this filesystem, 73 cannot create, 74 I/O error, 75 not had in time, 77 no permission.";
}

}  // namespace lockkit_command
