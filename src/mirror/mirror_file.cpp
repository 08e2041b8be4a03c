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
///  5. Whatever stands in the way of linking makes the mirror an isolated one, and of cloning, a copied one. What stands in
///     the way of that too is the error. Some obstacles are this file's, and the next is tried again; others are
///     those of the two mounts, and are remembered (obstacles.hpp), but only after a copy went well: an unwritable
///     directory refuses a link, too, and says nothing about the next directory.
///  6. Too many links are an obstacle that can be removed: the content gets a fresh inode (rotation.cpp).
///  7. Who wants the content verified trusts neither the clone nor the kernel's copy: what was written is read back.

#include "mirror_file.hpp"

#include <sys/stat.h>

#include <lockkit/error.hpp>

#include "digest.hpp"
#include "fs/staging.hpp"
#include "hard_link.hpp"
#include "platform/file.hpp"
#include "platform/inode.hpp"
#include "rotation.hpp"

namespace lockkit::detail {
namespace {

// Each round, somebody must have made or removed the destination at the wrong moment.
constexpr int mirror_rounds = 64;

enum class linking_outcome { done, exists, impossible };

class mirroring {
 public:
  mirroring(const mirror_source& source, destination& target, const mirror_options& options, const cache_layout& layout)
      : source_(source), target_(target), options_(options), layout_(layout) {}

  mirror_result run(std::error_code& ec) {
    for (int round = 0; round < mirror_rounds; ++round) {
      std::error_code why;
      const standing found = target_.compare(source_, why);
      ec.clear();
      const bool shares = found == standing::linked && options_.link == mirror_link::hard_link;
      if (shares) require_content(source_.file, ec);
      if (ec || found == standing::identical || shares) return mirror_result::unchanged;
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
    if (options_.link != mirror_link::copy) find_route(ec);
    if (!ec && options_.link == mirror_link::hard_link && !is_known(shortcut::hard_link)) {
      const linking_outcome linked = link(mode, ec);
      if (ec || linked == linking_outcome::done) return publish_result::published;
      if (linked == linking_outcome::exists) return publish_result::already_exists;
    }
    if (!ec && !copy_) make_copy(ec);
    if (ec) return {};
    const publish_result result = copy_.publish_as(target_.directory(), target_.name(), mode, options_.level, ec);
    if (!ec && result == publish_result::published) learn();
    return result;
  }

  /// Rule 5.
  void find_route(std::error_code& ec) {
    if (route_.from != 0) return;
    const platform::inode_facts content = platform::facts(source_.file, ec);
    if (!ec) route_.from = platform::mount_of(source_.file, ec);
    if (!ec) route_.to = platform::mount_of(target_.directory(), ec);
    route_.owner = content.owner;
  }
  [[nodiscard]] bool is_known(shortcut which) const { return layout_.obstacles().contains(which, route_); }

  /// True: the mirror can't be made in any way.
  bool is_fatal(shortcut which, const std::error_code& failure) {
    const obstacle met = classify(failure);
    if (met == obstacle::this_route) met_.insert(which);
    return met == obstacle::fatal;
  }

  void learn() const {
    for (const shortcut which : met_) layout_.obstacles().add(which, route_);
  }

  /// Rules 5 and 6.
  linking_outcome link(publish_mode mode, std::error_code& ec) {
    require_content(source_.file, ec);
    if (ec) return linking_outcome::impossible;
    make_hard_link(source_, source_.file, target_, mode, options_.level, ec);
    if (ec == std::errc::too_many_links) {
      const platform::unique_fd fresh = rotate_content(layout_, source_);
      if (fresh) make_hard_link(source_, fresh.get(), target_, mode, options_.level, ec);
    }
    if (!ec || ec == errc::published_not_durable) {
      result_ = mirror_result::hard_linked;
      return linking_outcome::done;
    }
    const bool exists = ec == std::errc::file_exists;
    const bool final_word = ec == errc::integrity_mismatch || is_fatal(shortcut::hard_link, ec);
    if (exists || !final_word) ec.clear();
    return exists ? linking_outcome::exists : linking_outcome::impossible;
  }

  /// Rule 4.
  void make_copy(std::error_code& ec) {
    const unsigned mode = options_.permissions ? static_cast<unsigned>(*options_.permissions) & 0666U : 0666U;
    copy_ = staging(target_.directory(), target_.name(), ec, {.mode = mode});  // never readable to more than in the end
    if (ec) return;
    copy_.written_elsewhere();
    fill(ec);
    if (!ec && !has_size(copy_.fd(), ec) && !ec) ec = errc::integrity_mismatch;
    if (!ec) verify_copy(ec);
    if (!ec && options_.permissions) copy_.set_permissions(static_cast<unsigned>(*options_.permissions) & 07777U, ec);
    if (ec) copy_.discard();
  }

  void fill(std::error_code& ec) {
    result_ = mirror_result::copied;
    if (options_.link == mirror_link::copy) {
      platform::copy_by_reading(source_.file, copy_.fd(), ec);
      return;
    }
    if (!is_known(shortcut::clone)) {
      platform::clone_file(source_.file, copy_.fd(), ec);
      if (!ec) result_ = mirror_result::cloned;
      if (!ec || is_fatal(shortcut::clone, ec)) return;
    }
    platform::copy_file(source_.file, copy_.fd(), ec);
  }

  /// Rule 7.
  void verify_copy(std::error_code& ec) {
    require_content(copy_.fd(), ec);
    if (ec != errc::integrity_mismatch || options_.link == mirror_link::copy) return;
    result_ = mirror_result::copied;
    copy_.reset(ec);
    if (!ec) platform::copy_by_reading(source_.file, copy_.fd(), ec);
    if (!ec) require_content(copy_.fd(), ec);
  }

  void require_content(int file, std::error_code& ec) const {
    ec.clear();
    if (options_.verify == mirror_verify::none) return;
    std::uint64_t size = 0;
    if (sha256_of_file(file, size, ec) != source_.sha256 && !ec) ec = errc::integrity_mismatch;
  }

  [[nodiscard]] bool has_size(int fd, std::error_code& ec) const noexcept {
    const platform::inode_facts found = platform::facts(fd, ec);  // without times: a sync follows
    return !ec && found.size == source_.size;
  }

  const mirror_source& source_;
  destination& target_;
  const mirror_options& options_;
  const cache_layout& layout_;
  mirror_route route_;
  std::set<shortcut> met_;  // what can't be had on this route, as it seems
  staging copy_;
  mirror_result result_ = mirror_result::unchanged;
};

}  // namespace

mirror_result mirror_file(const mirror_source& source, const std::filesystem::path& path, const cache_layout& layout,
                          const mirror_options& options, std::error_code& ec) {
  destination target(path, layout, options.create_parents, ec);
  return ec ? mirror_result{} : mirroring(source, target, options, layout).run(ec);
}

}  // namespace lockkit::detail
