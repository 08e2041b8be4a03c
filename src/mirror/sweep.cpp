/// Taking contents away.
///
///  1. A content goes only while the gate is held exclusively, and only after every record was read then: no publisher
///     can be between "the content is there" and "my record names it" (gate.hpp).
///  2. If the records can't all be read, nothing goes.
///  3. Readers are never asked: they hold descriptors. Whoever needs the name (a hard-linked mirror) copes with losing
///     it.

#include <fcntl.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <set>
#include <vector>

#include <lockkit/error.hpp>

#include "content_store.hpp"
#include "digest.hpp"
#include "gate.hpp"
#include "partial_file.hpp"
#include "platform/names.hpp"

namespace lockkit::detail {
namespace {

namespace fs = std::filesystem;

// How long a writer can at most be between making a named file and locking it, where there are no unnamed ones.
constexpr std::chrono::minutes made_without_lock{1};

/// What lies in `directory`; nothing if it has gone.
std::vector<fs::path> list_directory(const fs::path& directory, std::error_code& ec) {
  std::vector<fs::path> found;
  fs::directory_iterator at(directory, ec);
  for (; !ec && at != fs::directory_iterator(); at.increment(ec)) found.push_back(at->path());
  if (ec == std::errc::no_such_file_or_directory) ec.clear();
  return found;
}

/// The directories b/ab or k/ab.
std::vector<fs::path> list_shards(const cache_layout& layout, char part, std::error_code& ec) {
  std::vector<fs::path> shards = list_directory(layout.part_path(part), ec);
  std::erase_if(shards, [](const fs::path& path) { return path.filename().native().size() != 2; });
  return shards;
}

/// Every file in part `b` or `k` whose name is a digest's.
template <class Visit>
void visit_files(const cache_layout& layout, char part, Visit&& visit, std::error_code& ec) {
  for (const fs::path& shard : list_shards(layout, part, ec)) {
    for (const fs::path& file : list_directory(shard, ec)) {
      const std::string name = file.filename().native();
      if (!ec && is_digest(name)) visit(file.native(), name);
      if (ec) return;
    }
  }
}

void remove_file(const std::string& path, std::error_code& ec) {
  platform::unlink_name(AT_FDCWD, path.c_str(), ec);
  if (ec == std::errc::no_such_file_or_directory) ec.clear();
}

/// Rules 1 and 2. The caller holds the gate.
std::set<std::string> named_contents(const cache_layout& layout, std::error_code& ec) {
  std::set<std::string> named;
  visit_records(
      layout,
      [&](const std::string& path, const std::string&) {
        if (auto record = ec ? std::nullopt : read_record_exactly(path, ec)) named.insert(std::move(record->sha256));
      },
      ec);
  return named;
}

void sweep_leftovers(const cache_layout& layout, std::error_code& ec) {
  std::vector<fs::path> places = list_shards(layout, 'b', ec);
  if (!ec) std::ranges::move(list_shards(layout, 'k', ec), std::back_inserter(places));
  places.emplace_back(layout.part_path('t'));
  places.push_back(layout.directory());  // the constructor's own
  for (const fs::path& place : places) {
    if (!ec) sweep_staged(place, made_without_lock, ec);
    if (ec == std::errc::no_such_file_or_directory) ec.clear();
  }
}

}  // namespace

void visit_records(const cache_layout& layout,
                   const std::function<void(const std::string& path, const std::string& name)>& visit,
                   std::error_code& ec) {
  ec.clear();
  visit_files(layout, 'k', visit, ec);
}

bool drop_content(const cache_layout& layout, std::string_view sha256, deadline until, std::error_code& ec) {
  gate passage(layout);
  passage.enter_exclusive(until, {}, ec);
  if (ec || named_contents(layout, ec).contains(std::string(sha256)) || ec) return false;
  remove_file(layout.content_path(sha256), ec);
  return !ec;
}

void sweep_cache(const cache_layout& layout, deadline until, std::error_code& ec) {
  gate passage(layout);
  passage.enter_exclusive(until, {}, ec);
  if (ec) return;
  const std::set<std::string> named = named_contents(layout, ec);
  const auto remove_unnamed = [&](const std::string& path, const std::string& name) {
    if (!named.contains(name)) remove_file(path, ec);
  };
  if (!ec) visit_files(layout, 'b', remove_unnamed, ec);
  passage.leave();
  if (!ec) sweep_leftovers(layout, ec);
  if (!ec) sweep_partials(layout, ec);
}

}  // namespace lockkit::detail
