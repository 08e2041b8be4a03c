#include "plant.hpp"

#include <fcntl.h>

#include <lockkit/error.hpp>

#include "dead_script.hpp"
#include "platform/fault.hpp"
#include "platform/file.hpp"
#include "platform/lock.hpp"
#include "platform/names.hpp"
#include "platform/process.hpp"

namespace lockkit::detail {

using platform::unique_fd;

namespace {

platform::inode_facts look_at(const std::filesystem::path& path, std::error_code& ec) noexcept {
  return platform::facts_at(AT_FDCWD, path.c_str(), ec);
}

/// Rule 6: tells an error of linkat that means "guard gone" from those that mean "not here".
bool is_unlinked(const guard& g) noexcept {
  std::error_code ec;
  return platform::facts(g.fd(), ec).links == 0 || ec;
}

/// The same, where only a filesystem is trusted that counts links: others may show none for every file.
bool was_removed(const guard& g) noexcept {
  std::error_code ec;
  return g.is_local() && platform::facts(g.fd(), ec).links == 0 && !ec;
}

/// Rule 6b: in a sticky directory only the file's or the directory's owner may remove a name. A link of another user's
/// guard could be made, and never removed.
bool could_never_remove(const lock_names& names, const guard& g) noexcept {
  const unsigned user = platform::effective_user();
  if (user == 0 || g.facts().owner == user) return false;
  std::error_code ec;
  const platform::inode_facts directory = look_at(names.directory, ec);
  return !ec && (directory.mode & S_ISVTX) != 0 && directory.owner != user;
}

/// Of calls that not every kernel or filesystem has.
bool is_missing_here(const std::error_code& ec) noexcept {
  return ec == std::errc::invalid_argument || ec == std::errc::function_not_supported ||
         ec == std::errc::operation_not_supported;
}

/// Of looking at an orphan: this process could not look. Anything else says something about the file.
bool could_not_look(const std::error_code& ec) noexcept {
  return ec == std::errc::too_many_files_open || ec == std::errc::too_many_files_open_in_system ||
         ec == std::errc::not_enough_memory;
}

bool needs_another_user(const std::error_code& ec) noexcept {
  return ec == std::errc::operation_not_permitted || ec == std::errc::permission_denied;
}

/// The trust rule: the kernel's lock decides alone if the record's kernel is this one, or cannot live any more.
bool may_be_judged(const owner& holder, const guard& g) {
  return holder.boot_id == current_process().boot_id || g.is_local();
}

}  // namespace

bool try_keep_out_records(int fd, std::error_code& ec) noexcept {
  const bool locked = platform::try_lock_content(fd, ec);
  if (is_missing_here(ec) || ec == std::errc::no_lock_available) ec = errc::unsupported_filesystem;
  return locked;
}

/// The steps of one planted_name::plant.
class plant_attempt {
 public:
  plant_attempt(planted_name& name, const lock_names& names, const guard& g, const owner_stamp& stamp,
                const lock_options& options)
      : name_(name), names_(names), guard_(g), stamp_(stamp), options_(options) {}

  plant_state by_link(std::error_code& ec);
  plant_state by_own_file(std::error_code& ec);
  plant_state by_exclusive_creation(std::error_code& ec);

 private:
  enum class occupant { ours, gone, foreign };

  plant_state hold_guard() noexcept;
  plant_state hold_own(unique_fd file, std::error_code& ec) noexcept;
  occupant examine(std::error_code& ec);
  occupant examine_orphan(std::error_code& ec);
  bool is_leftover(int file, std::error_code& ec) const;
  void lock_own(int file, std::error_code& ec) const noexcept;
  unique_fd prepare_own(const std::filesystem::path& temporary, std::error_code& ec);
  /// Repeats `attempt` while what stood in its way turns out to be gone.
  template <class Attempt>
  plant_state until_settled(Attempt&& attempt, std::error_code& ec);

