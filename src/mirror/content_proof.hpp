#pragma once
/// Which contents this object has hashed, and what they looked like then: hit_check::stat.

#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace lockkit::detail {

/// Used by all threads of a cache's object.
class content_proofs {
 public:
  [[nodiscard]] bool covers(const std::string& path, const struct stat& found) const;
  void add(const std::string& path, const struct stat& found);

 private:
  struct proof {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::int64_t modified_ns = 0;  // not the change time: a hard link changes that

    friend bool operator==(const proof&, const proof&) = default;
  };
  [[nodiscard]] static proof proof_of(const struct stat& found) noexcept;

  mutable std::mutex mutex_;
  std::map<std::string, proof> proofs_;  // by the content's path: layers may have the same content
};

}  // namespace lockkit::detail
