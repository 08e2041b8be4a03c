// How a staged directory gets its place (its making: staged_tree.cpp).
//
//  1. All of it is synced before its final name can become durable (levels consistent and durable): a rename without that
//     leaves empty files after a power cut, on ext4, xfs and btrfs alike.
//  2. If absent: RENAME_NOREPLACE, nothing else. Plain rename replaces an empty directory. It says EEXIST or, on some
//     filesystems, ENOTEMPTY.
//  3. Replacing: RENAME_EXCHANGE. What was displaced is looked at afterwards: if somebody had put a file there in that
//     moment, the names are exchanged back.
//  4. The linked layout turns a symbolic link: made where there is none, which is exclusive, else renamed over the old one.
//     Only a link of that layout is turned.
//  5. An error does not prove that nothing happened (a lost reply of a server): the target is compared.
//  6. The directory is synced before anything of the old tree is removed: otherwise a power cut can bring back the old name
//     with holes behind it. That goes for level consistent, too. If it fails, the old tree stays.
//  7. The old tree goes only if nobody has a lock on it; else it is left to a sweep.

#include <sys/stat.h>

#include <lockkit/error.hpp>

#include "durable_names.hpp"
#include "platform/file.hpp"
#include "platform/inode.hpp"
#include "platform/names.hpp"
#include "staged_tree.hpp"
#include "tree_removal.hpp"
#include "tree_sync.hpp"

namespace lockkit::detail {
namespace {

constexpr int place_attempts = 100;  // each fails only because others put and took names meanwhile

bool lacks_rename_flag(const std::error_code& ec) noexcept {
  return ec == std::errc::invalid_argument || ec == std::errc::function_not_supported ||
         ec == std::errc::operation_not_supported;
}

bool says_occupied(const std::error_code& ec) noexcept {
  return ec == std::errc::file_exists || ec == std::errc::directory_not_empty;
}

std::error_code other_kind() noexcept {
  return std::make_error_code(std::errc::not_a_directory);
}

}  // namespace

publish_result staged_tree::publish(durability level, std::error_code& ec) {
  ec.clear();
  if (!tree_ || committed_) ec = std::make_error_code(std::errc::bad_file_descriptor);
  if (!ec && !is_own_process()) ec = std::make_error_code(std::errc::operation_not_permitted);
  publish_result result = publish_result::published;
  if (ec) return result;
  committed_ = true;
  make_ready(level, ec);
  if (!ec) result = put_in_place(ec);
  published_ = !ec && result == publish_result::published;
  if (published_) settle_old(level, ec);
  return result;
}

void staged_tree::make_ready(durability level, std::error_code& ec) {
  const bool there = is_named(name(), ec);
  if (!ec && !there) ec = std::make_error_code(std::errc::no_such_file_or_directory);  // somebody moved or removed it
  if (!ec && options_.permissions) platform::change_mode(fd(), static_cast<unsigned>(*options_.permissions), ec);
  if (!ec && level != durability::visible) sync_tree(fd(), ec);
}

publish_result staged_tree::put_in_place(std::error_code& ec) {
  for (int attempt = 0; attempt < place_attempts; ++attempt) {
    bool again = false;
    const publish_result result =
        options_.layout == directory_layout::linked ? link_once(again, ec) : move_once(again, ec);
    if (!again) return result;
  }
  ec = std::make_error_code(std::errc::resource_unavailable_try_again);
  return publish_result::published;
}

publish_result staged_tree::move_once(bool& again, std::error_code& ec) {
  platform::rename_if_absent(directory_, name(), base_.c_str(), ec);
  if (!ec) return publish_result::published;
  if (says_occupied(ec)) {
    ec.clear();
    if (options_.mode == publish_mode::if_absent) return publish_result::already_exists;
    exchange(again, ec);
    return publish_result::published;
  }
  if (is_at(base_.c_str())) ec.clear();
  if (lacks_rename_flag(ec)) ec = errc::unsupported_filesystem;
  return publish_result::published;
}

void staged_tree::exchange(bool& again, std::error_code& ec) {
  const platform::inode_facts there = platform::facts_at(directory_, base_.c_str(), ec);
  if (!ec && !S_ISDIR(there.mode)) ec = other_kind();
  if (!ec) platform::rename_exchange(directory_, name(), base_.c_str(), ec);
  again = ec == std::errc::no_such_file_or_directory && is_at(name());  // what stood there went
  if (ec && is_at(base_.c_str())) ec.clear();
  if (lacks_rename_flag(ec)) ec = errc::unsupported_filesystem;
  if (ec) return;
  const platform::inode_facts displaced = platform::facts_at(directory_, name(), ec);
  if (!ec && !S_ISDIR(displaced.mode)) {
    platform::rename_exchange(directory_, name(), base_.c_str(), ec);
    if (!ec) ec = other_kind();
    return;
  }
  ec.clear();  // gone already: somebody else's work
  displaced_ = name();
}

publish_result staged_tree::link_once(bool& again, std::error_code& ec) {
  platform::make_symlink(name(), directory_, base_.c_str(), ec);
  if (ec != std::errc::file_exists) return publish_result::published;
  ec.clear();
  if (options_.mode == publish_mode::if_absent) return publish_result::already_exists;
  turn_link(again, ec);
  return publish_result::published;
}

void staged_tree::turn_link(bool& again, std::error_code& ec) {
  const std::string old = platform::read_link(directory_, base_.c_str(), ec);
  again = ec == std::errc::no_such_file_or_directory;
  if (ec == std::errc::invalid_argument || (!ec && !is_tree_name(old))) ec = other_kind();
  const name_buffer link = ec ? name_buffer{} : temporary_name(base_, name_origin::opened, ec, staged_tree_suffix);
  if (!ec) platform::make_symlink(name(), directory_, link.data(), ec);
  if (ec) {
    again = again || ec == std::errc::file_exists;
    return;
  }
  platform::rename_replace(directory_, link.data(), base_.c_str(), ec);
  if (ec) {
    std::error_code ignored;
    const bool turned = platform::read_link(directory_, base_.c_str(), ignored) == name();
    platform::unlink_name(directory_, link.data(), ignored);
    again = !turned && ec == std::errc::no_such_file_or_directory;  // stopped for so long that the link was swept
    if (turned) ec.clear();
  }
  if (!ec) displaced_ = old;
}

/// Rules 6 and 7.
void staged_tree::settle_old(durability level, std::error_code& ec) {
  const bool removes = !displaced_.empty() && options_.old == old_tree::remove;
  if (level >= durability::durable || (removes && level != durability::visible)) sync_parent(directory_, fd(), ec);
  if (!ec && level == durability::durable_path) path_sync().sync_above(directory_, ec);
  const bool safe = !ec;
  if (ec && level >= durability::durable) {
    ec = errc::published_not_durable;
  } else {
    ec.clear();
  }
  const bool linked = options_.layout == directory_layout::linked;
  std::error_code left_to_sweep;
  if (removes && safe) {
    remove_unused_tree(directory_, displaced_.c_str(), {.sync_parent = false, .look_for_links = linked}, left_to_sweep);
  }
}

}  // namespace lockkit::detail
