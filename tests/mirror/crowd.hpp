#pragma once
/// What sixteen processes of a campaign share: a place, an epoch that goes on, and books about every key of every epoch.
///
/// A key is "data/<epoch>/<number>". In its epoch it is fetched once; again only after an eviction took it, or after the
/// process that was asking for it was killed. Who fetches, evicts and kills writes that down here.

#include <atomic>
#include <filesystem>
#include <string>

#include "support/shared_memory.hpp"

namespace testing {

constexpr unsigned crowd_size = 16;
constexpr unsigned crowd_keys = 4;
constexpr unsigned crowd_targets = 4;
constexpr unsigned longest_campaign = 8192;  // epochs

struct key_book {
  std::atomic<unsigned> fetcher{0};  ///< at this moment: the member's number + 1
  std::atomic<int> fetches{0};       ///< begun
  std::atomic<int> excused{0};       ///< evictions, and killed askers
};

struct crowd_books {
  std::atomic<unsigned> epoch{0};
  std::atomic<bool> over{false};
  std::atomic<long> published{0}, read{0}, mirrored{0}, refreshed{0}, evicted{0}, swept{0};
  struct worker_book {
    std::atomic<key_book*> asking{nullptr};  ///< within a request for that key
    std::atomic<bool> doomed{false};         ///< about to be killed: its fetch can end at any moment
  };
  worker_book workers[crowd_size];
  key_book keys[longest_campaign][crowd_keys];
};

/// One of the sixteen: works until the campaign is over. Returns what is wrong, or nothing.
class crowd_member {
 public:
  crowd_member(const std::filesystem::path& place, crowd_books& books, unsigned number, unsigned seed);
  ~crowd_member();
  crowd_member(const crowd_member&) = delete;
  crowd_member& operator=(const crowd_member&) = delete;
  std::string work();

  /// Who may be killed at any moment: all but evictors, whose books would not tell what they took.
  [[nodiscard]] static bool may_be_killed(unsigned number);
  /// The targets' first contents, before anybody works.
  static void prepare(const std::filesystem::path& place);
  /// Whether target, tree or mirror holds one whole content; says what is wrong, or nothing.
  [[nodiscard]] static std::string look_at(const std::filesystem::path& place);

 private:
  struct impl;
  impl* impl_;
};

}  // namespace testing
