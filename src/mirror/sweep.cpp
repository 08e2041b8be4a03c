/// Taking contents away.
///
///  1. A content goes only while the gate is held exclusively, and only after every record was read then: no publisher
///     can be between "the content is there" and "my record names it" (gate.hpp).
///  2. If the records can't all be read, nothing goes.
///  3. Readers are never asked: they hold descriptors. Who needs the name has a lease, and the content stays.
///     A hard-linked mirror that is just being made copes with losing it.
///  4. Many contents go in batches, with the gate open in between: publishers wait for reading the records and some
///     unlinks, never for a disk that gives blocks back, since descriptors are kept until the gate has been left.

#include "sweep.hpp"

#include <algorithm>
#include <iterator>

#include <lockkit/error.hpp>
#include <lockkit/staged_file.hpp>

#include "cache_files.hpp"
#include "content.hpp"
#include "gate.hpp"
#include "partial_file.hpp"

namespace lockkit::detail {
namespace {

namespace fs = std::filesystem;

// How long a writer can at most be between making a named file and locking it, where there are no unnamed ones.
constexpr std::chrono::minutes made_without_lock{1};

/// Rule 4; every content of a batch costs a descriptor.
constexpr std::size_t largest_batch = 128;

void remove_batch(const cache_layout& layout, std::span<const std::string> digests, deadline until,
                  std::vector<swept_content>& swept, std::error_code& ec) {
  std::vector<platform::unique_fd> unlinked;  // closed after the gate
  gate passage(layout);
  passage.enter_exclusive(until, {}, ec);
  if (ec) return;
  const std::set<std::string> named = named_contents(layout, ec);
  for (const std::string& digest : digests) {
    if (ec) return;
    if (named.contains(digest)) continue;
    const removal outcome = remove_content(layout, digest, unlinked, ec);
    if (!ec) swept.push_back({digest, outcome});
  }
}

}  // namespace

/// Rules 1 and 2. Who removes on the strength of it holds the gate.
std::set<std::string> named_contents(const cache_layout& layout, std::error_code& ec) {
  std::set<std::string> named;
  ec.clear();
  visit_files(
      layout, 'k',
      [&](const cache_file& file) {
        if (auto record = read_record_exactly(file.path, ec)) named.insert(std::move(record->sha256));
      },
      ec);
  return named;
}

std::vector<swept_content> remove_unnamed(const cache_layout& layout, const std::vector<std::string>& digests,
                                          deadline until, std::error_code& ec) {
  std::vector<swept_content> swept;
  const std::span<const std::string> all(digests);
  ec.clear();
  for (std::size_t at = 0; at < all.size() && !ec; at += largest_batch) {
    remove_batch(layout, all.subspan(at, std::min(largest_batch, all.size() - at)), until, swept, ec);
  }
  return swept;
}

bool drop_content(const cache_layout& layout, std::string_view sha256, deadline until, std::error_code& ec) {
  const auto swept = remove_unnamed(layout, {std::string(sha256)}, until, ec);
  return !ec && !swept.empty() && swept.front().outcome != removal::leased;
}

void sweep_unfinished(const cache_layout& layout, deadline until, std::error_code& ec) {
  {
    gate passage(layout);
    passage.enter_exclusive(until, {}, ec);
    if (!ec) sweep_displaced(layout, ec);
  }
  if (ec) return;
  std::vector<fs::path> places = list_shards(layout, 'b', ec);
  if (!ec) std::ranges::move(list_shards(layout, 'k', ec), std::back_inserter(places));
  places.emplace_back(layout.part_path('t'));
  places.push_back(layout.directory());  // the constructor's own
  for (const fs::path& place : places) {
    if (!ec) sweep_staged(place, made_without_lock, ec);
    if (ec == std::errc::no_such_file_or_directory) ec.clear();
  }
  if (!ec) sweep_partials(layout, ec);
}

void sweep_cache(const cache_layout& layout, deadline until, std::error_code& ec) {
  const std::set<std::string> named = named_contents(layout, ec);
  std::vector<std::string> unnamed;
  if (!ec) {
    for (const cache_file& content : files_in_part(layout, 'b', ec)) {
      if (!named.contains(content.name)) unnamed.push_back(content.name);
    }
  }
  if (!ec) remove_unnamed(layout, unnamed, until, ec);
  if (!ec) sweep_unfinished(layout, until, ec);
}

}  // namespace lockkit::detail
