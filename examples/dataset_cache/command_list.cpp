#include <fmt/chrono.h>
#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <vector>

#include "command.hpp"

namespace dataset_cache {
namespace {

using namespace fetching;

/// A data set of the catalogue, of the cache, or of both.
struct row {
  std::string name;
  std::string url;
  std::optional<lockkit::cache_record> cached;
};

std::vector<row> rows_of(const catalogue& known, const lockkit::mirror_cache& cache) {
  std::vector<row> rows;
  for (lockkit::cache_record& record : cache.list()) {
    const data_set* named = known.with_url(record.key);
    rows.push_back({named == nullptr ? "" : named->name, record.key, std::move(record)});
  }
  for (const data_set& each : known.all()) {
    const auto same = [&](const row& other) { return other.name == each.name; };
    if (std::ranges::none_of(rows, same)) rows.push_back({each.name, each.url, std::nullopt});
  }
  std::ranges::sort(rows, {}, [](const row& each) { return std::tie(each.name, each.url); });
  return rows;
}

std::string describe_time(std::chrono::system_clock::time_point time) {
  const auto seconds = std::chrono::time_point_cast<std::chrono::seconds>(time);
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)));
}

void print_table(const std::vector<row>& rows) {
  fmt::print("{:<24} {:>10}  {:<20}  {:<12}  {}\n", "name", "size", "fetched", "sha256", "url");
  for (const row& each : rows) {
    const std::string name = each.name.empty() ? "-" : each.name;
    if (each.cached) {
      fmt::print("{:<24} {:>10}  {:<20}  {:<12}  {}\n", name, describe_size(each.cached->size),
                 describe_time(each.cached->fetched_at), each.cached->sha256.substr(0, 12), each.url);
    } else {
      fmt::print("{:<24} {:>10}  {:<20}  {:<12}  {}\n", name, "-", "not cached", "-", each.url);
    }
  }
}

/// JSON is YAML in flow style with quoted texts.
void print_json(const std::vector<row>& rows) {
  YAML::Emitter out;
  out.SetOutputCharset(YAML::EscapeAsJson);
  out << YAML::Flow << YAML::BeginSeq;
  for (const row& each : rows) {
    out << YAML::BeginMap;
    if (!each.name.empty()) out << YAML::DoubleQuoted << "name" << YAML::DoubleQuoted << each.name;
    out << YAML::DoubleQuoted << "url" << YAML::DoubleQuoted << each.url;
    out << YAML::DoubleQuoted << "cached" << YAML::TrueFalseBool << each.cached.has_value();
    if (each.cached) {
      out << YAML::DoubleQuoted << "sha256" << YAML::DoubleQuoted << each.cached->sha256;
      out << YAML::DoubleQuoted << "size" << each.cached->size;
      out << YAML::DoubleQuoted << "fetched_at" << YAML::DoubleQuoted << describe_time(each.cached->fetched_at);
    }
    out << YAML::EndMap;
  }
  out << YAML::EndSeq;
  fmt::print("{}\n", out.c_str());
}

}  // namespace

void add_list(CLI::App& app, context& shared) {
  CLI::App* command = app.add_subcommand("list", "Show what is cached, and what the catalogue has");
  const auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "An array of objects instead of a table");
  command->callback([json, &shared] {
    const std::vector<row> rows = rows_of(shared.load_catalogue(), shared.open_cache());
    *json ? print_json(rows) : print_table(rows);
  });
}

}  // namespace dataset_cache
