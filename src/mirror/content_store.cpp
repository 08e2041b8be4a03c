/// From a finished fetch to a content and a record that everybody can see.
///
///  1. Content: read-only permissions, data to the disk by the cache's level, then sealed: no writable description of the
///     inode may be left, or something that the fetch function forked could go on writing into a live content. If one
///     is left, the bytes are copied to a fresh inode that the fetch function never saw, and hashed again there.
///  2. The record is written aside before anything becomes visible: a full disk shows while there is nothing to undo.
///  3. The gate is held shared from before the content appears until the record names it (see gate.hpp). No callback
///     runs meanwhile, and no other lock is taken; the order is always key, then gate.
///  4. The content goes to its digest's name only if nothing is there. If something is, it is read and compared: good,
///     it is used as it is, so that one content is stored once; bad (truncated, or written through a hard link), it is
///     replaced; leases on it count for what replaces it. Reading costs little beside the fetch that has just ended.
///  5. Content before record: a crash in between leaves an unnamed content, which the next fetch uses and a sweep
///     removes, never a record that promises what is not there.
///  6. A content that the source says is current gets a new record and nothing else; behind the gate it is looked whether
///     it is still there, since nothing else keeps a removal from taking it together with its old record. Another file
///     of that name (the content of the request was a layer's, or has been replaced) is one that nobody has checked.
///  7. The old content of a refreshed key is not touched: readers and mirrors may be using its name. A sweep takes it.
/// Nothing breaks if locks are not real (a filesystem that grants them to everybody): each fetch has its own inode,
/// contents are named by what they hold, and records are replaced as a whole.

#include "content_store.hpp"

#include <sys/stat.h>

#include <lockkit/error.hpp>

#include "content_removal.hpp"
#include "gate.hpp"
#include "platform/file.hpp"
#include "sweep.hpp"

namespace lockkit::detail {
namespace {

bool wants_sync(durability level) noexcept {
  return level != durability::visible;
}

/// Permissions, data on the disk, write access given up. Synced here although publishing would do it: it can take long,
/// and then the gate is held.
seal_state complete(staging& file, const cache_layout& layout, std::error_code& ec) {
  file.set_permissions(layout.content_mode(), ec);
  if (!ec && wants_sync(layout.options().level)) file.sync(ec);
  return ec ? seal_state::unknown : file.seal(ec);
}

/// Rule 1: a copy that nobody outside this function has ever seen.
void copy_to_fresh_inode(fetch_stream& stream, const fetched_content& content, const cache_layout& layout,
                         std::error_code& ec) {
  staging fresh(stream.directory(), content.sha256, ec);
  if (ec) return;
  platform::copy_file(stream.file().fd(), fresh.fd(), ec);
  fresh.written_elsewhere();
  if (!ec) complete(fresh, layout, ec);
  if (ec) return;
  std::uint64_t size = 0;
  const std::string found = sha256_of_file(fresh.fd(), size, ec);
  if (!ec && (found != content.sha256 || size != content.size)) ec = errc::integrity_mismatch;
  if (!ec) stream.file() = std::move(fresh);
}

/// Rule 4. What another wrote with a lesser promise is brought to ours.
bool stands_already(const std::string& path, const fetched_content& content, durability level, std::error_code& ec) {
  const platform::unique_fd file = open_content(path, content.size, ec);
  if (!file) return false;
  std::uint64_t size = 0;
  if (sha256_of_file(file.get(), size, ec) != content.sha256) return false;
  if (wants_sync(level)) platform::sync_file(file.get(), ec);
  return !ec;
}

/// Rule 2.
class staged_record {
 public:
  staged_record(const cache_layout& layout, std::string_view name, const key_record& record, std::error_code& ec)
      : name_(name), level_(layout.options().level), directory_(layout.open_shard('k', name, ec)) {
    if (!ec) file_ = staging(directory_.get(), name_, ec);
    const std::string text = format_key_record(record);
    if (!ec) file_.append(std::as_bytes(std::span(text)), ec);
    if (!ec) file_.set_permissions(layout.content_mode(), ec);
  }
  void publish(std::error_code& ec) {
    file_.publish_as(directory_.get(), name_.c_str(), publish_mode::replace, level_, ec);
  }

