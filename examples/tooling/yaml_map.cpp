#include "tooling/yaml_map.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <utility>

#include "tooling/failure.hpp"

namespace tooling {
namespace {

[[noreturn]] void refuse_at(const std::filesystem::path& file, const YAML::Mark& mark, std::string_view reason) {
  throw failure(exit_status::bad_data, fmt::format("{}:{}:{}: {}", file.native(), std::max(mark.line, 0) + 1,
                                                   std::max(mark.column, 0) + 1, reason));
}

/// Levenshtein's.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({row[j] + 1, row[j + 1] + 1, changed});
    }
  }
  return row.back();
}

using unit = std::pair<std::string_view, std::uint64_t>;

constexpr std::array<unit, 5> time_units = {
    {{"ms", 1}, {"s", 1000}, {"min", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};

constexpr std::array<unit, 10> byte_units = {{{"", 1},
                                              {"B", 1},
                                              {"KiB", 1ULL << 10U},
                                              {"MiB", 1ULL << 20U},
                                              {"GiB", 1ULL << 30U},
                                              {"TiB", 1ULL << 40U},
                                              {"kB", 1000},
                                              {"MB", 1000'000},
                                              {"GB", 1000'000'000},
                                              {"TB", 1000'000'000'000}}};

/// "2 s": a number, blanks, and one of the units.
template <std::size_t N>
std::optional<std::uint64_t> parse_quantity(std::string_view text, const std::array<unit, N>& units) {
  constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  while (text.starts_with(' ')) text.remove_prefix(1);
  const auto found = std::ranges::find(units, text, &unit::first);
  if (found == units.end() || number > most / found->second) return std::nullopt;
  return number * found->second;
}

/// Plain words that YAML takes for numbers and truth are so in JSON, too; what is quoted stays text.
nlohmann::json json_of(const YAML::Node& value) {
  const bool plain = value.Tag() == "?";
  bool truth = false;
  std::int64_t whole = 0;
  double number = 0;
  if (plain && YAML::convert<bool>::decode(value, truth)) return truth;
  if (plain && YAML::convert<std::int64_t>::decode(value, whole)) return whole;
  if (plain && YAML::convert<double>::decode(value, number)) return number;
  return value.Scalar();
}

}  // namespace

std::string_view nearest(std::string_view name, const std::vector<std::string_view>& names) {
  return *std::ranges::min_element(names, {}, [&](std::string_view each) { return edit_distance(name, each); });
}

/// Looks before it opens: a FIFO would block.
YAML::Node load_yaml(const std::filesystem::path& file) {
  const auto unreadable = [&](const std::string& reason) {
    throw failure(exit_status::no_input, fmt::format("cannot read '{}': {}", file.native(), reason));
  };
  std::error_code ec;
  if (std::filesystem::status(file, ec).type() != std::filesystem::file_type::regular) {
    unreadable(ec ? ec.message() : "it is not a regular file");
  }
  errno = 0;
  std::ifstream stream(file);
  if (!stream) unreadable(std::strerror(errno));
  try {
    return YAML::Load(stream);
  } catch (const YAML::Exception& wrong) {
    refuse_at(file, wrong.mark, fmt::format("this is not YAML: {}", wrong.msg));
  }
}

yaml_map::yaml_map(const std::filesystem::path& file, const YAML::Node& node, std::string what,
                   std::vector<std::string_view> keys)
    : file_(file), node_(node), what_(std::move(what)) {
  if (!node_.IsMap()) refuse(node_, fmt::format("{}: expected a map, that is lines of 'key: value'", what_));
  std::vector<std::string> seen;
  for (const auto& item : node_) {
    if (!item.first.IsScalar()) refuse(item.first, fmt::format("{}: expected a name as the key", what_));
    const std::string& name = item.first.Scalar();
    if (std::ranges::find(seen, name) != seen.end()) {
      refuse(item.first, fmt::format("{}: '{}' stands here a second time", what_, name));
    }
    seen.push_back(name);
    if (keys.empty() || std::ranges::find(keys, name) != keys.end()) continue;
    refuse(item.first, fmt::format("{}: unknown key '{}'; did you mean '{}'? There are: {}", what_, name,
                                   nearest(name, keys), fmt::join(keys, ", ")));
  }
}

void yaml_map::refuse(const YAML::Node& where, std::string_view reason) const {
  refuse_at(file_, where.Mark(), reason);
}

bool yaml_map::has(std::string_view key) const {
  return static_cast<bool>(std::as_const(node_)[std::string(key)]);
}

YAML::Node yaml_map::at(std::string_view key) const {
  if (!has(key)) refuse(node_, fmt::format("{}: '{}' is missing", what_, key));
  return std::as_const(node_)[std::string(key)];
}

std::string yaml_map::scalar(std::string_view key, std::string_view expected) const {
  const YAML::Node value = at(key);
  if (!value.IsScalar()) refuse(value, fmt::format("{}: expected {}", key, expected));
  return value.Scalar();
}

std::string yaml_map::text(std::string_view key) const {
  std::string value = scalar(key, "a text");
  if (value.empty() || value.find('\0') != std::string::npos) refuse(at(key), fmt::format("{}: expected a text", key));
  return value;
}

std::string yaml_map::text(std::string_view key, std::string_view otherwise) const {
  return has(key) ? text(key) : std::string(otherwise);
}

bool yaml_map::flag(std::string_view key, bool otherwise) const {
  bool value = otherwise;
  if (has(key) && !YAML::convert<bool>::decode(at(key), value)) {
    refuse(at(key), fmt::format("{}: expected true or false", key));
  }
  return value;
}

std::int64_t yaml_map::number(std::string_view key, std::int64_t otherwise, std::int64_t least,
                              std::int64_t most) const {
  if (!has(key)) return otherwise;
  std::int64_t value = 0;
  if (!at(key).IsScalar() || !YAML::convert<std::int64_t>::decode(at(key), value) || value < least || value > most) {
    refuse(at(key), fmt::format("{}: expected a whole number from {} to {}", key, least, most));
  }
  return value;
}

std::chrono::milliseconds yaml_map::duration(std::string_view key, std::chrono::milliseconds otherwise) const {
  if (!has(key)) return otherwise;
  constexpr std::string_view expected = "a time such as 500ms, 2s, 10min, 1h";
  const auto value = parse_quantity(scalar(key, expected), time_units);
  constexpr std::uint64_t century = 100ULL * 366 * 86'400'000;
  if (!value || *value > century) refuse(at(key), fmt::format("{}: expected {}", key, expected));
  return std::chrono::milliseconds(*value);
}

std::uint64_t yaml_map::bytes(std::string_view key) const {
  if (!has(key)) return 0;
  constexpr std::string_view expected = "a number of bytes, or a size such as 80GiB";
  const auto value = parse_quantity(scalar(key, expected), byte_units);
  if (!value) refuse(at(key), fmt::format("{}: expected {}", key, expected));
  return *value;
}

std::vector<std::string> yaml_map::words(std::string_view key) const {
  const YAML::Node list = at(key);
  const auto wrong = [&](const YAML::Node& where) {
    refuse(where,
           fmt::format("{}: expected a list of texts, such as [program, argument]; no shell splits a line", key));
  };
  if (!list.IsSequence() || list.size() == 0) wrong(list);
  std::vector<std::string> result;
  for (const auto& word : list) {
    if (!word.IsScalar() || word.Scalar().find('\0') != std::string::npos) wrong(word);
    result.push_back(word.Scalar());
  }
  return result;
}

std::map<std::string, std::string> yaml_map::texts(std::string_view key) const {
  std::map<std::string, std::string> result;
  if (!has(key)) return result;
  const yaml_map values(file_, at(key), std::string(key), {});
  for (const auto& item : values.node()) {
    const std::string& name = item.first.Scalar();
    if (name.empty() || name.find('=') != std::string::npos || name.find('\0') != std::string::npos) {
      refuse(item.first, fmt::format("{}: '{}' can't be a name", key, name));
    }
    if (!item.second.IsScalar() || item.second.Scalar().find('\0') != std::string::npos) {
      refuse(item.second, fmt::format("{}: expected a text for '{}'", key, name));
    }
    result[name] = item.second.Scalar();
  }
  return result;
}

std::string yaml_map::json_object(std::string_view key) const {
  nlohmann::json result = nlohmann::json::object();
  if (!has(key)) return result.dump();
  const yaml_map values(file_, at(key), std::string(key), {});
  for (const auto& item : values.node()) {
    if (!item.second.IsScalar()) {
      refuse(item.second, fmt::format("{}: expected a text, a number or true and false", key));
    }
    result[item.first.Scalar()] = json_of(item.second);
  }
  return result.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace tooling
