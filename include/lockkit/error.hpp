#pragma once
/// Errors of lockkit: codes, their category, and the exceptions that carry path and advice.
///
/// Fallible functions come in two forms, as in std::filesystem: one throws lockkit::error, the other takes a
/// std::error_code& and never throws for a failed operation. The second form is the only implementation. Only what runs a
/// caller's function (mirror_cache) throws alone, since that may throw, too.
/// Contention and timeouts are results (false, nullopt), not errors; the one exception is lock(), which returns
/// nothing and therefore throws lock_timeout.
///
/// Codes are either errc below (category "lockkit") or the operating system's errno (std::system_category), so
/// `ec == std::errc::permission_denied` works as usual.

#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>

#include <lockkit/export.hpp>

namespace lockkit::inline v0 {

/// What can go wrong beyond the operating system's own errors.
enum class errc {
  lock_timeout = 1,          ///< lock(): not free before the deadline
  lock_lost,                 ///< somebody removed or replaced the lock file while it was held
  would_deadlock,            ///< this thread already holds this lock and would wait for itself for ever
  unsupported_filesystem,    ///< this filesystem can't keep the promise that was asked for
  not_a_lock_file,           ///< somebody's data stands at the mutex's or guard's name (the latter under another name,
                             ///< too); left untouched
  leftover_of_another_user,  ///< sticky directory: only the other user can remove the crashed holder's file
  invalid_name,              ///< a path or key that can't be used: empty, with NUL, "..", reserved, too long
  published_not_durable,     ///< the new content is visible, but the directory could not be synced
  integrity_mismatch,        ///< content does not have the size or the digest that was promised
  destination_differs,       ///< the destination exists with other content and overwriting was not asked for
  not_cached,                ///< policy `never`, and the cache has no such key
  fetch_failed,              ///< the caller's fetch function threw or reported an error
  not_held,                  ///< an operation that needs the lock was called without holding it
  timed_out,                 ///< a deadline passed in an operation other than lock()
  not_writable,              ///< a directory that had to be writable is not
  not_our_database,          ///< the database belongs to another program
  newer_schema,              ///< the database was made by a later version of lockkit
  database_damaged,          ///< SQLite found the database malformed
  database_replaced,         ///< another file stands at the database's path than the one that was opened
  claim_lost,                ///< the claim was ended by somebody else, or released already
  no_such_resource,          ///< no resource of that pool and name, or none that could ever meet the request
  no_such_task,              ///< no task of that number in this queue
  in_use,                    ///< more is claimed than the change would leave
  not_a_regular_file,        ///< a FIFO, socket or device stands where a file was to be replaced; left untouched
  foreign_clock,             ///< leases there are measured by another clock than this process has
  same_lock_twice,           ///< two paths of one lock_set are the same lock
  gate_damaged,              ///< a fence_gate's file does not say which tokens it has admitted
};

/// The category "lockkit". Static, never destroyed. Maps each errc to the nearest std::errc for comparison.
[[nodiscard]] LOCKKIT_API const std::error_category& lockkit_category() noexcept;

[[nodiscard]] LOCKKIT_API std::error_code make_error_code(errc value) noexcept;

/// One sentence that says what a person can do about `code`; empty when there is nothing better than its message.
[[nodiscard]] LOCKKIT_API std::string_view advice_for(const std::error_code& code) noexcept;

/// What the throwing forms throw. what() reads: operation 'path': reason; advice.
class LOCKKIT_API error : public std::system_error {
 public:
  error(std::string operation, std::filesystem::path path, std::error_code code, std::string detail = {});
  ~error() override;
  error(const error&) = default;
  error& operator=(const error&) = default;

  /// What was tried, such as "lock".
  [[nodiscard]] const std::string& operation() const noexcept { return operation_; }
  /// On which path.
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] const char* what() const noexcept override { return message_.c_str(); }

 private:
  std::string operation_;
  std::filesystem::path path_;
  std::string message_;
};

}  // namespace lockkit::inline v0

template <>
struct std::is_error_code_enum<lockkit::errc> : std::true_type {};
