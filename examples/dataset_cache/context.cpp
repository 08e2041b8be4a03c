#include <fmt/format.h>

#include <cstdlib>

#include "command.hpp"

namespace dataset_cache {
namespace {

using namespace fetching;

/// As the XDG base directory specification says: a relative XDG_CACHE_HOME does not count.
std::filesystem::path default_cache_directory() {
  constexpr const char* below = "lockkit/datasets";
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && cache[0] == '/') {
    return std::filesystem::path(cache) / below;
  }
  if (const char* home = std::getenv("HOME"); home != nullptr && home[0] == '/') {
    return std::filesystem::path(home) / ".cache" / below;
  }
  throw failure(exit_status::usage, "neither XDG_CACHE_HOME nor HOME says where to keep the cache; give --cache DIR");
}

}  // namespace

catalogue context::load_catalogue() const {
  return catalogue_file.empty() ? catalogue() : catalogue(catalogue_file);
}

lockkit::mirror_cache context::open_cache() const {
  return lockkit::mirror_cache(cache_directory.empty() ? default_cache_directory() : cache_directory);
}

void context::failed(const std::string& label, const std::exception& why) {
  const std::string_view text = why.what();
  out.say(text.find(label) == std::string_view::npos ? fmt::format("{}: {}", label, text) : std::string(text));
  if (result == exit_status::ok) result = status_of(why);
}

}  // namespace dataset_cache
