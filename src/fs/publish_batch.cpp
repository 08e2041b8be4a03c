// Many files in one go.
//
//  1. Everything that can fail for one file alone comes before the first name is given: a full disk, a failed sync, a
//     directory that stands in the way. Until then all of it can be taken back.
//  2. Writeback begins for all files before the first one is waited for: the disk gets them together. It promises nothing
//     (the data of a file whose writeback was begun may be lost by a power cut on btrfs), so each file is synced all the
//     same.
//  3. No file gets its name before all are synced: the first sync makes the journal's commit for all of them, and a name
//     given in between would have to wait for one of its own.
//  4. Each distinct directory is synced once, after the last name. One is what its device and inode say, not its path.
//  5. A failed sync is final, as everywhere (rule 6 of staging.cpp).
#include <lockkit/publish_batch.hpp>

#include <algorithm>

#include <lockkit/error.hpp>

#include "core/throw_error.hpp"
#include "durable_names.hpp"
#include "platform/file.hpp"
#include "platform/inode.hpp"
#include "publication.hpp"

namespace lockkit::inline v0 {
namespace {

/// A directory that has got names, and whose.
struct named_directory {
  platform::inode_facts inode;
  int directory;
  std::vector<std::size_t> files;
};

}  // namespace

struct publish_batch::impl {
  /// A directory that files of the batch share.
  struct shared_parent {
    std::filesystem::path path;
    platform::unique_fd directory;
  };

  explicit impl(const publish_options& given) : options(given) {}

  void add(const std::filesystem::path& target, std::span<const std::byte> bytes, std::error_code& ec);
  void commit(durability level, std::error_code& ec);

  publish_options options;
  std::vector<shared_parent> parents;  // outlive the files
  std::vector<std::unique_ptr<staged_file::impl>> files;
  std::vector<batch_result> results;

 private:
  void open(detail::publication& file, std::error_code& ec);
  void make_ready(durability level, std::error_code& ec);
  template <class Step>
  void for_all(std::error_code& ec, Step step);
  void give_names(durability level);
  void make_durable(durability level);
  [[nodiscard]] std::vector<named_directory> named_directories();
  void fail(std::size_t file, const std::error_code& ec) noexcept { results[file].error = ec; }
};

void publish_batch::impl::open(detail::publication& file, std::error_code& ec) {
  const std::filesystem::path& path = file.path();
  if (options.symlinks == symlink_policy::follow) return file.open(ec);  // nobody knows where it leads
  ec = detail::check_file_path(path);
  if (ec) return;
  const std::filesystem::path parent = path.parent_path();
  auto known = std::ranges::find(parents, parent, &shared_parent::path);
  if (known == parents.end()) {
    detail::publish_target found = detail::locate(path, options, ec);
    if (ec) return;
    parents.push_back({parent, std::move(found.directory)});
    known = std::prev(parents.end());
  }
  file.open_in(known->directory.get(), path.filename(), ec);
}

void publish_batch::impl::add(const std::filesystem::path& target, std::span<const std::byte> bytes,
                              std::error_code& ec) {
  auto file = std::make_unique<staged_file::impl>(target, options);
  open(file->work, ec);
  if (!ec) file->work.file().append(bytes, ec);
  if (!ec) files.push_back(std::move(file));
}

/// Until one fails. Then all are failures.
template <class Step>
void publish_batch::impl::for_all(std::error_code& ec, Step step) {
  for (std::size_t i = 0; i < files.size() && !ec; ++i) {
    step(files[i]->work, ec);
    if (!ec) continue;
    for (batch_result& result : results) result.error = std::make_error_code(std::errc::operation_canceled);
    fail(i, ec);
  }
}

/// Rules 1 to 3.
void publish_batch::impl::make_ready(durability level, std::error_code& ec) {
  for_all(ec, [&](detail::publication& one, std::error_code& failure) {
    one.complete(failure);
    if (!failure) one.file().prepare(one.directory(), one.name(), one.options().mode, level, failure);
  });
  if (ec) return;
  if (level != durability::visible) {
    for (const auto& file : files) file->work.file().begin_writeback();
  }
  for_all(ec, [&](detail::publication& one, std::error_code& failure) { one.file().make_ready(level, failure); });
}

void publish_batch::impl::give_names(durability level) {
  const durability here = std::min(level, durability::consistent);  // directories come later
  for (std::size_t i = 0; i < files.size(); ++i) {
    detail::publication& one = files[i]->work;
    results[i].result = one.file().publish_as(one.directory(), one.name(), one.options().mode, here, results[i].error);
  }
}

std::vector<named_directory> publish_batch::impl::named_directories() {
  std::vector<named_directory> found;
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (results[i].error || results[i].result != publish_result::published) continue;
    const int directory = files[i]->work.directory();
    std::error_code ec;
    auto known = std::ranges::find(found, directory, &named_directory::directory);
    if (known == found.end()) {
      const platform::inode_facts inode = platform::facts(directory, ec);
      known = std::ranges::find_if(found, [&](const named_directory& d) { return same_inode(d.inode, inode); });
      if (ec || known == found.end()) known = found.insert(found.end(), {inode, directory, {}});
    }
    known->files.push_back(i);
  }
  return found;
}

