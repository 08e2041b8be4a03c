#pragma once
/// claim_store: named resources (GPUs, licences, slots) claimed atomically in an SQLite database.
///
/// A claim is granted in one transaction: never two holders of one unit, never "none free" while one is free. It lives
/// as long as the process that holds it: the kernel tells at once when that is gone (a byte lock per owner), no
/// heartbeat, no clock; or as long as a job that inherits it, or until a lease ends (claim_life). Every grant gives each
/// resource a fencing token that grows with each change of owner, over crashes, reboots and power cuts, so that whatever
/// the resource controls can refuse a holder that has been overtaken.
///
///   resource   try_claim      claim_until             after drain        after retire
///   free       granted        granted                 not granted        gone from list() once free
///   taken      nullopt        waits, then granted     stays claimed      stays claimed until released
///
/// Caveats. One host: network filesystems are refused (errc::unsupported_filesystem). Beside the database lie its files
/// `-wal`, `-shm` (SQLite's) and `-gate`, `-live` (ours); never delete one while the store is in use. Other
/// programs may read the database with SQLite, and write to tables of their own.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <lockkit/deadline.hpp>
#include <lockkit/error.hpp>
#include <lockkit/export.hpp>
#include <lockkit/owner.hpp>

namespace lockkit::inline v0 {

/// What a resource is. (pool, name) is its identity for ever.
struct resource {
  std::string pool;               ///< kind of thing, such as "gpu"
  std::string name;               ///< which one; for GPUs the UUID
  std::uint32_t capacity = 1;     ///< units that can be claimed at once
  std::string group{};            ///< such as a NUMA node, or the queue that serves it
  std::uint64_t memory = 0;       ///< bytes; for matching
  std::string attributes = "{}";  ///< a JSON object; for matching and for people
};

enum class resource_state {
  up,       ///< can be claimed
  drained,  ///< claims stay, new ones are not granted; who waits for it goes on waiting
  retired,  ///< as drained, for good; kept for the history and so that its tokens never restart
};

struct resource_status {
  resource what;
  resource_state state = resource_state::up;
  std::uint32_t used = 0;  ///< units claimed
  fencing_token token;     ///< of the latest grant
};

/// What ends a claim that nobody releases.
enum class claim_life {
  process,   ///< the end of the process that holds it, seen by the kernel at once
  job,       ///< the end of the last process that has a copy of claim::life_descriptor()
  lease,     ///< claim_request::lease without a renew, in monotonic time: it does not run while the machine sleeps
  released,  ///< nothing but a release, not even a reboot: for work elsewhere, whose end somebody finds out and reports
};

/// What is wanted.
struct claim_request {
  std::string pool{};
  std::uint32_t count = 1;   ///< different resources, one unit of each; all or nothing
  std::uint64_t memory = 0;  ///< each has at least so much; the smallest that fits is preferred
  std::string group{};       ///< only from this one; empty: any
  bool one_group = false;    ///< all from one group, whichever has enough
  std::string match = "{}";  ///< JSON object: each member must be equal in the resource's attributes
  claim_life life = claim_life::process;
  std::chrono::milliseconds lease{0};  ///< for claim_life::lease alone: more than 0
};

struct claimed_item {
  std::string name;
  std::string group;
  fencing_token token;
};

/// A grant. Destroying it releases. Used by one thread at a time; may outlive the claim_store object. A forked child
/// owns nothing.
class LOCKKIT_API claim {
 public:
  ~claim();
  claim(claim&& other) noexcept;
  claim& operator=(claim&& other) noexcept;  ///< releases what the target held

  /// 32 hexadecimal digits, made before the grant: names it in the database and in events.
  [[nodiscard]] const std::string& key() const noexcept;
  [[nodiscard]] const std::vector<claimed_item>& items() const noexcept;
  /// Whether it still stands. False: errc::claim_lost, somebody ended it (an operator, a changed database).
  [[nodiscard]] bool verify();
  [[nodiscard]] bool verify(std::error_code& ec);
  /// For claim_life::job: a descriptor of this object's, close-on-exec. A child that inherits a copy keeps the claim
  /// alive, and so do its own children: between fork and exec, fcntl(F_SETFD, 0), or dup2 to a number that is not its own
  /// already (that would leave it close-on-exec). -1 for other lives.
  [[nodiscard]] int life_descriptor() const noexcept;
  /// Lets the lease run its whole length again from now, never shorter. Other lives: as verify(). Renew at a third of
  /// the lease. False: it ended meanwhile, somebody else may have the resource.
  bool renew();
  bool renew(std::error_code& ec);
  /// A condition for SQL of the caller's own in this database, true while the claim stands with these very tokens:
  /// `BEGIN IMMEDIATE; UPDATE mine SET ... WHERE id = 7 AND <guard>;` changes nothing once the claim is lost.
  [[nodiscard]] std::string guard() const;
  /// Destroying this object then releases nothing: the claim ends as its life says. Its descriptor is closed here.
  void detach() noexcept;
  /// Gives everything back. The second call, and one after a loss, report errc::claim_lost and change nothing.
  void release();
  void release(std::error_code& ec);

