#include "core/throw_error.hpp"
#include "publish_target.hpp"
#include "staged_tree.hpp"

namespace lockkit::inline v0 {

struct staged_directory::impl {
  std::filesystem::path path;
  std::filesystem::path staged;
  detail::publish_target target;  // outlives `tree`, which works in its directory
  std::optional<detail::staged_tree> tree;

  void open(const directory_publish_options& options, std::error_code& ec) {
    target = detail::find_target(path, symlink_policy::replace, ec);
    if (ec) return;
    tree.emplace(target.directory.get(), target.name, options, ec);
    if (ec) {
      tree.reset();
    } else {
      staged = path.parent_path() / tree->name();
    }
  }
  void close() noexcept {
    tree.reset();
    staged.clear();
    target.directory.reset();
  }
};

staged_directory::staged_directory(const std::filesystem::path& target, directory_publish_options options,
                                   std::error_code& ec)
    : impl_(new impl{target, {}, {}, {}}) {
  impl_->open(options, ec);
}

staged_directory::staged_directory(const std::filesystem::path& target, directory_publish_options options)
    : impl_(new impl{target, {}, {}, {}}) {
  detail::throwing("stage", target, [&](std::error_code& ec) { impl_->open(options, ec); });
}

staged_directory::~staged_directory() = default;
staged_directory::staged_directory(staged_directory&& other) noexcept = default;
staged_directory& staged_directory::operator=(staged_directory&& other) noexcept = default;

const std::filesystem::path& staged_directory::path() const noexcept {
  static const std::filesystem::path none;
  return impl_ ? impl_->staged : none;
}

int staged_directory::native_handle() const noexcept {
  return impl_ && impl_->tree ? impl_->tree->fd() : -1;
}

const std::filesystem::path& staged_directory::target() const noexcept {
  static const std::filesystem::path none;
  return impl_ ? impl_->path : none;
}

publish_result staged_directory::commit(durability level, std::error_code& ec) {
  if (!impl_ || !impl_->tree) {
    ec = std::make_error_code(std::errc::bad_file_descriptor);
    return publish_result::published;
  }
  const publish_result result = impl_->tree->publish(level, ec);
  impl_->close();
  return result;
}

publish_result staged_directory::commit(durability level) {
  return detail::throwing("publish", target(), [&](std::error_code& ec) { return commit(level, ec); });
}

void staged_directory::discard() noexcept {
  if (impl_) impl_->close();
}

}  // namespace lockkit::inline v0
