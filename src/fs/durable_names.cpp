#include "durable_names.hpp"

#include <algorithm>

#include <lockkit/error.hpp>

#include "platform/file.hpp"
#include "platform/inode.hpp"
#include "publish_target.hpp"

namespace lockkit::detail {
namespace {

bool cannot_be_synced(const std::error_code& ec) noexcept {
  return ec == std::errc::invalid_argument || ec == std::errc::operation_not_supported ||
         ec == std::errc::bad_file_descriptor;
}

std::pair<std::uint64_t, std::uint64_t> identity(const platform::inode_facts& facts) noexcept {
  return {facts.device, facts.inode};
}

}  // namespace

void sync_names(int directory, std::span<const int> files, durability level, std::error_code& ec) {
  ec.clear();
  if (level < durability::durable) return;
  platform::sync_file(directory, ec);
  if (cannot_be_synced(ec)) {
    ec.clear();
    for (std::size_t i = 0; i < files.size() && !ec; ++i) platform::sync_file(files[i], ec);
  }
  if (!ec && level == durability::durable_path) path_sync().sync_above(directory, ec);
  if (ec) ec = errc::published_not_durable;
}

bool path_sync::is_known(std::pair<std::uint64_t, std::uint64_t> inode) const noexcept {
  return std::ranges::find(synced_, inode) != synced_.end();
}

void path_sync::sync_above(int directory, std::error_code& ec) {
  platform::unique_fd held;
  platform::inode_facts here = platform::facts(directory, ec);
  while (!ec && !here.mount_root) {
    platform::unique_fd above = open_directory(held ? held.get() : directory, "..", ec);
    const platform::inode_facts found = ec ? here : platform::facts(above.get(), ec);
    if (ec || platform::same_inode(found, here) || is_known(identity(found))) return;
    platform::sync_file(above.get(), ec);
    if (cannot_be_synced(ec)) ec.clear();
    if (!ec) synced_.push_back(identity(found));
    held = std::move(above);
    here = found;
  }
}

}  // namespace lockkit::detail