  planted_name& name_;
  const lock_names& names_;
  const guard& guard_;
  const owner_stamp& stamp_;
  const lock_options& options_;
};

plant_state plant_attempt::hold_guard() noexcept {
  name_.inode_ = guard_.facts();
  name_.own_.reset();
  return plant_state::held;
}

plant_state plant_attempt::hold_own(unique_fd file, std::error_code& ec) noexcept {
  name_.inode_ = platform::facts(file.get(), ec);
  if (ec) return plant_state::held;  // the file's lock ends with it: what stands there is an orphan
  name_.own_ = std::move(file);
  return plant_state::held;
}

template <class Attempt>
plant_state plant_attempt::until_settled(Attempt&& attempt, std::error_code& ec) {
  constexpr int patience = 100;  // a name that comes and goes all the time counts as somebody else's
  for (int round = 0; round < patience; ++round) {
    attempt();
    if (ec != std::errc::file_exists) return plant_state::held;  // or an error, which the caller sees
    const occupant found = examine(ec);
    if (found == occupant::ours) return hold_guard();
    if (found == occupant::foreign) return plant_state::foreign;
  }
  ec.clear();
  return plant_state::foreign;
}

plant_state plant_attempt::by_link(std::error_code& ec) {
  if (could_never_remove(names_, guard_)) return by_own_file(ec);
  const auto link = [&] { platform::link_descriptor(guard_.fd(), AT_FDCWD, names_.path.c_str(), ec); };
  const plant_state state = until_settled(link, ec);
  if (state != plant_state::held || name_.inode_.inode != 0) return state;
  if (!ec) return hold_guard();
  const bool vanished = ec == std::errc::no_such_file_or_directory || ec.value() == ESTALE;
  if (vanished && is_unlinked(guard_)) {
    ec.clear();
    return plant_state::restart;
  }
  return by_own_file(ec);
}

/// Not to be had means that these locks are no locks: nobody else can know the file, or has had the time to lock it.
void plant_attempt::lock_own(int file, std::error_code& ec) const noexcept {
  const bool locked = platform::try_flock(file, platform::lock_mode::exclusive, ec) &&
                      (options_.excludes != keep_out::everyone || try_keep_out_records(file, ec));
  if (locked) return;
  if (!ec || is_missing_here(ec) || ec == std::errc::no_lock_available) ec = errc::unsupported_filesystem;
}

unique_fd plant_attempt::prepare_own(const std::filesystem::path& temporary, std::error_code& ec) {
  platform::unlink_name(AT_FDCWD, temporary.c_str(), ec);  // a crashed predecessor's: only the guard's holder makes it
  unique_fd file = create_lock_inode(temporary, options_, ec);
  if (!ec) lock_own(file.get(), ec);
  if (!ec) stamp_.copy_to(file.get(), ec);
  return file;
}

plant_state plant_attempt::by_own_file(std::error_code& ec) {
  ec.clear();
  if (was_removed(guard_)) return plant_state::restart;  // rule 13: a link would have failed
  const auto temporary = names_.own_file(guard_.facts().inode, platform::effective_user());
  unique_fd file = prepare_own(temporary, ec);
  const auto rename = [&] { platform::rename_if_absent(AT_FDCWD, temporary.c_str(), names_.path.c_str(), ec); };
  plant_state state = plant_state::held;
  const bool prepared = !ec;
  if (prepared) state = until_settled(rename, ec);
  if (state == plant_state::held && !ec && name_.inode_.inode == 0) return hold_own(std::move(file), ec);
  const std::error_code reason = ec;
  platform::unlink_name(AT_FDCWD, temporary.c_str(), ec);
  ec = reason;
  return prepared && is_missing_here(ec) ? by_exclusive_creation(ec) : state;
}

plant_state plant_attempt::by_exclusive_creation(std::error_code& ec) {
  ec.clear();
  if (options_.excludes == keep_out::everyone) ec = errc::unsupported_filesystem;  // rule 12
  if (ec) return plant_state::held;
  if (was_removed(guard_)) return plant_state::restart;
  unique_fd file;
  const auto create = [&] { file = create_lock_inode(names_.path, options_, ec); };
  const plant_state state = until_settled(create, ec);
  if (state != plant_state::held || ec || name_.inode_.inode != 0) return state;
  lock_own(file.get(), ec);
  if (!ec) stamp_.copy_to(file.get(), ec);
  if (!ec) return hold_own(std::move(file), ec);
  std::error_code ignored;
  const platform::inode_facts made = platform::facts(file.get(), ignored);
  if (platform::same_inode(look_at(names_.path, ignored), made)) {
    platform::unlink_name(AT_FDCWD, names_.path.c_str(), ignored);
  }
  return plant_state::held;
}

plant_attempt::occupant plant_attempt::examine(std::error_code& ec) {
  const platform::inode_facts found = look_at(names_.path, ec);
  if (ec == std::errc::no_such_file_or_directory) return occupant::gone;
  // Opening a FIFO lets its writer go on, opening a device may do anything: only regular files are looked into.
  if (ec || !found.is_regular()) return occupant::foreign;
  const bool ours = platform::same_inode(found, guard_.facts()) || platform::fault::is_broken("adoption_compares");
  if (!ours) return examine_orphan(ec);
  if (!could_never_remove(names_, guard_)) return occupant::ours;
  ec = errc::leftover_of_another_user;
  return occupant::foreign;
}

/// What a crashed holder left: lockkit's own record, or by the caller's policy a script's.
bool plant_attempt::is_leftover(int file, std::error_code& ec) const {
  const record_view record = read_record(file, ec);
  if (ec) return false;
  const auto holder = parse_record(record.text());
  if (holder) return kind_of(record.text()) == record_kind::lock_file && may_be_judged(*holder, guard_);
  if (options_.foreign == foreign_policy::respect || !guard_.is_local()) return false;  // of another host, perhaps
  const struct stat status = platform::status(file, ec);
  return !ec && is_left_by_dead_script(record.text(), status, options_);
}

/// Rule 7. All three parts carry weight: without the comparison a foreign file could be deleted, with the record or a
/// PID in place of the kernel's lock there could be two holders.
plant_attempt::occupant plant_attempt::examine_orphan(std::error_code& ec) {
  const unique_fd file = platform::open_at(AT_FDCWD, names_.path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, ec);
  if (ec == std::errc::no_such_file_or_directory) return occupant::gone;
  const auto foreign = [&] {
    if (!could_not_look(ec)) ec.clear();
    return occupant::foreign;
  };
  if (ec) return foreign();
  const platform::inode_facts opened = platform::facts(file.get(), ec);
  if (ec || !opened.is_regular() || !is_leftover(file.get(), ec)) return foreign();
  const bool judged = platform::fault::is_broken("orphan_is_locked");
  if (!judged && !platform::try_flock(file.get(), platform::lock_mode::exclusive, ec)) return foreign();
  if (platform::content_locker(file.get()) != 0) return foreign();  // another program's record lock
  platform::fault::point("lock_file.orphan_locked");
  const platform::inode_facts named = look_at(names_.path, ec);
  const bool stands = platform::same_inode(opened, named) || platform::fault::is_broken("orphan_is_compared");
  if (ec || !stands) return occupant::gone;
  if (!is_leftover(file.get(), ec)) return foreign();  // a script wrote its PID into the file that it had found empty
  platform::unlink_name(AT_FDCWD, names_.path.c_str(), ec);
  if (!ec || ec == std::errc::no_such_file_or_directory) return occupant::gone;
  if (needs_another_user(ec)) ec = errc::leftover_of_another_user;
  return occupant::foreign;
}

plant_state planted_name::plant(const lock_names& names, const guard& g, const owner_stamp& stamp,
                                const lock_options& options, plant_method method, std::error_code& ec) {
  inode_ = {};
  plant_attempt attempt(*this, names, g, stamp, options);
  switch (method) {
    case plant_method::automatic:
      return attempt.by_link(ec);
    case plant_method::own_file:
      return attempt.by_own_file(ec);
    case plant_method::exclusive:
      return attempt.by_exclusive_creation(ec);
  }
  return plant_state::foreign;
}

bool planted_name::stands(const lock_names& names, bool& absent) const noexcept {
  std::error_code ec;
  const platform::inode_facts found = look_at(names.path, ec);
  absent = ec == std::errc::no_such_file_or_directory;
  return !ec && (platform::same_inode(found, inode_) || platform::fault::is_broken("release_compares"));
}

removal planted_name::remove(const lock_names& names) noexcept {
  bool absent = false;
  removal result = stands(names, absent) ? removal::removed : removal::was_not_ours;
  std::error_code ec;
  platform::fault::point("lock_file.removing");
  if (result == removal::removed) platform::unlink_name(AT_FDCWD, names.path.c_str(), ec);
  if (ec && ec != std::errc::no_such_file_or_directory) result = removal::refused;
  if (own_) {  // explicitly: a child may have copies of the descriptor
    platform::unlock_content(own_.get());
    platform::unlock_flock(own_.get());
  }
  own_.reset();
  return result;
}

}  // namespace lockkit::detail
