#pragma once
/// A file without a name, or with a temporary one, that is put in place in one step: the engine under staged_file and
/// under the cache. The protocol and its reasons stand at the top of staging.cpp.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <system_error>

#include <lockkit/staged_file.hpp>

#include "platform/file.hpp"
#include "temporary_name.hpp"

namespace lockkit::detail {

/// How the file is made. Tests choose; everybody else leaves it to the filesystem.
enum class staging_route {
  automatic,  ///< unnamed (O_TMPFILE) where that exists
  named,      ///< with a temporary name from the start
};

struct staging_options {
  staging_route route = staging_route::automatic;
  unsigned mode = 0666;  ///< to create with, under the umask or the default ACL
};

enum class seal_state {
  sealed,          ///< no writable description of the file exists anywhere, and none can come without its name
  writer_remains,  ///< somebody can still write into it (a duplicate in a forked child, say): copy it to a fresh file
  unknown,         ///< the kernel can't tell here
};

/// Used by one thread at a time. After a failed call other than publish_as giving already_exists, only discarding is
/// possible: every later call reports the same error. A forked child can do nothing with it, and removes nothing.
class LOCKKIT_PRIVATE_API staging {
 public:
  staging() noexcept = default;
  /// In `directory`, which is a descriptor (O_PATH will do) that outlives this object. `base`: what a temporary name
  /// is derived from; a valid file name.
  staging(int directory, std::string_view base, std::error_code& ec, staging_options options = {}) noexcept;
  /// Goes on with a file that has a name in `directory`. `fd` is open for appending (O_APPEND); its `size` bytes count as
  /// appended. The caller holds a lock on the file that says "alive" in place of this object's own.
  [[nodiscard]] static staging adopt(int directory, std::string_view name, platform::unique_fd fd,
                                     std::uint64_t size) noexcept;
  ~staging();
  staging(staging&& other) noexcept = default;
  staging& operator=(staging&& other) noexcept;  ///< discards what was staged

  [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(file_.fd); }
  /// Read-write; read-only after seal(). Whoever writes through it says so by written_elsewhere().
  [[nodiscard]] int fd() const noexcept { return file_.fd.get(); }
  /// From now on the file's size need not be the number of bytes appended.
  void written_elsewhere() noexcept { file_.counted = false; }

  /// All of `bytes`, at the file's offset.
  void append(std::span<const std::byte> bytes, std::error_code& ec) noexcept;
  /// Bytes appended so far.
  [[nodiscard]] std::uint64_t size() const noexcept { return file_.size; }
  /// Back to empty, for a second attempt. Also after a failed append, never after a failed sync.
  void reset(std::error_code& ec) noexcept;
  /// Asks for blocks early, so that a full disk shows before the work is done.
  void reserve(std::uint64_t bytes, std::error_code& ec) noexcept;
  void set_permissions(unsigned mode, std::error_code& ec) noexcept;
  /// platform::same_owner for what stays.
  void set_owner(unsigned user, unsigned group, std::error_code& ec) noexcept;
  /// From now on a sync has to be made again: something was changed through fd().
  void changed_elsewhere() noexcept { file_.synced = false; }
  /// Data and attributes to the disk, unless that was done since the last change through this object.
  void sync(std::error_code& ec) noexcept;
  /// The steps of publish_as before it takes its place, for those who do them for many files, or under a lock that they
  /// want to hold for a short time only: a temporary name if it will need one there, and the sync that `level` wants. In
  /// between, begin_writeback for all. What is done here, publish_as does not repeat.
  void prepare(int directory, const char* name, publish_mode mode, durability level, std::error_code& ec);
  void begin_writeback() noexcept;
  void make_ready(durability level, std::error_code& ec) noexcept;
  /// A temporary name, whatever stands at the target. Afterwards temporary() is not empty.
  void give_temporary_name(std::error_code& ec);
  /// In its directory.
  [[nodiscard]] const char* temporary() const noexcept { return file_.name.data(); }
  /// To a name that nobody has.
  void rename_temporary(const name_buffer& name, std::error_code& ec) noexcept;
  /// Gives up write access (fd() is another descriptor afterwards) and looks whether anybody else has it.
  seal_state seal(std::error_code& ec) noexcept;

  /// Puts the file at `name` in `directory`, a descriptor in the same mount as the one it was made in. On
  /// already_exists it can be tried again, under another name or with another mode. A code: not in place, nothing
  /// changed; but errc::published_not_durable: in place. `directory` is what durability::durable syncs.
  publish_result publish_as(int directory, const char* name, publish_mode mode, durability level, std::error_code& ec);
  /// Closes the file and leaves it where it is, under its temporary name.
  void leave() noexcept;
  /// Closes the file and removes its temporary name, if it has one and that is still this file's.
  void discard() noexcept;

 private:
  struct place {
    int directory;
    const char* name;
  };

  static bool mark_alive(int fd, std::error_code& ec) noexcept;
  void open_unnamed(std::error_code& ec) noexcept;
  void open_named(std::error_code& ec) noexcept;
  bool try_open_named(std::error_code& ec) noexcept;
  bool try_give_name(std::error_code& ec) noexcept;
  void give_name(std::error_code& ec);
  void copy_to_named(std::error_code& ec);
  void remove_name() noexcept;
  void clean_up_after_rename() noexcept;
  [[nodiscard]] bool has_name() const noexcept { return file_.name[0] != '\0'; }
  [[nodiscard]] bool is_at(place where) const noexcept;

  bool usable(std::error_code& ec) noexcept;
  void remember(const std::error_code& ec) noexcept;
  void check_size(std::error_code& ec) noexcept;
  bool goes_straight(bool target_exists, durability level, std::error_code& ec) const noexcept;
  publish_result put_in_place(place target, publish_mode mode, durability level, std::error_code& ec);
  bool link_in_place(place target, publish_mode mode, durability level, std::error_code& ec);
  void move_in_place(place target, publish_mode mode, std::error_code& ec) noexcept;
  void move_if_absent(place target, std::error_code& ec) noexcept;

  struct parts {
    platform::unique_fd fd;
    int directory = -1;
    unsigned mode = 0;
    name_buffer base{};
    name_buffer name{};  // the temporary one, empty if there is none
    std::uint64_t size = 0;
    std::uint64_t generation = 0;
    std::error_code failure;
    bool final_failure = false;
    bool opened_by_name = false;
    bool counted = true;
    bool synced = false;
    bool sealed = false;  // as far as that can be told
    bool published = false;
  };
  parts file_;
};

}  // namespace lockkit::detail
