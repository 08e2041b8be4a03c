#include "catalogue.hpp"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "fetching/failure.hpp"
#include "fetching/policy.hpp"
#include "fetching/url.hpp"

namespace dataset_cache {
namespace {

using namespace fetching;

bool is_alphanumeric(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/// Names stand in messages and on command lines, so they are kept to what needs no quoting anywhere.
bool is_name(std::string_view text) noexcept {
  const auto allowed = [](char c) { return is_alphanumeric(c) || c == '.' || c == '_' || c == '-'; };
  return !text.empty() && text.size() <= 128 && is_alphanumeric(text.front()) && std::ranges::all_of(text, allowed);
}

/// Turns YAML nodes into data sets; every refusal names file and line.
class reader {
 public:
  explicit reader(const std::filesystem::path& file) : file_(file) {}

  std::vector<data_set> read() const {
    const YAML::Node root = parse();
    if (!root.IsMap()) refuse(root.Mark(), "expected a map from data set names to their properties");
    std::vector<data_set> result;
    for (const auto& item : root) {
      result.push_back(entry(item.first, item.second));
      const auto same = [&](const data_set& other) { return other.name == result.back().name; };
      if (std::ranges::count_if(result, same) > 1) {
        refuse(item.first.Mark(), fmt::format("the name '{}' stands here a second time", result.back().name));
      }
    }
    return result;
  }

 private:
  [[noreturn]] void refuse(const YAML::Mark& mark, const std::string& reason) const {
    throw failure(exit_status::bad_data,
                  fmt::format("catalogue {}:{}: {}", file_.native(), std::max(mark.line, 0) + 1, reason));
  }

  [[noreturn]] void unreadable(const std::string& reason) const {
    throw failure(exit_status::no_input,
                  fmt::format("cannot read catalogue '{}': {}; give the path of a YAML file", file_.native(), reason));
  }

  /// Looks before it opens: a FIFO would block.
  YAML::Node parse() const {
    std::error_code ec;
    const auto kind = std::filesystem::status(file_, ec).type();
    if (kind != std::filesystem::file_type::regular) unreadable(ec ? ec.message() : "it is not a regular file");
    errno = 0;
    std::ifstream stream(file_);
    if (!stream) unreadable(std::strerror(errno));
    try {
      return YAML::Load(stream);
    } catch (const YAML::Exception& wrong) {
      refuse(wrong.mark, fmt::format("this is not YAML: {}", wrong.msg));
    }
  }

  data_set entry(const YAML::Node& name, const YAML::Node& properties) const {
    data_set result;
    if (!name.IsScalar() || !is_name(name.Scalar())) {
      refuse(name.Mark(),
             "expected a name of at most 128 letters, digits, '.', '_' or '-', starting with a letter or "
             "digit");
    }
    result.name = name.Scalar();
    if (!properties.IsMap()) {
      refuse(properties.Mark(), fmt::format("expected properties of '{}', at least 'url: …'", result.name));
    }
    std::vector<std::string> seen;
    for (const auto& item : properties) property(result, seen, item.first, item.second);
    if (result.url.empty()) refuse(name.Mark(), fmt::format("'{}' has no url; add 'url: https://…'", result.name));
    return result;
  }

  void property(data_set& result, std::vector<std::string>& seen, const YAML::Node& key,
                const YAML::Node& value) const {
    const std::string name = key.IsScalar() ? key.Scalar() : "?";
    if (std::ranges::find(seen, name) != seen.end()) {
      refuse(key.Mark(), fmt::format("'{}' stands here a second time for '{}'", name, result.name));
    }
    seen.push_back(name);
    const std::string text = value.IsScalar() ? value.Scalar() : "";
    if (name == "url") {
      result.url = url(value.Mark(), text);
    } else if (name == "sha256") {
      result.sha256 = parse_sha256(text);
      if (!result.sha256) refuse(value.Mark(), "sha256: expected 64 hexadecimal digits");
    } else if (name == "size") {
      result.size = size(value);
    } else if (name == "description") {
      if (!value.IsScalar()) refuse(value.Mark(), "description: expected a text");
      result.description = text;
    } else if (name == "unpack") {
      result.unpack = truth(value);
    } else {
      refuse(key.Mark(), fmt::format("unknown property '{}'; expected url, sha256, size, description or unpack", name));
    }
  }

  std::string url(const YAML::Mark& mark, const std::string& text) const {
    try {
      check_url(text);
    } catch (const failure& wrong) {
      refuse(mark, fmt::format("url: expected an absolute https, http or file URL: {}", wrong.what()));
    }
    return text;
  }

  std::uint64_t size(const YAML::Node& value) const {
    try {
      return value.as<std::uint64_t>();
    } catch (const YAML::Exception&) {
      refuse(value.Mark(), "size: expected a number of bytes");
    }
  }

  bool truth(const YAML::Node& value) const {
    try {
      return value.as<bool>();
    } catch (const YAML::Exception&) {
      refuse(value.Mark(), "unpack: expected true or false");
    }
  }

  const std::filesystem::path& file_;
};

}  // namespace

catalogue::catalogue(const std::filesystem::path& file) : file_(file), data_sets_(reader(file).read()) {}

const data_set& catalogue::find(std::string_view name) const {
  const auto found = std::ranges::find(data_sets_, name, &data_set::name);
  if (found != data_sets_.end()) return *found;
  if (file_.empty()) {
    throw failure(exit_status::usage,
                  fmt::format("'{}' is a name, but there is no catalogue to look it up in; give --catalogue FILE, or "
                              "a URL",
                              name));
  }
  throw failure(exit_status::no_input,
                fmt::format("catalogue '{}' has no data set '{}'; 'list' shows those it has", file_.native(), name));
}

const data_set* catalogue::with_url(std::string_view url) const noexcept {
  const auto found = std::ranges::find(data_sets_, url, &data_set::url);
  return found == data_sets_.end() ? nullptr : &*found;
}

data_set catalogue::resolve(const std::string& name_or_url) const {
  if (!looks_like_url(name_or_url)) return find(name_or_url);
  if (const data_set* known = with_url(name_or_url)) return *known;
  check_url(name_or_url);
  data_set result;
  result.url = name_or_url;
  return result;
}

}  // namespace dataset_cache
