/// Making a destination hold a content, without ever losing what a person put there.
///
///  1. Look first. The same content: nothing is touched, not even the times. But a hard link of the cache's file is not what
///     who asks for an isolated file may get: it counts as something else. Something else: destination_differs,
///     unless overwriting was asked for; directories, FIFOs, sockets and devices
///     never go.
///  2. Nothing there: the mirror is put in place by a step that fails if something is there (if_absent). If somebody was
///     quicker, another mirror or a person, look again at 1. Never a look and then a replacing rename: what a person
///     puts there in between would be gone.
///  3. Overwriting replaces in one step; there is no moment without a file.
///  4. The bytes come from the pinned descriptor: a refresh or a removal meanwhile changes nothing. Cloned where the
///     filesystem can, else copied; either is complete, of the right size, and (by the level) on the disk before it
///     gets its name.
///  5. A hard link can only be made by name (the kernel refuses descriptors of removed files), and the name may lead to
///     another inode by now: compare. Whatever stands in the way of linking (another filesystem, too many links,
///     permissions, a kernel that knows no links here) makes the mirror an isolated one; what stands in the way of that
///     too is the error. Each file decides anew: the next may be linked again. Never chmod: the inode is shared.
///  6. Overwriting by a link goes through a temporary name, whose inode is flocked meanwhile so that a sweep leaves it.
///     rename() of two links to one inode does nothing and leaves the temporary name: it is always removed afterwards.

#include "mirror_file.hpp"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <lockkit/error.hpp>

#include "fs/durable_names.hpp"
#include "fs/staging.hpp"
#include "fs/temporary_name.hpp"
#include "platform/file.hpp"
#include "platform/lock.hpp"
#include "platform/names.hpp"

namespace lockkit::detail {
namespace {

// Each round, somebody must have made or removed the destination at the wrong moment.
constexpr int mirror_rounds = 64;

enum class linking { done, exists, impossible };

/// Rule 5.
bool can_be_copied_instead(const std::error_code& ec) noexcept {
  switch (ec.value()) {
    case EIO:
    case ENOSPC:
    case EDQUOT:
    case EROFS:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return false;
    default:
      return true;
  }
}

class mirroring {
 public:
  mirroring(const mirror_source& source, destination& target, const mirror_options& options)
      : source_(source), target_(target), options_(options) {}

  mirror_result run(std::error_code& ec) {
    for (int round = 0; round < mirror_rounds; ++round) {
      std::error_code why;
      const standing found = target_.compare(source_, why);
      ec.clear();
      const bool shares = found == standing::linked && options_.link == mirror_link::hard_link;
      if (found == standing::identical || shares) return mirror_result::unchanged;
      if (found != standing::absent) refuse(found, why, ec);
      if (ec) return {};
      const publish_mode mode = found == standing::absent ? publish_mode::if_absent : publish_mode::replace;
      if (put(mode, ec) == publish_result::published || ec) return result_;
    }
    ec = std::make_error_code(std::errc::device_or_resource_busy);
    return {};
  }

 private:
  /// Rule 1.
  void refuse(standing found, const std::error_code& why, std::error_code& ec) const {
    if (!options_.overwrite) {
      ec = found == standing::unreadable ? why : make_error_code(errc::destination_differs);
    } else if (found == standing::directory) {
      ec = std::make_error_code(std::errc::is_a_directory);
    } else if (found == standing::special) {
      ec = errc::not_a_regular_file;
    }
  }

  publish_result put(publish_mode mode, std::error_code& ec) {
    if (options_.link == mirror_link::hard_link) {
      const linking linked = link(mode, ec);
      if (ec || linked == linking::done) return publish_result::published;
      if (linked == linking::exists) return publish_result::already_exists;
    }
    if (!copy_) make_copy(ec);
    if (ec) return {};
    return copy_.publish_as(target_.directory(), target_.name(), mode, options_.level, ec);
  }

