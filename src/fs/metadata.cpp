#include "metadata.hpp"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "platform/attributes.hpp"
#include "platform/file.hpp"
#include "platform/inode.hpp"

namespace lockkit::detail {
namespace {

constexpr const char* access_list = "system.posix_acl_access";
constexpr unsigned set_id_bits = 06000;

/// As opposed to a failing disk.
bool not_for_us(const std::error_code& ec) noexcept {
  switch (ec.value()) {
    case EPERM:
    case EACCES:
    case EOPNOTSUPP:
    case EINVAL:  // a name or value that this filesystem does not take, an owner without a mapping in this namespace
    case ENODATA:
    case ERANGE:
    case E2BIG:
    case ENOSPC:
    case EDQUOT:
      return true;
    default:
      return false;
  }
}

bool vouches_for_content(std::string_view name) noexcept {
  constexpr std::array names = {"security.capability", "security.ima", "security.evm"};
  return std::ranges::find(names, name) != names.end();
}

class taking_over {
 public:
  taking_over(staging& file, const platform::inode_facts& old) : file_(file), old_(old) {}

  /// Rule 1. The first thing that could not be kept is remembered.
  void run(int old_file, std::error_code& ec) {
    keep_owner(ec);
    if (!ec) keep_attributes(old_file, ec);
    if (!ec) file_.set_permissions(permitted_mode(), ec);
    file_.changed_elsewhere();
  }

  [[nodiscard]] bool owner_kept() const noexcept { return user_kept_ && group_kept_; }
  [[nodiscard]] bool attributes_kept() const noexcept { return attributes_kept_; }
  [[nodiscard]] const std::error_code& obstacle() const noexcept { return obstacle_; }

 private:
  /// False: could not be kept. A code: something is broken.
  bool kept(std::error_code& ec) {
    if (!ec) return true;
    if (!obstacle_) obstacle_ = ec;
    if (not_for_us(ec)) ec.clear();
    return false;
  }

  void keep_owner(std::error_code& ec) {
    const platform::inode_facts mine = platform::facts(file_.fd(), ec);
    if (ec) return;
    if (mine.group != old_.group) {
      platform::change_owner(file_.fd(), platform::same_owner, old_.group, ec);
      group_kept_ = kept(ec);
    }
    if (ec || mine.owner == old_.owner) return;
    platform::change_owner(file_.fd(), old_.owner, platform::same_owner, ec);
    user_kept_ = kept(ec);
  }

  void keep_attributes(int old_file, std::error_code& ec) {
    const std::vector<std::string> names = list(old_file, ec);
    if (ec) return;
    if (std::ranges::find(names, access_list) == names.end()) remove_inherited_list(ec);
    for (const std::string& name : names) {
      if (!ec && !vouches_for_content(name)) keep_attribute(old_file, name, ec);
    }
  }

  /// Rule 3.
  void remove_inherited_list(std::error_code& ec) {
    platform::remove_attribute(file_.fd(), access_list, ec);
    if (!kept(ec)) attributes_kept_ = list_kept_ = false;
  }

  /// -1: it can't be read.
  std::vector<std::string> list(int old_file, std::error_code& ec) {
    if (old_file < 0) attributes_kept_ = list_kept_ = false;
    if (old_file < 0) return {};
    std::vector<std::string> names = platform::attribute_names(old_file, ec);
    if (!kept(ec)) attributes_kept_ = list_kept_ = false;
    return names;
  }

  void keep_attribute(int old_file, const std::string& name, std::error_code& ec) {
    const std::string value = platform::attribute(old_file, name.c_str(), ec);
    if (!ec) platform::set_attribute(file_.fd(), name.c_str(), value, ec);
    if (kept(ec)) return;
    attributes_kept_ = false;
    if (name == access_list) list_kept_ = false;
  }

  /// Rule 2.
  [[nodiscard]] unsigned permitted_mode() const noexcept {
    unsigned mode = old_.mode & 07777U;
    if (!group_kept_ || !list_kept_) mode = (mode & ~070U) | (mode & ((mode & 07U) << 3U));
    return owner_kept() ? mode : mode & ~set_id_bits;
  }

  staging& file_;
  const platform::inode_facts& old_;
  bool user_kept_ = true;
  bool group_kept_ = true;
  bool list_kept_ = true;
  bool attributes_kept_ = true;
  std::error_code obstacle_;
};

}  // namespace

void take_over_metadata(int directory, const char* name, metadata_policy policy, staging& file, publish_report& report,
                        std::error_code& ec) {
  platform::inode_facts old = platform::facts_at(directory, name, ec);
  if (ec == std::errc::no_such_file_or_directory) ec.clear();
  if (ec || !old.is_regular()) return;
  std::error_code unreadable;
  const platform::unique_fd old_file =
      platform::open_at(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, unreadable);
  if (unreadable && !not_for_us(unreadable)) ec = unreadable;
  if (!ec && old_file) old = platform::facts(old_file.get(), ec);  // rule 5
  if (ec || !old.is_regular()) return;
  taking_over work(file, old);
  work.run(old_file.get(), ec);
  report.owner_kept = work.owner_kept();
  report.attributes_kept = work.attributes_kept();
  if (ec || policy != metadata_policy::preserve_or_fail) return;
  if (!report.owner_kept || !report.attributes_kept) ec = work.obstacle() ? work.obstacle() : unreadable;
}

void copy_metadata(int from, staging& to, std::error_code& ec) {
  const platform::inode_facts old = platform::facts(from, ec);
  if (ec) return;
  taking_over work(to, old);
  work.run(from, ec);
  if (!ec) ec = work.obstacle();
}

}  // namespace lockkit::detail
