#pragma once
/// mirror_cache: fetch once across all threads and processes, keep by content, mirror to the requested paths.
///
/// A key names a data set; a fetch callback brings its content. Content lies in the cache as an immutable file named by
/// its SHA-256; a small record per key says which content is current. Both appear by atomic publishing, so a fetch or a
/// refresh can never pull a file from under a reader or a mirror, and a process killed anywhere leaves either the old
/// state or the new one. One fetch per key runs at a time, under a file_mutex that only those who must fetch ever take;
/// a hit takes no lock.
///
/// Caveats. Whoever can write into the cache directory can poison it: it is made with mode 0700 unless told otherwise.
/// Hard-linked mirrors share the cache's bytes: a tool that writes through one damages the cache (found by verify()). A
/// fetch function may ask for other keys, but two that ask for each other's wait for ever: give such requests a deadline.
/// The cache grows until remove() or verify(true) is called. It needs a local filesystem (errc::unsupported_filesystem).
/// A moved-from object may only be destroyed and assigned to.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <lockkit/deadline.hpp>
#include <lockkit/error.hpp>
#include <lockkit/export.hpp>
#include <lockkit/owner.hpp>
#include <lockkit/staged_file.hpp>

namespace lockkit::inline v0 {

/// When to fetch.
class fetch_policy {
 public:
  /// Only if the key is not cached.
  [[nodiscard]] static constexpr fetch_policy if_missing() noexcept { return fetch_policy(kind::if_missing, {}); }
  /// Served by a fetch that began after this request; requests that wait together share one.
  [[nodiscard]] static constexpr fetch_policy always() noexcept { return fetch_policy(kind::always, {}); }
  /// Fetch if the cached content was fetched longer ago, by the wall clock (a stepped clock costs a fetch, no more).
  [[nodiscard]] static constexpr fetch_policy if_older_than(std::chrono::nanoseconds age) noexcept {
    return fetch_policy(kind::if_older_than, age);
  }
  /// Never: errc::not_cached if the key is missing.
  [[nodiscard]] static constexpr fetch_policy never() noexcept { return fetch_policy(kind::never, {}); }

  enum class kind { if_missing, always, if_older_than, never };
  [[nodiscard]] constexpr kind which() const noexcept { return kind_; }
  [[nodiscard]] constexpr std::chrono::nanoseconds age() const noexcept { return age_; }

 private:
  constexpr fetch_policy(kind which, std::chrono::nanoseconds age) noexcept : kind_(which), age_(age) {}
  kind kind_;
  std::chrono::nanoseconds age_;
};

/// How far a fetch is.
struct fetch_progress {
  std::uint64_t bytes = 0;               ///< received so far
  std::optional<std::uint64_t> total{};  ///< if the fetch said so
};

/// Where a fetch callback puts what it brings. Valid during the callback only, on its thread.
class LOCKKIT_API fetch_sink {
 public:
  /// Appends everything or throws. Hashed on the way.
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }
  /// Announces the size, for progress and for an early "disk full". Content of another size is refused afterwards.
  void expect_size(std::uint64_t bytes);
  /// Starts again from nothing: for a retry after a broken transfer.
  void restart();
  [[nodiscard]] std::uint64_t size() const noexcept;
  /// True when the caller's stop_token or deadline asks the fetch to give up; poll it in long transfers. Once it has
  /// said so, what was brought counts as incomplete, and the request ends with operation_canceled or timed_out.
  [[nodiscard]] bool cancelled() const noexcept;

 private:
  friend class mirror_cache;
  struct impl;
  explicit fetch_sink(impl& state) noexcept : impl_(&state) {}
  impl* impl_;
};

/// Brings the content of one key. Runs on the requesting thread, under the key's lock. Throwing ends the request with
/// that exception; the cache stays as it was.
using fetch_function = std::function<void(fetch_sink&)>;

/// What a request may say beyond key, callback and policy.
struct request_options {
  deadline until = deadline::never();   ///< errc::timed_out when it passes. One that has passed on arrival forbids to
                                        ///< wait for another's fetch, and leaves an own one all the time
  std::stop_token stop{};               ///< ends a wait, std::errc::operation_canceled
  std::optional<std::string> sha256{};  ///< 64 hexadecimal digits the content must have: errc::integrity_mismatch.
                                        ///< A cached content with another digest counts as missing
  std::function<void(const fetch_progress&)> on_progress{};             ///< during an own fetch, on this thread
  std::function<void(const std::string& key, const owner&)> on_wait{};  ///< once, when another's fetch is waited for
};

