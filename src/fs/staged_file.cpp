#include <lockkit/staged_file.hpp>

#include "core/throw_error.hpp"
#include "publication.hpp"

namespace lockkit::inline v0 {
namespace {

std::error_code nothing_staged() noexcept {
  return std::make_error_code(std::errc::bad_file_descriptor);
}

}  // namespace

staged_file::staged_file(const std::filesystem::path& target, publish_options options, std::error_code& ec)
    : impl_(new impl(target, options)) {
  impl_->work.open(ec);
}

staged_file::staged_file(const std::filesystem::path& target, publish_options options)
    : impl_(new impl(target, options)) {
  detail::throwing("stage", target, [&](std::error_code& ec) { impl_->work.open(ec); });
}

staged_file::~staged_file() = default;
staged_file::staged_file(staged_file&& other) noexcept = default;
staged_file& staged_file::operator=(staged_file&& other) noexcept = default;

void staged_file::write(std::span<const std::byte> bytes, std::error_code& ec) {
  if (impl_) {
    impl_->work.file().append(bytes, ec);
  } else {
    ec = nothing_staged();
  }
}

void staged_file::write(std::span<const std::byte> bytes) {
  detail::throwing("write", target(), [&](std::error_code& ec) { write(bytes, ec); });
}

std::uint64_t staged_file::size() const noexcept {
  return impl_ ? impl_->work.file().size() : 0;
}

int staged_file::native_handle() const noexcept {
  if (!impl_) return -1;
  impl_->work.file().written_elsewhere();
  return impl_->work.file().fd();
}

const std::filesystem::path& staged_file::target() const noexcept {
  static const std::filesystem::path none;
  return impl_ ? impl_->work.path() : none;
}

publish_result staged_file::commit(durability level, std::error_code& ec) {
  if (!impl_) {
    ec = nothing_staged();
    return publish_result::published;
  }
  const publish_result result = impl_->work.commit(level, ec);
  discard();
  return result;
}

publish_result staged_file::commit(durability level) {
  return detail::throwing("publish", target(), [&](std::error_code& ec) { return commit(level, ec); });
}

publish_report staged_file::report() const noexcept {
  return impl_ ? impl_->work.report() : publish_report{};
}

void staged_file::discard() noexcept {
  if (impl_) impl_->work.discard();
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