 private:
  friend class claim_store;
  friend class task_queue;
  struct impl;
  explicit claim(std::unique_ptr<impl> state) noexcept;
  std::unique_ptr<impl> impl_;
};

/// A claim as it stands in the database.
struct claim_status {
  std::string key;
  claim_life life = claim_life::process;
  bool alive = true;  ///< false: its holder is gone; the next who wants something of the pool ends it
  std::int32_t pid = 0;
  std::string host;
  std::string command;
  std::string label;
  std::chrono::system_clock::time_point since{};
  std::string pool;  ///< empty: a task without resources
  std::vector<claimed_item> items;
};

/// What happened, in order; written in the same transaction as the change.
struct claim_event {
  std::uint64_t id = 0;
  std::chrono::system_clock::time_point at{};
  std::string kind;  ///< "added", "drained", "restored", "retired", "claimed", "released", "died", "expired",
                     ///< "ended" (by somebody else than its holder); of tasks: see task_queue.hpp
  std::string pool;
  std::string name;
  std::string claim_key{};
  fencing_token token{};
  std::int32_t pid = 0;
  std::uint64_t task = 0;  ///< 0: none
};

struct claim_store_options {
  std::string label{};  ///< of this owner, for people
  bool durable =
      false;  ///< each change reaches the disk before it is reported (synchronous FULL); off: a power cut can
              ///< take the latest changes back, but neither the database's order nor the growth of tokens
};

/// May be used from several threads, and from any number of processes. Not across fork: the child opens its own, or
/// better is another program, since other threads may have been inside SQLite.
class LOCKKIT_API claim_store {
 public:
  /// Opens or makes the database. errc::unsupported_filesystem on network filesystems, errc::not_our_database for a
  /// file that is something else, errc::newer_schema for one that a later lockkit made.
  explicit claim_store(const std::filesystem::path& database, claim_store_options options = {});
  claim_store(const std::filesystem::path& database, claim_store_options options, std::error_code& ec);
  ~claim_store();
  claim_store(claim_store&& other) noexcept;
  claim_store& operator=(claim_store&& other) noexcept;

  /// Adds it, or changes one of the same pool and name; brings a retired one back. False: nothing changed. Capacity
  /// can't fall below what is claimed: errc::in_use.
  bool add(const resource& what);
  bool add(const resource& what, std::error_code& ec);
  /// False: it was so already. errc::no_such_resource.
  bool set_state(std::string_view pool, std::string_view name, resource_state state);
  bool set_state(std::string_view pool, std::string_view name, resource_state state, std::error_code& ec);
  /// All, or those of one pool; retired ones only on request.
  [[nodiscard]] std::vector<resource_status> list(std::string_view pool = {}, bool retired = false) const;

  /// nullopt: not enough free units that match. A request that could not be met if all resources were free, drained
  /// ones too, is errc::no_such_resource.
  [[nodiscard]] std::optional<claim> try_claim(const claim_request& request);
  [[nodiscard]] std::optional<claim> try_claim(const claim_request& request, std::error_code& ec);
  /// Waits in the order of arrival among those who want the same pool.
  [[nodiscard]] std::optional<claim> claim_until(const claim_request& request, deadline until,
                                                 std::stop_token stop = {});
  [[nodiscard]] std::optional<claim> claim_until(const claim_request& request, deadline until, std::stop_token stop,
                                                 std::error_code& ec);
  template <class Rep, class Period>
  [[nodiscard]] std::optional<claim> claim_for(const claim_request& request, std::chrono::duration<Rep, Period> wait) {
    return claim_until(request, deadline::after(wait));
  }

  /// Every claim that has not been released, those of the dead included, oldest first.
  [[nodiscard]] std::vector<claim_status> claims() const;
  /// Ends a claim whoever holds it, as an operator may. False: there is none.
  bool end_claim(std::string_view key);
  bool end_claim(std::string_view key, std::error_code& ec);
  /// Ends the claims of all who are gone, and the leases that have run out; how many. Whoever wants something does
  /// so by itself: this is for programs that watch over the store without claiming.
  std::size_t bury_dead();
  std::size_t bury_dead(std::error_code& ec);

  /// Events after `after`, oldest first, at most `limit`.
  [[nodiscard]] std::vector<claim_event> events(std::uint64_t after = 0, std::size_t limit = 1000) const;
  [[nodiscard]] const std::filesystem::path& path() const noexcept;

 private:
  friend class task_queue;
  struct impl;
  std::shared_ptr<impl> impl_;
};

}  // namespace lockkit::inline v0
