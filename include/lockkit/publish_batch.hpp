#pragma once
/// publish_batch: many files made durable together, for much less than one by one.
///
/// Each file by itself is published as by staged_file: readers, and a power cut at any moment, find it old or new, never a
/// part (as its durability says). The batch as a whole is not one step: after a crash some files can be new and others
/// old. What is shared is the waiting for the disk: all data is sent on its way, then each file synced, then all files get
/// their names, then each directory is synced once. A hundred files of 4 KiB take a third of the time or less.
///
///   what fails                                what is published
///   add()                                     nothing yet; the others stay in the batch
///   commit(), before the first name is given  nothing: every result has an error, the others' is
///                                             std::errc::operation_canceled
///   a name of one file                        the others; that file is what it was, and its result says why
///   a directory's sync                        everything; the files in it are errc::published_not_durable

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>
#include <system_error>
#include <vector>

#include <lockkit/export.hpp>
#include <lockkit/staged_file.hpp>

namespace lockkit::inline v0 {

struct batch_result {
  std::filesystem::path target;
  std::error_code error;  ///< clear: see result
  publish_result result = publish_result::published;
  publish_report report;
};

/// Used by one thread at a time. Destroying it discards what was not committed. A file in it costs one descriptor until
/// then (a staged_file two), so a batch of more than a few hundred needs a raised limit: add() says EMFILE, and what was
/// added can still be committed.
class LOCKKIT_API publish_batch {
 public:
  /// The options of the files that add(target, bytes) stages.
  explicit publish_batch(publish_options options = {});
  ~publish_batch();
  publish_batch(publish_batch&& other) noexcept;
  publish_batch& operator=(publish_batch&& other) noexcept;

  /// Stages one file. Files with the same parent path go to the directory that was there at the first of them. A target
  /// that is given twice gets both, in this order.
  void add(const std::filesystem::path& target, std::span<const std::byte> bytes);
  void add(const std::filesystem::path& target, std::span<const std::byte> bytes, std::error_code& ec);
  void add(const std::filesystem::path& target, std::string_view text) { add(target, std::as_bytes(std::span(text))); }
  /// One that was staged and written elsewhere, with its own options; empty afterwards.
  void add(staged_file&& file);
  [[nodiscard]] std::size_t size() const noexcept;

  /// Publishes what was added and empties the batch, whatever comes of it. `ec` is the first error of all; the throwing
  /// form names that file. A batch of nothing does nothing.
  void commit(durability level = durability::consistent);
  void commit(durability level, std::error_code& ec);
  /// Of the last commit, in the order of add().
  [[nodiscard]] const std::vector<batch_result>& results() const noexcept;

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace lockkit::inline v0
