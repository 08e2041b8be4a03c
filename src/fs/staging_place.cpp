// How a staged file gets its place (the rest of the protocol: staging.cpp).
//
//  1. Its data is synced before the final name can become durable (levels consistent and durable): rename without it
//     leaves an empty file after a power cut, on xfs and btrfs always, on ext4 for new names.
//  2. A target that is absent: linked straight there, no temporary name ever exists.
//  3. Otherwise a temporary name, linked to the file when it is locked already, and one rename. The sync comes after
//     that link and not before: one sync, of a file that has a name. (Btrfs of old kernels skips files without one, so
//     there an absent target too goes this way, but for level visible.)
//  4. if_absent is linkat or RENAME_NOREPLACE, nothing else. Looking first and renaming then would replace a file that
//     came in between; a filesystem that has neither gets an error.
//  5. Rename of one link of a file onto another is a success that does nothing: the temporary name is removed.
//  6. An error of link or rename does not prove that nothing happened (a lost reply of a server): the target is
//     compared.
//  7. durable syncs the directory (durable_names.hpp). If that fails, the content is visible all the same, and the error says so.
//  8. A directory, FIFO, socket or device is never replaced.

#include <fcntl.h>

#include <lockkit/error.hpp>

#include "durable_names.hpp"
#include "metadata.hpp"
#include "platform/filesystem_kind.hpp"
#include "platform/inode.hpp"
#include "platform/names.hpp"
#include "staging.hpp"