/// One content, pinned: stays readable through this object whatever happens to the cache. Copies share it.
/// Used from several threads freely.
class LOCKKIT_API cache_entry {
 public:
  [[nodiscard]] const std::string& key() const noexcept;
  /// 64 lowercase hexadecimal digits.
  [[nodiscard]] const std::string& sha256() const noexcept;
  [[nodiscard]] std::uint64_t size() const noexcept;
  [[nodiscard]] std::chrono::system_clock::time_point fetched_at() const noexcept;
  /// Whether this request ran the fetch itself.
  [[nodiscard]] bool fetched_here() const noexcept;
  /// Read-only file in the cache. The name can vanish when the key is removed, or refreshed and the old content swept;
  /// the handle below can't.
  [[nodiscard]] const std::filesystem::path& path() const noexcept;
  /// A read-only descriptor owned by this object, close-on-exec; share it with pread, not with seek.
  [[nodiscard]] int native_handle() const noexcept;

 private:
  friend class mirror_cache;
  struct impl;
  explicit cache_entry(std::shared_ptr<const impl> state) noexcept : impl_(std::move(state)) {}
  std::shared_ptr<const impl> impl_;
};

enum class mirror_link {
  isolated,   ///< an independent, writable file: cloned where the filesystem can, else copied. A hard link of the cache
              ///< that stands at the destination counts as other content
  hard_link,  ///< shares the cache's bytes, read-only; falls back to isolated where linking is impossible
};

struct mirror_options {
  mirror_link link = mirror_link::isolated;
  bool overwrite = false;  ///< replace a file with other content, or a symbolic link (itself, not what it leads to)
  durability level = durability::consistent;
  bool create_parents = true;
  std::optional<std::filesystem::perms>
      permissions{};  ///< of an isolated mirror that is made; unset: 0666 under the umask
};

enum class mirror_result {
  unchanged,  ///< the destination had this content already: nothing was touched
  cloned,     ///< shares blocks until written (FICLONE)
  copied,
  hard_linked,
};

/// What list() tells of a key.
struct cache_record {
  std::string key;
  std::string sha256;
  std::uint64_t size = 0;
  std::chrono::system_clock::time_point fetched_at{};
};

/// What verify() found wrong with a key.
struct cache_damage {
  std::string key;        ///< empty: a record that can't be read
  std::error_code error;  ///< integrity_mismatch, no_such_file_or_directory, or what reading failed with
};

struct cache_options {
  std::filesystem::perms mode = std::filesystem::perms::owner_all;  ///< of the cache's directories
  durability level = durability::consistent;                        ///< of contents and records
};

/// May be used from several threads; so may several objects on one directory, in any number of processes. After a fork
/// the child may go on using it.
class LOCKKIT_API mirror_cache {
 public:
  /// Makes the directory if needed and proves it writable; one that can't be written still serves hits.
  explicit mirror_cache(const std::filesystem::path& directory, cache_options options = {});
  mirror_cache(const std::filesystem::path& directory, cache_options options, std::error_code& ec);
  ~mirror_cache();
  mirror_cache(mirror_cache&& other) noexcept;
  mirror_cache& operator=(mirror_cache&& other) noexcept;

  /// The content of `key` by `policy`. Keys are any 1 to 1024 bytes without NUL (URLs are good keys); they never
  /// become file names. Throws error, or whatever `fetch` threw.
  [[nodiscard]] cache_entry get(std::string_view key, const fetch_function& fetch,
                                fetch_policy policy = fetch_policy::if_missing(), const request_options& request = {});

  /// Makes `destination` hold the content. Idempotent; atomic; a destination with other content, and anything that is
  /// not a regular file, is errc::destination_differs unless overwrite was asked for. Directories, FIFOs, sockets and
  /// devices never go. errc::invalid_name for a destination inside the cache.
  mirror_result mirror(const cache_entry& entry, const std::filesystem::path& destination,
                       const mirror_options& options = {});
  mirror_result mirror(const cache_entry& entry, const std::filesystem::path& destination,
                       const mirror_options& options, std::error_code& ec);

  /// get and mirror as one protected unit: after a miss or a refresh the key's lock is held until the mirror stands.
  struct mirrored {
    cache_entry entry;
    mirror_result result{};
  };
  mirrored fetch_and_mirror(std::string_view key, const std::filesystem::path& destination, const fetch_function& fetch,
                            fetch_policy policy = fetch_policy::if_missing(), const mirror_options& how = {},
                            const request_options& request = {});

  /// All keys, in no particular order. Unreadable records are left out (verify() removes them).
  [[nodiscard]] std::vector<cache_record> list() const;
  /// Forgets a key and, if no other key has its content, the content. False: there was none. Waits for a running fetch
  /// of that key until `until`, then throws errc::timed_out. Entries and mirrors already handed out stay as they are.
  bool remove(std::string_view key, deadline until = deadline::never());
  /// Reads every content again and compares its digest. With `repair`, damaged keys are removed (the next get fetches
  /// again), and what nobody needs is swept: contents that no key names (of refreshed keys, of crashes), unfinished
  /// files. Waits for running fetches of damaged keys, until `until`. What could not be
  /// looked at (no permission, a failing disk) is reported, and kept.
  [[nodiscard]] std::vector<cache_damage> verify(bool repair = false, deadline until = deadline::never());

  [[nodiscard]] const std::filesystem::path& directory() const noexcept;

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace lockkit::inline v0
