#include <fcntl.h>

#include <array>
#include <ctime>

#include <lockkit/directory.hpp>
#include <lockkit/error.hpp>

#include "core/throw_error.hpp"
#include "directory_making.hpp"
#include "platform/process.hpp"
#include "publish_target.hpp"
#include "temporary_name.hpp"

namespace lockkit::inline v0 {
namespace {

constexpr int attempts = 32;

std::string utc_stamp() {
  const std::time_t now = static_cast<std::time_t>(platform::wall_clock_ns() / 1'000'000'000U);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  std::array<char, 40> text{};
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y%m%dT%H%M%SZ", &parts);
  return {text.data(), size};
}

std::string unique_name(std::string_view prefix, std::error_code& ec) {
  const detail::random_text random = detail::random_base32(detail::name_origin::opened, ec);
  return std::string(prefix) + utc_stamp() + "-" + random.data();
}

/// False: try again, with another name; the parent may have to be made again.
bool make_unique(const std::filesystem::path& parent, const std::string& name, const directory_options& options,
                 std::error_code& ec) {
  ensure_directory(parent, options, ec);
  if (ec) return true;
  const platform::unique_fd directory = detail::open_directory(AT_FDCWD, parent.c_str(), ec);
  if (!ec) detail::make_one(directory.get(), name.c_str(), options, ec);
  return ec != std::errc::file_exists && ec != std::errc::no_such_file_or_directory && ec != detail::vanished();
}

}  // namespace

std::filesystem::path create_unique_directory(const std::filesystem::path& parent, std::string_view prefix,
                                              const directory_options& options, std::error_code& ec) {
  ec.clear();
  if (prefix.find_first_of(std::string_view("/\0", 2)) != std::string_view::npos) ec = errc::invalid_name;
  for (int attempt = 0; !ec && attempt < attempts; ++attempt) {
    const std::string name = unique_name(prefix, ec);
    if (!ec) ec = detail::check_file_path(name);
    if (ec) break;
    if (make_unique(parent, name, options, ec)) return ec ? std::filesystem::path() : parent / name;
    if (attempt + 1 < attempts) ec.clear();
  }
  return {};
}

std::filesystem::path create_unique_directory(const std::filesystem::path& parent, std::string_view prefix,
                                              const directory_options& options) {
  return detail::throwing("make unique directory", parent,
                          [&](std::error_code& ec) { return create_unique_directory(parent, prefix, options, ec); });
}

}  // namespace lockkit::inline v0
