#pragma once
/// The staging engine, by either route, in few words.

#include <fcntl.h>

#include <array>
#include <filesystem>
#include <span>
#include <stdexcept>
#include <string_view>

#include "fs/staging.hpp"
#include "platform/platform.hpp"

namespace testing {

inline std::span<const std::byte> bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

/// A directory, held open as the engine wants it.
struct held_directory {
  explicit held_directory(const std::filesystem::path& path, int flags = O_RDONLY) {
    std::error_code ec;
    fd = lockkit::platform::open_at(AT_FDCWD, path.c_str(), flags | O_DIRECTORY, 0, ec);
    if (ec) throw std::system_error(ec, path.string());
  }
  lockkit::platform::unique_fd fd;
};

inline constexpr std::array both_routes = {lockkit::detail::staging_route::automatic,
                                           lockkit::detail::staging_route::named};
inline constexpr std::array every_level = {lockkit::durability::visible, lockkit::durability::consistent,
                                           lockkit::durability::durable};
inline constexpr std::array both_modes = {lockkit::publish_mode::replace, lockkit::publish_mode::if_absent};

/// lockkit::publish(directory / "f", content, level, {.mode = mode}), by the route that the test names.
inline lockkit::publish_result publish_by(lockkit::detail::staging_route route, const std::filesystem::path& directory,
                                          std::string_view content, lockkit::durability level,
                                          lockkit::publish_mode mode, std::error_code& ec) {
  if (route == lockkit::detail::staging_route::automatic) {
    return lockkit::publish(directory / "f", bytes(content), level, {.mode = mode}, ec);
  }
  const lockkit::platform::unique_fd held =
      lockkit::platform::open_at(AT_FDCWD, directory.c_str(), O_RDONLY | O_DIRECTORY, 0, ec);
  if (ec) return lockkit::publish_result::published;
  lockkit::detail::staging staged(held.get(), "f", ec, {.route = route});
  if (!ec) staged.append(bytes(content), ec);
  return ec ? lockkit::publish_result::published : staged.publish_as(held.get(), "f", mode, level, ec);
}

}  // namespace testing
