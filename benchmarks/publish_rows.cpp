#include <lockkit/publish_batch.hpp>
#include <lockkit/staged_file.hpp>
#include <optional>
#include <string>
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

/// Where syncing costs nothing, there is nothing to be gained by it, nor does it cover what else is done.
std::optional<goal> on_disk(const row_options& options, double limit) {
  return options.in_memory ? std::nullopt : std::optional(goal{limit});
}

/// A hundred files, replaced durably each time round: one by one, and in one batch.
void print_many(const row_options& options) {
  constexpr int count = 100;
  const std::string content(4096, 'x');
  const auto target = [&](int i) { return options.directory / ("many." + std::to_string(i)); };
  const auto one_by_one = [&] {
    for (int i = 0; i < count; ++i) lockkit::publish(target(i), content, durability::durable);
  };
  const auto together = [&] {
    lockkit::publish_batch batch;
    for (int i = 0; i < count; ++i) batch.add(target(i), content);
    batch.commit(durability::durable);
  };
  print_table("100 files of 4 KiB, durable",
              compare({{"publish, one by one (floor)", one_by_one}, {"publish_batch", together, on_disk(options, 0.4)}},
                      options.budget));
}

/// What durable_path adds, eight directories deep.
void print_path(const row_options& options) {
  const std::string content(4096, 'x');
  const std::filesystem::path deep = options.directory / "1/2/3/4/5/6/7/8";
  const auto by = [&](durability wanted) {
    return [=] { lockkit::publish(deep / "f", content, wanted, {.create_parents = true}); };
  };
  print_table("publish 4 KiB, eight directories deep",
              compare({{"durable (floor)", by(durability::durable)}, {"durable_path", by(durability::durable_path)}},
                      options.budget));
}

}  // namespace

void publish_rows(const row_options& options) {
  print_level(options,
              {"publish 4 KiB, visible", "write, rename (floor)", durability::visible, false, false, goal{1.15}});
  print_level(options,
              {"publish 4 KiB, consistent", "write, fsync, rename (floor)", durability::consistent, true, false});
  print_level(options, {"publish 4 KiB, durable", "write, fsync, rename, fsync of the directory (floor)",
                        durability::durable, true, true, on_disk(options, 1.05)});
  print_many(options);
  print_path(options);
}

}  // namespace benchmark
