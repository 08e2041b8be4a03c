#pragma once
/// mirror_cache: fetch once across all threads and processes, keep by content, mirror to the requested paths.
///
/// A key names a data set; a fetch callback brings its content. Content lies in the cache as an immutable file named by
/// its SHA-256; a small record per key says which content is current. Both appear by atomic publishing, so a fetch or a
/// refresh can never pull a file from under a reader or a mirror, and a process killed anywhere leaves either the old
/// state or the new one. One fetch per key runs at a time, under a file_mutex that only those who must fetch ever take;
/// a hit takes no lock.
///
/// A hit reads the record and opens the content: two opens, and once in an hour a note that the key was used. What is
/// handed out is a descriptor, which nobody can take away; who needs the content's name to stay takes a cache_lease.
///
/// Caveats. Whoever can write into the cache directory can poison it: it is made with mode 0700 unless told otherwise.
/// Hard-linked mirrors share the cache's bytes: a tool that writes through one damages the cache (found by verify(), and by
/// hits as hit_check says). A fetch function may ask for other keys, but two that ask for each other's wait for ever: give such requests a deadline.
/// The cache grows until evict(), remove() or verify() with repair is called. It needs a local filesystem (errc::unsupported_filesystem).
/// A moved-from object may only be destroyed and assigned to.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <lockkit/cache_entry.hpp>
#include <lockkit/cache_lease.hpp>
#include <lockkit/cache_options.hpp>
#include <lockkit/cache_record.hpp>
#include <lockkit/deadline.hpp>
#include <lockkit/error.hpp>
#include <lockkit/eviction.hpp>
#include <lockkit/export.hpp>
#include <lockkit/fetch.hpp>
#include <lockkit/mirror_options.hpp>
#include <lockkit/staged_file.hpp>

namespace lockkit::inline v0 {

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

  /// get, and a lease on what it gives: asks again if the content's name went before the lease was had.
  [[nodiscard]] cache_lease lease(std::string_view key, const fetch_function& fetch,
                                  fetch_policy policy = fetch_policy::if_missing(),
                                  const request_options& request = {});

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

  /// All keys, in no particular order, those of the layers last; a key can be in several. Unreadable records are left
  /// out (verify() removes them).
  [[nodiscard]] std::vector<cache_record> list() const;
  /// Forgets a key and, if no other key has its content, the content. False: there was none. Waits for a running fetch
  /// of that key until `until`, then throws errc::timed_out; for others who are publishing, it leaves the content to a
  /// sweep then. Entries and mirrors already handed out stay as they are.
  bool remove(std::string_view key, deadline until = deadline::never());
  /// Gives up keys, the least recently used first, until the limits are kept, and contents that no key names. What
  /// somebody fetches or has leased stays, and is told; readers and mirrors notice nothing. One eviction at a time.
  eviction_result evict(const eviction_limits& limits);
  /// Reads every content again and compares its digest. With `repair`, damaged keys are removed (the next get fetches
  /// again), and what nobody needs is swept: contents that no key names (of refreshed keys, of crashes), unfinished
  /// files. Waits for running fetches of damaged keys, until `until`. What could not be
  /// looked at (no permission, a failing disk) is reported, and kept. Layers are not verified.
  [[nodiscard]] std::vector<cache_damage> verify(const verify_options& options);
  [[nodiscard]] std::vector<cache_damage> verify(bool repair = false, deadline until = deadline::never());
  /// Looks at everything; not a snapshot.
  [[nodiscard]] cache_statistics statistics() const;

  [[nodiscard]] const std::filesystem::path& directory() const noexcept;

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace lockkit::inline v0
