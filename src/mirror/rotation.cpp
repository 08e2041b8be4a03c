/// Rotation.
///
///  1. The old inode keeps its names outside of the cache; only the content's name moves. Readers have descriptors.
///  2. What gets the name is complete, hashed, on the disk by the cache's level, and read-only.
///  3. The name moves behind the gate, held shared, and only if it still is the old inode's: a healing or another rotation
///     was quicker, else.
///  4. A leased content stays: its inode can have no second name that the lease could count by (content_removal.cpp).
///  5. It is a service to the next ones who link. Whatever goes wrong, this file can be copied.

#include "rotation.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <lockkit/staged_file.hpp>

#include "content.hpp"
#include "content_removal.hpp"
#include "digest.hpp"
#include "fs/staging.hpp"
#include "gate.hpp"
#include "platform/file.hpp"

namespace lockkit::detail {
namespace {

/// Rule 2.
staging make_twin(int directory, const cache_layout& layout, const mirror_source& source, std::error_code& ec) {
  staging twin(directory, source.sha256, ec);
  if (ec) return twin;
  twin.written_elsewhere();
  platform::clone_file(source.file, twin.fd(), ec);
  if (ec) platform::copy_file(source.file, twin.fd(), ec);
  std::uint64_t size = 0;
  if (!ec && sha256_of_file(twin.fd(), size, ec) != source.sha256 && !ec) {
    ec = std::make_error_code(std::errc::io_error);
  }
  if (!ec) twin.set_permissions(layout.content_mode(), ec);
  if (!ec && layout.options().level != durability::visible) twin.sync(ec);
  return twin;
}

/// Rule 3. The caller holds the gate.
bool still_has_name(const mirror_source& source, std::error_code& ec) {
  const struct stat pinned = platform::status(source.file, ec);
  const struct stat named = ec ? pinned : platform::status_at(AT_FDCWD, source.path.c_str(), ec);
  return !ec && platform::same_inode(pinned, named);
}

}  // namespace

platform::unique_fd rotate_content(const cache_layout& layout, const mirror_source& source) {
  if (source.path.native() != layout.content_path(source.sha256)) return {};
  std::error_code ec;
  const platform::unique_fd directory = layout.open_staging(ec);
  staging twin = ec ? staging() : make_twin(directory.get(), layout, source, ec);
  const platform::unique_fd contents = ec ? platform::unique_fd() : layout.open_shard('b', source.sha256, ec);
  if (ec) return {};
  gate passage(layout);
  passage.enter_shared(deadline(), {}, ec);
  if (ec || !still_has_name(source, ec)) return {};
  const displacement old(layout, source.sha256, ec);
  if (ec || !old.keeps_leases()) return {};
  twin.publish_as(contents.get(), source.sha256.c_str(), publish_mode::replace, layout.options().level, ec);
  return ec ? platform::unique_fd() : open_content(source.path.native(), source.size, ec);
}

}  // namespace lockkit::detail
