#include "cache_layout.hpp"

#include <fcntl.h>

#include <lockkit/directory.hpp>
#include <lockkit/error.hpp>

#include "platform/file.hpp"

namespace lockkit::detail {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view tag_text =
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# A cache of lockkit: everything in this directory can be fetched again.\n";

fs::path absolute_directory(const fs::path& directory, std::error_code& ec) {
  if (directory.empty() || directory.native().find('\0') != std::string::npos) {
    ec = errc::invalid_name;
    return {};
  }
  // Not normalized: "link/.." is where the kernel says, which only it knows.
  fs::path path = fs::absolute(directory, ec);
  while (path.has_relative_path() && (!path.has_filename() || path.filename() == ".")) path = path.parent_path();
  return path;
}

}  // namespace

cache_layout::cache_layout(const fs::path& directory, cache_options options, std::error_code& ec)
    : directory_(absolute_directory(directory, ec)), options_(std::move(options)) {
  if (!ec) prepare(ec);
  for (const fs::path& layer : options_.layers) {
    if (!ec) layers_.push_back(cache_layout(as_layer(), layer, options_, ec));
  }
  failure_ = ec;
}

cache_layout::cache_layout(as_layer /*tag*/, const fs::path& directory, cache_options options, std::error_code& ec)
    : directory_(absolute_directory(directory, ec)), options_(std::move(options)) {
  options_.layers.clear();
}

void cache_layout::prepare(std::error_code& ec) {
  const bool made = ensure_writable_directory(directory_, {.mode = options_.mode}, ec);
  std::error_code ignored;
  // Not writable, but there: what it holds can still be served. Fetching will say what is wrong.
  if (ec == errc::not_writable && fs::is_directory(directory_, ignored)) ec.clear();
  // Only where nothing else lies: the tag would keep backups away from a person's files.
  if (!ec && (made || fs::is_empty(directory_, ignored))) write_tag();
}

fs::perms cache_layout::lock_mode() const noexcept {
  constexpr fs::perms read_write = static_cast<fs::perms>(0666);
  return (options_.mode & read_write) | fs::perms::owner_read | fs::perms::owner_write;
}

unsigned cache_layout::content_mode() const noexcept {
  return (static_cast<unsigned>(options_.mode) & 0444U) | 0400U;
}

std::string cache_layout::sharded(char part, std::string_view name) const {
  std::string path;
  path.reserve(directory_.native().size() + name.size() + 6);
  path.append(directory_.native()).append({'/', part, '/'});
  return path.append(name.substr(0, 2)).append(1, '/').append(name);
}

platform::unique_fd cache_layout::open_staging(std::error_code& ec) const {
  return open_made(part_path('t'), ec);
}

platform::unique_fd cache_layout::open_partials(std::error_code& ec) const {
  return open_made(part_path('p'), ec);
}

platform::unique_fd cache_layout::open_displaced(std::error_code& ec) const {
  return open_made(part_path('q'), ec);
}

platform::unique_fd cache_layout::open_shard(char part, std::string_view name, std::error_code& ec) const {
  return open_made(part_path(part) + '/' + std::string(name.substr(0, 2)), ec);
}

platform::unique_fd cache_layout::open_made(const std::string& path, std::error_code& ec) const {
  constexpr int flags = O_RDONLY | O_DIRECTORY;
  platform::unique_fd opened = platform::open_at(AT_FDCWD, path.c_str(), flags, 0, ec);
  if (ec != std::errc::no_such_file_or_directory) return opened;
  ensure_directory(path, {.mode = options_.mode}, ec);
  if (ec) return {};
  return platform::open_at(AT_FDCWD, path.c_str(), flags, 0, ec);
}

void cache_layout::write_tag() const {
  std::error_code ignored;  // a courtesy to backup programs
  publish(directory_ / "CACHEDIR.TAG", std::as_bytes(std::span(tag_text)), durability::visible,
          {.mode = publish_mode::if_absent}, ignored);
}

}  // namespace lockkit::detail