/// Rule 4.
void publish_batch::impl::make_durable(durability level) {
  detail::path_sync above;
  for (const named_directory& named : named_directories()) {
    std::error_code ec;
    std::vector<int> descriptors;
    descriptors.reserve(named.files.size());
    for (const std::size_t file : named.files) descriptors.push_back(files[file]->work.file().fd());
    detail::sync_names(named.directory, descriptors, durability::durable, ec);
    if (!ec && level == durability::durable_path) above.sync_above(named.directory, ec);
    for (const std::size_t file : named.files) {
      if (ec) fail(file, errc::published_not_durable);
    }
  }
}

void publish_batch::impl::commit(durability level, std::error_code& ec) {
  ec.clear();
  results.clear();
  for (const auto& file : files) results.push_back({file->work.path(), {}, {}, {}});
  make_ready(level, ec);
  if (!ec) {
    give_names(level);
    if (level >= durability::durable) make_durable(level);
    const auto failed = std::ranges::find_if(results, [](const batch_result& one) { return bool(one.error); });
    if (failed != results.end()) ec = failed->error;
  }
  for (std::size_t i = 0; i < files.size(); ++i) results[i].report = files[i]->work.report();
  files.clear();
  parents.clear();
}

publish_batch::publish_batch(publish_options options) : impl_(new impl(options)) {}
publish_batch::~publish_batch() = default;
publish_batch::publish_batch(publish_batch&& other) noexcept = default;
publish_batch& publish_batch::operator=(publish_batch&& other) noexcept = default;

void publish_batch::add(const std::filesystem::path& target, std::span<const std::byte> bytes, std::error_code& ec) {
  impl_->add(target, bytes, ec);
}

void publish_batch::add(const std::filesystem::path& target, std::span<const std::byte> bytes) {
  detail::throwing("stage", target, [&](std::error_code& ec) { add(target, bytes, ec); });
}

void publish_batch::add(staged_file&& file) {
  staged_file taken(std::move(file));
  if (taken.impl_) impl_->files.push_back(std::move(taken.impl_));
}

std::size_t publish_batch::size() const noexcept {
  return impl_->files.size();
}

const std::vector<batch_result>& publish_batch::results() const noexcept {
  return impl_->results;
}

void publish_batch::commit(durability level, std::error_code& ec) {
  impl_->commit(level, ec);
}

void publish_batch::commit(durability level) {
  std::error_code ec;
  commit(level, ec);
  if (!ec) return;
  const auto failed = std::ranges::find(impl_->results, ec, &batch_result::error);
  detail::throw_error("publish", failed->target, ec);
}

}  // namespace lockkit::inline v0