namespace lockkit::detail {
namespace {

/// Whether something stands there; a code if it may not be replaced.
bool stands(int directory, const char* name, publish_mode mode, std::error_code& ec) noexcept {
  const platform::inode_facts found = platform::facts_at(directory, name, ec);
  if (ec == std::errc::no_such_file_or_directory) ec.clear();
  if (ec || found.mode == 0) return false;
  if (mode == publish_mode::if_absent || found.is_regular() || S_ISLNK(found.mode)) return true;
  ec =
      S_ISDIR(found.mode) ? std::make_error_code(std::errc::is_a_directory) : make_error_code(errc::not_a_regular_file);
  return true;
}

/// The filesystem, or the lack of /proc, does not let this file have a further name; another file may have it.
bool link_refused(const std::error_code& ec) noexcept {
  switch (ec.value()) {
    case ENOENT:
    case EPERM:
    case EOPNOTSUPP:
    case ENOSYS:
    case EINVAL:
    case EMLINK:
      return ec.category() == std::system_category();
    default:
      return false;
  }
}

bool no_such_flag(const std::error_code& ec) noexcept {
  return ec == std::errc::invalid_argument || ec == std::errc::function_not_supported ||
         ec == std::errc::operation_not_supported;
}

}  // namespace

publish_result staging::publish_as(int directory, const char* name, publish_mode mode, durability level,
                                   std::error_code& ec) {
  if (!usable(ec)) return publish_result::published;
  publish_result result = publish_result::published;
  check_size(ec);
  if (!ec) result = put_in_place({directory, name}, mode, level, ec);
  file_.final_failure = file_.final_failure || ec;
  remember(ec);
  if (ec) remove_name();
  if (ec || result == publish_result::already_exists) return result;
  file_.published = true;
  if (level >= durability::durable) sync_names(directory, file_.fd.get(), level, ec);
  return result;
}

void staging::prepare(int directory, const char* name, publish_mode mode, durability level, std::error_code& ec) {
  if (!usable(ec)) return;
  check_size(ec);
  const bool exists = !ec && stands(directory, name, mode, ec);
  const bool pointless = exists && mode == publish_mode::if_absent;
  if (!ec && !pointless && !has_name() && !goes_straight(exists, level, ec) && !ec) give_name(ec);
  remember(ec);
}

void staging::give_temporary_name(std::error_code& ec) {
  if (!usable(ec)) return;
  check_size(ec);
  if (!ec && !has_name()) give_name(ec);
  remember(ec);
}

void staging::rename_temporary(const name_buffer& name, std::error_code& ec) noexcept {
  platform::rename_if_absent(file_.directory, file_.name.data(), name.data(), ec);
  if (!ec || is_at({file_.directory, name.data()})) file_.name = name;
}

void staging::check_size(std::error_code& ec) noexcept {
  if (!file_.counted) {
    file_.synced = false;  // it can have been written to at any time
    return;
  }
  const platform::inode_facts found = platform::facts(file_.fd.get(), ec);
  if (!ec && found.size != file_.size) ec = errc::integrity_mismatch;
}

/// Everything that must have happened to the content before it gets its place. (Servers that report write errors at
/// close have no unnamed files.)
void staging::make_ready(durability level, std::error_code& ec) noexcept {
  ec.clear();
  if (level != durability::visible) sync(ec);
  if (level == durability::visible && file_.opened_by_name) platform::flush_to_server(file_.fd.get(), ec);
}

bool staging::goes_straight(bool target_exists, durability level, std::error_code& ec) const noexcept {
  return !has_name() && !target_exists &&
         (level == durability::visible || !platform::may_skip_sync_of_unnamed(file_.fd.get(), ec));
}

publish_result staging::put_in_place(place target, publish_mode mode, durability level, std::error_code& ec) {
  const bool exists = stands(target.directory, target.name, mode, ec);
  if (ec) return publish_result::published;
  if (exists && mode == publish_mode::if_absent) return publish_result::already_exists;
  const bool straight = goes_straight(exists, level, ec);
  if (ec) return publish_result::published;
  if (!straight || !link_in_place(target, mode, level, ec)) {
    if (!ec && !has_name()) give_name(ec);
    if (!ec) make_ready(level, ec);
    if (ec) return publish_result::published;
    move_in_place(target, mode, ec);
  }
  if (ec != std::errc::file_exists || mode == publish_mode::replace) return publish_result::published;
  ec.clear();
  return publish_result::already_exists;
}

/// False with a clear code: it needs a temporary name.
bool staging::link_in_place(place target, publish_mode mode, durability level, std::error_code& ec) {
  make_ready(level, ec);
  if (ec) return true;
  platform::link_descriptor(file_.fd.get(), target.directory, target.name, ec);
  if (!ec) return true;
  if (is_at(target)) {
    ec.clear();
    return true;
  }
  if (ec == std::errc::file_exists && mode == publish_mode::replace) {
    stands(target.directory, target.name, mode, ec);  // somebody was quicker; with what?
    return static_cast<bool>(ec);
  }
  if (!link_refused(ec)) return true;
  copy_to_named(ec);
  return static_cast<bool>(ec);
}

void staging::give_name(std::error_code& ec) {
  if (!mark_alive(file_.fd.get(), ec) && !ec) ec = std::make_error_code(std::errc::resource_unavailable_try_again);
  if (ec) return;
  for (int attempt = 0; attempt < name_attempts; ++attempt) {
    if (try_give_name(ec)) break;
  }
  if (link_refused(ec)) copy_to_named(ec);
}

/// False: try another name.
bool staging::try_give_name(std::error_code& ec) noexcept {
  const name_buffer name = temporary_name(file_.base.data(), name_origin::born_locked, ec);
  if (ec) return true;
  platform::link_descriptor(file_.fd.get(), file_.directory, name.data(), ec);
  if (ec && !is_at({file_.directory, name.data()})) return ec != std::errc::file_exists;
  ec.clear();
  file_.name = name;
  file_.synced = false;  // rule 3
  return true;
}

void staging::copy_to_named(std::error_code& ec) {
  staging copy(file_.directory, file_.base.data(), ec, {staging_route::named, file_.mode});
  if (!ec) platform::copy_file(file_.fd.get(), copy.fd(), ec);
  if (ec) return;
  copy_metadata(file_.fd.get(), copy, ec);
  if (!ec && file_.sealed && copy.seal(ec) == seal_state::writer_remains) {
    ec = std::make_error_code(std::errc::device_or_resource_busy);
  }
  if (ec) return;
  file_.fd.swap(copy.file_.fd);
  std::swap(file_.name, copy.file_.name);
  std::swap(file_.opened_by_name, copy.file_.opened_by_name);
  file_.synced = false;
}

void staging::move_in_place(place target, publish_mode mode, std::error_code& ec) noexcept {
  if (mode == publish_mode::replace) {
    platform::rename_replace(file_.directory, file_.name.data(), target.directory, target.name, ec);
  } else {
    move_if_absent(target, ec);
  }
  if (ec && is_at(target)) ec.clear();
  if (!ec) clean_up_after_rename();
}

/// Rule 5. The link count tells, for less than looking the name up.
void staging::clean_up_after_rename() noexcept {
  std::error_code ec;
  const platform::inode_facts file = platform::facts(file_.fd.get(), ec);
  if (ec || file.links > 1) remove_name();
  file_.name[0] = '\0';
}

void staging::move_if_absent(place target, std::error_code& ec) noexcept {
  platform::rename_if_absent(file_.directory, file_.name.data(), target.directory, target.name, ec);
  if (!no_such_flag(ec)) return;
  platform::link_name(file_.directory, file_.name.data(), target.directory, target.name, ec);
  if (link_refused(ec)) ec = errc::unsupported_filesystem;
}

bool staging::is_at(place where) const noexcept {
  std::error_code ec;
  const platform::inode_facts there = platform::facts_at(where.directory, where.name, ec);
  if (ec) return false;
  const platform::inode_facts mine = platform::facts(file_.fd.get(), ec);
  return !ec && platform::same_inode(there, mine);
}

}  // namespace lockkit::detail
