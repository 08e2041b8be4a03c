#include "statistics.hpp"

#include <algorithm>
#include <set>

#include "cache_files.hpp"
#include "content_removal.hpp"

namespace lockkit::detail {
namespace {

std::set<std::string> count_keys(const cache_layout& layout, directory_statistics& sum, std::error_code& ec) {
  std::set<std::string> named;
  for (const cache_file& file : files_in_part(layout, 'k', ec)) {
    std::error_code unreadable;
    const auto used = time_of(stamp_at(file.path, unreadable).modified_ns);
    auto record = unreadable ? std::nullopt : read_own_record(file, unreadable);
    if (!record) continue;
    named.insert(std::move(record->sha256));
    sum.oldest_use = sum.keys == 0 ? used : std::min(sum.oldest_use, used);
    sum.newest_use = std::max(sum.newest_use, used);
    ++sum.keys;
  }
  return named;
}

void count_contents(const cache_layout& layout, const std::set<std::string>& named, directory_statistics& sum,
                    std::error_code& ec) {
  for (const cache_file& file : files_in_part(layout, 'b', ec)) {
    std::error_code unreadable;
    const std::uint64_t size = stamp_at(file.path, unreadable).size;
    if (unreadable) continue;
    ++sum.contents;
    sum.bytes += size;
    if (!named.contains(file.name)) {
      ++sum.unnamed_contents;
      sum.unnamed_bytes += size;
    }
    if (is_leased(layout, file.name, unreadable)) ++sum.leased;
  }
}

void count_partials(const cache_layout& layout, directory_statistics& sum, std::error_code& ec) {
  for (const std::filesystem::path& path : list_directory(layout.part_path('p'), ec)) {
    if (path.extension() == ".about") continue;  // a partial's record
    std::error_code unreadable;
    const std::uint64_t size = stamp_at(path.native(), unreadable).size;
    if (unreadable) continue;
    ++sum.partials;
    sum.partial_bytes += size;
  }
}

}  // namespace

directory_statistics count_directory(const cache_layout& layout, std::error_code& ec) {
  directory_statistics sum;
  sum.directory = layout.directory();
  const std::set<std::string> named = count_keys(layout, sum, ec);
  if (!ec) count_contents(layout, named, sum, ec);
  if (!ec) count_partials(layout, sum, ec);
  return sum;
}

request_statistics request_counter::read() const noexcept {
  request_statistics now;
  now.hits = hits_;
  now.fetches = fetches_;
  now.fetched_bytes = fetched_bytes_;
  const std::uint64_t requests = requests_;
  now.misses = requests - std::min(requests, now.hits);
  return now;
}

}  // namespace lockkit::detail
