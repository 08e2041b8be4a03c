#include <lockkit/staged_file.hpp>
#include <vector>

#include "naked.hpp"
#include "rows.hpp"
#include "table.hpp"

namespace benchmark {
namespace {

using lockkit::durability;

struct level {
  const char* title;
  const char* floor;
  durability wanted;
  bool sync_file;
  bool sync_directory;
  std::optional<goal> reach{};
};

void print_level(const row_options& options, const level& l) {
  const std::vector<std::byte> content(4096, std::byte{'x'});
  const naked_publish naked = {options.directory / "naked.published", l.sync_file, l.sync_directory};
  const std::filesystem::path target = options.directory / "published";
  print_table(l.title, compare({{l.floor, [&] { naked(content); }},
                                {"publish", [&] { lockkit::publish(target, content, l.wanted); }, l.reach}},
                               options.budget));
}

}  // namespace

void publish_rows(const row_options& options) {
  print_level(options,
              {"publish 4 KiB, visible", "write, rename (floor)", durability::visible, false, false, goal{1.15}});
  print_level(options,
              {"publish 4 KiB, consistent", "write, fsync, rename (floor)", durability::consistent, true, false});
  print_level(options, {"publish 4 KiB, durable", "write, fsync, rename, fsync of the directory (floor)",
                        durability::durable, true, true});
}

}  // namespace benchmark
