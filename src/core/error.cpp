#include <fmt/format.h>

#include <array>

#include <lockkit/error.hpp>

#include "printable.hpp"
#include "throw_error.hpp"

namespace lockkit::inline v0 {
namespace {

/// One row per errc: what to compare it with, what it means, what to do.
struct row {
  errc code;
  std::errc nearest;
  std::string_view message;
  std::string_view advice;
};

constexpr std::array rows = {
    row{errc::lock_timeout, std::errc::timed_out, "the lock was not free in time",
        "wait longer, or look at the holder with 'lockkit status'"},
    row{errc::lock_lost, std::errc::owner_dead, "the lock file was removed or replaced while it was held",
        "find what deletes lock files by name; treat work done since as unprotected"},
    row{errc::would_deadlock, std::errc::resource_deadlock_would_occur,
        "this thread holds the lock already and would wait for itself", "release it first, or pass the held lock on"},
    row{errc::unsupported_filesystem, std::errc::not_supported, "this filesystem can't keep what was asked for",
        "use a local directory; for locks, remote_policy::trust_server allows the server's"},
    row{errc::not_a_lock_file, std::errc::file_exists, "a file that is not lockkit's stands at the lock's name",
        "choose another name, or move that file away; it was left untouched"},
    row{errc::leftover_of_another_user, std::errc::operation_not_permitted,
        "a crashed holder's lock file belongs to another user, and this sticky directory lets only them remove it",
        "ask that user to remove it, or use a directory without the sticky bit"},
    row{errc::invalid_name, std::errc::invalid_argument, "this name can't be used",
        "give a name that is not empty, '.' or '..', has no NUL byte, and is no longer than the filesystem allows; "
        "names like '.x.guard' belong to the lock 'x'"},
    row{errc::published_not_durable, std::errc::io_error,
        "the new content is visible, but syncing its directory failed",
        "check the disk; a power cut may bring the old content back"},
    row{errc::integrity_mismatch, std::errc::bad_message, "the content does not have the promised size or digest",
        "fetch it again; if that repeats, the source or the promised digest is wrong"},
    row{errc::destination_differs, std::errc::file_exists, "the destination exists with other content",
        "move it away, or ask for overwriting"},
    row{errc::not_cached, std::errc::no_such_file_or_directory, "the cache does not have it",
        "ask with a policy that may fetch"},
    row{errc::fetch_failed, std::errc::io_error, "the fetch failed", "see the fetch function's own message"},
    row{errc::not_held, std::errc::operation_not_permitted, "the lock is not held", "lock it first"},
    row{errc::timed_out, std::errc::timed_out, "the deadline passed", "wait longer"},
    row{errc::not_writable, std::errc::permission_denied, "files can't be made and written in this directory",
        "check its owner, its mode, and whether the filesystem is mounted read-only or full"},
    row{errc::not_our_database, std::errc::invalid_argument, "this is another program's database",
        "give the path of a lockkit database, or of a file that does not exist yet; it was left untouched"},
    row{errc::newer_schema, std::errc::not_supported, "this database was made by a later version of lockkit",
        "update this program; the database was left untouched"},
    row{errc::database_damaged, std::errc::io_error, "the database is malformed",
        "restore it from a backup, or save what is left with sqlite3's .recover"},
    row{errc::database_replaced, std::errc::owner_dead, "another database stands at this path than the one in use",
        "open the store anew; claims from before are not known there"},
    row{errc::claim_lost, std::errc::owner_dead, "the claim does not stand any more",
        "treat the resource as somebody else's"},
    row{errc::no_such_resource, std::errc::invalid_argument, "no resource could ever meet this request",
        "look at the list of resources: pool, name, memory, group and attributes"},
    row{errc::no_such_task, std::errc::invalid_argument, "there is no task of this number in this queue",
        "look at the list of tasks, and check the name of the queue"},
    row{errc::in_use, std::errc::device_or_resource_busy, "it is claimed", "drain it and wait until it is released"},
    row{errc::not_a_regular_file, std::errc::invalid_argument,
        "a FIFO, a socket or a device stands where a file was to be replaced",
        "choose another name, or move that away; it was left untouched"},
    row{errc::foreign_clock, std::errc::not_supported,
        "the leases in this database are measured by another clock: another time namespace, or one that was set back",
        "use the store from one time namespace only"},
    row{errc::same_lock_twice, std::errc::invalid_argument, "two of the paths are the same lock",
        "name each lock once; relative paths, symbolic links and '..' can lead to the same one"},
    row{errc::gate_damaged, std::errc::io_error, "the gate's file does not say which tokens it has admitted",
        "find out what was written to it; remove it only when no holder of an older token is left"},
};

const row* find(int value) noexcept {
  for (const row& r : rows) {
    if (static_cast<int>(r.code) == value) return &r;
  }
  return nullptr;
}

class category final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "lockkit"; }
  [[nodiscard]] std::string message(int value) const override {
    const row* found = find(value);
    return found == nullptr ? "unknown lockkit error" : std::string(found->message);
  }
  [[nodiscard]] std::error_condition default_error_condition(int value) const noexcept override {
    const row* found = find(value);
    return found == nullptr ? std::error_condition(value, *this) : std::make_error_condition(found->nearest);
  }
};

std::string_view system_advice(const std::error_code& code) noexcept {
  if (code == std::errc::permission_denied) return "check the owner and the mode of the directory and the file";
  if (code == std::errc::no_such_file_or_directory) return "make the directory first, or correct the path";
  if (code == std::errc::not_a_directory) return "a component of the path is not a directory";
  if (code == std::errc::no_space_on_device) return "free some space; nothing was changed";
  if (code == std::errc::read_only_file_system) return "use a writable filesystem";
  if (code == std::errc::too_many_files_open) return "raise the limit of open files, or close some";
  if (code == std::errc::filename_too_long) return "use a shorter name";
  if (code == std::errc::is_a_directory) return "a directory stands where a file is expected";
  return {};
}

std::string compose(const std::string& operation, const std::filesystem::path& path, const std::error_code& code,
                    const std::string& detail) {
  std::string text =
      fmt::format("lockkit: cannot {} '{}': {}", operation, detail::printable(path.native()), code.message());
  if (!detail.empty()) text += fmt::format(" ({})", detail::printable(detail));
  if (const std::string_view advice = advice_for(code); !advice.empty()) text += fmt::format("; {}", advice);
  return text;
}

}  // namespace

const std::error_category& lockkit_category() noexcept {
  // NOLINTNEXTLINE(bugprone-unhandled-exception-at-new): without memory for this, ending is right
  static const category& instance = *new category;  // never destroyed: codes are compared until the very end
  return instance;
}

std::error_code make_error_code(errc value) noexcept {
  return {static_cast<int>(value), lockkit_category()};
}

std::string_view advice_for(const std::error_code& code) noexcept {
  if (code.category() != lockkit_category()) return system_advice(code);
  const row* found = find(code.value());
  return found == nullptr ? std::string_view() : found->advice;
}

error::error(std::string operation, std::filesystem::path path, std::error_code code, std::string detail)
    : std::system_error(code),
      operation_(std::move(operation)),
      path_(std::move(path)),
      message_(compose(operation_, path_, code, detail)) {}

error::~error() = default;

}  // namespace lockkit::inline v0

namespace lockkit::detail {

void throw_error(const char* operation, const std::filesystem::path& path, const std::error_code& ec,
                 std::string more) {
  throw error(operation, path, ec, std::move(more));
}

}  // namespace lockkit::detail