 private:
  std::string name_;
  durability level_;
  platform::unique_fd directory_;
  staging file_;
};

class publication {
 public:
  publication(const cache_layout& layout, std::string_view name, staging& file, const fetched_content& content)
      : layout_(layout), name_(name), file_(file), content_(content), level_(layout.options().level) {}

  void run(const key_record& record, deadline until, const std::stop_token& stop, platform::unique_fd& pinned,
           std::error_code& ec) {
    staged_record next(layout_, name_, record, ec);
    if (!ec) contents_ = layout_.open_shard('b', content_.sha256, ec);
    if (ec) return;
    gate passage(layout_);
    passage.enter_shared(until, stop, ec);
    if (!ec) publish_content(ec);
    if (!ec) next.publish(ec);
    if (!ec) pinned = open_content(layout_.content_path(content_.sha256), content_.size, ec);
    if (!ec && !pinned) ec = std::make_error_code(std::errc::no_such_file_or_directory);
  }

 private:
  void publish_content(std::error_code& ec) {
    const auto put = [&](publish_mode mode) {
      return file_.publish_as(contents_.get(), content_.sha256.c_str(), mode, level_, ec);
    };
    if (put(publish_mode::if_absent) == publish_result::published || ec) return;
    std::error_code unreadable;  // then it is no good to anybody: replaced
    if (!stands_already(layout_.content_path(content_.sha256), content_, level_, unreadable)) {
      const displacement old(layout_, content_.sha256, ec);
      if (!ec) put(publish_mode::replace);
    } else if (level_ >= durability::durable) {
      platform::sync_file(contents_.get(), ec);
    }
  }

  const cache_layout& layout_;
  std::string name_;
  staging& file_;
  const fetched_content& content_;
  durability level_;
  platform::unique_fd contents_;
};

bool is_same_file(int one, int other, std::error_code& ec) {
  const struct stat found = platform::status(one, ec);
  return !ec && platform::same_inode(found, platform::status(other, ec)) && !ec;
}

/// It was hashed while it was written, or where it stood already: hit_check::stat need not do it again.
void remember(const cache_layout& layout, pinned_content& stored) {
  stored.stored_here = true;
  if (layout.options().check != hit_check::stat) return;
  std::error_code unknown;
  const struct stat found = platform::status(stored.file.get(), unknown);
  if (!unknown) layout.proofs().add(stored.path.native(), found);
}

}  // namespace

pinned_content store_content(const cache_layout& layout, std::string_view name, fetch_stream& stream, key_record record,
                             deadline until, const std::stop_token& stop, std::error_code& ec) {
  const fetched_content content = stream.finish(ec);
  if (ec) return {};
  const seal_state sealed = complete(stream.file(), layout, ec);
  if (!ec && sealed == seal_state::writer_remains) copy_to_fresh_inode(stream, content, layout, ec);
  if (ec) return {};
  record.sha256 = content.sha256;
  record.size = content.size;
  pinned_content result{std::move(record), layout.content_path(content.sha256), {}, true};
  publication(layout, name, stream.file(), content).run(result.record, until, stop, result.file, ec);
  if (!ec) {
    remember(layout, result);
    return result;
  }
  std::error_code ignored;  // the failure that is being reported counts
  drop_content(layout, content.sha256, deadline(), ignored);
  return {};
}

std::optional<pinned_content> renew_content(const cache_layout& layout, std::string_view name,
                                            const pinned_content& former, key_record record, deadline until,
                                            const std::stop_token& stop, std::error_code& ec) {
  record.sha256 = former.record.sha256;
  record.size = former.record.size;
  staged_record next(layout, name, record, ec);
  if (ec) return std::nullopt;
  gate passage(layout);
  passage.enter_shared(until, stop, ec);
  std::string path = layout.content_path(record.sha256);
  platform::unique_fd file = ec ? platform::unique_fd() : open_content(path, record.size, ec);
  if (!file || !is_same_file(file.get(), former.file.get(), ec)) return std::nullopt;
  next.publish(ec);
  if (ec) return std::nullopt;
  return pinned_content{std::move(record), std::move(path), std::move(file), true};
}

}  // namespace lockkit::detail
