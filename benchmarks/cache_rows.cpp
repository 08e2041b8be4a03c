#include <fmt/format.h>

#include <lockkit/mirror_cache.hpp>

#include "content.hpp"
#include "naked.hpp"
#include "rows.hpp"
#include "table.hpp"

namespace benchmark {
namespace {

using lockkit::cache_entry;
using lockkit::mirror_cache;
using lockkit::mirror_link;

std::string readable(std::uint64_t size) {
  return size >= 1U << 20U ? fmt::format("{} MiB", size >> 20U) : fmt::format("{} KiB", size >> 10U);
}

void hit_rows(const row_options& options, mirror_cache& cache, std::uint64_t size) {
  const std::string key = readable(size);
  const auto get = [&] { return cache.get(key, [&](lockkit::fetch_sink& sink) { bring(sink, size); }); };
  const std::string content = get().path();
  print_table(fmt::format("Cache hit, {}", key),
              compare({{"open, fstat, close of the content (floor)", [&] { open_look_close(content.c_str()); }},
                       {"get, if_missing", [&] { static_cast<void>(get()); },
                        goal{.limit = 15, .of = goal::kind::microseconds}}},
                      options.budget));
}

/// Without syncing on either side: what is compared is the copying.
void mirror_rows(const row_options& options, mirror_cache& cache, std::uint64_t size) {
  const cache_entry entry = cache.get(readable(size), [&](lockkit::fetch_sink& sink) { bring(sink, size); });
  const std::string from = entry.path();
  const std::filesystem::path naked = options.directory / "naked.mirror";
  const std::filesystem::path isolated = options.directory / "isolated.mirror";
  const std::filesystem::path linked = options.directory / "linked.mirror";
  const auto mirror = [&](const std::filesystem::path& to, mirror_link link) {
    cache.mirror(entry, to, {.link = link, .level = lockkit::durability::visible});
  };
  print_table(
      fmt::format("Mirror, {}", readable(size)),
      compare({{"copy_file_range, rename (floor)", [&] { naked_copy(from, naked); }, {}, [&] { remove(naked); }},
               {"mirror, isolated", [&] { mirror(isolated, mirror_link::isolated); }, {}, [&] { remove(isolated); }},
               {"mirror, hard link", [&] { mirror(linked, mirror_link::hard_link); }, {}, [&] { remove(linked); }}},
              options.budget));
}

}  // namespace

void cache_rows(const row_options& options) {
  mirror_cache cache(options.directory / "cache");
  constexpr std::uint64_t kib = 1U << 10U;
  constexpr std::uint64_t mib = 1U << 20U;
  for (const std::uint64_t size : {kib, 10 * mib, options.largest_mib * mib}) hit_rows(options, cache, size);
  for (const std::uint64_t size : {kib, 10 * mib}) mirror_rows(options, cache, size);
}

}  // namespace benchmark