  /// Rule 4.
  void make_copy(std::error_code& ec) {
    const unsigned mode = options_.permissions ? static_cast<unsigned>(*options_.permissions) & 0666U : 0666U;
    copy_ = staging(target_.directory(), target_.name(), ec, {.mode = mode});  // never readable to more than in the end
    if (ec) return;
    copy_.written_elsewhere();
    result_ = platform::clone_file(source_.file, copy_.fd(), ec) ? mirror_result::cloned : mirror_result::copied;
    if (!ec && result_ == mirror_result::copied) platform::copy_file(source_.file, copy_.fd(), ec);
    if (!ec && !has_size(copy_.fd(), ec) && !ec) ec = errc::integrity_mismatch;
    if (!ec && options_.permissions) copy_.set_permissions(static_cast<unsigned>(*options_.permissions) & 07777U, ec);
    if (ec) copy_.discard();
  }

  [[nodiscard]] bool has_size(int fd, std::error_code& ec) const noexcept {
    const struct stat found = platform::status(fd, ec);
    return !ec && static_cast<std::uint64_t>(found.st_size) == source_.size;
  }

  /// Rule 5.
  linking link(publish_mode mode, std::error_code& ec) {
    const struct stat pinned = platform::status(source_.file, ec);
    if (ec) return linking::impossible;
    if (static_cast<std::uint64_t>(pinned.st_size) != source_.size) {
      ec = errc::integrity_mismatch;
      return linking::impossible;
    }
    if (options_.level != durability::visible) platform::sync_file(source_.file, ec);
    if (ec) return linking::impossible;
    if (mode == publish_mode::if_absent) link_if_absent(pinned, ec);
    if (mode == publish_mode::replace) link_over(pinned, ec);
    if (ec) {
      const bool exists = ec == std::errc::file_exists;
      if (exists || can_be_copied_instead(ec)) ec.clear();
      return exists ? linking::exists : linking::impossible;
    }
    result_ = mirror_result::hard_linked;
    make_durable(ec);
    return linking::done;
  }

  void link_if_absent(const struct stat& pinned, std::error_code& ec) const {
    const struct stat named = platform::status_at(AT_FDCWD, source_.path.c_str(), ec);
    if (!ec && !platform::same_inode(named, pinned)) ec = std::make_error_code(std::errc::no_such_file_or_directory);
    if (!ec) platform::link_name(AT_FDCWD, source_.path.c_str(), target_.directory(), target_.name(), ec);
  }

  /// Rule 6.
  void link_over(const struct stat& pinned, std::error_code& ec) const {
    const platform::unique_fd alive = platform::reopen(source_.file, O_RDONLY, ec);
    if (!ec) static_cast<void>(platform::try_flock(alive.get(), platform::lock_mode::shared, ec));
    const name_buffer temporary = ec ? name_buffer{} : temporary_name(target_.name(), name_origin::born_locked, ec);
    if (!ec) platform::link_name(AT_FDCWD, source_.path.c_str(), target_.directory(), temporary.data(), ec);
    if (ec) return;
    const struct stat linked = platform::status_at(target_.directory(), temporary.data(), ec);
    if (!ec && !platform::same_inode(linked, pinned)) ec = std::make_error_code(std::errc::no_such_file_or_directory);
    if (!ec) platform::rename_replace(target_.directory(), temporary.data(), target_.name(), ec);
    std::error_code gone;  // the usual case
    platform::unlink_name(target_.directory(), temporary.data(), gone);
  }

  void make_durable(std::error_code& ec) const { sync_names(target_.directory(), source_.file, options_.level, ec); }

  const mirror_source& source_;
  destination& target_;
  const mirror_options& options_;
  staging copy_;
  mirror_result result_ = mirror_result::unchanged;
};

}  // namespace

mirror_result mirror_file(const mirror_source& source, const std::filesystem::path& path,
                          const std::filesystem::path& cache_directory, const mirror_options& options,
                          std::error_code& ec) {
  destination target(path, cache_directory, options.create_parents, ec);
  return ec ? mirror_result{} : mirroring(source, target, options).run(ec);
}

}  // namespace lockkit::detail
