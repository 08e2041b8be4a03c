#include <lockkit/staged_file.hpp>

#include "core/throw_error.hpp"
#include "publish_target.hpp"
#include "staging.hpp"

namespace lockkit::inline v0 {
namespace {

/// To create with: at no time more than what was asked for.
unsigned creation_mode(const publish_options& options) noexcept {
  constexpr unsigned any_file = 0666;
  return options.permissions ? static_cast<unsigned>(*options.permissions) & any_file : any_file;
}

std::error_code nothing_staged() noexcept {
  return std::make_error_code(std::errc::bad_file_descriptor);
}

}  // namespace

struct staged_file::impl {
  std::filesystem::path path;
  publish_mode mode;
  detail::publish_target target;  // outlives `file`, which works in its directory
  detail::staging file;

  void open(const publish_options& options, std::error_code& ec) {
    target = detail::find_target(path, options.symlinks, ec);
    if (ec) return;
    file = detail::staging(target.directory.get(), target.name, ec, {.mode = creation_mode(options)});
    if (!ec && options.permissions) file.set_permissions(static_cast<unsigned>(*options.permissions), ec);
  }
};

staged_file::staged_file(const std::filesystem::path& target, publish_options options, std::error_code& ec)
    : impl_(new impl{target, options.mode, {}, {}}) {
  impl_->open(options, ec);
}

staged_file::staged_file(const std::filesystem::path& target, publish_options options)
    : impl_(new impl{target, options.mode, {}, {}}) {
  detail::throwing("stage", target, [&](std::error_code& ec) { impl_->open(options, ec); });
}

staged_file::~staged_file() = default;
staged_file::staged_file(staged_file&& other) noexcept = default;
staged_file& staged_file::operator=(staged_file&& other) noexcept = default;

void staged_file::write(std::span<const std::byte> bytes, std::error_code& ec) {
  if (impl_) {
    impl_->file.append(bytes, ec);
  } else {
    ec = nothing_staged();
  }
}

void staged_file::write(std::span<const std::byte> bytes) {
  detail::throwing("write", target(), [&](std::error_code& ec) { write(bytes, ec); });
}

std::uint64_t staged_file::size() const noexcept {
  return impl_ ? impl_->file.size() : 0;
}

int staged_file::native_handle() const noexcept {
  if (!impl_) return -1;
  impl_->file.written_elsewhere();
  return impl_->file.fd();
}

const std::filesystem::path& staged_file::target() const noexcept {
  static const std::filesystem::path none;
  return impl_ ? impl_->path : none;
}

publish_result staged_file::commit(durability level, std::error_code& ec) {
  if (!impl_) {
    ec = nothing_staged();
    return publish_result::published;
  }
  const publish_result result =
      impl_->file.publish_as(impl_->target.directory.get(), impl_->target.name.c_str(), impl_->mode, level, ec);
  discard();
  return result;
}

publish_result staged_file::commit(durability level) {
  return detail::throwing("publish", target(), [&](std::error_code& ec) { return commit(level, ec); });
}

void staged_file::discard() noexcept {
  if (!impl_) return;
  impl_->file.discard();
  impl_->target.directory.reset();
}

publish_result publish(const std::filesystem::path& target, std::span<const std::byte> bytes, durability level,
                       publish_options options, std::error_code& ec) {
  staged_file staged(target, options, ec);
  if (!ec) staged.write(bytes, ec);
  return ec ? publish_result::published : staged.commit(level, ec);
}

publish_result publish(const std::filesystem::path& target, std::span<const std::byte> bytes, durability level,
                       publish_options options) {
  return detail::throwing("publish", target,
                          [&](std::error_code& ec) { return publish(target, bytes, level, options, ec); });
}

}  // namespace lockkit::inline v0
